"""The picture that a camera sends anyway: nothing is asked of the camera for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from gateway.control.channel import ControlClient, ControlError
from gateway.identifiers import US_PER_S, now_us
from gateway.live.snapshot import Keyframe
from gateway.transcoder.client import TranscoderClient
from gateway.transcoder.errors import TranscodeError

_WIDTH = 640
# A camera whose last picture is older sends none at the moment, and its alarm is another.
_OLDEST_US = 120 * US_PER_S


class Processes(Protocol):
    """The part of :class:`gateway.api.processes.Processes` that is needed here."""

    async def shard_of(self, camera_id: str) -> str | None:
        """Which process holds the camera."""

    def client(self, name: str) -> ControlClient:
        """To call a process."""

    def transcoders(self) -> list[ControlClient]:
        """Of this machine."""


class NotSeen(Exception):
    """There is no picture now; the message says why."""


@dataclass(frozen=True, slots=True)
class Seen:
    """A picture as JPEG, as wide as it is looked at, without masks."""

    jpeg: bytes
    at_us: int


async def see(processes: Processes, camera_id: str) -> Seen:
    """The camera's newest picture of what is recorded or watched anyway. Raises NotSeen."""
    shard = await processes.shard_of(camera_id)
    if shard is None:
        raise NotSeen("no media process holds this camera")
    try:
        message = await processes.client(shard).call("snapshot.standing", camera_id=camera_id)
        newest = Keyframe.from_message(message)
        if newest.unit.wall_us < now_us() - _OLDEST_US:
            raise NotSeen("its last picture is old")
        transcoder = TranscoderClient(*processes.transcoders())
        jpeg = await transcoder.picture(newest.track, [newest.unit], width=_WIDTH)
    except (ControlError, TranscodeError, ConnectionError, TimeoutError) as error:
        raise NotSeen(str(error)) from None
    return Seen(jpeg, newest.unit.wall_us)
