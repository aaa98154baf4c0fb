"""A recording takes part in a meeting by the right of who brought it, and goes with it."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from gateway.api import processes
from gateway.api.meeting_cameras import withdraw_cameras
from gateway.database.tables import grants
from gateway.identifiers import now_us
from gateway.settings import AccountabilitySettings
from tests.gateway.api.conftest import County
from tests.gateway.api.meeting_people import SHARD, People, meeting_people
from tests.peers.media_file import make_media

MINUTE_US = 60_000_000
DAY_US = 24 * 3600 * 1_000_000


@pytest.fixture
async def people(county: County, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[People]:
    monkeypatch.setattr(processes, "_CONNECT_S", 0.05)
    await county.user("admin", "system_admin")
    async with meeting_people(county) as made:
        yield made


async def grant(people: People, role: str = "investigator") -> str:
    county = people.county
    found: str = await county.write(
        "grants.add", user_id=county.users["convener"], role=role, area_id=county.town
    )
    return found


def lately(people: People) -> dict[str, Any]:
    """The last minutes of the village's camera."""
    at_us = now_us()
    return {
        "camera_id": people.county.camera, "start_us": at_us - 5 * MINUTE_US, "end_us": at_us
    }  # fmt: skip


async def bring(people: People, meeting_id: str, status: int = 200, **what: Any) -> Any:
    answer = await people.ask(
        people.chair, "POST", f"/{meeting_id}/invite", status, recordings=[what]
    )
    return answer["participant_ids"][0] if status == 200 else answer["error"]


async def participant(people: People, meeting_id: str, participant_id: str) -> Any:
    meeting = await people.ask(people.chair, "GET", f"/{meeting_id}")
    (found,) = [one for one in meeting["participants"] if one["id"] == participant_id]
    return found


async def recorded_meeting(people: People) -> tuple[str, str]:
    """A meeting that was recorded with the village's camera in it, and the recording."""
    meeting_id, _ = await people.running()
    await people.ask(
        people.chair, "POST", f"/{meeting_id}/invite", camera_ids=[people.county.camera]
    )
    recording = await people.ask(people.chair, "POST", f"/{meeting_id}/recordings", 201)
    await people.county.write(
        "meetings.own_track", meeting_id=meeting_id, stream_id=f"{meeting_id}/program",
        kind="program", participant_id=None, codec="x", shard=SHARD, at_us=now_us(),
    )  # fmt: skip
    await people.ask(people.chair, "POST", f"/{meeting_id}/end")
    return meeting_id, recording["id"]


async def handed_out(people: People, meeting_id: str, name: str, data: bytes) -> str:
    answer = await people.chair.post(
        f"/api/meetings/{meeting_id}/files", params={"name": name}, content=data
    )
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


async def test_footage_is_brought_by_who_may_play_it_back(people: People) -> None:
    meeting_id, _ = await people.running()
    what = lately(people)
    assert (await bring(people, meeting_id, 403, **what))["code"] == "not_allowed"
    await grant(people)
    one = await bring(people, meeting_id, name="西门，昨夜", **what)
    found = await participant(people, meeting_id, one)
    assert (found["kind"], found["name"]) == ("recording", "西门，昨夜")
    playback = found["playback"]
    assert (playback["source"], playback["camera_id"]) == ("footage", people.county.camera)
    assert (playback["state"], playback["position_us"]) == ("paused", 0)
    assert playback["length_us"] == what["end_us"] - what["start_us"]
    (record,) = await people.register("meeting.footage")
    assert record["camera_id"] == people.county.camera
    assert (record["start_us"], record["end_us"]) == (what["start_us"], what["end_us"])
    # Brought twice it is there once.
    assert await bring(people, meeting_id, **what) == one


async def test_bringing_footage_says_why_where_playback_does(people: People) -> None:
    services = people.county.services
    services.settings = services.settings.model_copy(
        update={"accountability": AccountabilitySettings()}
    )
    await grant(people)
    meeting_id, _ = await people.running()
    refused = await bring(people, meeting_id, 422, **lately(people))
    assert refused["code"] == "purpose_required"
    await people.ask(
        people.chair, "POST", f"/{meeting_id}/invite", recordings=[lately(people)],
        purpose={"code": "incident", "text": "汛情", "case_id": "A-7"},
    )  # fmt: skip
    (record,) = await people.register("meeting.footage")
    assert "汛情" in str(record.values())


async def test_what_was_not_recorded_cannot_be_brought(people: People) -> None:
    await grant(people)
    meeting_id, _ = await people.running()
    long_ago = {"start_us": now_us() - 3 * DAY_US, "end_us": now_us() - 3 * DAY_US + MINUTE_US}
    what = {"camera_id": people.county.camera, **long_ago}
    assert (await bring(people, meeting_id, 409, **what))["code"] == "nothing_recorded"
    await bring(people, meeting_id, 422, **{**what, "end_us": long_ago["start_us"]})
    await bring(people, meeting_id, 422, camera_id=people.county.camera)
    await bring(people, meeting_id, 422, recording_id="x", file_id="y")


async def test_who_leads_starts_pauses_and_sets_it(people: People) -> None:
    await grant(people)
    meeting_id, village = await people.running()
    one = await bring(people, meeting_id, **lately(people))
    path = f"/{meeting_id}/participants/{one}/playback"
    await people.ask(people.village, "POST", path, 403, state="playing")
    said = await people.ask(people.chair, "POST", path, state="playing", position_us=MINUTE_US)
    assert said["playback"]["state"] == "playing"
    assert said["playback"]["position_us"] == MINUTE_US
    said = await people.ask(people.chair, "POST", path, state="paused", loop=True)
    assert said["playback"]["position_us"] >= MINUTE_US
    assert said["playback"]["loop"]
    # Behind its end there is nothing; started there, it begins anew.
    said = await people.ask(people.chair, "POST", path, position_us=DAY_US)
    assert said["playback"]["position_us"] == said["playback"]["length_us"]
    said = await people.ask(people.chair, "POST", path, state="playing")
    assert said["playback"]["position_us"] == 0
    await people.ask(people.chair, "POST", path, 422)
    other = f"/{meeting_id}/participants/{village}/playback"
    await people.ask(people.chair, "POST", other, 409, state="playing")
    records = await people.register("meeting.playback")
    assert [json.loads(record["detail"]).get("state") for record in records] == [
        "playing", "paused", None, "playing",
    ]  # fmt: skip


async def test_what_a_shard_says_of_an_earlier_command_changes_nothing(people: People) -> None:
    await grant(people)
    meeting_id, _ = await people.running()
    one = await bring(people, meeting_id, **lately(people))
    path = f"/{meeting_id}/participants/{one}/playback"
    await people.ask(people.chair, "POST", path, state="playing")
    told: dict[str, Any] = {
        "meeting_id": meeting_id, "participant_id": one, "state": "playing",
        "position_us": 7, "since_us": 1, "problem": None,
    }  # fmt: skip
    await people.county.write("meetings.played", command=1, **told)
    assert (await participant(people, meeting_id, one))["playback"]["position_us"] == 7
    await people.ask(people.chair, "POST", path, state="paused", position_us=MINUTE_US)
    await people.county.write("meetings.played", command=1, **told)
    playback = (await participant(people, meeting_id, one))["playback"]
    assert (playback["state"], playback["position_us"]) == ("paused", MINUTE_US)


async def test_a_file_is_looked_at_before_it_takes_part(people: People, tmp_path: Path) -> None:
    meeting_id, _ = await people.running()
    letter = await handed_out(people, meeting_id, "letter.mp4", b"Dear all" * 100)
    refused = await bring(people, meeting_id, 422, file_id=letter)
    assert refused["code"] == "file_unplayable"
    assert "letter.mp4" in refused["message"]
    path = make_media(
        tmp_path / "film.mp4",
        *("-f", "lavfi", "-i", "testsrc2=size=160x96:rate=25:duration=3", "-c:v", "libx264"),
    )
    film = await handed_out(people, meeting_id, "film.mp4", path.read_bytes())
    one = await bring(people, meeting_id, file_id=film, loop=True)
    playback = (await participant(people, meeting_id, one))["playback"]
    assert playback["source"] == "file"
    assert playback["loop"]
    assert playback["length_us"] == pytest.approx(3_000_000, abs=100_000)
    # Another meeting's file is none of this one's.
    other, _ = await people.running()
    await bring(people, other, 404, file_id=film)
    # Taken back, it is gone.
    assert await withdraw_cameras(people.county.services) == []
    await people.ask(people.chair, "DELETE", f"/{meeting_id}/files/{film}", 204)
    assert await withdraw_cameras(people.county.services) == [one]


async def test_a_meeting_has_room_for_a_few(people: People) -> None:
    await grant(people)
    meeting_id, _ = await people.running()
    at_us = now_us()
    many = [
        {"camera_id": people.county.camera, "start_us": at_us - n * MINUTE_US, "end_us": at_us}
        for n in range(1, 10)
    ]
    invited = f"/{meeting_id}/invite"
    await people.ask(people.chair, "POST", invited, recordings=many[:8])
    refused = await people.ask(people.chair, "POST", invited, 409, recordings=many[8:])
    assert refused["error"]["code"] == "too_many"


async def test_footage_goes_with_the_right_to_play_it_back(people: People) -> None:
    grant_id = await grant(people)
    # Still sees it live.
    await grant(people, "viewer")
    meeting_id, _ = await people.running()
    one = await bring(people, meeting_id, **lately(people))
    assert await withdraw_cameras(people.county.services) == []
    await people.county.write("grants.withdraw", grant_id=grant_id)
    assert await withdraw_cameras(people.county.services) == [one]
    assert (await participant(people, meeting_id, one))["state"] == "removed"
    (record,) = await people.register("meeting.recording_withdrawn")
    assert record["camera_id"] == people.county.camera


async def test_footage_outlives_its_camera(people: People) -> None:
    await grant(people)
    meeting_id, _ = await people.running()
    await bring(people, meeting_id, **lately(people))
    await people.county.write("cameras.delete", camera_id=people.county.camera)
    assert await withdraw_cameras(people.county.services) == []


async def test_who_was_passed_a_recording_takes_it_nowhere(people: People) -> None:
    """A pass ends; a meeting in which it was played, and recorded, would not."""
    await grant(people)
    meeting_id, recording_id = await recorded_meeting(people)
    form = {
        "area_ids": [people.county.other_town], "expires_us": now_us() + DAY_US, "reason": "学习",
    }  # fmt: skip
    await people.ask(people.chair, "POST", f"/{meeting_id}/passes", 201, **form)
    await people.ask(people.stranger, "GET", f"/{meeting_id}/recordings/{recording_id}")
    theirs = await people.ask(
        people.stranger, "POST", "", 201, title="例会", area_id=people.county.other_town
    )
    await people.ask(
        people.stranger, "POST", f"/{theirs['id']}/invite", 403,
        recordings=[{"recording_id": recording_id}],
    )  # fmt: skip


async def test_a_recording_is_brought_by_who_led_it(people: People) -> None:
    await grant(people)
    _, recording_id = await recorded_meeting(people)
    meeting_id, _ = await people.running()
    one = await bring(people, meeting_id, recording_id=recording_id)
    playback = (await participant(people, meeting_id, one))["playback"]
    assert (playback["source"], playback["recording_id"]) == ("meeting", recording_id)
    (record,) = await people.register("meeting.recording_brought")
    assert json.loads(record["detail"])["recording"] == recording_id
    assert await withdraw_cameras(people.county.services) == []
    # Who leads another town's meetings watches nothing of this one.
    theirs = await people.ask(
        people.stranger, "POST", "", 201, title="例会", area_id=people.county.other_town
    )
    path = f"/{theirs['id']}/invite"
    refused = await people.ask(
        people.stranger, "POST", path, 404, recordings=[{"recording_id": recording_id}]
    )
    assert refused["error"]["code"] == "not_found"


async def test_a_meeting_in_a_meeting_is_no_way_round_the_right_to_export(people: People) -> None:
    """The camera of the first is in the recording of the second, in which the first was played."""
    await grant(people, "area_admin")
    _, first = await recorded_meeting(people)
    second, _ = await people.running()
    await bring(people, second, recording_id=first)
    recording = await people.ask(people.chair, "POST", f"/{second}/recordings", 201)
    await people.county.write(
        "meetings.own_track", meeting_id=second, stream_id=f"{second}/program",
        kind="program", participant_id=None, codec="x", shard=SHARD, at_us=now_us(),
    )  # fmt: skip
    await people.ask(people.chair, "POST", f"/{second}/end")
    path = f"/{second}/recordings/{recording['id']}"
    refused = await people.ask(people.chair, "POST", f"{path}/render", 403)
    assert refused["error"]["detail"]["cameras"][0]["camera_id"] == people.county.camera


async def test_footage_in_a_meeting_is_no_way_round_the_right_to_export(people: People) -> None:
    await grant(people, "area_admin")
    meeting_id, _ = await people.running()
    await bring(people, meeting_id, **lately(people))
    recording = await people.ask(people.chair, "POST", f"/{meeting_id}/recordings", 201)
    await people.ask(people.chair, "POST", f"/{meeting_id}/end")
    path = f"/{meeting_id}/recordings/{recording['id']}"
    refused = await people.ask(people.chair, "POST", f"{path}/download", 403)
    assert refused["error"]["code"] == "not_allowed"


async def test_a_recording_goes_when_its_bringer_decides_about_it_no_more(people: People) -> None:
    other = await grant(people)
    _, recording_id = await recorded_meeting(people)
    meeting_id, _ = await people.running()
    one = await bring(people, meeting_id, recording_id=recording_id)
    county = people.county
    async with county.services.reader.connect() as connection:
        convenes = await connection.scalar(
            sa.select(grants.c.id).where(
                grants.c.user_id == county.users["convener"], grants.c.role == "convener"
            )
        )
    # Who led it decides about it as long as they meet anybody.
    await county.write("grants.withdraw", grant_id=convenes)
    assert await withdraw_cameras(county.services) == []
    await county.write("grants.withdraw", grant_id=other)
    assert await withdraw_cameras(county.services) == [one]
