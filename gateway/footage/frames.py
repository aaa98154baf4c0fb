"""The picture at an instant, as a JPEG."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import takewhile

from camera_adapters.stream import AccessUnit, Track
from gateway.footage.byte_cache import ByteCache
from gateway.footage.fragments import read_fragments, units_by_track
from gateway.footage.reader import FootageGone, FootageReader, Located
from gateway.live.snapshot import Caption
from gateway.masks import Polygons
from gateway.transcoder.client import TranscoderClient
from gateway.watermark import picture_lines

PICTURES_BYTES_KEPT = 32 * 1024 * 1024
WIDTH_LIMIT = 7680


@dataclass(frozen=True, slots=True)
class _Look:
    """How a picture is given: pictures that look alike are kept as one."""

    width: int | None
    masks: Polygons
    caption: Caption

    def lines(self, at_us: int) -> list[str]:
        return picture_lines(self.caption.camera, self.caption.viewer, at_us)


class FrameMaker:
    """What ``/frame.jpg`` answers."""

    def __init__(self, reader: FootageReader, transcoder: TranscoderClient) -> None:
        self._reader = reader
        self._transcoder = transcoder
        self._kept = ByteCache(PICTURES_BYTES_KEPT)

    async def picture(
        self,
        camera_id: str,
        variant: str,
        at_us: int,
        *,
        width: int | None,
        exact: bool,
        masks: Polygons,
        caption: Caption,
    ) -> bytes:
        """The picture shown at ``at_us``; with ``exact=False`` the keyframe before it. Masks and
        caption are burnt in.

        Raises FootageGone in a gap, TranscodeError, FootageUnreadable, Mp4Error.
        """
        located = await self._segment_at(camera_id, variant, at_us)
        number = _fragment_at(located, at_us)
        start = number
        while start > 0 and not located.fragments[start].keyframe_bytes:
            start -= 1
        if not exact:
            return await self._keyframe(located, start, _Look(width, masks, caption))
        return await self._exact(located, start, number, at_us, _Look(width, masks, caption))

    async def _segment_at(self, camera_id: str, variant: str, at_us: int) -> Located:
        found = await self._reader.between(camera_id, variant, at_us, at_us + 1)
        if not found or not found[0].fragments:
            raise FootageGone("there is no footage at that instant: see the timeline's gaps")
        return found[0]

    async def _keyframe(self, located: Located, number: int, look: _Look) -> bytes:
        key = (located.segment.id, number, look)
        kept = self._kept.get(key)
        if kept is None:
            part = located.fragments[number]
            if not part.keyframe_bytes:
                raise FootageGone("there is no keyframe before that instant")
            prefix = await self._reader.read(located, part.offset, part.keyframe_bytes)
            tracks = self._reader.tracks(located.run)
            track, units = _video(units_by_track(prefix, tracks), tracks)
            kept = await self._transcoder.picture(
                track,
                units[:1],
                width=look.width,
                masks=look.masks,
                lines=look.lines(part.start_us),
            )
            self._kept.put(key, kept)
        return kept

    async def _exact(
        self, located: Located, start: int, number: int, at_us: int, look: _Look
    ) -> bytes:
        tracks = self._reader.tracks(located.run)
        at_90k = (at_us - located.run.start_us) * 9 // 100
        data = await read_fragments(self._reader, located, start, number)
        track, units = _video(_joined(data, tracks), tracks)
        if start > 0 and units and min(unit.pts_90k for unit in units) > at_90k:
            # With B-frames a picture is shown after the next GOP's first was decoded.
            earlier = start - 1
            while earlier > 0 and not located.fragments[earlier].keyframe_bytes:
                earlier -= 1
            data = await read_fragments(self._reader, located, earlier, start - 1)
            track, units = _video(_joined(data, tracks), tracks)
        needed = _due(units, at_90k)
        shown = max((u.pts_90k for u in needed if u.pts_90k <= at_90k), default=None)
        key = (located.segment.id, shown, look, "exact")
        kept = self._kept.get(key)
        if kept is None:
            shown_us = at_us if shown is None else located.run.start_us + shown * 100 // 9
            kept = await self._transcoder.picture(
                track,
                needed,
                at_90k=at_90k,
                width=look.width,
                masks=look.masks,
                lines=look.lines(shown_us),
            )
            self._kept.put(key, kept)
        return kept


def _fragment_at(located: Located, at_us: int) -> int:
    """The fragment that is being decoded at the instant (the first or last if it is outside)."""
    number = 0
    for item in located.fragments:
        if item.start_us > at_us:
            break
        number = item.number
    return number


def _joined(data: Sequence[bytes], tracks: Sequence[Track]) -> list[list[AccessUnit]]:
    joined: list[list[AccessUnit]] = [[] for _ in tracks]
    for item in data:
        for own, units in zip(joined, units_by_track(item, tracks), strict=True):
            own += units
    return joined


def _video(
    units: list[list[AccessUnit]], tracks: Sequence[Track]
) -> tuple[Track, list[AccessUnit]]:
    for track, own in zip(tracks, units, strict=True):
        if track.kind == "video":
            return track, own
    raise FootageGone("there is no picture in this footage")


def _due(units: list[AccessUnit], at_90k: int) -> list[AccessUnit]:
    """The units that must be decoded to show the picture of the instant."""
    return list(takewhile(lambda unit: unit.dts_90k <= at_90k, units)) or units[:1]
