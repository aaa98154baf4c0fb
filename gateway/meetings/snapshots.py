"""A keyframe of a participant, for a picture: what roll calls keep and rounds of all sites show."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from camera_adapters.stream import GapCause, Interruption, Stream, Variant
from camera_adapters.webrtc.conference.source import Source
from camera_adapters.webrtc.fan_out import FanOut
from gateway.control.channel import ControlError
from gateway.live.snapshot import Keyframe, newest_keyframe
from gateway.live.waiting import keyframe_comes
from gateway.meetings.recording.tracks import PictureStream
from gateway.meetings.room import Room
from gateway.meetings.rooms import Rooms

_TAKEN = Interruption(GapCause.NOT_SCHEDULED, "the picture was taken")
WAIT_S = 6.0
_LOOK_S = 0.05


def snapshot_calls(rooms: Rooms, clock_us: Callable[[], int]) -> dict[str, Callable[..., Any]]:
    """``meetings.snapshot``: ``{track, unit}`` as ``snapshot.keyframe`` gives it."""

    async def snapshot(meeting_id: str, participant_id: str) -> dict[str, Any]:
        room = rooms.rooms.get(meeting_id)
        if room is None:
            raise ControlError("not_found", "this meeting is not held here")
        _check_sends(room, participant_id)
        keeper = object()
        # An uplink that nobody looks at is paused: it is looked at for a moment.
        room.keep(participant_id, "camera", keeper=keeper)
        try:
            async with asyncio.timeout(WAIT_S):
                return (await _keyframe(room, participant_id, clock_us)).to_message()
        except TimeoutError:
            raise ControlError("no_picture", "this site sends no picture") from None
        finally:
            room.release(participant_id, "camera", keeper=keeper)

    return {"meetings.snapshot": snapshot}


def _check_sends(room: Room, participant_id: str) -> None:
    """Nobody waits for a picture of whom none can come of. Raises ControlError."""
    member = room.members.get(participant_id)
    if member is None:
        raise ControlError("not_found", "this participant is not connected")
    if not any(sight.picture == "camera" for sight in member.sights()):
        raise ControlError("no_picture", "this site's camera is off")


async def _keyframe(room: Room, participant_id: str, clock_us: Callable[[], int]) -> Keyframe:
    source = await _source(room, participant_id)
    if isinstance(source, FanOut):
        await keyframe_comes(source.stream, WAIT_S)
        found = newest_keyframe(source.stream)
    else:
        taken = PictureStream(Stream(participant_id, Variant.MAIN))
        taken.show(source, clock_us())
        try:
            await keyframe_comes(taken.stream, WAIT_S)
            found = newest_keyframe(taken.stream)
        finally:
            taken.stop(_TAKEN)
    if found is None:
        raise TimeoutError
    return found


async def _source(room: Room, participant_id: str) -> Source | FanOut:
    while True:
        if participant_id not in room.members:
            raise ControlError("not_found", "this participant is not connected")
        source = room.source(participant_id, "camera")
        if source is not None:
            return source
        await asyncio.sleep(_LOOK_S)
