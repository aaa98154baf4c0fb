"""A JPEG of a camera's newest keyframe, decoded in the transcoder process."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from camera_adapters.stream import AccessUnit, Stream, Track
from gateway.control.channel import ControlClient, ControlError
from gateway.transcoder.client import TranscoderClient
from gateway.transcoder.wire import (
    track_from_wire,
    track_to_wire,
    units_from_wire,
    units_to_wire,
)

_FRESH_S = 1.0
_ENTRIES_LIMIT = 256


class NoPicture(Exception):
    """There is no live keyframe; the message says why."""


@dataclass(frozen=True, slots=True)
class Keyframe:
    """A camera's newest keyframe and the format to decode it with."""

    track: Track
    unit: AccessUnit

    def to_message(self) -> dict[str, Any]:
        """A dictionary that survives msgpack."""
        return {"track": track_to_wire(self.track), "unit": units_to_wire([self.unit])[0]}

    @classmethod
    def from_message(cls, message: dict[str, Any]) -> Keyframe:
        """The inverse of :meth:`to_message`."""
        return cls(track_from_wire(message["track"]), units_from_wire([message["unit"]])[0])


def newest_keyframe(stream: Stream) -> Keyframe | None:
    """The keyframe of the Stream's current GOP; None while there is none."""
    if not stream.running or not stream.gop:
        return None
    unit = stream.gop[0]
    return Keyframe(stream.tracks[unit.track_index], unit)


async def keyframe_of(shard: ControlClient, camera_id: str, variant: str) -> Keyframe:
    """Ask the camera's shard, which pulls the camera first if it must.

    Raises NoPicture, or ConnectionError when the shard is away.
    """
    try:
        message = await shard.call("snapshot.keyframe", camera_id=camera_id, variant=variant)
    except ControlError as error:
        raise NoPicture(str(error)) from error
    except TimeoutError:
        raise NoPicture("the camera sent no keyframe in time") from None
    return Keyframe.from_message(message)


class Snapshots:
    """JPEGs, each made once however many ask within a second."""

    def __init__(self, transcoder: TranscoderClient) -> None:
        self._transcoder = transcoder
        self._entries: OrderedDict[
            tuple[str, str, int | None], tuple[float, asyncio.Task[tuple[bytes, int]]]
        ] = OrderedDict()

    async def jpeg(
        self,
        camera_id: str,
        variant: str,
        width: int | None,
        keyframe: Callable[[], Awaitable[Keyframe]],
    ) -> tuple[bytes, int]:
        """The picture, and its wall clock in UTC µs. ``width``: scaled, None as it is.

        Raises what ``keyframe`` raises, and TranscodeError.
        """
        key = (camera_id, variant, width)
        now_s = time.monotonic()
        entry = self._entries.get(key)
        if entry is None or now_s - entry[0] > _FRESH_S:
            entry = (now_s, asyncio.ensure_future(self._make(width, keyframe)))
            self._entries[key] = entry
            self._entries.move_to_end(key)
            while len(self._entries) > _ENTRIES_LIMIT:
                self._entries.popitem(last=False)
        # Shielded: who goes away must not take the picture from the others.
        return await asyncio.shield(entry[1])

    async def _make(
        self, width: int | None, keyframe: Callable[[], Awaitable[Keyframe]]
    ) -> tuple[bytes, int]:
        found = await keyframe()
        jpeg = await self._transcoder.picture(found.track, [found.unit], width=width)
        return jpeg, found.unit.wall_us
