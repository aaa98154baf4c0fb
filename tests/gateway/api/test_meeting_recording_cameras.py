"""A meeting is no way round the right to export: a camera that was in it leaves by that alone."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator

import pytest

from gateway.api import processes
from gateway.identifiers import now_us
from gateway.settings import AccountabilitySettings
from tests.gateway.api.conftest import County
from tests.gateway.api.meeting_people import SHARD, People, meeting_people


@pytest.fixture
async def people(county: County, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[People]:
    monkeypatch.setattr(processes, "_CONNECT_S", 0.05)
    await county.user("admin", "system_admin")
    async with meeting_people(county) as made:
        await county.write(
            "processes.report", name="footage-1", kind="footage", node="here", process_id=1,
            http_address="127.0.0.1", http_port=1, started_us=1,
        )  # fmt: skip
        county.services.processes._known_until = 0.0
        yield made


async def _grant(people: People, role: str) -> str:
    county = people.county
    found: str = await county.write(
        "grants.add", user_id=county.users["convener"], role=role, area_id=county.town
    )
    return found


async def _bring(people: People, meeting_id: str) -> str:
    invited = await people.ask(
        people.chair, "POST", f"/{meeting_id}/invite", camera_ids=[people.county.camera]
    )
    return str(invited["participant_ids"][0])


async def _record(people: People, meeting_id: str) -> str:
    """The path of a recording that has begun."""
    recording = await people.ask(people.chair, "POST", f"/{meeting_id}/recordings", 201)
    await people.county.write(
        "meetings.own_track", meeting_id=meeting_id, stream_id=f"{meeting_id}/program",
        kind="program", participant_id=None, codec="x", shard=SHARD, at_us=now_us(),
    )  # fmt: skip
    return f"/{meeting_id}/recordings/{recording['id']}"


async def _rendered(people: People, path: str) -> None:
    """As a footage server says of one that was ordered."""
    await people.county.write("meetings.claim_render", process="footage-1")
    assert await people.county.write(
        "meetings.finish_render", recording_id=path.rpartition("/")[2], process="footage-1",
        key="meetings/x.mp4", size_bytes=5, sha256="0" * 64,
    )  # fmt: skip


async def _can(people: People, path: str) -> list[str]:
    document = await people.ask(people.chair, "GET", path)
    return [one for one in document["can"] if one in ("render", "download")]


async def test_who_may_not_export_a_camera_takes_no_recording_of_it_away(people: People) -> None:
    county = people.county
    # Sees it live, plays it back, convenes, and may not export.
    await _grant(people, "area_admin")
    meeting_id, _ = await people.running()
    await _bring(people, meeting_id)
    path = await _record(people, meeting_id)
    await people.ask(people.chair, "POST", f"/{meeting_id}/end")
    assert await _can(people, path) == []
    (camera,) = (await people.ask(people.chair, "GET", path))["cameras"]
    assert (camera["camera_id"], camera["may_export"]) == (county.camera, False)
    for what in ("render", "download"):
        refused = (await people.ask(people.chair, "POST", f"{path}/{what}", 403))["error"]
        assert refused["code"] == "not_allowed"
        assert "村口" in refused["message"]
        assert refused["detail"]["cameras"] == [{"camera_id": county.camera, "name": "村口"}]
    (record,) = await people.register("access.refused")
    assert (record["camera_id"], record["user_id"]) == (county.camera, county.users["convener"])
    assert json.loads(record["detail"])["right"] == "export"
    assert await people.register("meeting.render") == []
    # Watching it where it is stays what it was.
    await people.ask(people.chair, "POST", f"{path}/playback")


async def test_who_may_export_takes_it_away_and_each_camera_has_it_on_record(
    people: People,
) -> None:
    county = people.county
    await _grant(people, "viewer")
    grant_id = await _grant(people, "investigator")
    meeting_id, _ = await people.running()
    await _bring(people, meeting_id)
    path = await _record(people, meeting_id)
    await people.ask(people.chair, "POST", f"/{meeting_id}/end")
    assert await _can(people, path) == ["render", "download"]
    county.services.settings = county.services.settings.model_copy(
        update={"accountability": AccountabilitySettings()}
    )
    refused = await people.ask(people.chair, "POST", f"{path}/render", 422)
    assert refused["error"]["code"] == "purpose_required"
    purpose = {"code": "incident", "text": "汛情", "case_id": "A-7"}
    await people.ask(people.chair, "POST", f"{path}/render", purpose=purpose)
    await _rendered(people, path)
    refused = await people.ask(people.chair, "POST", f"{path}/download", 422)
    assert refused["error"]["code"] == "purpose_required"
    await people.ask(people.chair, "POST", f"{path}/download", purpose=purpose)
    for action in ("meeting.render", "meeting.download"):
        whole, of_camera = await people.register(action)
        assert (whole["camera_id"], of_camera["camera_id"]) == (None, county.camera)
        assert (of_camera["reason"], of_camera["case_id"]) == ("汛情", "A-7")
    await county.write("grants.withdraw", grant_id=grant_id)
    await people.ask(people.chair, "POST", f"{path}/download", 403, purpose=purpose)


async def test_a_camera_counts_where_it_was_there_and_nowhere_else(people: People) -> None:
    await _grant(people, "viewer")
    meeting_id, _ = await people.running()
    before = await _record(people, meeting_id)
    await people.ask(people.chair, "POST", f"/{meeting_id}/recordings/stop", 204)
    camera = await _bring(people, meeting_id)
    during = await _record(people, meeting_id)
    await people.county.write(
        "meetings.arrived", participant_id=camera, session_id=None, at_us=now_us()
    )
    # Taken out and brought again: that it was there the first time is not forgotten.
    await people.ask(people.chair, "POST", f"/{meeting_id}/participants/{camera}/remove")
    await people.county.write(
        "meetings.departed", participant_id=camera, session_id=None, at_us=now_us(),
        reason="removed",
    )  # fmt: skip
    await people.ask(people.chair, "POST", f"/{meeting_id}/recordings/stop", 204)
    between = await _record(people, meeting_id)
    await people.ask(people.chair, "POST", f"/{meeting_id}/recordings/stop", 204)
    await _bring(people, meeting_id)
    after = await _record(people, meeting_id)
    await people.ask(people.chair, "POST", f"/{meeting_id}/end")
    may = ["render", "download"]
    assert [await _can(people, one) for one in (before, during, between, after)] == [
        may, [], may, [],
    ]  # fmt: skip
    await people.ask(people.chair, "POST", f"{before}/render")
    await people.ask(people.chair, "POST", f"{during}/render", 403)
