"""A copy that plays everywhere: H.264 pictures made by the transcoder, sound as AAC.

Made GOP by GOP, so that little is lost when a live viewer takes the transcoder's place: the GOP is
done again when there is a place for it. Pictures keep the times of the original.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import BinaryIO

import structlog

from camera_adapters.stream import AccessUnit, Track
from gateway.evidence.digest import DigestingFile, FileDigest
from gateway.footage.download import Reads, Stretch, with_keyframes
from gateway.footage.fragments import sound_index, units_by_track
from gateway.footage.playback_index import Range, fragments_in
from gateway.footage.reader import FootageGone, Located
from gateway.footage.sound import convert, playable_tracks
from gateway.footage.virtual_mp4 import CLOCK_90K, Mp4Table
from gateway.transcoder.burn_in import Polygon
from gateway.transcoder.client import Produced, Queued, TranscoderClient, Transcoding
from gateway.transcoder.errors import TranscodeError
from gateway.transcoder.stamp import Stamp
from gateway.transcoder.video import output_track
from recorder.fmp4.reader import Sample, read_layout
from recorder.segments import Fragment

_log = structlog.get_logger(__name__)

# As long as other work may have the transcoder before the job is put back into its queue.
PLACE_PATIENCE_S = 60.0
_RETRY_S = 1.0
# Codes of TranscodeError that another try may overcome.
_PASSING = ("preempted", "unavailable", "busy")
_PUSH_BYTES = 4 * 1024 * 1024
_SEAM_US = 500_000
_COPY_BYTES = 4 * 1024 * 1024

Progress = Callable[[int], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class ViewingCopy:
    """The finished file. ``tracks`` are its formats, ``stretches`` which time it shows when."""

    digest: FileDigest
    tracks: tuple[Track, ...]
    stretches: list[Stretch]
    sources: list[Located]


@dataclass(slots=True)
class _Gop:
    """Fragments of one run, from a keyframe to before the next."""

    located: Located
    parts: list[Fragment] = field(default_factory=list)

    @property
    def start_us(self) -> int:
        return self.parts[0].start_us

    @property
    def end_us(self) -> int:
        return self.parts[-1].start_us + self.parts[-1].duration_us


async def write_viewing_copy(
    reader: Reads,
    items: Sequence[Located],
    wanted: Range,
    transcoder: TranscoderClient,
    path: Path,
    *,
    masks: Sequence[Polygon],
    stamp: Stamp | None,
    progress: Progress,
) -> ViewingCopy:
    """Write the footage of ``items`` (one format) in the range. ``progress`` is told how many µs
    are done, and may raise to end it.

    Raises FootageGone, FootageUnreadable, Mp4Error, OSError; TranscodeError with code
    ``unavailable`` when there was no place for a minute.
    """
    chosen = with_keyframes(list(fragments_in(items, wanted)))
    if not chosen:
        raise FootageGone("there is no footage in that range: see the timeline's gaps")
    tracks = reader.tracks(chosen[0][0].run)
    lead = next((i for i, track in enumerate(tracks) if track.kind == "video"), None)
    if lead is None:
        raise FootageGone("there is no picture in this footage")
    sources = {located.segment.id: located for located, _ in chosen}
    made_tracks = await asyncio.to_thread(_output_tracks, tracks, lead)
    data = await asyncio.to_thread(_open_data, path)
    writer = _Writer(tracks, lead, made_tracks, wanted, data)
    encoder = _Encoder(transcoder, tracks[lead], masks, stamp)
    try:
        for gop in _gops(chosen):
            raw = await _read(reader, gop)
            parsed = await asyncio.to_thread(_parse, raw, tracks, gop, lead)
            from_90k = None
            if gop.start_us < wanted.start_us:
                from_90k = (wanted.start_us - gop.located.run.start_us) * 9 // 100
            pictures = await encoder.encode(parsed, from_90k)
            await asyncio.to_thread(writer.add, gop, raw, pictures)
            done_us = min(gop.end_us, wanted.end_us) - wanted.start_us
            await progress(max(0, done_us))
        # The place goes back before gigabytes are put behind their head.
        await encoder.close()
        digest = await asyncio.to_thread(writer.finish, path)
    finally:
        await encoder.close()
        await asyncio.to_thread(_discard_data, data)
    return ViewingCopy(digest, made_tracks, writer.stretches, list(sources.values()))


def _open_data(path: Path) -> BinaryIO:
    """Where samples lie until the head before them is known."""
    path.parent.mkdir(parents=True, exist_ok=True)
    return path.with_name(path.name + ".data").open("w+b")


def _discard_data(data: BinaryIO) -> None:
    Path(data.name).unlink(missing_ok=True)
    data.close()


def _output_tracks(tracks: Sequence[Track], lead: int) -> tuple[Track, ...]:
    """The picture first; sound as browsers play it."""
    playable = playable_tracks(tracks)
    others = tuple(track for index, track in enumerate(playable) if index != lead)
    return (output_track(tracks[lead]), *others)


def _gops(chosen: Sequence[tuple[Located, Fragment]]) -> Iterator[_Gop]:
    gop: _Gop | None = None
    for located, part in chosen:
        if gop is None or part.keyframe_bytes or gop.located.segment.id != located.segment.id:
            if gop is not None:
                yield gop
            gop = _Gop(located)
        gop.parts.append(part)
    if gop is not None:
        yield gop


async def _read(reader: Reads, gop: _Gop) -> list[bytes]:
    start = gop.parts[0].offset
    end = gop.parts[-1].offset + gop.parts[-1].size_bytes
    data = await reader.read(gop.located, start, end - start)
    return [data[part.offset - start :][: part.size_bytes] for part in gop.parts]


def _parse(raw: Sequence[bytes], tracks: Sequence[Track], gop: _Gop, lead: int) -> list[AccessUnit]:
    """The pictures of a GOP, each with the time at which it was taken."""
    run_start_us = gop.located.run.start_us
    return [
        replace(unit, wall_us=run_start_us + unit.pts_90k * 100 // 9)
        for data in raw
        for unit in units_by_track(data, tracks)[lead]
    ]


class _Encoder:
    """A place in the transcoder, taken anew when it was lost."""

    def __init__(
        self,
        transcoder: TranscoderClient,
        track: Track,
        masks: Sequence[Polygon],
        stamp: Stamp | None,
    ) -> None:
        self._transcoder = transcoder
        self._track = track
        self._masks = masks
        self._stamp = stamp
        self._job: Transcoding | None = None
        self._tokens = 0

    async def encode(self, units: list[AccessUnit], from_90k: int | None) -> list[AccessUnit]:
        """One GOP in H.264, without what comes before ``from_90k``."""
        give_up = time.monotonic() + PLACE_PATIENCE_S
        while True:
            try:
                return await self._attempt(units, from_90k)
            except TimeoutError:
                await self.close()
                raise TranscodeError("unavailable", "the transcoder had no place") from None
            except TranscodeError as error:
                await self.close()
                if error.code not in _PASSING or time.monotonic() > give_up:
                    raise
                _log.info("an export waits for the transcoder", why=str(error))
                await asyncio.sleep(_RETRY_S)

    async def _attempt(self, units: list[AccessUnit], from_90k: int | None) -> list[AccessUnit]:
        async with asyncio.timeout(PLACE_PATIENCE_S):
            job = self._job or await self._place()
            if from_90k is not None:
                await job.start_at(from_90k)
            for batch in _batches(units):
                await job.push(batch)
            self._tokens += 1
            await job.finish(self._tokens)
            made: list[AccessUnit] = []
            async for event in job:
                if isinstance(event, Produced):
                    made += event.units
                    if event.token == self._tokens:
                        return made
        raise TranscodeError("unavailable", "the transcoder ended in the middle")

    async def _place(self) -> Transcoding:
        job = self._transcoder.open(
            "video", self._track, live=False, masks=self._masks, stamp=self._stamp
        )
        self._job = job
        async for event in job:
            if not isinstance(event, Queued):
                return job
        raise TranscodeError("unavailable", "the transcoder gave no place")

    async def close(self) -> None:
        """Give the place back."""
        job, self._job = self._job, None
        if job is not None:
            with contextlib.suppress(TranscodeError, ConnectionError):
                await job.close()


def _batches(units: Sequence[AccessUnit]) -> Iterator[list[AccessUnit]]:
    batch: list[AccessUnit] = []
    size = 0
    for unit in units:
        if batch and size + len(unit.payload) > _PUSH_BYTES:
            yield batch
            batch, size = [], 0
        batch.append(unit)
        size += len(unit.payload)
    if batch:
        yield batch


class _Writer:
    """Lays samples behind one another and keeps account of them. All calls block."""

    def __init__(
        self,
        tracks: Sequence[Track],
        lead: int,
        output: Sequence[Track],
        wanted: Range,
        data: BinaryIO,
    ) -> None:
        self._tracks = tracks
        self._lead = lead
        self._sound = sound_index(tracks)
        self._table = Mp4Table(output)
        self._others = [index for index in range(len(tracks)) if index != lead]
        self._wanted = wanted
        self._data = data
        self._previous: _Gop | None = None
        self._sound_before: list[AccessUnit] = []
        self._from_90k = 0
        self._start_us = 0
        self.stretches: list[Stretch] = []

    def add(self, gop: _Gop, raw: Sequence[bytes], pictures: Sequence[AccessUnit]) -> None:
        """The pictures of a GOP, and the sound of its fragments."""
        run_start_us = gop.located.run.start_us
        end_90k = (self._wanted.end_us - run_start_us) * 9 // 100
        pictures = [unit for unit in pictures if unit.pts_90k < end_90k]
        if not pictures:
            return
        first_us = run_start_us + pictures[0].pts_90k * 100 // 9
        end_us = min(gop.end_us, self._wanted.end_us)
        last_90k = max((end_us - run_start_us) * 9 // 100, pictures[-1].pts_90k + 1)
        if not self._goes_on(gop):
            self._table.begin_stretch(pictures[0].pts_90k)
            self._from_90k = pictures[0].pts_90k
            self._sound_before = []
            shown_us = sum(one.duration_us for one in self.stretches)
            self._start_us = self._start_us or first_us
            self.stretches.append(Stretch(shown_us, first_us, 0))
        last = self.stretches[-1]
        self.stretches[-1] = last._replace(duration_us=end_us - last.start_us)
        self._previous = gop
        ends = [*(unit.pts_90k for unit in pictures[1:]), last_90k]
        samples = [
            Sample(1, 0, len(unit.payload), unit.pts_90k, end - unit.pts_90k, 0, unit.keyframe)
            for unit, end in zip(pictures, ends, strict=True)
        ]
        self._table.add(0, samples)
        self._data.writelines(unit.payload for unit in pictures)
        for number, index in enumerate(self._others, 1):
            self._add_sound(number, index, raw, end_90k)

    def _goes_on(self, gop: _Gop) -> bool:
        before = self._previous
        if before is None or before.located.run.id != gop.located.run.id:
            return False
        return abs(gop.start_us - before.end_us) < _SEAM_US

    def _add_sound(self, number: int, index: int, raw: Sequence[bytes], end_90k: int) -> None:
        track = self._tracks[index]
        scale = track.clock_rate
        begin, end = self._from_90k * scale // CLOCK_90K, end_90k * scale // CLOCK_90K
        if index == self._sound:
            units = [unit for data in raw for unit in units_by_track(data, self._tracks)[index]]
            (made,) = convert(track, self._sound_before, [units])
            self._sound_before = units
            found = [
                (Sample(0, 0, len(unit.payload), at, 1024, 0, True), unit.payload)
                for unit in made
                for at in (round(unit.pts_90k * scale / CLOCK_90K),)
            ]
        else:
            found = [
                (sample, data[sample.offset : sample.offset + sample.size])
                for data in raw
                for sample in read_layout(data).samples
                if sample.track_id == index + 1
            ]
        kept = [one for one in found if begin <= one[0].dts < end]
        self._table.add(number, [sample for sample, _ in kept])
        self._data.writelines(payload for _, payload in kept)

    def finish(self, path: Path) -> FileDigest:
        """Write the file: its head, then what was laid down."""
        if not self.stretches:
            raise FootageGone("there is no picture that can be decoded in that range")
        shown_us = sum(one.duration_us for one in self.stretches)
        head = self._table.head(
            skip_90k=0, duration_90k=shown_us * 9 // 100, creation_us=self._start_us
        )
        self._data.flush()
        self._data.seek(0)
        file = DigestingFile(path)
        try:
            file.write(head)
            while block := self._data.read(_COPY_BYTES):
                file.write(block)
            return file.finish()
        finally:
            file.discard()
