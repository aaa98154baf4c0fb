"""``gridsight check``: compare index, store and spool, and name every difference.

It reads while everything runs: what is in the middle of its way (younger than ``settle_s``) is not
a difference. Repairs are limited to what loses nothing: recomputing derived rows, finishing
deletions, indexing objects that describe themselves.
"""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from recorder import gop_index
from recorder.fmp4.reader import Mp4Error
from recorder.fmp4.recovery import recover
from recorder.index import source_message
from recorder.intervals import Interval, merge
from recorder.lookup import find_segment, segment_from_row
from recorder.retention import DAY_US, Retention, RetentionPolicy
from recorder.rows import RowError, RowWriter
from recorder.segments import Segment
from recorder.spool_file import SpoolFile
from recorder.stores import Store, StoreError
from recorder.tables import DELETING, STORED, daily_usage, runs, segments, sources, spans
from recorder.unfinished import keep_whole_fragments

DifferenceKind = Literal[
    "object_missing",  # the row says stored, the store does not have it
    "object_size",  # it has another size than the row says
    "object_damaged",  # its bytes do not match the row's SHA-256 (only with verify)
    "object_unreadable",  # the store failed when asked for it
    "object_unindexed",  # an object without a row, nor in the spool
    "object_foreign",  # an object that is none of the recorder's
    "deletion_unfinished",  # marked as deleting
    "run_missing",  # the row's run is not there
    "index_damaged",  # the packed index does not add up to the object's size
    "ranges_overlap",  # two effective ranges of a source hold the same time
    "spans_wrong",  # the source's spans are not the union of its ranges
    "usage_wrong",  # the source's daily sums, or its runs' counts, are wrong
    "spool_left",  # a spool file that is indexed already, or that no process takes care of
    "spool_unreadable",  # a spool file that was set aside
    "row_missing",  # a row of the search index without its other half
    "vector_missing",  # the row says that there is a vector, and its table has none
    "vector_unindexed",  # a vector without a row
]


@dataclass(frozen=True, slots=True)
class Difference:
    """One difference. ``subject``: a segment id, an object's key, a source id or a file name.

    ``repaired``: it was put right in this run.
    """

    kind: DifferenceKind
    subject: str
    message: str
    repaired: bool = False


_LOOKS = 3


async def check(
    engine: AsyncEngine,
    store: Store,
    *,
    spool_directories: Sequence[Path] = (),
    now_us: int,
    settle_s: float = 600.0,
    verify: bool = False,
    rows: RowWriter | None = None,
    others: Sequence[str] = (),
) -> AsyncIterator[Difference]:
    """Yield every difference, as it is found. With ``verify`` all objects are read and hashed.
    Keys that begin with one of ``others`` are somebody else's and not looked at.

    With ``rows`` what can be repaired without loss is repaired. Raises StoreError when the store
    is out of reach as a whole.
    """
    settled_us = now_us - round(settle_s * 1_000_000)
    spooled = {
        path.stem
        for directory in spool_directories
        if directory.is_dir()
        for path in directory.glob("*.mp4")
    }
    async for difference in _check_index(engine, rows):
        yield difference
    looked_at = _check_objects(engine, store, settled_us, spooled, verify, rows, tuple(others))
    async for difference in looked_at:
        yield difference
    async for difference in _check_spool(engine, spool_directories, settled_us):
        yield difference


async def _check_index(engine: AsyncEngine, rows: RowWriter | None) -> AsyncIterator[Difference]:
    async with engine.connect() as connection:
        source_ids = list((await connection.execute(sa.select(sources.c.id))).scalars())
    for source_id in source_ids:
        derived = {"spans_wrong", "usage_wrong"}
        found: list[Difference] = []
        for _ in range(_LOOKS):
            async with engine.connect() as connection:
                found = [item async for item in _check_source(connection, source_id)]
            if not any(item.kind in derived for item in found):
                break  # else a segment may have come in between two statements: look again
        repaired = False
        if rows is not None and any(item.kind in derived for item in found):
            await rows.write("recorder.rebuild_derived", source_id=source_id)
            repaired = True
        for item in found:
            yield Difference(
                item.kind, item.subject, item.message, repaired and item.kind in derived
            )


async def _check_source(connection: AsyncConnection, source_id: str) -> AsyncIterator[Difference]:
    run_counts = {
        row.id: row.segments
        for row in await connection.execute(
            sa.select(runs.c.id, runs.c.segments).where(runs.c.source_id == source_id)
        )
    }
    counted = dict.fromkeys(run_counts, 0)
    ranges: list[Interval] = []
    usage: dict[int, tuple[int, int]] = {}
    before: Segment | None = None
    rows = await connection.stream(
        sa.select(segments)
        .where(segments.c.source_id == source_id)
        .order_by(segments.c.effective_start_us)
    )
    async for row in rows:
        segment = segment_from_row(row)
        size, count = usage.get(segment.start_us // DAY_US, (0, 0))
        usage[segment.start_us // DAY_US] = (size + segment.size_bytes, count + 1)
        if segment.run_id in counted:
            counted[segment.run_id] += 1
        else:
            yield Difference(
                "run_missing", segment.id, f"run {segment.run_id} of {source_id} is not there"
            )
        trouble = _index_trouble(segment)
        if trouble:
            yield Difference("index_damaged", segment.id, trouble)
        if segment.effective_start_us is None or segment.effective_end_us is None:
            continue
        if before is not None and segment.effective_start_us < (before.effective_end_us or 0):
            yield Difference(
                "ranges_overlap", segment.id, f"{before.id} holds the same time of {source_id}"
            )
        ranges.append((segment.effective_start_us, segment.effective_end_us))
        before = segment
    told = [
        (row.start_us, row.end_us)
        for row in await connection.execute(
            sa.select(spans.c.start_us, spans.c.end_us)
            .where(spans.c.source_id == source_id)
            .order_by(spans.c.start_us)
        )
    ]
    if told != merge(ranges):
        yield Difference(
            "spans_wrong", source_id, f"{len(told)} spans do not match {len(ranges)} segments"
        )
    sums = {
        row.day: (row.size_bytes, row.segments)
        for row in await connection.execute(
            sa.select(daily_usage).where(daily_usage.c.source_id == source_id)
        )
    }
    if sums != usage or counted != run_counts:
        yield Difference("usage_wrong", source_id, "the sums do not match the segments")


def _index_trouble(segment: Segment) -> str:
    try:
        entries = gop_index.unpack(segment.gop_index)
    except gop_index.GopIndexError as error:
        return str(error)
    total = segment.header_bytes + sum(entry.size_bytes for entry in entries)
    if total != segment.size_bytes:
        return f"fragments end at byte {total}, the object has {segment.size_bytes}"
    return ""


async def _check_objects(
    engine: AsyncEngine,
    store: Store,
    settled_us: int,
    spooled: set[str],
    verify: bool,
    rows: RowWriter | None,
    others: tuple[str, ...],
) -> AsyncIterator[Difference]:
    """Walk rows and objects of each source side by side."""
    async with engine.connect() as connection:
        source_ids = list((await connection.execute(sa.select(sources.c.id))).scalars())
    known_prefixes = {f"{source_id}/" for source_id in source_ids}
    for source_id in source_ids:
        objects = {item.key: item.size_bytes async for item in store.list(f"{source_id}/")}
        async with engine.connect() as connection:
            stored = [
                segment_from_row(row)
                for row in await connection.execute(
                    sa.select(segments).where(segments.c.source_id == source_id)
                )
            ]
        for segment in stored:
            size = objects.pop(segment.store_key, None)
            if segment.state == DELETING:
                repaired = rows is not None and await _finish_deletions(engine, rows, store)
                yield Difference(
                    "deletion_unfinished", segment.id, "its deletion was not finished", repaired
                )
            elif size is None:
                if await _still_stored(engine, segment.id):
                    yield Difference(
                        "object_missing", segment.id, f"the store has no {segment.store_key}"
                    )
            elif size != segment.size_bytes:
                yield Difference(
                    "object_size",
                    segment.id,
                    f"{segment.store_key} has {size} bytes, the index says {segment.size_bytes}",
                )
            elif verify:
                difference = await _verify(store, segment)
                if difference is not None:
                    yield difference
        for key in objects:
            difference = await _unindexed(engine, store, key, settled_us, spooled, rows)
            if difference is not None:
                yield difference
    async for item in store.list(""):
        known = item.key.startswith((*known_prefixes, *others))
        if not known:
            difference = await _unindexed(engine, store, item.key, settled_us, spooled, rows)
            if difference is not None:
                yield difference


async def _finish_deletions(engine: AsyncEngine, rows: RowWriter, store: Store) -> bool:
    retention = Retention(engine, rows, store, default=RetentionPolicy(None))
    await retention.finish_deletions()
    return True


async def _still_stored(engine: AsyncEngine, segment_id: str) -> bool:
    async with engine.connect() as connection:
        segment = await find_segment(connection, segment_id)
    return segment is not None and segment.state == STORED


async def _verify(store: Store, segment: Segment) -> Difference | None:
    try:
        data = await store.read(segment.store_key, 0, segment.size_bytes)
    except StoreError as error:
        return Difference("object_unreadable", segment.id, str(error))
    if hashlib.sha256(data).digest() != segment.sha256:
        return Difference(
            "object_damaged", segment.id, f"{segment.store_key} does not match its SHA-256"
        )
    return None


async def _unindexed(
    engine: AsyncEngine,
    store: Store,
    key: str,
    settled_us: int,
    spooled: set[str],
    rows: RowWriter | None,
) -> Difference | None:
    """An object without a row: on its way, forgotten, or not ours."""
    segment_id = Path(key).stem
    if segment_id in spooled or key.startswith("."):
        return None
    async with engine.connect() as connection:
        if await find_segment(connection, segment_id) is not None:
            return None
    stat = await store.stat(key)
    if stat is None:
        return None
    data = await store.read(key, 0, stat.size_bytes)
    try:
        found = recover(data)
    except Mp4Error as error:
        return Difference("object_foreign", key, str(error))
    if found.end_us > settled_us:
        return None
    if rows is None or not found.entries:
        return Difference("object_unindexed", key, "the object has no row")
    if found.size_bytes != len(data):
        kept = await rows.write(
            "recorder.claim_key", store_key=key, segment_id=segment_id, now_us=found.end_us
        ) and await keep_whole_fragments(rows, store, key, found.end_us)
        return Difference("object_unindexed", key, "a torn object had no row", repaired=kept)
    message = _segment_message(found.header.segment_id, key, data)
    try:
        await rows.write(
            "recorder.add_segment",
            source=source_message(found.header.source),
            run=found.header.run.to_message(),
            segment=message,
            now_us=found.end_us,
        )
    except RowError as error:
        return Difference("object_unindexed", key, f"the object has no row: {error}")
    return Difference("object_unindexed", key, "the object had no row", repaired=True)


def _segment_message(segment_id: str, key: str, data: bytes) -> dict[str, object]:
    found = recover(data)
    file = SpoolFile(
        found.header,
        data[: found.header_bytes],
        Path(segment_id),
        thread=0,
        composition_90k=found.composition_90k,
        entries=found.entries,
        sha256=hashlib.sha256(data).digest(),
    )
    return {**file.describe().to_message(), "store_key": key}


async def _check_spool(
    engine: AsyncEngine, directories: Sequence[Path], settled_us: int
) -> AsyncIterator[Difference]:
    for directory in directories:
        if not directory.is_dir():
            continue
        for path in sorted((directory / "unreadable").glob("*.mp4")):
            yield Difference("spool_unreadable", path.name, f"{path} was set aside: look at it")
        for path in sorted(directory.glob("*.mp4")):
            try:
                changed_us = path.stat().st_mtime_ns // 1000
            except FileNotFoundError:
                continue
            if changed_us > settled_us:
                continue
            async with engine.connect() as connection:
                row = await find_segment(connection, path.stem)
            if row is not None:
                yield Difference("spool_left", path.name, "it is in the index already")
            else:
                yield Difference(
                    "spool_left", path.name, "it waits for a process, or the store is down"
                )
