"""A JPEG of a camera's newest keyframe, decoded in the transcoder process."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

from camera_adapters.stream import AccessUnit, Stream, Track
from gateway.masks import Polygons
from gateway.transcoder.client import TranscoderClient
from gateway.transcoder.wire import (
    track_from_wire,
    track_to_wire,
    units_from_wire,
    units_to_wire,
)
from gateway.watermark import picture_lines

_FRESH_S = 1.0
_ENTRIES_LIMIT = 256
_Key = tuple[str, str, int | None, Polygons, "Caption"]


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


@dataclass(frozen=True, slots=True)
class Caption:
    """What is written into a picture beside its time: see :mod:`gateway.watermark`."""

    camera: str
    viewer: str


class Snapshots:
    """JPEGs, each made once however often somebody asks within a second."""

    def __init__(self, transcoder: TranscoderClient) -> None:
        self._transcoder = transcoder
        self._entries: OrderedDict[_Key, tuple[float, asyncio.Task[bytes]]] = OrderedDict()

    async def jpeg(
        self,
        stream: Stream,
        newest: Keyframe,
        width: int | None,
        masks: Polygons,
        caption: Caption,
    ) -> bytes:
        """``newest`` of ``stream``, or what was asked for within the last second, with masks and
        caption burnt in. ``width``: scaled, None as it is. Raises TranscodeError.
        """
        now_s = time.monotonic()
        self._forget_stale(now_s)
        key = (stream.camera_id, str(stream.variant), width, masks, caption)
        entry = self._entries.get(key)
        if entry is None or _failed(entry[1]):
            entry = (now_s, asyncio.ensure_future(self._make(newest, width, masks, caption)))
            self._entries[key] = entry
            self._entries.move_to_end(key)
        # Shielded: who goes away must not take the picture from the others.
        return await asyncio.shield(entry[1])

    async def _make(
        self, newest: Keyframe, width: int | None, masks: Polygons, caption: Caption
    ) -> bytes:
        lines = picture_lines(caption.camera, caption.viewer, newest.unit.wall_us)
        return await self._transcoder.picture(
            newest.track, [newest.unit], width=width, masks=masks, lines=lines
        )

    def _forget_stale(self, now_s: float) -> None:
        # The oldest first. A large camera's picture has megabytes: none is kept for nobody.
        while self._entries:
            since_s, _ = next(iter(self._entries.values()))
            if now_s - since_s <= _FRESH_S and len(self._entries) < _ENTRIES_LIMIT:
                return
            self._entries.popitem(last=False)


def _failed(task: asyncio.Task[bytes]) -> bool:
    return task.done() and (task.cancelled() or task.exception() is not None)
