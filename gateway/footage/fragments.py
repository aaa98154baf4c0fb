"""Fragments as browsers play them: as recorded, with sound converted, or a keyframe alone."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from camera_adapters.stream import AccessUnit, Track
from gateway.footage.byte_cache import ByteCache
from gateway.footage.reader import FootageGone, FootageReader, Located
from gateway.footage.sound import convert, needs_conversion, playable_tracks
from recorder.fmp4.reader import keyframe_fragment, read_units
from recorder.fmp4.writer import fragment, init_segment
from recorder.segments import Fragment, Run

FRAGMENTS_LIMIT = 120
CONVERTED_BYTES_KEPT = 64 * 1024 * 1024
_BYTES_LIMIT = 96 * 1024 * 1024


class RangeError(ValueError):
    """The fragment numbers make no sense. The message says what to ask for."""


def check_numbers(located: Located, first: int, last: int) -> None:
    """Raise RangeError or FootageGone unless the segment has these fragments."""
    if not 0 <= first <= last or last - first >= FRAGMENTS_LIMIT:
        raise RangeError(f"ask for first ≤ last, at most {FRAGMENTS_LIMIT} fragments at once")
    if last >= len(located.fragments):
        raise FootageGone(f"segment {located.segment.id} has no fragment {last}")
    wanted = located.fragments[first : last + 1]
    if sum(item.size_bytes for item in wanted) > _BYTES_LIMIT:
        raise RangeError("so much footage at once is too large: ask for fewer fragments")


async def read_fragments(
    reader: FootageReader, located: Located, first: int, last: int
) -> list[bytes]:
    """The fragments' bytes, by one range read."""
    wanted = located.fragments[first : last + 1]
    start = wanted[0].offset
    data = await reader.read(located, start, wanted[-1].offset + wanted[-1].size_bytes - start)
    return [data[item.offset - start : item.offset - start + item.size_bytes] for item in wanted]


class FragmentMaker:
    """What ``init.mp4`` and ``.m4s`` answer."""

    def __init__(self, reader: FootageReader) -> None:
        self._reader = reader
        self._converted = ByteCache(CONVERTED_BYTES_KEPT)

    def initialisation(self, run: Run) -> bytes:
        """The run's initialisation segment for MSE."""
        tracks = self._reader.tracks(run)
        if not any(map(needs_conversion, tracks)):
            return run.init_segment
        return init_segment(playable_tracks(tracks))

    async def fragments(self, located: Located, first: int, last: int) -> bytes:
        """These fragments for MSE, one after the other.

        Raises RangeError, FootageGone, FootageUnreadable, or Mp4Error when the footage is damaged.
        """
        check_numbers(located, first, last)
        tracks = self._reader.tracks(located.run)
        if not any(map(needs_conversion, tracks)):
            wanted = located.fragments[first : last + 1]
            start = wanted[0].offset
            end = wanted[-1].offset + wanted[-1].size_bytes
            return await self._reader.read(located, start, end - start)
        key = (located.segment.id, first, last)
        kept = self._converted.get(key)
        if kept is None:
            before, data = await self.with_previous(located, first, last)
            parts = located.fragments[first : last + 1]
            kept = await asyncio.to_thread(with_converted_sound, tracks, before, data, parts)
            self._converted.put(key, kept)
        return kept

    async def with_previous(
        self, located: Located, first: int, last: int
    ) -> tuple[bytes | None, list[bytes]]:
        """The fragment before ``first`` in the run (None at its start), and those asked for."""
        if first > 0:
            before, *data = await read_fragments(self._reader, located, first - 1, last)
            return before, data
        data = await read_fragments(self._reader, located, first, last)
        earlier = await self._reader.before(located)
        if earlier is None:
            return None, data
        number = len(earlier.fragments) - 1
        try:
            (before,) = await read_fragments(self._reader, earlier, number, number)
        except FootageGone:
            return None, data
        return before, data

    async def keyframe(self, located: Located, number: int) -> bytes:
        """The keyframe of one fragment, lasting as long as the fragment."""
        check_numbers(located, number, number)
        part = located.fragments[number]
        if not part.keyframe_bytes:
            raise FootageGone(f"fragment {number} does not begin with a keyframe")
        prefix = await self._reader.read(located, part.offset, part.keyframe_bytes)
        tracks = self._reader.tracks(located.run)
        return keyframe_fragment(prefix, tracks, part.duration_us * 9 // 100, number + 1)


def sound_index(tracks: Sequence[Track]) -> int | None:
    """Which track is sound that needs conversion."""
    return next((index for index, track in enumerate(tracks) if needs_conversion(track)), None)


def units_by_track(data: bytes, tracks: Sequence[Track]) -> list[list[AccessUnit]]:
    """One fragment's units, track by track."""
    by_track: list[list[AccessUnit]] = [[] for _ in tracks]
    for unit in read_units(data, tracks):
        by_track[unit.track_index].append(unit)
    return by_track


def converted_sound(
    tracks: Sequence[Track], index: int, before: bytes | None, parsed: list[list[list[AccessUnit]]]
) -> list[list[AccessUnit]]:
    """The AAC units of parsed fragments."""
    earlier = units_by_track(before, tracks)[index] if before is not None else []
    return convert(tracks[index], earlier, [units[index] for units in parsed])


def with_converted_sound(
    tracks: Sequence[Track],
    before: bytes | None,
    data: list[bytes],
    parts: Sequence[Fragment],
) -> bytes:
    """The fragments again, with AAC in place of G.711. Blocks."""
    index = sound_index(tracks)
    assert index is not None
    parsed = [units_by_track(item, tracks) for item in data]
    sound = converted_sound(tracks, index, before, parsed)
    output = playable_tracks(tracks)
    return b"".join(
        build_fragment(output, part, [*units[:index], made, *units[index + 1 :]])
        for part, units, made in zip(parts, parsed, sound, strict=True)
    )


def build_fragment(
    tracks: Sequence[Track],
    part: Fragment,
    units: Sequence[Sequence[AccessUnit]],
    shift_90k: int = 0,
) -> bytes:
    """One fragment of these units; empty without any. The picture lasts until the fragment's end,
    or ``shift_90k`` longer.
    """
    if not any(units):
        return b""
    end_90k = part.media_start_90k + part.duration_us * 9 // 100 + shift_90k
    ends: list[int | None] = [
        max(end_90k, own[-1].dts_90k + 1) if own and track.kind == "video" else None
        for track, own in zip(tracks, units, strict=True)
    ]
    return fragment(part.number + 1, tracks, units, ends)
