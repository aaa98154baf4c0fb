"""Why one looks is asked before anything is opened, and is in the register with the look."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest
import sqlalchemy as sa

from gateway.audit.watching import Watched
from gateway.database.audit_tables import audit_log, shift_purposes
from gateway.identifiers import US_PER_S
from gateway.people.roles import Role
from gateway.settings import AccountabilitySettings
from tests.gateway.api.conftest import County

RANGE = {"start_us": 1, "end_us": 2}
STOLEN = {"code": "lost_property", "text": "电动车被盗"}


def ask(county: County, **settings: Any) -> None:
    """Ask as the settings say; by default as in real use."""
    county.services.settings = county.services.settings.model_copy(
        update={"accountability": AccountabilitySettings(**settings)}
    )


async def open_live(county: County, client: httpx.AsyncClient, **body: Any) -> httpx.Response:
    return await client.post("/api/live", json={"camera_id": county.camera, **body})


async def play_back(county: County, client: httpx.AsyncClient, **body: Any) -> httpx.Response:
    wanted = {"camera_ids": [county.camera], **RANGE, **body}
    return await client.post("/api/playback", json=wanted)


async def records(county: County, action: str) -> list[dict[str, Any]]:
    statement = sa.select(audit_log).where(audit_log.c.action == action)
    async with county.services.reader.connect() as connection:
        found = (await connection.execute(statement.order_by(audit_log.c.sequence))).mappings()
        return [{**row, "detail": json.loads(row["detail"])} for row in found]


@pytest.fixture
async def footage(county: County) -> None:
    """There is a footage server, as far as the API knows."""
    await county.write(
        "processes.report",
        name="footage-1",
        kind="footage",
        node="here",
        process_id=1,
        http_address="127.0.0.1",
        http_port=1,
        started_us=1,
    )


async def test_a_live_view_asks_once_a_shift(county: County) -> None:
    ask(county)
    await county.user("desk", "operator")
    client = await county.sign_in("desk")
    refused = await open_live(county, client)
    assert refused.status_code == 422
    error = refused.json()["error"]
    assert error["code"] == "purpose_required"
    assert {"incident", "patrol", "other"} < set(error["detail"]["codes"])
    assert error["detail"]["text_codes"] == ["other"]
    assert error["detail"]["case_required"] is False
    snapshot = await client.get(f"/api/cameras/{county.camera}/snapshot.jpg")
    assert snapshot.json()["error"]["code"] == "purpose_required"

    # No shard runs here: what passes is 503.
    assert (await open_live(county, client, purpose={"code": "patrol"})).status_code == 503
    assert (await open_live(county, client)).status_code == 503
    snapshot = await client.get(f"/api/cameras/{county.camera}/snapshot.jpg")
    assert snapshot.status_code == 503
    again = await county.sign_in("desk")
    assert (await open_live(county, again)).status_code == 503, "the shift is the person's"
    (stated,) = await records(county, "shift.purpose")
    assert (stated["reason_code"], stated["user_name"]) == ("patrol", "desk")
    assert stated["end_us"] - stated["start_us"] == 12 * 3600 * US_PER_S


async def test_the_same_purpose_said_by_many_tiles_is_one_statement(county: County) -> None:
    ask(county)
    await county.user("desk", "operator")
    client = await county.sign_in("desk")
    for _ in range(3):
        await open_live(county, client, purpose={"code": "patrol"})
    assert len(await records(county, "shift.purpose")) == 1
    await open_live(county, client, purpose={"code": "incident", "text": "打架"})
    assert len(await records(county, "shift.purpose")) == 2
    purposes = (await client.get("/api/purposes")).json()
    assert (purposes["shift"]["code"], purposes["shift"]["text"]) == ("incident", "打架")


async def test_a_shift_ends(county: County) -> None:
    ask(county)
    await county.user("desk", "operator")
    client = await county.sign_in("desk")
    stated = await client.put("/api/purposes/shift", json={"code": "patrol"})
    assert stated.json()["code"] == "patrol"
    assert (await client.delete("/api/purposes/shift")).status_code == 204
    assert (await client.get("/api/purposes")).json()["shift"] is None
    assert (await open_live(county, client)).status_code == 422

    ask(county, shift_hours=1e-12)
    await client.put("/api/purposes/shift", json={"code": "patrol"})
    assert (await open_live(county, client)).status_code == 422


@pytest.mark.parametrize(
    "purpose",
    [None, {"code": "other"}, {"code": "other", "text": " …\u200b "}],
)
async def test_playback_asks_each_time_and_wants_words_for_other(
    county: County, footage: None, purpose: dict[str, str] | None
) -> None:
    ask(county)
    await county.user("desk", "operator")
    client = await county.sign_in("desk")
    assert (await play_back(county, client, purpose=STOLEN)).status_code == 200
    refused = await play_back(county, client, purpose=purpose)
    assert (refused.status_code, refused.json()["error"]["code"]) == (422, "purpose_required")
    assert len(await records(county, "playback.open")) == 1


@pytest.mark.parametrize(
    "purpose",
    [
        {"code": "curiosity"},
        {"code": "other", "text": "x" * 501},
        {"code": "incident", "case_id": "x" * 65},
        {"code": "incident", "why": "?"},
        "incident",
    ],
)
async def test_what_is_no_purpose_is_refused(
    county: County, footage: None, purpose: object
) -> None:
    ask(county)
    await county.user("desk", "operator")
    client = await county.sign_in("desk")
    refused = await play_back(county, client, purpose=purpose)
    assert (refused.status_code, refused.json()["error"]["code"]) == (422, "invalid")


async def test_an_investigator_names_a_case(county: County, footage: None) -> None:
    ask(county)
    await county.user("wang", "investigator")
    client = await county.sign_in("wang")
    refused = await play_back(county, client, purpose=STOLEN)
    assert (refused.status_code, refused.json()["error"]["code"]) == (422, "case_required")
    assert refused.json()["error"]["detail"]["case_required"] is True
    blank = await play_back(county, client, purpose={**STOLEN, "case_id": "  "})
    assert blank.json()["error"]["code"] == "case_required"
    opened = await play_back(county, client, purpose={**STOLEN, "case_id": "A4208-17"})
    assert opened.status_code == 200
    assert (await client.get("/api/purposes")).json()["case_required"] == {
        "live": False,
        "playback": True,
        "search": True,
        "export": True,
    }
    (looked,) = await records(county, "playback.open")
    assert (looked["reason_code"], looked["reason"], looked["case_id"]) == (
        "lost_property",
        "电动车被盗",
        "A4208-17",
    )
    assert (looked["start_us"], looked["end_us"]) == (1, 2)
    assert looked["detail"]["session_id"] == opened.json()["session_id"]


async def test_nothing_is_asked_where_the_settings_say_so(county: County, footage: None) -> None:
    ask(county, live_purpose=False, playback_reason=False)
    await county.user("wang", "investigator")
    client = await county.sign_in("wang")
    assert (await play_back(county, client)).status_code == 200
    assert (await open_live(county, client)).status_code == 503
    # What is said is written all the same.
    await play_back(county, client, purpose=STOLEN)
    assert [one["reason_code"] for one in await records(county, "playback.open")] == [
        None,
        "lost_property",
    ]


async def test_a_demo_asks_for_playback_but_not_for_live(county: County, footage: None) -> None:
    ask(county)
    settings = county.services.settings.model_copy(update={"demo": True})
    county.services.settings = settings
    await county.user("admin", Role.SYSTEM_ADMIN)
    client = await county.sign_in("admin")
    assert (await open_live(county, client)).status_code == 503
    assert (await play_back(county, client)).status_code == 422


async def test_what_was_watched_is_written_once_however_often_it_is_told(county: County) -> None:
    user_id = await county.user("desk", "operator")
    watched = Watched("live", "ses_1", user_id, county.camera, 10, 30, {"seconds": 20})
    message = {
        "report_id": watched.report_id,
        "action": watched.action,
        "session_id": watched.session_id,
        "user_id": watched.user_id,
        "camera_id": watched.camera_id,
        "start_us": watched.start_us,
        "end_us": watched.end_us,
        "detail": watched.detail,
    }
    for _ in range(2):
        await county.write("watching.report", watched=[message])
    (written,) = await records(county, "live.watched")
    assert (written["user_name"], written["start_us"], written["end_us"]) == ("desk", 10, 30)
    assert written["area_path"].startswith(county.root)
    assert written["detail"]["seconds"] == 20


async def test_a_dead_shard_leaves_what_was_watched_up_to_when_it_was_last_seen(
    county: County,
) -> None:
    user_id = await county.user("desk", "operator")
    await county.write(
        "viewing.open",
        records=[],
        id="ses_1",
        user_id=user_id,
        token_hash=None,
        process="shard-1",
        action="live",
        camera_ids=[county.camera],
    )
    await county.write("watching.lost", session_ids=["ses_1"])
    assert await records(county, "live.watched") == [], "it was never seen open"
    await county.write("watching.seen", session_ids=["ses_1"])
    for _ in range(2):
        await county.write("watching.lost", session_ids=["ses_1"])
    (written,) = await records(county, "live.watched")
    assert (written["detail"]["why"], written["detail"]["estimated"]) == ("process_lost", True)


async def test_shifts_keep_their_history(county: County) -> None:
    ask(county)
    await county.user("desk", "operator")
    client = await county.sign_in("desk")
    for code in ("patrol", "incident"):
        await client.put("/api/purposes/shift", json={"code": code})
    async with county.services.reader.connect() as connection:
        rows = (
            await connection.execute(sa.select(shift_purposes).order_by(shift_purposes.c.given_us))
        ).all()
    assert [(row.code, row.ended_us is None) for row in rows] == [
        ("patrol", False),
        ("incident", True),
    ]
