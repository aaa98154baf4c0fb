"""Pictures of who is in a meeting: who can give none does not hold up the others."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator

import pytest

from gateway.control.channel import ControlError
from gateway.identifiers import now_us
from gateway.live.snapshot import Keyframe
from gateway.meetings.snapshots import WAIT_S, snapshot_calls
from tests.gateway.meetings.a_county import Rows
from tests.gateway.meetings.a_shard import Shard, a_shard


@pytest.fixture
async def shard(rows: Rows) -> AsyncIterator[Shard]:
    async with a_shard(rows) as made:
        yield made


async def test_a_site_that_films_is_pictured_although_nobody_looks_at_it(shard: Shard) -> None:
    meeting_id, (a,) = await shard.running("a")
    page = await shard.join(meeting_id, a, camera=True)
    await page.hears("send", layers={"mic": [""], "cam": []})
    snapshot = snapshot_calls(shard.rooms, now_us)["meetings.snapshot"]
    message = await snapshot(meeting_id=meeting_id, participant_id=a)
    assert Keyframe.from_message(message).unit.keyframe


async def test_one_whose_camera_is_off_is_not_waited_for(shard: Shard) -> None:
    meeting_id, (a, b) = await shard.running("a", "b")
    await shard.join(meeting_id, a, microphone=True)
    snapshot = snapshot_calls(shard.rooms, now_us)["meetings.snapshot"]
    before_s = time.monotonic()
    with pytest.raises(ControlError, match="camera is off"):
        await snapshot(meeting_id=meeting_id, participant_id=a)
    with pytest.raises(ControlError, match="not connected"):
        await snapshot(meeting_id=meeting_id, participant_id=b)
    assert time.monotonic() - before_s < WAIT_S
