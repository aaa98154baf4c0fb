"""Meetings through the API: who knows of one, who is let in, who commands."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import sqlalchemy as sa

from gateway.api import processes
from gateway.api.withdrawal import Withdrawal
from gateway.database.meeting_tables import meeting_participants, meetings
from gateway.database.tables import viewing_sessions
from gateway.identifiers import now_us
from gateway.people.sign_in import token_hash
from tests.gateway.api.accounts import configure
from tests.gateway.api.conftest import County
from tests.gateway.api.meeting_people import People, meeting_people

HOUR_US = 3_600_000_000


@pytest.fixture
async def people(county: County, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[People]:
    monkeypatch.setattr(processes, "_CONNECT_S", 0.05)
    async with meeting_people(county) as made:
        yield made


async def row(county: County, participant_id: str) -> Any:
    async with county.services.reader.connect() as connection:
        statement = sa.select(meeting_participants).where(
            meeting_participants.c.id == participant_id
        )
        return (await connection.execute(statement)).one()


async def test_a_meeting_is_called_and_its_convener_chairs_it(people: People) -> None:
    at_us = now_us() + HOUR_US
    meeting_id = await people.called(scheduled_us=at_us, lobby=True)
    found = await people.ask(people.chair, "GET", f"/{meeting_id}")
    assert (found["state"], found["scheduled_us"], found["lobby"]) == ("scheduled", at_us, True)
    assert found["area_path"] == ["钟祥县", "石牌镇"]
    (chair,) = found["participants"]
    assert (chair["role"], chair["kind"], chair["name"]) == ("chair", "person", "convener!")
    assert found["you"]["leads"]
    (record,) = await people.register("meeting.create")
    assert meeting_id in record["detail"]
    changed = await people.ask(people.chair, "PATCH", f"/{meeting_id}", title="例会")
    assert changed["title"] == "例会"
    await people.ask(people.chair, "DELETE", f"/{meeting_id}", 204)
    listed = await people.ask(people.chair, "GET", "")
    assert [one["state"] for one in listed["items"]] == ["cancelled"]


async def test_nobody_convenes_elsewhere_or_in_the_past(people: People) -> None:
    form = {"title": "x", "area_id": people.county.other_town}
    await people.ask(people.chair, "POST", "", 404, **form)
    past = {"title": "x", "area_id": people.county.town, "scheduled_us": 1}
    await people.ask(people.chair, "POST", "", 422, **past)


async def test_who_is_not_invited_sees_no_meeting(people: People) -> None:
    meeting_id = await people.called()
    for who in (people.village, people.stranger):
        await people.ask(who, "GET", f"/{meeting_id}", 404)
        await people.ask(who, "POST", f"/{meeting_id}/join", 404)
        assert (await people.ask(who, "GET", ""))["items"] == []
    await people.ask(people.chair, "POST", f"/{meeting_id}/invite", area_ids=[people.county.town])
    seen = await people.ask(people.village, "GET", f"/{meeting_id}")
    assert not seen["you"]["leads"]
    names = [one["name"] for one in seen["participants"]]
    assert names == ["石牌镇", "彭墩村", "convener!"]
    await people.ask(people.stranger, "GET", f"/{meeting_id}", 404)
    # Who convenes or watches a whole county is not each of its villages.
    await people.county.user("watcher", "viewer", people.county.root)
    async with await people.county.sign_in("watcher") as watcher:
        await people.ask(watcher, "GET", f"/{meeting_id}", 404)


async def test_one_invites_only_where_one_convenes(people: People) -> None:
    county = people.county
    meeting_id = await people.called()
    await county.user("wang", "viewer", county.village, home=county.village)
    await county.user("li", "viewer", county.other_town, home=county.other_town)
    invite = f"/{meeting_id}/invite"
    await people.ask(people.chair, "POST", invite, 404, area_ids=[county.other_town])
    await people.ask(people.chair, "POST", invite, 404, area_ids=[county.root])
    await people.ask(people.chair, "POST", invite, 404, user_ids=[county.users["li"]])
    await people.ask(people.chair, "POST", invite, 422)
    await people.ask(people.chair, "POST", invite, 422, sip_uris=["javascript:alert(1)"])
    found = await people.ask(people.chair, "GET", "/people?query=wang")
    assert [one["name"] for one in found["items"]] == ["wang"]
    everybody = await people.ask(people.chair, "GET", "/people")
    assert {one["name"] for one in everybody["items"]} == {"wang", "convener", "tv"}
    # Nothing would ever dial it: said at once, and nobody is invited.
    off = await people.ask(people.chair, "POST", invite, 409, sip_uris=["tel:+867244"])
    assert off["error"]["code"] == "telephones_off"
    assert not (await people.ask(people.chair, "GET", f"/{meeting_id}"))["telephones"]
    sip = county.services.settings.meetings.sip.model_copy(update={"enabled": True})
    configure(county, meetings=county.services.settings.meetings.model_copy(update={"sip": sip}))
    assert (await people.ask(people.chair, "GET", f"/{meeting_id}"))["telephones"]
    added = await people.ask(
        people.chair, "POST", invite,
        user_ids=[county.users["wang"]], sip_uris=["sip:room@10.1.2.3", "tel:+867244"],
    )  # fmt: skip
    assert added["added"] == 3
    everybody = (await people.ask(people.chair, "GET", f"/{meeting_id}"))["participants"]
    dialled = {one["name"] for one in everybody if one["kind"] == "sip"}
    assert dialled == {"room@10.1.2.3", "+867244"}
    again = await people.ask(people.chair, "POST", invite, user_ids=[county.users["wang"]])
    assert again["added"] == 0


async def test_a_camera_is_brought_by_who_may_look_at_it(people: People) -> None:
    county = people.county
    meeting_id = await people.called()
    invite = f"/{meeting_id}/invite"
    # A convener meets and convenes; looking is another right.
    await people.ask(people.chair, "POST", invite, 403, camera_ids=[county.camera])
    await county.write(
        "grants.add", user_id=county.users["convener"], role="viewer", area_id=county.town
    )
    await people.ask(people.chair, "POST", invite, 404, camera_ids=[county.other_camera])
    await people.ask(people.chair, "POST", invite, camera_ids=[county.camera])
    found = await people.ask(people.chair, "GET", f"/{meeting_id}")
    camera = next(one for one in found["participants"] if one["kind"] == "camera")
    assert (camera["camera_id"], camera["name"]) == (county.camera, "村口")
    (record,) = await people.register("meeting.camera")
    assert record["camera_id"] == county.camera


async def test_a_device_is_given_a_key_that_is_told_once(people: People) -> None:
    meeting_id, _ = await people.running()
    invited = await people.ask(
        people.chair, "POST", f"/{meeting_id}/invite", devices=[{"name": "编码器"}]
    )
    (device,) = invited["devices"]
    assert device["participant_id"] == invited["participant_ids"][0]
    found = await row(people.county, device["participant_id"])
    assert (found.kind, found.name, found.token_hash) == (
        "whip", "编码器", token_hash(device["token"]),
    )  # fmt: skip
    seen = await people.ask(people.chair, "GET", f"/{meeting_id}")
    assert device["token"] not in str(seen)
    assert seen["shard"] == "shard-1"


async def test_a_site_joins_by_a_ticket_for_its_seat(people: People) -> None:
    meeting_id, site = await people.running()
    assert (await row(people.county, site)).state == "ringing"
    joined = await people.sits(people.village, meeting_id)
    ticket = people.ticket(joined)
    assert (ticket.action, ticket.meeting_id, ticket.participant_id) == (
        "meeting", meeting_id, site,
    )  # fmt: skip
    assert ticket.session_id == (await row(people.county, site)).session_id
    assert joined["state"] == "admitted"
    assert (await row(people.county, site)).state == "connected"
    (record,) = await people.register("meeting.join")
    assert record["user_name"] == "tv"
    seat = {"participant_id": (await people.ask(people.chair, "GET", f"/{meeting_id}"))["you"]}
    await people.ask(
        people.village, "POST", f"/{meeting_id}/join", 404,
        participant_id=seat["participant_id"]["participant_id"],
    )  # fmt: skip


async def test_who_needs_to_know_of_no_other_is_told_of_their_own_seats(people: People) -> None:
    meeting_id, site = await people.running()
    whole = await people.ask(people.village, "GET", f"/{meeting_id}")
    own = await people.ask(people.village, "GET", f"/{meeting_id}?own=true")
    assert len(whole["participants"]) == 2
    assert [one["id"] for one in own["participants"]] == own["you"]["sites"] == [site]


async def test_nobody_floods_a_meeting_with_words(people: People) -> None:
    meeting_id, _ = await people.running()
    people.county.services.said.limit = 2
    for _ in range(2):
        await people.ask(people.chair, "POST", f"/{meeting_id}/messages", 201, text="水位")
    refused = await people.ask(people.chair, "POST", f"/{meeting_id}/messages", 429, text="水位")
    assert refused["error"]["code"] == "too_many_messages"
    # Others may still speak.
    await people.ask(people.village, "POST", f"/{meeting_id}/messages", 201, text="收到")


async def test_a_meeting_that_does_not_run_is_not_joined(people: People) -> None:
    meeting_id = await people.called()
    refused = await people.ask(people.chair, "POST", f"/{meeting_id}/join", 409)
    assert refused["error"]["code"] == "meeting_not_running"
    meeting_id, _ = await people.running()
    await people.ask(people.chair, "POST", f"/{meeting_id}/end")
    refused = await people.ask(people.chair, "POST", f"/{meeting_id}/join", 409)
    assert refused["error"]["code"] == "meeting_over"


async def test_starting_puts_it_on_the_shard_that_runs_the_least(people: People) -> None:
    first, _ = await people.running()
    await people.county.write(
        "processes.report", name="shard-2", kind="shard", node="here", process_id=2,
        started_us=1, http_address="127.0.0.1", http_port=1,
    )  # fmt: skip
    people.county.services.processes.forget("shard-2")
    second = await people.called()
    started = await people.ask(people.chair, "POST", f"/{second}/start")
    assert started["state"] == "running"
    async with people.county.services.reader.connect() as connection:
        rows = await connection.execute(sa.select(meetings.c.id, meetings.c.shard))
        shards = {one.id: one.shard for one in rows}
    assert shards == {first: "shard-1", second: "shard-2"}


async def test_the_chair_commands_and_a_site_does_not(people: People) -> None:
    meeting_id, site = await people.running()
    await people.sits(people.village, meeting_id)
    orders = (
        "mute_all", "lock", "end", "layout", f"participants/{site}/give_floor",
        f"participants/{site}/pin", f"participants/{site}/role",
    )  # fmt: skip
    bodies: dict[str, dict[str, Any]] = {
        "layout": {"layout": "grid"},
        f"participants/{site}/role": {"role": "co_chair"},
    }
    for order in orders:
        refused = await people.ask(
            people.village, "POST", f"/{meeting_id}/{order}", 403, **bodies.get(order, {})
        )
        assert refused["error"]["code"] == "not_allowed"
        await people.ask(people.stranger, "POST", f"/{meeting_id}/{order}", 404,
                         **bodies.get(order, {}))  # fmt: skip
    after = await people.ask(people.chair, "POST", f"/{meeting_id}/participants/{site}/mute")
    assert after["muted"]
    after = await people.ask(people.chair, "POST", f"/{meeting_id}/participants/{site}/give_floor")
    assert (after["muted"], after["floor_us"] is None) == (False, False)
    pinned = f"/{meeting_id}/participants/{site}/pin"
    await people.ask(people.chair, "POST", pinned, kind="screen")
    state = await people.ask(people.chair, "GET", f"/{meeting_id}")
    assert (state["pinned_id"], state["pinned_kind"]) == (site, "screen")
    polled = await people.ask(
        people.chair, "POST", f"/{meeting_id}/polling", interval_s=5, area_id=people.county.town
    )
    assert polled["polling"]["interval_s"] == 5
    assert (await people.ask(people.chair, "POST", f"/{meeting_id}/polling", interval_s=None))[
        "polling"
    ] is None


async def test_who_is_made_co_chair_commands_and_then_takes_the_chair(people: People) -> None:
    meeting_id, site = await people.running()
    await people.sits(people.village, meeting_id)
    role = f"/{meeting_id}/participants/{site}/role"
    await people.ask(people.chair, "POST", role, role="co_chair")
    locked = await people.ask(people.village, "POST", f"/{meeting_id}/lock")
    assert locked["locked"]
    await people.ask(people.chair, "POST", role, role="chair")
    roles = {
        one["name"]: one["role"]
        for one in (await people.ask(people.chair, "GET", f"/{meeting_id}"))["participants"]
    }
    assert roles == {"彭墩村": "chair", "convener!": "co_chair"}


async def test_hands_queue_in_the_order_they_were_raised(people: People) -> None:
    meeting_id, site = await people.running()
    await people.ask(people.village, "POST", f"/{meeting_id}/raise_hand", 409)
    await people.sits(people.village, meeting_id)
    raised = await people.ask(people.village, "POST", f"/{meeting_id}/raise_hand")
    again = await people.ask(people.village, "POST", f"/{meeting_id}/raise_hand")
    assert raised["hand_us"] == again["hand_us"]
    await people.ask(people.chair, "POST", f"/{meeting_id}/participants/{site}/lower_hand")
    assert (await row(people.county, site)).hand_us is None
    await people.ask(people.village, "POST", f"/{meeting_id}/raise_hand")
    await people.ask(people.chair, "POST", f"/{meeting_id}/lower_hands")
    assert (await row(people.county, site)).hand_us is None


async def test_a_call_is_refused_and_made_again(people: People) -> None:
    meeting_id, site = await people.running()
    refused = await people.ask(
        people.village, "POST", f"/{meeting_id}/participants/{site}/refuse", why="停电"
    )
    assert (refused["state"], refused["refusal"]) == ("refused", "停电")
    await people.ask(people.village, "POST", f"/{meeting_id}/participants/{site}/refuse", 409)
    await people.ask(people.chair, "POST", f"/{meeting_id}/remind")
    called = await row(people.county, site)
    assert (called.state, called.rings) == ("ringing", 2)


async def test_a_guest_comes_by_the_code_and_waits(people: People) -> None:
    meeting_id, village = await people.running()
    link = await people.ask(people.chair, "POST", f"/{meeting_id}/link", 201, expires_in_s=600)
    assert link["path"] == f"/m/{meeting_id}#{link['code']}"
    async with people.county.services.reader.connect() as connection:
        kept = await connection.scalar(sa.select(meetings.c.code_hash))
    assert link["code"] not in str(kept)
    door = f"/{meeting_id}/guests"
    wrong = await people.ask(people.guest, "POST", door, 404, code="AAAAA-AAAAA", name="客")
    assert wrong["error"]["code"] == "wrong_code"
    nowhere = await people.ask(people.guest, "POST", "/mtg_none/guests", 404, code="x", name="客")
    assert nowhere == wrong
    typed = link["code"].lower().replace("-", " ")
    came = await people.ask(people.guest, "POST", door, 201, code=typed, name="省防办")
    joined = await people.ask(people.guest, "POST", f"{door}/join", guest_token=came["guest_token"])
    assert (joined["state"], joined["participant_id"]) == ("lobby", came["participant_id"])
    assert people.ticket(joined).user_id == ""
    await people.ask(people.guest, "POST", f"{door}/join", 404, guest_token="guessed")
    # The key of one meeting opens no other.
    other, _ = await people.running()
    await people.ask(
        people.guest, "POST", f"/{other}/guests/join", 404, guest_token=came["guest_token"]
    )
    key = {"X-Meeting-Guest": came["guest_token"]}
    words, hand = f"/api/meetings{door}/messages", f"/api/meetings{door}/hand"
    waits = await people.guest.post(words, json={"text": "喂"}, headers=key)
    assert waits.json()["error"]["code"] == "join_first"
    await people.ask(people.chair, "POST", f"/{meeting_id}/admit")
    # Only who is in the lobby as the room sees them; it has not said so yet.
    guest = f"/{meeting_id}/participants/{came['participant_id']}"
    await people.ask(people.chair, "POST", f"{guest}/admit")
    again = await people.ask(people.guest, "POST", f"{door}/join", guest_token=came["guest_token"])
    assert again["state"] == "admitted"
    await people.county.write(
        "meetings.arrived", participant_id=again["participant_id"],
        session_id=again["session_id"], at_us=now_us(),
    )  # fmt: skip
    said = await people.guest.post(words, json={"text": "到了"}, headers=key)
    assert (said.status_code, said.json()["name"]) == (201, "省防办")
    only = {"text": "给主席", "to_participant_id": again["participant_id"]}
    await people.ask(people.chair, "POST", f"/{meeting_id}/messages", 201, **only)
    await people.ask(
        people.chair, "POST", f"/{meeting_id}/messages", 201, text="给村里",
        to_participant_id=village,
    )  # fmt: skip
    heard = (await people.guest.get(words, headers=key)).json()["items"]
    assert [one["text"] for one in heard] == ["到了", "给主席"]
    raised = await people.guest.post(hand, json={"raised": True}, headers=key)
    assert raised.status_code == 204
    assert (await row(people.county, again["participant_id"])).hand_us is not None
    people.county.services.guests_joining.limit = 1
    often = {"guest_token": came["guest_token"]}
    await people.ask(people.guest, "POST", f"{door}/join", 429, **often)
    people.county.services.said.limit = 1
    flood = await people.guest.post(words, json={"text": "喂"}, headers=key)
    assert (flood.status_code, flood.json()["error"]["code"]) == (429, "too_many_messages")
    # Who has gone reads no more of what is said, until they are back.
    await people.county.write(
        "meetings.departed", participant_id=again["participant_id"],
        session_id=again["session_id"], at_us=now_us(), reason="closed",
    )  # fmt: skip
    for gone in (
        await people.guest.get(words, headers=key),
        await people.guest.post(words, json={"text": "喂"}, headers=key),
        await people.guest.post(hand, json={"raised": True}, headers=key),
    ):
        assert (gone.status_code, gone.json()["error"]["code"]) == (409, "join_first")
    guessed = await people.guest.get(words, headers={"X-Meeting-Guest": "guessed"})
    assert guessed.status_code == 404
    await people.ask(people.chair, "POST", f"{guest}/remove")
    await people.ask(people.guest, "POST", f"{door}/join", 404, guest_token=came["guest_token"])
    await people.ask(people.chair, "DELETE", f"/{meeting_id}/link", 204)
    await people.ask(people.guest, "POST", door, 404, code=link["code"], name="客")


async def test_who_has_an_account_comes_by_the_code_too_and_waits(people: People) -> None:
    meeting_id, _ = await people.running()
    link = await people.ask(people.chair, "POST", f"/{meeting_id}/link", 201)
    join = f"/{meeting_id}/join"
    await people.ask(people.stranger, "POST", join, 404, code="AAAAA-AAAAA")
    joined = await people.ask(people.stranger, "POST", join, code=link["code"])
    assert joined["state"] == "lobby"
    for body in ({"code": link["code"]}, {}):
        again = await people.ask(people.stranger, "POST", join, **body)
        assert (again["participant_id"], again["state"]) == (joined["participant_id"], "lobby")
    # Whoever is invited needs no code, and waits no more for having typed one.
    assert (await people.ask(people.village, "POST", join, code=link["code"]))["state"] == (
        "admitted"
    )
    seat = f"/{meeting_id}/participants/{joined['participant_id']}"
    await people.ask(people.chair, "POST", f"{seat}/remove")
    refused = await people.ask(people.stranger, "POST", join, 403, code=link["code"])
    assert refused["error"]["code"] == "removed"


async def test_the_code_opens_the_lobby_and_no_paper_of_the_meeting(people: People) -> None:
    meeting_id, _ = await people.running()
    door = f"/api/meetings/{meeting_id}"
    link = await people.ask(people.chair, "POST", f"/{meeting_id}/link", 201)
    call = await people.ask(people.chair, "POST", f"/{meeting_id}/roll-calls", 201)
    handed = await people.chair.post(f"{door}/files?name=a.txt", content=b"secret")
    assert handed.status_code == 201, handed.text
    joined = await people.ask(people.stranger, "POST", f"/{meeting_id}/join", code=link["code"])
    papers = (
        "", "/messages", "/files", f"/files/{handed.json()['id']}", "/agenda", "/minutes",
        "/roll-calls", f"/roll-calls/{call['id']}",
    )  # fmt: skip
    for paper in (*papers, "/recordings"):
        answer = await people.stranger.get(f"{door}{paper}")
        assert answer.status_code == 404, (paper, answer.text)
    seat = f"participants/{joined['participant_id']}"
    for order, body in (
        ("messages", {"text": "喂"}), ("raise_hand", {}), ("answer", {}), ("lock", {}),
        (f"{seat}/refuse", {}),
    ):  # fmt: skip
        await people.ask(people.stranger, "POST", f"/{meeting_id}/{order}", 404, **body)
    left = await people.stranger.post(f"{door}/files?name=b.txt", content=b"x")
    assert left.status_code == 404
    assert (await people.ask(people.stranger, "GET", ""))["items"] == []
    await people.ask(people.chair, "POST", f"/{meeting_id}/{seat}/admit")
    for paper in papers:
        answer = await people.stranger.get(f"{door}{paper}")
        assert answer.status_code == 200, (paper, answer.text)


@pytest.mark.parametrize("removed", [False, True])
async def test_who_came_by_the_code_and_is_invited_by_name_is_as_invited_as_anybody(
    people: People, removed: bool
) -> None:
    county = people.county
    meeting_id, _ = await people.running()
    link = await people.ask(people.chair, "POST", f"/{meeting_id}/link", 201)
    wang = await county.user("wang", "site", county.other_town, home=county.village)
    async with await county.sign_in("wang") as client:
        joined = await people.ask(client, "POST", f"/{meeting_id}/join", code=link["code"])
        if removed:
            seat = f"participants/{joined['participant_id']}"
            await people.ask(people.chair, "POST", f"/{meeting_id}/{seat}/remove")
        await people.ask(client, "GET", f"/{meeting_id}/messages", 404)
        invited = await people.ask(people.chair, "POST", f"/{meeting_id}/invite", user_ids=[wang])
        assert invited["participant_ids"] == [joined["participant_id"]]
        await people.ask(client, "GET", f"/{meeting_id}/messages")
        again = await people.ask(client, "POST", f"/{meeting_id}/join")
        assert (again["participant_id"], again["state"]) == (joined["participant_id"], "admitted")


async def test_guessing_codes_is_slowed_down(people: People) -> None:
    meeting_id, _ = await people.running()
    people.county.services.codes_tried.limit = 3
    door = f"/{meeting_id}/guests"
    for _ in range(3):
        await people.ask(people.guest, "POST", door, 404, code="x", name="客")
    answer = await people.ask(people.guest, "POST", door, 429, code="x", name="客")
    assert answer["error"]["detail"]["retry_after_s"] > 0
    assert len(await people.register("meeting.code_refused")) == 1


async def test_one_address_that_guesses_shuts_the_door_for_itself_alone(people: People) -> None:
    services = people.county.services
    meeting_id, _ = await people.running()
    code = (await people.ask(people.chair, "POST", f"/{meeting_id}/link", 201))["code"]
    door = f"/{meeting_id}/guests"
    for _ in range(services.codes_tried.limit):
        await people.ask(people.guest, "POST", door, 404, code="x", name="客")
    await people.ask(people.guest, "POST", door, 429, code=code, name="客")
    transport = httpx.ASGITransport(people.county.app, client=("10.1.2.3", 1))
    headers = {"X-Gridsight": "1"}
    async with httpx.AsyncClient(
        transport=transport, base_url="http://gridsight.test", headers=headers
    ) as elsewhere:
        await people.ask(elsewhere, "POST", door, 201, code=code, name="客")
        # Good ones count for nobody else; wrong ones from everywhere do, in the end.
        services.codes_wrong.limit = services.codes_tried.limit + 1
        for _ in range(2):
            await people.ask(elsewhere, "POST", door, 201, code=code, name="客")
        await people.ask(elsewhere, "POST", door, 404, code="x", name="客")
        await people.ask(elsewhere, "POST", door, 429, code=code, name="客")


async def test_who_loses_the_right_loses_the_seat(people: People) -> None:
    meeting_id, _ = await people.running()
    joined = await people.sits(people.village, meeting_id)
    watch = Withdrawal(people.county.services)
    assert await watch.look() == []
    async with people.county.services.reader.connect() as connection:
        grant = await connection.scalar(
            sa.text("SELECT id FROM grants WHERE user_id = :user"),
            {"user": people.county.users["tv"]},
        )
    # They may meet elsewhere still: it was for this site that they sat here.
    await people.county.write(
        "grants.add", user_id=people.county.users["tv"], role="site", area_id=people.county.town
    )
    await people.county.write("grants.withdraw", grant_id=grant)
    assert await watch.look() == [joined["session_id"]]
    async with people.county.services.reader.connect() as connection:
        ended = await connection.scalar(
            sa.select(viewing_sessions.c.ended_us).where(
                viewing_sessions.c.id == joined["session_id"]
            )
        )
    assert ended is not None
    (record,) = await people.register("session.withdrawn")
    assert "meeting" in record["detail"]
