"""Recordings of meetings: who switches them on, who finds and plays them, who gets a pass."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
import sqlalchemy as sa

from gateway.api.withdrawal import Withdrawal
from gateway.database.engine import create_writer_engine
from gateway.database.meeting_tables import meeting_participants
from gateway.database.tables import viewing_sessions
from gateway.identifiers import now_us
from recorder.tables import held_ranges
from tests.gateway.api.conftest import County
from tests.gateway.api.meeting_people import SHARD, People, meeting_people

HOUR_US = 3_600_000_000


@pytest.fixture
async def people(county: County) -> AsyncIterator[People]:
    async with meeting_people(county) as found:
        yield found


async def recorded(people: People) -> tuple[str, str]:
    """A running meeting that is recorded by its shard; its id and the recording's."""
    meeting_id, site = await people.running()
    recording = await people.ask(people.chair, "POST", f"/{meeting_id}/recordings", 201)
    for kind, participant_id in (("program", None), ("microphone", site)):
        stream_id = "/".join(one for one in (meeting_id, participant_id, kind) if one)
        await people.county.write(
            "meetings.own_track", meeting_id=meeting_id, stream_id=stream_id, kind=kind,
            participant_id=participant_id, codec="x", shard=SHARD, at_us=now_us(),
        )  # fmt: skip
    return meeting_id, recording["id"]


async def with_footage_server(people: People) -> None:
    await people.county.write(
        "processes.report", name="footage-1", kind="footage", node="here", process_id=1,
        http_address="127.0.0.1", http_port=1, started_us=1,
    )  # fmt: skip
    people.county.services.processes._known_until = 0.0


async def test_recording_is_switched_on_and_off_by_who_leads(people: People) -> None:
    meeting_id, _ = await people.running()
    await people.ask(people.village, "POST", f"/{meeting_id}/recordings", 403)
    await people.ask(people.stranger, "POST", f"/{meeting_id}/recordings", 404)
    first = await people.ask(people.chair, "POST", f"/{meeting_id}/recordings", 201)
    again = await people.ask(people.chair, "POST", f"/{meeting_id}/recordings", 201)
    assert (again["id"], again["ended_us"]) == (first["id"], None)
    await people.ask(people.chair, "POST", f"/{meeting_id}/recordings/stop", 204)
    (listed,) = (await people.ask(people.chair, "GET", f"/{meeting_id}/recordings"))["items"]
    assert listed["ended_us"] is not None
    records = await people.register("meeting.record")
    assert [json.loads(row["detail"])["on"] for row in records] == [True, True, False]


async def test_a_meeting_that_does_not_run_is_not_recorded(people: People) -> None:
    meeting_id = await people.called()
    refused = await people.ask(people.chair, "POST", f"/{meeting_id}/recordings", 409)
    assert refused["error"]["code"] == "meeting_not_running"


async def test_a_recording_is_played_by_its_tracks_and_every_look_is_on_record(
    people: People,
) -> None:
    meeting_id, recording_id = await recorded(people)
    await with_footage_server(people)
    path = f"/{meeting_id}/recordings/{recording_id}/playback"
    session = await people.ask(people.chair, "POST", path)
    ticket = people.county.services.signer.verify(session["ticket"])
    assert ticket.camera_ids == (f"{meeting_id}.program",)
    assert (ticket.action, ticket.may_lift_masks) == ("playback", False)
    base_url = f"/s/footage-1/playback/{meeting_id}.program"
    assert session["cameras"] == [{"camera_id": f"{meeting_id}.program", "base_url": base_url}]
    (record,) = await people.register("meeting.play")
    assert json.loads(record["detail"])["recording"] == recording_id
    assert record["start_us"] == session["start_us"] == ticket.start_us
    document = await people.ask(people.chair, "GET", f"/{meeting_id}/recordings/{recording_id}")
    voices = [one["footage_id"] for one in document["tracks"] if one["kind"] == "microphone"]
    chosen = await people.ask(people.chair, "POST", path, footage_ids=voices)
    assert [one["camera_id"] for one in chosen["cameras"]] == voices
    await people.ask(people.chair, "POST", path, 404, footage_ids=[people.county.camera])
    await people.ask(people.chair, "POST", path, 404, footage_ids=["mtg_other.program"])


async def test_who_was_invited_is_told_to_ask_and_strangers_know_of_nothing(
    people: People,
) -> None:
    meeting_id, recording_id = await recorded(people)
    path = f"/{meeting_id}/recordings/{recording_id}/playback"
    await people.ask(people.village, "POST", path, 403)
    await people.ask(people.stranger, "POST", path, 404)
    await people.ask(people.guest, "POST", path, 401)
    assert await found_by(people.village) == []
    assert await found_by(people.chair) == [recording_id]


async def found_by(client: Any) -> list[str]:
    answer = await client.get("/api/meeting-recordings")
    assert answer.status_code == 200, answer.text
    return [one["id"] for one in answer.json()["items"]]


@pytest.mark.parametrize("of_old", [False, True])
async def test_a_co_chair_who_was_taken_out_decides_about_no_recording(
    people: People, of_old: bool
) -> None:
    """``of_old``: as rows are in which somebody was taken out and still called a co-chair."""
    county = people.county
    meeting_id, recording_id = await recorded(people)
    await with_footage_server(people)
    wang = await county.user("wang", "site", county.other_town, home=county.village)
    invited = await people.ask(people.chair, "POST", f"/{meeting_id}/invite", user_ids=[wang])
    seat = f"/{meeting_id}/participants/{invited['participant_ids'][0]}"
    await people.ask(people.chair, "POST", f"{seat}/role", role="co_chair")
    path = f"/{meeting_id}/recordings/{recording_id}"
    watch = Withdrawal(county.services)
    async with await county.sign_in("wang") as client:
        assert await found_by(client) == [recording_id]
        session = await people.ask(client, "POST", f"{path}/playback")
        assert await watch.look() == []
        await people.ask(people.chair, "POST", f"{seat}/remove")
        if of_old:
            engine = create_writer_engine(county.services.settings)
            with engine.begin() as connection:
                connection.execute(
                    sa.update(meeting_participants)
                    .where(meeting_participants.c.state == "removed")
                    .values(role="co_chair")
                )
            engine.dispose()
        assert await watch.look() == [session["session_id"]]
        assert await found_by(client) == []
        await people.ask(client, "POST", f"{path}/playback", 404)
        await people.ask(client, "PUT", f"{path}/hold", 404, reason="诉讼")
        await people.ask(client, "GET", f"/{meeting_id}/passes", 404)
        # Invited again they come as anybody does.
        await people.ask(people.chair, "POST", f"/{meeting_id}/invite", user_ids=[wang])
        again = await people.ask(client, "GET", f"/{meeting_id}")
        assert (again["you"]["role"], again["you"]["leads"]) == ("site", False)
        assert await found_by(client) == []


async def test_a_pass_lets_an_area_watch_until_it_is_ended(people: People) -> None:
    meeting_id, recording_id = await recorded(people)
    await with_footage_server(people)
    (passed,) = (
        await people.ask(
            people.chair, "POST", f"/{meeting_id}/passes", 201,
            area_ids=[people.county.village], reason="学习", live=True,
            expires_us=now_us() + HOUR_US,
        )
    )["items"]  # fmt: skip
    assert passed["area_path"][-1] == "彭墩村"
    assert await found_by(people.village) == [recording_id]
    assert (await people.ask(people.village, "GET", f"/{meeting_id}"))["recordings"] == 1
    path = f"/{meeting_id}/recordings/{recording_id}"
    assert (await people.ask(people.village, "GET", path))["can"] == ["play"]
    session = await people.ask(people.village, "POST", f"{path}/playback")
    await people.ask(people.stranger, "POST", f"{path}/playback", 404)
    await people.ask(people.village, "GET", f"/{meeting_id}/passes", 403)
    watch = Withdrawal(people.county.services)
    assert await watch.look() == []
    await people.ask(people.chair, "DELETE", f"/{meeting_id}/passes/{passed['id']}", 204)
    assert await watch.look() == [session["session_id"]]
    async with people.county.services.reader.connect() as connection:
        (row,) = (await connection.execute(sa.select(viewing_sessions))).all()
    assert row.ended_us is not None
    assert await found_by(people.village) == []
    assert (await people.ask(people.village, "GET", f"/{meeting_id}"))["recordings"] == 0
    await people.ask(people.village, "POST", f"{path}/playback", 403)
    (_,) = await people.register("meeting.pass")
    (_,) = await people.register("meeting.unpass")


async def test_a_pass_ends_by_itself_while_it_is_watched(
    people: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    meeting_id, recording_id = await recorded(people)
    await with_footage_server(people)
    expires_us = now_us() + HOUR_US
    await people.ask(
        people.chair, "POST", f"/{meeting_id}/passes", 201,
        area_ids=[people.county.village], reason="学习", expires_us=expires_us, live=True,
    )  # fmt: skip
    path = f"/{meeting_id}/recordings/{recording_id}/playback"
    session = await people.ask(people.village, "POST", path)
    watch = Withdrawal(people.county.services)
    monkeypatch.setattr("gateway.api.withdrawal.now_us", lambda: expires_us - 1)
    assert await watch.look() == []
    monkeypatch.setattr("gateway.api.withdrawal.now_us", lambda: expires_us)
    assert await watch.look() == [session["session_id"]]


@pytest.mark.parametrize("days", [-1, 0, 367])
async def test_a_pass_needs_an_end_within_a_year(people: People, days: int) -> None:
    meeting_id, _ = await recorded(people)
    await people.ask(
        people.chair, "POST", f"/{meeting_id}/passes", 422,
        area_ids=[people.county.village], reason="学习", expires_us=now_us() + days * 24 * HOUR_US,
    )  # fmt: skip


async def test_a_hold_covers_every_track_and_is_on_record(people: People) -> None:
    meeting_id, recording_id = await recorded(people)
    path = f"/{meeting_id}/recordings/{recording_id}/hold"
    await people.ask(people.village, "PUT", path, 404, reason="诉讼")
    held = await people.ask(people.chair, "PUT", path, reason="诉讼")
    assert held["held"]["reason"] == "诉讼"
    async with people.county.services.reader.connect() as connection:
        (row,) = (await connection.execute(sa.select(held_ranges))).all()
    assert row.camera_id == meeting_id
    await people.ask(people.chair, "PUT", path, 409, reason="诉讼")
    released = await people.ask(people.chair, "DELETE", path)
    assert released["held"] is None
    (_,) = await people.register("meeting.hold")
    (_,) = await people.register("meeting.release")


async def test_chapters_are_the_floors_history(people: People) -> None:
    meeting_id, recording_id = await recorded(people)
    begun_us = (await people.ask(people.chair, "GET", f"/{meeting_id}/recordings/{recording_id}"))[
        "started_us"
    ]
    members = (await people.ask(people.chair, "GET", f"/{meeting_id}"))["participants"]
    village = next(one for one in members if one["kind"] == "site")
    for at_us, who in ((begun_us - 5, village["id"]), (begun_us + 10, None)):
        await people.county.write(
            "meetings.program", meeting_id=meeting_id, participant_id=who, kind="camera",
            why="floor" if who else "", at_us=at_us,
        )  # fmt: skip
    document = await people.ask(people.chair, "GET", f"/{meeting_id}/recordings/{recording_id}")
    (chapter,) = document["chapters"]
    assert (chapter["start_us"], chapter["end_us"]) == (begun_us, begun_us + 10)
    assert (chapter["name"], chapter["why"]) == (village["name"], "floor")


async def test_the_mp4_is_ordered_and_taken_away_by_who_leads(people: People) -> None:
    meeting_id, recording_id = await recorded(people)
    await with_footage_server(people)
    path = f"/{meeting_id}/recordings/{recording_id}"
    await people.ask(people.chair, "POST", f"{path}/render", 409)
    await people.ask(people.chair, "POST", f"/{meeting_id}/end")
    await people.ask(
        people.chair, "POST", f"/{meeting_id}/passes", 201,
        area_ids=[people.county.village], reason="学习", expires_us=now_us() + HOUR_US,
    )  # fmt: skip
    # Who may watch may not take away.
    for what in ("render", "download"):
        await people.ask(people.village, "POST", f"{path}/{what}", 403)
        await people.ask(people.stranger, "POST", f"{path}/{what}", 404)
    ordered = await people.ask(people.chair, "POST", f"{path}/render", layout="beside")
    assert (ordered["render"]["state"], ordered["render"]["layout"]) == ("queued", "beside")
    await people.ask(people.chair, "POST", f"{path}/render", 409)
    await people.ask(people.chair, "POST", f"{path}/download", 409)
    await people.county.write("meetings.claim_render", process="footage-1")
    assert await people.county.write(
        "meetings.finish_render", recording_id=recording_id, process="footage-1",
        key="meetings/x.mp4", size_bytes=5, sha256="0" * 64,
    )  # fmt: skip
    made = (await people.ask(people.chair, "GET", path))["render"]
    assert (made["state"], made["bytes"], made["done_us"]) == ("done", 5, made["total_us"])
    url = (await people.ask(people.chair, "POST", f"{path}/download"))["url"]
    assert url.startswith(f"/s/footage-1/renders/{recording_id}.mp4?ticket=")
    ticket = people.county.services.signer.verify(url.partition("ticket=")[2])
    assert (ticket.action, ticket.package) == ("export", f"render/{recording_id}")
    (_,) = await people.register("meeting.render")
    (_,) = await people.register("meeting.download")
    assert await Withdrawal(people.county.services).look() == []


async def test_a_running_meeting_is_watched_by_those_to_whom_it_was_passed_on_live(
    people: People,
) -> None:
    meeting_id, recording_id = await recorded(people)
    await with_footage_server(people)
    path = f"/{meeting_id}/recordings/{recording_id}"
    given = {
        "area_ids": [people.county.village], "reason": "学习", "expires_us": now_us() + HOUR_US
    }  # fmt: skip
    await people.ask(people.chair, "POST", f"/{meeting_id}/passes", 201, **given)
    assert (await people.ask(people.village, "GET", path))["can"] == []
    await people.ask(people.village, "POST", f"{path}/playback", 403)
    await people.ask(people.chair, "POST", f"/{meeting_id}/passes", 201, **given, live=True)
    running = await people.ask(people.village, "POST", f"{path}/playback")
    # Until somebody opens it anew, what comes is in it.
    assert running["end_us"] > now_us() + 12 * HOUR_US
    watch = Withdrawal(people.county.services)
    assert await watch.look() == []
    # Passed on anew, to be watched when it is over: who watches it now is cut off.
    await people.ask(people.chair, "POST", f"/{meeting_id}/passes", 201, **given)
    assert await watch.look() == [running["session_id"]]
    await people.ask(people.village, "POST", f"{path}/playback", 403)
    await people.ask(people.chair, "POST", f"/{meeting_id}/end")
    ended = await people.ask(people.village, "POST", f"{path}/playback")
    assert ended["end_us"] <= now_us()
