"""A download of footage for who must not see beneath its masks: transcoded while it is sent.

What comes is one fragmented MP4, from the keyframe before the range on, its time beginning at 0.
Its size is not known ahead, so it cannot be resumed.
"""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

from gateway.footage.download import FormatChanges
from gateway.footage.playback_index import Range, fragments_in
from gateway.footage.reader import FootageGone, Located
from gateway.footage.transcoding import PlaybackTranscoding, TranscodeQueued
from gateway.masks import Polygons
from gateway.transcoder.errors import TranscodeError
from recorder.fmp4.reader import Mp4Error, iterate_boxes

FRAGMENTS_AT_ONCE = 4
# A download that has begun waits so long for a place that a live viewer has taken.
_PATIENCE_S = 60.0


@dataclass(frozen=True, slots=True)
class _Batch:
    located: Located
    first: int
    last: int


def plan(items: Sequence[Located], wanted: Range) -> list[_Batch]:
    """What is to be transcoded, in order. Raises FootageGone, or FormatChanges with a range for
    each run: times begin anew with each, and so may the format.
    """
    batches: list[_Batch] = []
    for located, fragment in fragments_in(items, wanted):
        if batches:
            last = batches[-1]
            joins = last.located is located and fragment.number == last.last + 1
            if joins and fragment.number - last.first < FRAGMENTS_AT_ONCE:
                batches[-1] = _Batch(located, last.first, fragment.number)
                continue
        batches.append(_Batch(located, fragment.number, fragment.number))
    if not batches:
        raise FootageGone("there is no footage in that range: see the timeline's gaps")
    runs = list(dict.fromkeys(batch.located.run.id for batch in batches))
    if len(runs) > 1:
        raise FormatChanges([_part(batches, run_id, wanted) for run_id in runs])
    return batches


def _part(batches: Sequence[_Batch], run_id: str, wanted: Range) -> dict[str, object]:
    own = [batch for batch in batches if batch.located.run.id == run_id]
    first, last = own[0], own[-1]
    end = last.located.fragments[last.last]
    return {
        "start_us": max(wanted.start_us, first.located.fragments[first.first].start_us),
        "end_us": min(wanted.end_us, end.start_us + end.duration_us),
        "mime": first.located.run.mime,
    }


async def pieces(
    transcoding: PlaybackTranscoding,
    viewer: tuple[str, str],
    batches: Sequence[_Batch],
    masks: Polygons,
) -> AsyncIterator[bytes]:
    """The file, piece by piece. The first piece has pictures in it: what fails before it, fails as
    any request does.
    """
    head = await transcoding.initialisation(batches[0].located.run)
    clock: _Clock | None = None
    for batch in batches:
        made = await _patiently(transcoding, viewer, batch, masks, patient=clock is not None)
        if clock is None:
            clock = _Clock.beginning_with(made)
        yield head + clock.shifted(made)
        head = b""


async def _patiently(
    transcoding: PlaybackTranscoding,
    viewer: tuple[str, str],
    batch: _Batch,
    masks: Polygons,
    *,
    patient: bool,
) -> bytes:
    end_s = asyncio.get_running_loop().time() + _PATIENCE_S
    while True:
        try:
            return await transcoding.fragments(
                viewer, batch.located, batch.first, batch.last, masks
            )
        except (TranscodeQueued, TranscodeError) as error:
            waits = isinstance(error, TranscodeQueued) or error.code == "preempted"
            if not patient or not waits or asyncio.get_running_loop().time() > end_s:
                raise
        await asyncio.sleep(0.5)


@dataclass(frozen=True, slots=True)
class _Clock:
    """By how much each track's decode times are put back, by track id."""

    shifts: dict[int, int]

    @classmethod
    def beginning_with(cls, fragments: bytes) -> _Clock:
        shifts: dict[int, int] = {}
        for track_id, _, decode_time in _decode_times(fragments):
            shifts.setdefault(track_id, decode_time)
        return cls(shifts)

    def shifted(self, fragments: bytes) -> bytes:
        """The fragments with their ``tfdt`` put back (ISO/IEC 14496-12 §8.8.12)."""
        changed = bytearray(fragments)
        for track_id, at, decode_time in _decode_times(fragments):
            struct.pack_into(">Q", changed, at, max(0, decode_time - self.shifts.get(track_id, 0)))
        return bytes(changed)


def _decode_times(fragments: bytes) -> list[tuple[int, int, int]]:
    """(track id, where the 64-bit decode time stands, the time) of each track of each fragment."""
    found = []
    for moof in iterate_boxes(fragments, 0, len(fragments)):
        if moof.kind != b"moof":
            continue
        for traf in iterate_boxes(fragments, moof.body, moof.end):
            if traf.kind != b"traf":
                continue
            boxes = {box.kind: box for box in iterate_boxes(fragments, traf.body, traf.end)}
            if b"tfhd" not in boxes or b"tfdt" not in boxes:
                raise Mp4Error("a fragment without times")
            (track_id,) = struct.unpack_from(">I", fragments, boxes[b"tfhd"].body + 4)
            at = boxes[b"tfdt"].body + 4
            found.append((track_id, at, struct.unpack_from(">Q", fragments, at)[0]))
    return found
