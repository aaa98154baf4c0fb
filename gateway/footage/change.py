"""Every moment at which a region of a camera's picture changed, from its recorded footage.

What to look at is chosen from the index of groups of pictures; keyframes are read and decoded
first, then whole groups around each change, to tell when it began. Decoding is done in processes of
their own: media that hang or crash a decoder end one of those, and nothing else.
"""

from __future__ import annotations

import asyncio
import contextlib
import multiprocessing
import os
import signal
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

import structlog

from camera_adapters.stream import AccessUnit, Track
from gateway.control.channel import ControlError
from gateway.footage.fragments import read_fragments, units_by_track
from gateway.footage.reader import FootageGone, FootageReader, FootageUnreadable, Located
from recorder.fmp4.reader import Mp4Error
from recorder.gop_index import GopIndexError
from recorder.intervals import subtract
from recorder.segments import Fragment

if TYPE_CHECKING:
    from search.change.region import Grid, Look
    from search.change.watch import Change, Moment, RegionWatch

_log = structlog.get_logger(__name__)

AT_ONCE = 2
LONGEST_US = 7 * 86_400_000_000
_DECODE_TIMEOUT_S = 120.0
_REFINED_EVERY_US = 180_000
_REFINED_BYTES_LIMIT = 32 * 1024 * 1024
_SHORTEST_GAP_US = 1_000_000
_NICENESS = 10

_T = TypeVar("_T")
_READ_FAULTS = (FootageGone, FootageUnreadable, Mp4Error, GopIndexError)


class ChangeSearches:
    """``change.find``; at most ``AT_ONCE`` run, the others wait their turn and say so."""

    def __init__(self, reader: FootageReader) -> None:
        self._reader = reader
        self._turns = asyncio.Semaphore(AT_ONCE)
        self._processes: ProcessPoolExecutor | None = None

    def calls(self) -> dict[str, Callable[..., Any]]:
        """``change.find(camera_id, start_us, end_us, points)``, a stream: ``{type: "waiting"}``,
        ``{type: "progress", done_us}``, ``{type: "moment", …}``, ``{type: "gap", start_us, end_us,
        cause}`` for what was not looked at, and at last ``{type: "end", looks}``. Refused:
        ``invalid`` (no such region or range).
        """
        return {"change.find": self.find}

    async def close(self) -> None:
        """End the processes."""
        processes, self._processes = self._processes, None
        if processes is not None:
            await asyncio.to_thread(_end, processes)

    async def find(
        self, camera_id: str, start_us: int, end_us: int, points: Sequence[Sequence[float]]
    ) -> AsyncIterator[dict[str, Any]]:
        """See :meth:`calls`."""
        from search.change.region import Region, RegionRefused

        try:
            region = Region(tuple((float(x), float(y)) for x, y in points))
        except (RegionRefused, TypeError, ValueError) as error:
            raise ControlError("invalid", str(error)) from None
        if not 0 < end_us - start_us <= LONGEST_US:
            raise ControlError("invalid", "the range is empty or longer than 7 days")
        if self._turns.locked():
            yield {"type": "waiting"}
        async with self._turns:
            search = _Search(self._reader, self._run, camera_id, region)
            async with contextlib.aclosing(search.lines(start_us, end_us)) as lines:
                async for line in lines:
                    yield line

    async def _run(self, work: Callable[..., _T], *arguments: Any) -> _T:
        """Run in one of the processes. Raises FootageUnreadable when it crashed or hung."""
        if self._processes is None:
            self._processes = ProcessPoolExecutor(
                AT_ONCE,
                mp_context=multiprocessing.get_context("spawn"),
                initializer=_begin,
                initargs=(os.getpid(),),
            )
        processes = self._processes
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(_DECODE_TIMEOUT_S):
                return await loop.run_in_executor(processes, work, *arguments)
        except (BrokenProcessPool, TimeoutError) as error:
            if self._processes is processes:
                self._processes = None
            await asyncio.to_thread(_end, processes)
            raise FootageUnreadable("its pictures stopped the decoder") from error


class _Search:
    """One search, segment after segment."""

    def __init__(
        self, reader: FootageReader, run: Callable[..., Any], camera_id: str, region: Any
    ) -> None:
        self._reader = reader
        self._run = run
        self._camera_id = camera_id
        self._region = region
        self._grid: Grid | None = None
        self._watch: RegionWatch | None = None
        self._looks = 0

    async def lines(self, start_us: int, end_us: int) -> AsyncGenerator[dict[str, Any]]:
        """What is told, in order of time."""
        variant, items = await self._footage(start_us, end_us)
        gaps = await self._reader.gaps_between(self._camera_id, variant, start_us, end_us, items)
        for gap in gaps:
            yield {"type": "gap", **gap}
        known = [(gap["start_us"], gap["end_us"]) for gap in gaps]
        known += [(item.segment.effective_start_us or 0, _end_of(item)) for item in items]
        for from_us, until_us in subtract((start_us, end_us), known):
            if until_us - from_us >= _SHORTEST_GAP_US:
                yield {
                    "type": "gap",
                    "start_us": from_us,
                    "end_us": until_us,
                    "cause": "no_footage",
                    "detail": "nothing was recorded",
                }
        chosen = await asyncio.to_thread(_chosen, items, start_us, end_us)
        # The next segment is read and decoded while this one is looked at.
        coming: asyncio.Task[list[Look]] | None = None
        try:
            for index, item in enumerate(items):
                own = coming or asyncio.create_task(self._looks_of(item, chosen[index]))
                coming = None
                if index + 1 < len(items):
                    coming = asyncio.create_task(
                        self._looks_of(items[index + 1], chosen[index + 1])
                    )
                try:
                    looks = await own
                except _READ_FAULTS as error:
                    _log.warning("footage could not be searched", why=str(error))
                    yield _unread(item, start_us, end_us)
                    continue
                if not looks and chosen[index]:
                    yield _unread(item, start_us, end_us)
                for change in await asyncio.to_thread(self._seen, looks):
                    yield _line(await self._refined(variant, change))
                yield {"type": "progress", "done_us": min(_end_of(item), end_us)}
        finally:
            if coming is not None:
                coming.cancel()
                await asyncio.gather(coming, return_exceptions=True)
        if self._watch is not None:
            for change in self._watch.finish():
                yield _line(await self._refined(variant, change))
        yield {"type": "end", "looks": self._looks}

    async def _footage(self, start_us: int, end_us: int) -> tuple[str, list[Located]]:
        """The sub-stream's where all of it was recorded: that is looked through many times as
        fast. Else the main one's.
        """
        main = await self._reader.between(self._camera_id, "main", start_us, end_us)
        sub = await self._reader.between(self._camera_id, "sub", start_us, end_us)
        if sub and _covered_us(sub, start_us, end_us) >= _covered_us(main, start_us, end_us):
            return "sub", sub
        return "main", main

    async def _looks_of(self, item: Located, chosen: Sequence[Fragment]) -> list[Look]:
        if not chosen:
            return []
        from search.change.looking import keyframe_looks

        tracks = self._reader.tracks(item.run)
        index = next((n for n, one in enumerate(tracks) if one.kind == "video"), None)
        if index is None:
            return []
        grid = self._grid_for(tracks[index])
        keyframes: list[AccessUnit] = []
        for part in chosen:
            data = await self._reader.read(item, part.offset, part.keyframe_bytes)
            keyframes += [_timed(one, item) for one in units_by_track(data, tracks)[index][:1]]
        looks: list[Look] = await self._run(keyframe_looks, tracks[index], keyframes, grid)
        self._looks += len(looks)
        return looks

    def _grid_for(self, track: Track) -> Grid:
        from search.change.region import Grid

        if self._grid is None:
            self._grid = Grid.of(self._region, track.width or 1280, track.height or 720)
        return self._grid

    def _seen(self, looks: Sequence[Look]) -> list[Change]:
        from search.change.watch import RegionWatch

        if self._watch is None:
            if self._grid is None:
                return []
            self._watch = RegionWatch(self._grid)
        return [change for look in looks for change in self._watch.push(look)]

    async def _refined(self, variant: str, change: Change) -> Moment:
        """When it began, to a fifth of a second, where the footage in between can be read."""
        from search.change.looking import looks_between

        after_us, before_us = change.window
        looks: list[Look] = []
        try:
            for item in await self._reader.between(
                self._camera_id, variant, after_us, before_us + 1
            ):
                tracks = self._reader.tracks(item.run)
                index = next(n for n, one in enumerate(tracks) if one.kind == "video")
                numbers = _numbers_between(item, after_us, before_us)
                if not numbers:
                    continue
                units: list[AccessUnit] = []
                for data in await read_fragments(self._reader, item, numbers[0], numbers[-1]):
                    units += [_timed(one, item) for one in units_by_track(data, tracks)[index]]
                looks += await self._run(
                    _between, looks_between, tracks[index], units, self._grid, after_us, before_us
                )
        except (*_READ_FAULTS, StopIteration):
            return change.moment
        return await asyncio.to_thread(change.refined, looks)


def _between(
    looks_between: Callable[..., list[Look]],
    track: Track,
    units: Sequence[AccessUnit],
    grid: Grid,
    after_us: int,
    before_us: int,
) -> list[Look]:
    return looks_between(
        track, units, grid, after_us=after_us, before_us=before_us, every_us=_REFINED_EVERY_US
    )


def _chosen(items: Sequence[Located], start_us: int, end_us: int) -> list[list[Fragment]]:
    from search.change.plan import Group, worth_a_look

    parts = [
        (number, part)
        for number, item in enumerate(items)
        for part in item.fragments
        if part.keyframe_bytes and _within(item, part, start_us, end_us)
    ]
    groups = [
        Group(part.start_us, part.duration_us, part.size_bytes - part.keyframe_bytes)
        for _, part in parts
    ]
    chosen: list[list[Fragment]] = [[] for _ in items]
    for (number, part), worth in zip(parts, worth_a_look(groups), strict=True):
        if worth:
            chosen[number].append(part)
    return chosen


def _within(item: Located, part: Fragment, start_us: int, end_us: int) -> bool:
    from_us = max(start_us, item.segment.effective_start_us or 0)
    until_us = min(end_us, item.segment.effective_end_us or 0)
    return from_us <= part.start_us < until_us


def _numbers_between(item: Located, after_us: int, before_us: int) -> list[int]:
    """The fragments that are needed to see what is between, from a keyframe on, within bounds."""
    parts = item.fragments
    numbers = [
        part.number
        for part in parts
        if part.start_us < before_us and part.start_us + part.duration_us > after_us
    ]
    if not numbers:
        return []
    first = numbers[0]
    while first > 0 and not parts[first].keyframe_bytes:
        first -= 1
    size, kept = 0, []
    for number in range(first, numbers[-1] + 1):
        size += parts[number].size_bytes
        if size > _REFINED_BYTES_LIMIT:
            break
        kept.append(number)
    return kept


def _timed(unit: AccessUnit, item: Located) -> AccessUnit:
    return replace(unit, wall_us=item.run.start_us + unit.pts_90k * 100 // 9)


def _covered_us(items: Sequence[Located], start_us: int, end_us: int) -> int:
    return sum(
        max(0, min(_end_of(item), end_us) - max(item.segment.effective_start_us or 0, start_us))
        for item in items
    )


def _end_of(item: Located) -> int:
    return item.segment.effective_end_us or 0


def _unread(item: Located, start_us: int, end_us: int) -> dict[str, Any]:
    return {
        "type": "gap",
        "start_us": max(item.segment.effective_start_us or 0, start_us),
        "end_us": min(_end_of(item), end_us),
        "cause": "unreadable",
        "detail": "this footage could not be read or decoded",
    }


def _line(moment: Moment) -> dict[str, Any]:
    return {
        "type": "moment",
        "kind": str(moment.kind),
        "at_us": moment.at_us,
        "before_us": moment.before_us,
        "after_us": moment.after_us,
        "strength": round(moment.strength, 3),
        "lasts": moment.lasts,
    }


def _begin(parent_id: int) -> None:
    """In a new process: it yields to recording and viewing, and does not outlive its parent."""
    from gateway.cluster.child import die_with_supervisor

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    die_with_supervisor(parent_id)
    os.nice(_NICENESS)
    import av.logging
    import cv2

    av.logging.set_level(None)
    cv2.setNumThreads(1)


def _end(processes: ProcessPoolExecutor) -> None:
    # One that hangs would never end by itself.
    for process in list((processes._processes or {}).values()):
        process.kill()
    # One that was killed within its answer has left half of it, and whoever reads it waits for the
    # other half as long as anybody could still write it: so could this process.
    processes._result_queue._writer.close()  # type: ignore[attr-defined]
    processes.shutdown(wait=True, cancel_futures=True)
