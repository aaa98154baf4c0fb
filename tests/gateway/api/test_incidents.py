"""Incidents by HTTP: who sees which, who may do what, and how pages walk through many."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
import sqlalchemy as sa

from gateway.api.incident_clock import turn_lights
from gateway.database.evidence_tables import holds
from gateway.database.incident_tables import incident_areas, incident_categories, incidents
from gateway.identifiers import US_PER_S, now_us
from gateway.incidents import reading
from tests.gateway.api.accounts import alter, audited
from tests.gateway.api.conftest import County

HOUR_US = 3600 * US_PER_S


@dataclass
class Command:
    """A desk of the county, a village committee with one member, the waterworks, an inspector."""

    county: County
    village_unit: str = ""
    water_unit: str = ""
    clients: dict[str, httpx.AsyncClient] = field(default_factory=dict)

    async def open(self, **fields: Any) -> dict[str, Any]:
        form = {
            "origin": "call",
            "origin_id": f"call-{fields.get('title')}",
            "area_id": self.county.village,
            "title": "井盖丢失",
            "reporter_name": "李四",
            "reporter_phone": "13900000000",
            **fields,
        }
        answer = await self.clients["desk"].post("/api/incidents", json=form)
        assert answer.status_code == 201, answer.text
        opened: dict[str, Any] = answer.json()
        return opened

    async def take(self, who: str, incident_id: str, kind: str, **fields: Any) -> httpx.Response:
        return await self.clients[who].post(
            f"/api/incidents/{incident_id}/steps", json={"kind": kind, **fields}
        )

    async def listed(self, who: str, **query: Any) -> list[str]:
        answer = await self.clients[who].get("/api/incidents", params=query)
        assert answer.status_code == 200, answer.text
        return [one["title"] for one in answer.json()["items"]]


@pytest.fixture
async def command(county: County) -> AsyncIterator[Command]:
    people = {
        "desk": ("agent", "*"),
        "clerk": ("operator", county.village),
        "plumber": ("handler", county.root),
        "looker": ("inspector", county.town),
        "elsewhere": ("agent", county.other_town),
    }
    for name, (role, area_id) in people.items():
        await county.user(name, role, area_id)

    async def unit(name: str, area_id: str, member: str) -> str:
        columns = {"name": name, "area_id": area_id, "parent_id": None, "category_ids": None}
        made = await county.write(
            "units.put", unit_id=None, columns=columns, member_ids=[county.users[member]]
        )
        return str(made)

    made = Command(county)
    made.village_unit = await unit("彭墩村委会", county.village, "clerk")
    made.water_unit = await unit("自来水公司", county.other_town, "plumber")
    made.clients = {name: await county.sign_in(name) for name in people}
    yield made
    for client in made.clients.values():
        await client.aclose()


async def test_an_alarm_becomes_an_incident_that_is_handled_and_rated(command: Command) -> None:
    opened = await command.open()
    assert (opened["state"], opened["light"]) == ("assigned", "green")
    assert opened["unit"]["name"] == "彭墩村委会"
    incident = opened["id"]
    for kind, words in (("accept", ""), ("arrive", ""), ("answer", "已补上")):
        assert (await command.take("clerk", incident, kind, words=words)).status_code == 200
    assert (await command.take("desk", incident, "close", result="settled")).status_code == 200
    rated = await command.take("desk", incident, "rate", rating=4, words="还行")
    assert rated.status_code == 200
    detail = (await command.clients["looker"].get(f"/api/incidents/{incident}")).json()
    assert (detail["state"], detail["rating"], detail["resolved_late"]) == ("closed", 4, False)
    assert [one["kind"] for one in detail["history"]][-2:] == ["close", "rate"]
    assert detail["steps"] == []
    assert len(await audited(command.county, "incident.close")) == 1


async def test_each_sees_what_is_theirs(command: Command) -> None:
    await command.open(title="村里的")
    await command.open(title="镇上的", area_id=command.county.other_town)
    assert set(await command.listed("desk")) == {"村里的", "镇上的"}
    assert await command.listed("clerk") == ["村里的"]
    assert await command.listed("looker") == ["村里的"]
    # They may read nothing there, but it is theirs to do.
    assert await command.listed("plumber") == ["镇上的"]


async def test_a_reader_changes_nothing_and_is_told_no_telephone(command: Command) -> None:
    opened = await command.open()
    seen = (await command.clients["looker"].get(f"/api/incidents/{opened['id']}")).json()
    assert seen["reporter_phone"] is None
    assert (await command.take("looker", opened["id"], "accept")).status_code == 403
    handled = (await command.clients["clerk"].get(f"/api/incidents/{opened['id']}")).json()
    assert handled["reporter_phone"] == "13900000000"
    answer = await command.clients["elsewhere"].get(f"/api/incidents/{opened['id']}")
    assert answer.status_code == 404


async def test_what_cannot_be_done_now_is_said_so(command: Command) -> None:
    opened = await command.open()
    refused = await command.take("clerk", opened["id"], "answer", words="")
    assert (refused.status_code, refused.json()["error"]["message"]) == (422, "say why")
    refused = await command.take("desk", opened["id"], "reopen", words="x")
    assert refused.json()["error"]["code"] == "conflict"
    stale = await command.take("desk", opened["id"], "urge", version=opened["version"] + 7)
    assert stale.status_code == 409


async def test_footage_is_attached_by_who_may_look_at_it_and_is_held(command: Command) -> None:
    opened = await command.open()
    footage = {
        "kind": "footage",
        "subject_id": command.county.camera,
        "start_us": 1_000_000,
        "end_us": 61_000_000,
    }
    taken = await command.take("clerk", opened["id"], "attach", attachments=[footage])
    assert taken.status_code == 200, taken.text
    async with command.county.services.reader.connect() as connection:
        held = (await connection.execute(sa.select(holds))).one()
    assert (held.camera_id, held.start_us, held.end_us) == (
        command.county.camera, 1_000_000, 61_000_000,
    )  # fmt: skip
    detail = (await command.clients["clerk"].get(f"/api/incidents/{opened['id']}")).json()
    assert [(one["kind"], one["name"]) for one in detail["attachments"]] == [("footage", "村口")]
    elsewhere = footage | {"subject_id": command.county.other_camera}
    refused = await command.take("clerk", opened["id"], "attach", attachments=[elsewhere])
    assert refused.status_code == 404


async def test_words_are_words(command: Command) -> None:
    html = "<img src=x onerror=alert(1)>&amp;"
    opened = await command.open(title=html, words=html, place=html)
    assert (opened["title"], opened["words"]) == (html, html)
    assert await command.listed("desk", query="onerror") == [html]


async def test_a_light_that_turns_is_told_by_the_leader(command: Command) -> None:
    opened = await command.open()
    alter(
        command.county,
        sa.update(incidents).where(incidents.c.id == opened["id"]).values(red_us=now_us() - 1),
    )
    await turn_lights(command.county.services)
    detail = (await command.clients["desk"].get(f"/api/incidents/{opened['id']}")).json()
    assert (detail["light"], detail["history"][-1]["kind"]) == ("red", "turned_red")
    assert await command.listed("desk", light="red") == ["井盖丢失"]
    answer = await command.clients["desk"].get("/api/incidents")
    assert answer.json()["lights"] == {"green": 0, "yellow": 0, "red": 1, "paused": 0}


async def test_news_reach_those_who_may_see_it(command: Command) -> None:
    heard: list[Any] = []
    watch = command.county.services.incidents
    await watch.look_once()
    with watch.listening(heard.append):
        opened = await command.open()
        await watch.look_once()
        await watch.look_once()
        assert [one.document["id"] for one in heard] == [opened["id"]]
        await command.take("clerk", opened["id"], "accept")
        await watch.look_once()
        assert heard[-1].document["state"] == "accepted"
    (clerk,) = heard[-1].user_ids
    assert clerk == command.county.users["clerk"]


async def test_a_page_says_how_far_it_looked(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "_LOOKED_AT", (2, 5))
    category = await _category(command)
    for number in range(12):
        words = "找的就是它" if number == 0 else "别的"
        _closed(command.county, category, number, words)
    found, cursor, pages = [], None, 0
    while True:
        query: dict[str, Any] = {"query": "就是它"}
        if cursor is not None:
            query["cursor"] = cursor
        page = (await command.clients["desk"].get("/api/incidents", params=query)).json()
        found += [one["number"] for one in page["items"]]
        pages += 1
        cursor = page["next_cursor"]
        if cursor is None:
            break
        assert page["looked_back_to_us"] is not None
    assert found == ["2020-000000"]
    assert pages == 3


async def test_statistics_count_what_was_closed_in_time(command: Command) -> None:
    opened = await command.open()
    await command.take("clerk", opened["id"], "answer", words="好了")
    await command.take("desk", opened["id"], "close", result="settled")
    await command.open(title="还在办")
    query: dict[str, Any] = {"start_us": 0, "end_us": now_us() + HOUR_US}
    for by, name in (("area", "钟祥县"), ("unit", "彭墩村委会"), ("category", "其他")):
        answer = await command.clients["desk"].get(
            "/api/incident-statistics", params={**query, "by": by}
        )
        (row,) = answer.json()["items"]
        assert (row["name"], row["opened"], row["closed"]) == (name, 2, 1)
        assert (row["on_time"], row["under_way"]) == (1, 1)
    sheet = await command.clients["desk"].get(
        "/api/incident-statistics/sheet", params={**query, "by": "unit"}
    )
    assert "彭墩村委会,2,1,1" in sheet.content.decode("utf-8-sig")


async def _category(command: Command) -> str:
    await command.county.write("incident_categories.seed")
    async with command.county.services.reader.connect() as connection:
        return str(await connection.scalar(sa.select(incident_categories.c.id).limit(1)))


def _closed(county: County, category_id: str, number: int, words: str) -> None:
    row = {
        "id": f"inc_{number:03d}", "number": f"2020-{number:06d}", "version": 1, "changed_us": 1,
        "origin": "call", "origin_id": f"old-{number}", "state": "closed", "title": "旧事",
        "words": words, "category_id": category_id, "priority": "normal",
        "area_id": county.village, "area_path": f"{county.root}/{county.town}/{county.village}/",
        "place": "", "reporter_name": "", "reporter_phone": "", "opened_us": 1000 + number,
        "opened_name": "", "search_text": words,
        "closed_us": 5000, "suspensions": [], "extended_us": 0, "urges": 0,
        "told_light": "green",
    }  # fmt: skip
    alter(county, sa.insert(incidents).values(row))
    for area_id in (county.root, county.town, county.village):
        lies = {"area_id": area_id, "opened_us": row["opened_us"], "incident_id": row["id"]}
        alter(county, sa.insert(incident_areas).values(lies))
