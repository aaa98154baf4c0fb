"""Where a camera's footage is, and its bytes: index rows, the store, and what shards still hold.

Stored segments never change, so what was once looked up is kept; an open one grows, so it is asked
for again when more of it is wanted.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from camera_adapters.stream import Track
from gateway.control.channel import ControlError
from gateway.footage.footage_ids import is_meeting, own_source_id
from recorder.fmp4.reader import read_tracks
from recorder.intervals import longest, subtract
from recorder.lookup import find_runs, find_segment, recent_predecessor, segments_between
from recorder.segments import Fragment, Run, Segment
from recorder.stores import Store
from recorder.tables import DELETING, assignments, sources
from recorder.timeline import timeline

SEGMENTS_KEPT = 4096
RUNS_KEPT = 512
UNPACKED_AT_ONCE = 64
SOURCES_KEPT_S = 5.0
STORE_READS = 16
OPEN_SEGMENTS_TIMEOUT_S = 2.0
AWAY_S = 2.0
# A message of the control channel holds 32 MiB.
SPOOL_READ_BYTES = 8 * 1024 * 1024
_JOIN_US = 1_000_000


class FootageGone(Exception):
    """It is not there: unknown, deleted meanwhile, or of a camera that may not be seen."""


class FootageUnreadable(Exception):
    """It is there, but the store or the shard that holds it does not give it."""


class Shards(Protocol):
    """Calls on media shards by name."""

    async def call(self, shard: str, name: str, /, **arguments: Any) -> Any:
        """Raises ConnectionError, TimeoutError or ControlError."""


@dataclass(frozen=True, slots=True)
class Located:
    """A segment, its run, and where its bytes are: on ``shard``, or in the store when None."""

    segment: Segment
    run: Run
    shard: str | None
    fragments: Sequence[Fragment]


@dataclass(frozen=True, slots=True)
class Source:
    """One source of a camera's footage, the shard that owns it now, and the one before it, while
    that may have footage that is not in the index yet.
    """

    id: str
    kind: str
    owner: str | None
    predecessor: str | None = None


class FootageReader:
    """Everything that the footage server reads. All calls on one event loop; nothing blocks it."""

    def __init__(self, engine: AsyncEngine, store: Store, shards: Shards) -> None:
        self._engine = engine
        self._store = store
        self._shards = shards
        self._reads = asyncio.Semaphore(STORE_READS)
        self._stored: OrderedDict[str, Located] = OrderedDict()
        self._runs: OrderedDict[str, Run] = OrderedDict()
        self._tracks: OrderedDict[str, tuple[Track, ...]] = OrderedDict()
        self._sources: dict[tuple[str, str], tuple[float, list[Source]]] = {}
        self._away_until: dict[str, float] = {}

    async def sources_of(self, camera_id: str, variant: str) -> list[Source]:
        """The sources that hold this variant of the camera: its own first, imports after. For a
        meeting's track (see :mod:`gateway.footage.footage_ids`) that one alone.
        """
        known = self._sources.get((camera_id, variant))
        if known is not None and known[0] > time.monotonic():
            return known[1]
        own = own_source_id(camera_id, variant)
        whose = (
            (sources.c.id == own, sources.c.kind == "meeting")
            if is_meeting(camera_id)
            else (sources.c.camera_id == camera_id, sources.c.variant == variant)
        )
        statement = (
            sa.select(
                sources.c.id,
                sources.c.kind,
                assignments.c.owner,
                recent_predecessor(time.time_ns() // 1000),
            )
            .join_from(sources, assignments, assignments.c.source_id == sources.c.id, isouter=True)
            .where(*whose)
            .order_by(sources.c.id != own, sources.c.created_us, sources.c.id)
        )
        async with self._engine.connect() as connection:
            rows = await connection.execute(statement)
            found = [Source(*row) for row in rows]
        if len(self._sources) > SEGMENTS_KEPT:
            self._sources.clear()
        self._sources[camera_id, variant] = (time.monotonic() + SOURCES_KEPT_S, found)
        return found

    async def between(
        self, camera_id: str, variant: str, start_us: int, end_us: int
    ) -> list[Located]:
        """The segments whose effective range meets [``start_us``, ``end_us``), in order of time.

        Sources do not cover one another: what a camera recorded itself comes first, and imports
        fill what is left.
        """
        found: list[Located] = []
        for source in await self.sources_of(camera_id, variant):
            added = await self._between_of_source(source, start_us, end_us)
            covered = [_effective(item.segment) for item in found]
            for item in added:
                found += _uncovered(item, covered) if covered else [item]
        return sorted(found, key=lambda item: item.segment.effective_start_us or 0)

    async def gaps_between(
        self, camera_id: str, variant: str, start_us: int, end_us: int, items: Sequence[Located]
    ) -> list[dict[str, Any]]:
        """Where footage is missing in the range, and why, in order of time; ``items`` is what
        :meth:`between` found for it.
        """
        places = await self.sources_of(camera_id, variant)
        if not places or places[0].id != own_source_id(camera_id, variant):
            return []
        own = [item.segment for item in items if item.segment.source_id == places[0].id]
        others = [
            _effective(item.segment) for item in items if item.segment.source_id != places[0].id
        ]
        async with self._engine.connect() as connection:
            found = await timeline(
                connection,
                places[0].id,
                start_us,
                end_us,
                now_us=time.time_ns() // 1000,
                open_segments=[segment for segment in own if segment.state in ("open", "pending")],
            )
        return [
            {"start_us": start, "end_us": end, "cause": str(gap.cause), "detail": gap.detail}
            for gap in found.gaps
            for start, end in subtract((gap.start_us, gap.end_us), others)
        ]

    async def segment(
        self, camera_id: str, variant: str, segment_id: str, fragments: int = 0
    ) -> Located:
        """The segment with this id, with at least so many fragments if it has them.

        Raises FootageGone when it is not this camera's.
        """
        known = self._stored.get(segment_id)
        if known is None:
            known = await self._find_segment(camera_id, variant, segment_id)
        ids = {item.id for item in await self.sources_of(camera_id, variant)}
        if known.segment.source_id not in ids or len(known.fragments) < fragments:
            raise FootageGone(f"segment {segment_id} is not there (any more)")
        return known

    async def run(self, camera_id: str, variant: str, run_id: str) -> Run:
        """The run with this id. Raises FootageGone when it is not this camera's."""
        run = (await self._runs_by_id({run_id})).get(run_id)
        places = await self.sources_of(camera_id, variant)
        if run is None:
            for source in places:
                await self._open_segments(source)
            run = self._runs.get(run_id)
        if run is None or run.source_id not in {source.id for source in places}:
            raise FootageGone(f"run {run_id} is not there (any more)")
        return run

    async def before(self, located: Located) -> Located | None:
        """The segment of the same run that this one goes on from; None when there is none."""
        segment = located.segment
        source = Source(segment.source_id, "", located.shard)
        found = await self._between_of_source(
            source, segment.start_us - _JOIN_US, segment.start_us + 1
        )
        for item in reversed(found):
            joins = abs(item.segment.end_us - segment.start_us) < _JOIN_US
            if item.segment.start_us < segment.start_us and item.run.id == segment.run_id and joins:
                return item
        return None

    def tracks(self, run: Run) -> tuple[Track, ...]:
        """The run's tracks, in the order of its file."""
        known = self._tracks.get(run.id)
        if known is None:
            known = self._tracks[run.id] = read_tracks(run.init_segment)
            _bound(self._tracks, RUNS_KEPT)
        return known

    async def read(self, located: Located, offset: int, length: int) -> bytes:
        """Exactly these bytes of the segment. Raises FootageGone or FootageUnreadable."""
        segment = located.segment
        async with self._reads:
            try:
                if located.shard is None:
                    data = await self._store.read(segment.store_key, offset, length)
                else:
                    data = await self._read_spool(located, offset, length)
            except (ControlError, ConnectionError, TimeoutError) as error:
                raise FootageUnreadable(f"{located.shard} does not give it: {error}") from error
            except Exception as error:
                if getattr(error, "code", None) == "not_found":
                    self._stored.pop(segment.id, None)
                    raise FootageGone(f"segment {segment.id} is gone") from error
                raise FootageUnreadable(f"the store does not give it: {error}") from error
        if len(data) != length:
            raise FootageUnreadable(
                f"segment {segment.id} is shorter than its index says: run `gridsight check`"
            )
        return data

    # ---- rows

    async def _between_of_source(self, source: Source, start_us: int, end_us: int) -> list[Located]:
        # Open segments first: one that is stored in between is then met twice, not missed.
        opened = await self._open_segments(source)
        async with self._engine.connect() as connection:
            rows = await segments_between(connection, source.id, start_us, end_us)
        runs = await self._runs_by_id({row.run_id for row in rows})
        rows = [row for row in rows if row.run_id in runs]
        kept = {row.id: self._stored[row.id] for row in rows if self._is_kept(row)}
        fresh = [row for row in rows if row.id not in kept]
        if len(fresh) > UNPACKED_AT_ONCE:
            unpacked = await asyncio.to_thread(lambda: [row.fragments() for row in fresh])
        else:
            unpacked = [row.fragments() for row in fresh]
        for row, fragments in zip(fresh, unpacked, strict=True):
            kept[row.id] = Located(row, runs[row.run_id], None, fragments)
        found = [kept[row.id] for row in rows]
        for item in found:
            self._keep(item)
        stored = {item.segment.id for item in found}
        for item in opened:
            segment = item.segment
            if segment.id in stored or segment.effective_start_us is None:
                continue
            if segment.effective_start_us < end_us and (segment.effective_end_us or 0) > start_us:
                found.append(item)
        return settled(found, [item.segment for item in opened])

    async def _find_segment(self, camera_id: str, variant: str, segment_id: str) -> Located:
        for _ in range(2):  # it may move from the spool into the store between the two looks
            async with self._engine.connect() as connection:
                row = await find_segment(connection, segment_id)
            if row is not None:
                run = (await self._runs_by_id({row.run_id})).get(row.run_id)
                if row.state != DELETING and run is not None:
                    return self._keep(Located(row, run, None, row.fragments()))
                break
            for source in await self.sources_of(camera_id, variant):
                for item in await self._open_segments(source):
                    if item.segment.id == segment_id:
                        return item
        raise FootageGone(f"segment {segment_id} is not there (any more)")

    async def _runs_by_id(self, run_ids: set[str]) -> dict[str, Run]:
        found = {key: self._runs[key] for key in run_ids if key in self._runs}
        missing = run_ids - found.keys()
        if missing:
            async with self._engine.connect() as connection:
                more = await find_runs(connection, missing)
            for run in more.values():
                self._keep_run(run)
            found.update(more)
        return found

    def _is_kept(self, segment: Segment) -> bool:
        known = self._stored.get(segment.id)
        return known is not None and known.segment == segment

    def _keep(self, located: Located) -> Located:
        self._stored[located.segment.id] = located
        self._stored.move_to_end(located.segment.id)
        _bound(self._stored, SEGMENTS_KEPT)
        return located

    def _keep_run(self, run: Run) -> None:
        self._runs[run.id] = run
        _bound(self._runs, RUNS_KEPT)

    # ---- what shards still hold

    async def _open_segments(self, source: Source) -> list[Located]:
        """What its holders have not stored yet; nothing of one that does not answer (the rest
        plays).
        """
        names = dict.fromkeys(one for one in (source.predecessor, source.owner) if one)
        found = await asyncio.gather(*(self._open_on(name, source.id) for name in names))
        return [located for one in found for located in one]

    async def _open_on(self, shard: str, source_id: str) -> list[Located]:
        if self._away_until.get(shard, 0.0) > time.monotonic():
            return []
        try:
            async with asyncio.timeout(OPEN_SEGMENTS_TIMEOUT_S):
                answer = await self._shards.call(shard, "spool.open_segments", source_id=source_id)
        except (ControlError, ConnectionError, TimeoutError):
            # Stored footage shall not wait, request after request, for a shard that restarts.
            self._away_until[shard] = time.monotonic() + AWAY_S
            return []
        for message in answer["runs"]:
            self._keep_run(Run.from_message(message))
        located = []
        for message in answer["segments"]:
            segment = Segment.from_message(message)
            run = self._runs.get(segment.run_id)
            if run is not None:
                located.append(Located(segment, run, shard, segment.fragments()))
        return located

    async def _read_spool(self, located: Located, offset: int, length: int) -> bytes:
        """Bytes from the spool, or from the store if the segment has moved there meanwhile."""
        assert located.shard is not None
        segment = located.segment
        try:
            return b"".join(
                [
                    await self._shards.call(
                        located.shard,
                        "spool.read",
                        segment_id=segment.id,
                        offset=at,
                        length=min(SPOOL_READ_BYTES, offset + length - at),
                    )
                    for at in range(offset, offset + length, SPOOL_READ_BYTES)
                ]
            )
        except ControlError as error:
            async with self._engine.connect() as connection:
                row = await find_segment(connection, segment.id)
            if row is None:
                raise FootageGone(f"segment {segment.id} is gone: {error}") from error
            return await self._store.read(row.store_key, offset, length)


def _effective(segment: Segment) -> tuple[int, int]:
    return segment.effective_start_us or 0, segment.effective_end_us or 0


def settled(items: list[Located], opened: Sequence[Segment]) -> list[Located]:
    """Each moment once, as the index will have it: the higher epoch wins, then the later run."""
    if not opened:
        return items
    first_us = min(one.effective_start_us or 0 for one in opened)
    kept = [item for item in items if _effective(item.segment)[1] <= first_us]
    open_to_dispute = [item for item in items if _effective(item.segment)[1] > first_us]
    open_to_dispute.sort(key=lambda one: (one.segment.epoch, one.segment.ordinal), reverse=True)
    taken: list[tuple[int, int]] = []
    for item in open_to_dispute:
        whole = _effective(item.segment)
        left = longest(subtract(whole, taken))
        if left is None:
            continue
        taken.append(left)
        if left != whole:
            segment = replace(item.segment, effective_start_us=left[0], effective_end_us=left[1])
            item = replace(item, segment=segment)
        kept.append(item)
    return sorted(kept, key=lambda one: one.segment.effective_start_us or 0)


def _uncovered(item: Located, covered: Sequence[tuple[int, int]]) -> list[Located]:
    """The segment once for each part of its effective range that nothing covers yet."""
    whole = _effective(item.segment)
    pieces = subtract(whole, covered)
    if pieces == [whole]:
        return [item]
    return [
        replace(
            item,
            segment=replace(item.segment, effective_start_us=start, effective_end_us=end),
        )
        for start, end in pieces
    ]


def _bound(cache: OrderedDict[str, Any], limit: int) -> None:
    while len(cache) > limit:
        cache.popitem(last=False)
