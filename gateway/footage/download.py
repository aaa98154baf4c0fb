"""A range of footage as one MP4 file, in pieces that are read as they are sent.

Pictures are copied, never transcoded. The file begins exactly at the wanted instant by an edit
list; where footage is missing it goes on at once. G.711 becomes AAC in frames of one size (padded
with zeros, which decoders skip), so that the file's layout is known before the sound is converted,
and a broken download can be resumed.
"""

from __future__ import annotations

import asyncio
import hashlib
from bisect import bisect_right
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

from camera_adapters.stream import Track
from gateway.footage.fragments import sound_index, units_by_track
from gateway.footage.playback_index import Range, fragments_in
from gateway.footage.reader import FootageGone, FootageReader, FootageUnreadable, Located
from gateway.footage.sound import (
    AAC_FRAME_BYTES_LIMIT,
    convert_to_one_size,
    frames_between,
    playable_tracks,
)
from gateway.footage.virtual_mp4 import CLOCK_90K, Mp4Table
from gateway.transcoder.audio import AAC_FRAME_SAMPLES
from recorder.fmp4.reader import FragmentLayout, Sample, read_layout
from recorder.segments import Fragment, Run

DOWNLOAD_SPAN_LIMIT_US = 24 * 3_600_000_000
_MOOF_GUESS_BYTES = 4096
_SEAM_US = 500_000
_READ_BYTES = 4 * 1024 * 1024


class FormatChanges(Exception):
    """The range holds footage of different formats, which do not fit into one file: few players
    follow a change of parameter sets inside a plain MP4.

    ``parts``: the ranges to ask for instead, each of one format.
    """

    def __init__(self, parts: list[dict[str, Any]]) -> None:
        super().__init__("the camera's format changes in this range: download each part by itself")
        self.parts = parts


@dataclass(frozen=True, slots=True)
class _Block:
    """Bytes of ``mdat``: [``start``, ``end``) of a fragment, and converted sound behind them."""

    located: Located
    fragment: Fragment
    start: int
    end: int
    sound_frames: int = 0
    before: tuple[Located, Fragment] | None = None


class Reads(Protocol):
    """Where a file's bytes come from; FootageReader is one."""

    def tracks(self, run: Run) -> tuple[Track, ...]:
        """The run's tracks, in the order of its file."""

    async def read(self, located: Located, offset: int, length: int) -> bytes:
        """Exactly these bytes of the segment. Raises FootageGone or FootageUnreadable."""


class Stretch(NamedTuple):
    """Footage without a hole: from ``file_us`` on the file shows what was taken at ``start_us``."""

    file_us: int
    start_us: int
    duration_us: int


@dataclass(slots=True)
class VirtualFile:
    """A file that can be sent in any part. ``stretches`` tell which time it shows when, and
    ``sources`` which segments it is made of.
    """

    head: bytes
    size_bytes: int
    tag: str
    start_us: int
    end_us: int
    stretches: list[Stretch]
    sources: list[Located]
    _blocks: list[_Block] = field(repr=False)
    _offsets: list[int] = field(repr=False)

    async def read(self, reader: Reads, start: int, end: int) -> AsyncIterator[bytes]:
        """The bytes [``start``, ``end``) of the file, in pieces of a few megabytes at most."""
        if start < len(self.head):
            yield self.head[start : min(end, len(self.head))]
        number = max(0, bisect_right(self._offsets, start) - 1)
        while number < len(self._blocks) and self._offsets[number] < end:
            data, count = await self._block_bytes(reader, number)
            offset = self._offsets[number]
            after = number + count
            planned = self._offsets[after] if after < len(self._offsets) else self.size_bytes
            if len(data) != planned - offset:
                raise FootageUnreadable("the footage changed while it was being sent")
            piece = data[max(0, start - offset) : max(0, end - offset)]
            if piece:
                yield piece
            number += count

    async def _block_bytes(self, reader: Reads, number: int) -> tuple[bytes, int]:
        """The data of this block and, where one read covers them, of some that follow."""
        first = self._blocks[number]
        if first.sound_frames:
            return await self._with_sound(reader, first), 1
        blocks = [first]
        for block in self._blocks[number + 1 :]:
            near = block.located is first.located and block.start >= blocks[-1].end
            if not near or block.sound_frames or block.end - first.start > _READ_BYTES:
                break
            blocks.append(block)
        data = await reader.read(first.located, first.start, blocks[-1].end - first.start)
        parts = [data[item.start - first.start : item.end - first.start] for item in blocks]
        return b"".join(parts), len(blocks)

    async def _with_sound(self, reader: Reads, block: _Block) -> bytes:
        part = block.fragment
        whole = await reader.read(block.located, part.offset, part.size_bytes)
        before = b""
        if block.before is not None:
            located, earlier = block.before
            before = await reader.read(located, earlier.offset, earlier.size_bytes)
        tracks = reader.tracks(block.located.run)
        sound = await asyncio.to_thread(_padded_sound, tracks, before, whole, block.sound_frames)
        return whole[block.start - part.offset : block.end - part.offset] + sound


def _padded_sound(tracks: Sequence[Track], before: bytes, data: bytes, frames: int) -> bytes:
    index = sound_index(tracks)
    assert index is not None
    earlier = units_by_track(before, tracks)[index] if before else []
    return convert_to_one_size(tracks[index], earlier, units_by_track(data, tracks)[index], frames)


def format_of(tracks: Sequence[Track]) -> tuple[object, ...]:
    """What must be the same throughout one file."""
    return tuple(
        (track.codec, track.parameter_sets, track.width, track.clock_rate, track.channels)
        for track in tracks
    )


async def plan_download(
    reader: FootageReader,
    camera_id: str,
    variant: str,
    wanted: Range,
    *,
    untouched: bool = False,
) -> VirtualFile:
    """Lay out the file. Reads the head of every fragment, not its media. ``untouched``: sound stays
    as it was recorded too, whether browsers play it or not.

    Raises FootageGone when there is no footage in the range, FormatChanges, FootageUnreadable, and
    Mp4Error when footage is damaged.
    """
    items = await reader.between(camera_id, variant, wanted.start_us, wanted.end_us)
    tracks = {item.run.id: reader.tracks(item.run) for item in items}
    groups = await asyncio.to_thread(_choose, items, tracks, wanted)
    planner = _Planner(tracks, groups[0][0][0].run.id, wanted, untouched)
    for group in groups:
        heads = await asyncio.gather(*(_head(reader, *pair) for pair in group))
        await asyncio.to_thread(planner.add_all, group, heads)
    return await asyncio.to_thread(planner.finish)


def _choose(
    items: Sequence[Located], tracks: Mapping[str, Sequence[Track]], wanted: Range
) -> list[list[tuple[Located, Fragment]]]:
    """The fragments that go into the file, segment by segment. Blocks for milliseconds an hour."""
    chosen = with_keyframes(list(fragments_in(items, wanted)))
    if not chosen:
        raise FootageGone("there is no footage in that range: see the timeline's gaps")
    _check_formats(tracks, chosen, wanted)
    return _by_segment(chosen)


def with_keyframes(
    chosen: list[tuple[Located, Fragment]],
) -> list[tuple[Located, Fragment]]:
    """The fragments, with those in front that the first needs to be decoded."""
    if not chosen:
        return chosen
    located, first = chosen[0]
    number = first.number
    while number > 0 and not located.fragments[number].keyframe_bytes:
        number -= 1
    return [(located, located.fragments[n]) for n in range(number, first.number)] + chosen


def _check_formats(
    tracks: Mapping[str, Sequence[Track]],
    chosen: Sequence[tuple[Located, Fragment]],
    wanted: Range,
) -> None:
    formats = {run_id: format_of(own) for run_id, own in tracks.items()}
    parts: list[dict[str, Any]] = []
    last: object = None
    for located, fragment in chosen:
        current = formats[located.run.id]
        end_us = min(wanted.end_us, fragment.start_us + fragment.duration_us)
        if current != last:
            start_us = max(wanted.start_us, fragment.start_us)
            parts.append({"start_us": start_us, "end_us": end_us, "mime": located.run.mime})
            last = current
        parts[-1]["end_us"] = end_us
    if len(parts) > 1:
        raise FormatChanges(parts)


def _by_segment(
    chosen: Sequence[tuple[Located, Fragment]],
) -> list[list[tuple[Located, Fragment]]]:
    groups: list[list[tuple[Located, Fragment]]] = []
    for pair in chosen:
        if groups and groups[-1][0][0] is pair[0]:
            groups[-1].append(pair)
        else:
            groups.append([pair])
    return groups


async def _head(reader: FootageReader, located: Located, part: Fragment) -> bytes:
    """The fragment's ``moof`` and the header of its ``mdat``, with something behind."""
    data = await reader.read(located, part.offset, min(_MOOF_GUESS_BYTES, part.size_bytes))
    needed = int.from_bytes(data[:4], "big") + 16
    if needed > len(data):
        data = await reader.read(located, part.offset, min(needed, part.size_bytes))
    return data


class _Planner:
    """Walks the fragments in order and keeps account of samples and blocks."""

    def __init__(
        self,
        tracks_of: Mapping[str, Sequence[Track]],
        first_run_id: str,
        wanted: Range,
        untouched: bool,
    ) -> None:
        self._tracks_of = tracks_of
        self._wanted = wanted
        tracks = tracks_of[first_run_id]
        self._lead = next((i for i, track in enumerate(tracks) if track.kind == "video"), 0)
        # The leading track goes first: the others' length follows it.
        self._order = [self._lead, *(i for i in range(len(tracks)) if i != self._lead)]
        output = tracks if untouched else playable_tracks(tracks)
        self._sound = None if untouched else sound_index(tracks)
        self._table = Mp4Table([output[index] for index in self._order])
        self._blocks: list[_Block] = []
        self._offsets: list[int] = []
        self._previous: tuple[Located, Fragment] | None = None
        self._sound_end: int | None = None
        self._skip_90k: int | None = None
        self._start_us = 0
        self._end_us = 0
        self._shown_us = 0
        self._stretch_start_us = 0
        self._stretches: list[Stretch] = []
        self._sources: dict[str, Located] = {}

    def add_all(
        self,
        group: Sequence[tuple[Located, Fragment]],
        heads: Sequence[bytes],
    ) -> None:
        """Consecutive fragments with their heads. Blocks for a tenth of a millisecond each."""
        for (located, part), head in zip(group, heads, strict=True):
            self._add(self._tracks_of[located.run.id], located, part, read_layout(head))

    def _add(
        self, tracks: Sequence[Track], located: Located, part: Fragment, layout: FragmentLayout
    ) -> None:
        run_start_us = located.run.start_us
        by_track = [
            _until(
                [sample for sample in layout.samples if sample.track_id == index + 1],
                (self._wanted.end_us - run_start_us) * _scale(track) // 1_000_000,
            )
            for index, track in enumerate(tracks)
        ]
        lead = by_track[self._lead]
        if not lead:
            return
        scale = _scale(tracks[self._lead])
        if not self._goes_on(located, part):
            self._begin_stretch(located, lead, scale)
        self._sources.setdefault(located.segment.id, located)
        before, self._previous = self._previous, (located, part)
        ranges: list[tuple[int, int]] = []
        offset = self._table.data_bytes
        for index in self._order:
            samples = by_track[index]
            if index == self._sound or not samples:
                continue
            self._table.add(self._order.index(index), samples)
            start = part.offset + samples[0].offset
            end = part.offset + samples[-1].offset + samples[-1].size
            if ranges and ranges[-1][1] == start:
                start = ranges.pop()[0]
            ranges.append((start, end))
        frames = 0
        if self._sound is not None:
            track = tracks[self._sound]
            made = playable_tracks(tracks)[self._sound]
            samples, joined = self._sound_frames(track, made, by_track[self._sound])
            self._table.add(self._order.index(self._sound), samples)
            frames = len(samples)
            before = before if joined else None
        for start, end in ranges[:-1]:
            self._append(offset, _Block(located, part, start, end))
            offset += end - start
        start, end = ranges[-1] if ranges else (part.offset, part.offset)
        self._append(offset, _Block(located, part, start, end, frames, before))
        last = lead[-1]
        self._end_us = (
            run_start_us
            + (last.dts + last.composition_offset + last.duration) * (1_000_000) // scale
        )
        self._end_us = min(self._end_us, self._wanted.end_us)

    def _goes_on(self, located: Located, part: Fragment) -> bool:
        if self._previous is None or self._previous[0].run.id != located.run.id:
            return False
        earlier = self._previous[1]
        return abs(part.start_us - earlier.start_us - earlier.duration_us) < _SEAM_US

    def _begin_stretch(self, located: Located, lead: Sequence[Sample], scale: int) -> None:
        run_start_us = located.run.start_us
        first = lead[0]
        first_us = run_start_us + (first.dts + first.composition_offset) * 1_000_000 // scale
        self._end_stretch()
        self._sound_end = None
        self._previous = None
        self._table.begin_stretch(first.dts * CLOCK_90K // scale)
        if self._skip_90k is None:
            self._start_us = max(self._wanted.start_us, first_us)
            composition_90k = first.composition_offset * CLOCK_90K // scale
            self._skip_90k = composition_90k + (self._start_us - first_us) * 9 // 100
            first_us = self._start_us
        self._stretch_start_us = self._end_us = first_us

    def _append(self, offset: int, block: _Block) -> None:
        self._blocks.append(block)
        self._offsets.append(offset)

    def _sound_frames(
        self, track: Track, output: Track, samples: Sequence[Sample]
    ) -> tuple[list[Sample], bool]:
        """The AAC frames that take the place of these samples, and whether the sound before them
        is needed to make them.
        """
        if not samples:
            self._sound_end = None
            return [], False
        start, end = samples[0].dts, samples[-1].dts + samples[-1].duration
        joined = self._sound_end is not None and abs(start - self._sound_end) < track.clock_rate
        frames = frames_between(self._sound_end if joined else None, start, end)
        self._sound_end = end
        size = AAC_FRAME_BYTES_LIMIT * output.channels
        made = [Sample(0, 0, size, at, AAC_FRAME_SAMPLES, 0, True) for at in frames]
        return made, joined

    def _end_stretch(self) -> None:
        duration_us = self._end_us - self._stretch_start_us
        if duration_us > 0:
            self._stretches.append(Stretch(self._shown_us, self._stretch_start_us, duration_us))
            self._shown_us += duration_us

    def finish(self) -> VirtualFile:
        self._end_stretch()
        if not self._blocks or self._shown_us <= 0:
            raise FootageGone("there is no footage in that range: see the timeline's gaps")
        head = self._table.head(
            skip_90k=self._skip_90k or 0,
            duration_90k=self._shown_us * 9 // 100,
            creation_us=self._start_us,
        )
        size = len(head) + self._table.data_bytes
        offsets = [offset + len(head) for offset in self._offsets]
        tag = hashlib.sha256(head).hexdigest()[:32]
        return VirtualFile(
            head,
            size,
            tag,
            self._start_us,
            self._end_us,
            self._stretches,
            list(self._sources.values()),
            self._blocks,
            offsets,
        )


def _scale(track: Track) -> int:
    return CLOCK_90K if track.kind == "video" else track.clock_rate


def _until(samples: list[Sample], end: int) -> list[Sample]:
    """The samples in decoding order up to the last that is shown before ``end``."""
    keep = len(samples)
    while keep and samples[keep - 1].dts + samples[keep - 1].composition_offset >= end:
        keep -= 1
    return samples[:keep]
