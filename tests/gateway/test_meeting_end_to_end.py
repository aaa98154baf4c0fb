"""A meeting on a whole gateway: aiortc's browsers, a camera brought in, and a shard that is killed.

aiortc encodes and decodes: what is counted here are pictures that were really seen.
"""

from __future__ import annotations

import os
import signal
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import av
import pytest

from tests.peers.meeting_browser import joined
from tests.peers.running_gateway import Gateway, running_gateway


@pytest.fixture
async def gateway(tmp_path: Path) -> AsyncIterator[Gateway]:
    async with running_gateway(tmp_path) as made:
        yield made


def holds(condition: Callable[[], bool]) -> Callable[[], Awaitable[bool]]:
    async def look() -> bool:
        return condition()

    return look


@pytest.mark.timeout(400)
async def test_a_meeting_with_a_guest_and_a_camera_survives_its_shard(
    gateway: Gateway, tmp_path: Path
) -> None:
    async def recorded() -> bool:
        return await gateway.recording() == 4

    await gateway.until(recorded)
    rows = sqlite3.connect(tmp_path / "gridsight.db")
    area = (await gateway.get("/api/areas"))["items"][0]["id"]
    camera = (await gateway.get("/api/cameras"))["items"][0]["id"]
    form = {"title": "防汛会商", "area_id": area, "records": True}
    meeting = (await gateway.post("/api/meetings", form))["id"]
    here = f"/api/meetings/{meeting}"
    (camera_id,) = (await gateway.post(f"{here}/invite", {"camera_ids": [camera]}))[
        "participant_ids"
    ]
    code = (await gateway.post(f"{here}/link", {}))["code"]
    await gateway.post(f"{here}/start", {})
    key = await gateway.post(f"{here}/guests", {"code": code, "name": "村委会"})
    guest_form = {"guest_token": key["guest_token"]}
    guest_id = key["participant_id"]

    async with (
        joined(gateway, f"{here}/join", {}, 60) as (chair, seat),
        joined(gateway, f"{here}/guests/join", guest_form, 200) as (guest, waits),
    ):
        assert waits["state"] == "lobby"
        await chair.connect()
        await chair.look(guest_id, camera_id)
        # The camera is a site: its pictures come, decoded by somebody else's decoder.
        await chair.until(lambda: len(chair.greys.get(chair.slots[1], [])) > 5)
        assert chair.sizes[chair.slots[1]] != (160, 120)
        await gateway.post(f"{here}/admit", {"participant_ids": [guest_id]})
        await guest.until(guest.is_inside)
        await guest.connect()
        await guest.look(seat["participant_id"])
        await chair.until(lambda: chair.saw(0, 200))
        await guest.until(lambda: guest.saw(0, 60))
        # The chair is heard before saying a word.
        await guest.until(lambda: guest.heard > 20)
        await gateway.until(holds(lambda: _connected(rows, meeting) == 3))
        await gateway.post(f"{here}/participants/{camera_id}/pin", {})
        await gateway.until(lambda: _recorded(gateway, here, spans=1, least_us=3_000_000))
        await gateway.post(f"{here}/participants/{camera_id}/unpin", {})
        pid = (await gateway.processes())["shard-1"]["process_id"]
        os.kill(pid, signal.SIGKILL)
        await chair.until(lambda: chair.ended is not None)
        await guest.until(lambda: guest.ended is not None)

    async with (
        joined(gateway, f"{here}/join", {}, 60) as (chair, seat),
        joined(gateway, f"{here}/guests/join", guest_form, 200) as (guest, back),
    ):
        # Whoever was let in is let in.
        assert back["state"] == "admitted"
        await chair.connect()
        await guest.connect()
        await chair.look(guest_id, camera_id)
        await guest.look(seat["participant_id"])
        await chair.until(lambda: chair.saw(0, 200))
        await guest.until(lambda: guest.saw(0, 60))
        spans = rows.execute(
            "SELECT left_us, reason FROM meeting_attendance WHERE participant_id = ?"
            " ORDER BY connected_us",
            (guest_id,),
        ).fetchall()
        assert [left_us is None for left_us, _ in spans] == [False, True]
        assert spans[0][1]
        await gateway.post(f"{here}/participants/{camera_id}/pin", {})
        await gateway.until(lambda: _recorded(gateway, here, spans=2, least_us=9_000_000))
        await gateway.post(f"{here}/end", {})
        await chair.until(lambda: chair.ended is not None)
        await guest.until(lambda: guest.ended is not None)
        assert (chair.ended, guest.ended) == ("ended", "ended")
    await _look_at_recording(gateway, here, camera_id, tmp_path)


async def _program(gateway: Gateway, here: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """The one recording, and its program's time line."""
    (listed,) = (await gateway.get(f"{here}/recordings"))["items"]
    recording = await gateway.get(f"{here}/recordings/{listed['id']}")
    programs = [one for one in recording["tracks"] if one["kind"] == "program"]
    return recording, programs[0] if programs else {"spans": [], "gaps": []}


async def _recorded(gateway: Gateway, here: str, *, spans: int, least_us: int) -> bool:
    _, program = await _program(gateway, here)
    found = [one["end_us"] - one["start_us"] for one in program["spans"]]
    return len(found) >= spans and sum(found) >= least_us


async def _look_at_recording(gateway: Gateway, here: str, camera_id: str, folder: Path) -> None:
    """It stands as one, whoever was killed; it plays; it becomes one file."""
    recording, program = await _program(gateway, here)
    assert recording["ended_us"] is not None
    assert "gateway_stopped" in {one["cause"] for one in program["gaps"]}
    assert camera_id in {one["participant_id"] for one in recording["chapters"]}
    kinds = {one["kind"] for one in recording["tracks"]}
    assert kinds >= {"program", "microphone"}
    session = await gateway.post(f"{here}/recordings/{recording['id']}/playback", {})
    await gateway.post(f"/s/{session['server']}/sessions", {"ticket": session["ticket"]})
    index = await gateway.get(
        session["cameras"][0]["base_url"] + "/index",
        start_us=recording["started_us"],
        end_us=recording["ended_us"],
    )
    assert len(index["fragments"]["number"]) > 3
    # A camera was in it: it leaves the house as an export does.
    why = {"purpose": {"code": "training"}}
    order = {"layout": "beside", **why}
    await gateway.post(f"{here}/recordings/{recording['id']}/render", order)

    async def rendered() -> bool:
        found, _ = await _program(gateway, here)
        assert found["render"]["state"] != "failed", found["render"]
        return bool(found["render"]["state"] == "done")

    await gateway.until(rendered, 180)
    url = (await gateway.post(f"{here}/recordings/{recording['id']}/download", why))["url"]
    async with gateway.client.get(gateway.url + url) as response:
        assert response.status == 200
        path = folder / "meeting.mp4"
        path.write_bytes(await response.read())
    with av.open(str(path)) as container:
        assert container.duration is not None
        lasts_us = recording["ended_us"] - recording["started_us"]
        assert abs(container.duration - lasts_us) < 1_000_000
        greys = [frame.to_ndarray(format="gray").std() for frame in container.decode(video=0)]
    # The camera was on the program: not all of it is dark.
    assert max(greys) > 20


def _connected(rows: sqlite3.Connection, meeting_id: str) -> int:
    (count,) = rows.execute(
        "SELECT count(*) FROM meeting_participants WHERE meeting_id = ? AND state = 'connected'",
        (meeting_id,),
    ).fetchone()
    return int(count)
