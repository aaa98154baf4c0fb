"""The index's writes: a segment enters, is deleted; who owns a source.

Each function is a row operation (:func:`recorder.rows.row_operation`): call it by its name through
a RowWriter. The invariants of :mod:`recorder.tables` hold before and after each.

Who wins where two segments of a source hold the same time: the higher epoch, then the later run.
The winner's effective range clips the other's; the loser keeps the longest piece that is left, so
a row has one effective range or none.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from recorder.claim_rows import is_claimed
from recorder.deletion_rows import count_deletions
from recorder.gap_rows import add_gap
from recorder.hold_rows import has_lock, is_held
from recorder.intervals import longest, subtract
from recorder.rows import RowError, row_operation
from recorder.span_rows import add_span, remove_span
from recorder.tables import (
    DELETING,
    STORED,
    assignments,
    daily_usage,
    runs,
    segments,
    sources,
    spans,
)

_DAY_US = 86_400_000_000
_NEIGHBOURS = 4
_SOURCE_COLUMNS = ("id", "kind", "camera_id", "variant")
_SEGMENT_COLUMNS = frozenset(column.name for column in segments.c)


@row_operation("recorder.assign")
def assign(connection: sa.Connection, source_id: str, owner: str, now_us: int) -> int:
    """Give the source to ``owner``; returns the epoch, a new one when the owner changes."""
    row = connection.execute(
        sa.select(assignments).where(assignments.c.source_id == source_id)
    ).first()
    if row is None:
        connection.execute(
            sa.insert(assignments).values(
                source_id=source_id, owner=owner, epoch=1, since_us=now_us
            )
        )
        return 1
    epoch = int(row.epoch)
    if row.owner != owner:
        epoch += 1
        connection.execute(
            sa.update(assignments)
            .where(assignments.c.source_id == source_id)
            .values(
                owner=owner,
                epoch=epoch,
                since_us=now_us,
                successor=None,
                predecessor=row.owner or None,
            )
        )
    return epoch


@row_operation("recorder.open_source")
def open_source(
    connection: sa.Connection, source: Mapping[str, Any], now_us: int
) -> dict[str, int | None]:
    """Register the source, and tell where its footage stands: ``last_end_us``, ``last_ordinal``
    (None when there is none yet).
    """
    return open_sources(connection, [source], now_us)[0]


@row_operation("recorder.open_sources")
def open_sources(
    connection: sa.Connection, wanted: Sequence[Mapping[str, Any]], now_us: int
) -> list[dict[str, int | None]]:
    """:func:`open_source` of several, in their order; a few hundred at most."""
    identifiers = [source["id"] for source in wanted]
    known = set(
        connection.execute(sa.select(sources.c.id).where(sources.c.id.in_(identifiers))).scalars()
    )
    new = {source["id"]: source for source in wanted if source["id"] not in known}
    if new:
        connection.execute(
            sa.insert(sources),
            [
                {**{name: source[name] for name in _SOURCE_COLUMNS}, "created_us": now_us}
                for source in new.values()
            ],
        )
    # Of each source the newest row in an index, however much footage it has.
    last_end_us = (
        sa.select(spans.c.end_us)
        .where(spans.c.source_id == sources.c.id)
        .order_by(spans.c.start_us.desc())
        .limit(1)
        .scalar_subquery()
    )
    last_ordinal = (
        sa.select(sa.func.max(runs.c.ordinal))
        .where(runs.c.source_id == sources.c.id)
        .scalar_subquery()
    )
    rows = connection.execute(
        sa.select(
            sources.c.id, last_end_us.label("last_end_us"), last_ordinal.label("last_ordinal")
        ).where(sources.c.id.in_(identifiers))
    )
    stand = {
        row.id: {"last_end_us": row.last_end_us, "last_ordinal": row.last_ordinal} for row in rows
    }
    return [stand[identifier] for identifier in identifiers]


@row_operation("recorder.add_segment")
def add_segment(
    connection: sa.Connection,
    source: Mapping[str, Any],
    run: Mapping[str, Any],
    segment: Mapping[str, Any],
    now_us: int,
) -> dict[str, Any]:
    """Index a segment whose object is complete in the store. Doing it twice is harmless.

    ``source``: ``id, kind, camera_id, variant``; ``run``, ``segment``: as ``to_message`` gives
    them. Returns its effective range, ``effective_start_us`` None when others cover all of it.
    Raises RowError ``unknown_epoch`` when the epoch was never assigned, ``conflict`` when the id
    is taken by other bytes, ``claimed`` when the object's key is another's since an unfinished
    upload was taken over (:mod:`recorder.unfinished`).
    """
    existing = connection.execute(
        sa.select(
            segments.c.sha256, segments.c.effective_start_us, segments.c.effective_end_us
        ).where(segments.c.id == segment["id"])
    ).first()
    if existing is not None:
        if existing.sha256 != segment["sha256"]:
            raise RowError("conflict", f"segment {segment['id']} is indexed with other content")
        return {
            "effective_start_us": existing.effective_start_us,
            "effective_end_us": existing.effective_end_us,
        }
    if is_claimed(connection, segment["store_key"]):
        raise RowError("claimed", f"{segment['store_key']} was taken over: store it elsewhere")
    source_id = source["id"]
    _admit(connection, source, segment["epoch"], now_us)
    _join_run(connection, run)
    values = {name: segment[name] for name in _SEGMENT_COLUMNS}
    effective = _settle(connection, source_id, segment)
    values["effective_start_us"], values["effective_end_us"] = effective or (None, None)
    values["state"] = STORED
    values["held"] = is_held(
        connection, source_id, source["camera_id"], segment["start_us"], segment["end_us"]
    )
    connection.execute(sa.insert(segments).values(values))
    if effective is not None:
        add_span(connection, source_id, *effective)
    _add_usage(connection, source_id, segment["start_us"], segment["size_bytes"], 1)
    return {
        "effective_start_us": values["effective_start_us"],
        "effective_end_us": values["effective_end_us"],
    }


@row_operation("recorder.mark_deleting")
def mark_deleting(
    connection: sa.Connection, segment_ids: list[str], cause: str, detail: str
) -> list[dict[str, str]]:
    """First step of deletion: the rows leave the timeline, a gap with ``cause`` takes their place.

    Returns ``id`` and ``store_key`` of those marked; held and unknown ones are left alone, and
    those whose object is locked still. Delete
    the objects next, then call ``recorder.forget_segments``.
    """
    marked = []
    for row in connection.execute(
        sa.select(segments).where(
            segments.c.id.in_(segment_ids),
            segments.c.state == STORED,
            segments.c.held.is_(False),
            ~has_lock(),
        )
    ).all():
        connection.execute(
            sa.update(segments)
            .where(segments.c.id == row.id)
            .values(state=DELETING, effective_start_us=None, effective_end_us=None)
        )
        if row.effective_start_us is not None:
            remove_span(connection, row.source_id, row.effective_start_us, row.effective_end_us)
            add_gap(
                connection,
                row.source_id,
                row.effective_start_us,
                row.effective_end_us,
                cause,
                detail,
            )
        marked.append({"id": row.id, "store_key": row.store_key})
    return marked


@row_operation("recorder.forget_segments")
def forget_segments(connection: sa.Connection, segment_ids: list[str]) -> int:
    """Last step of deletion: the rows go. Only rows marked as deleting; returns how many."""
    doomed = connection.execute(
        sa.select(
            segments.c.id,
            segments.c.source_id,
            segments.c.run_id,
            segments.c.start_us,
            segments.c.end_us,
            segments.c.size_bytes,
        ).where(segments.c.id.in_(segment_ids), segments.c.state == DELETING)
    ).all()
    count_deletions(connection, doomed, time.time_ns() // 1000)
    for row in doomed:
        _add_usage(connection, row.source_id, row.start_us, -row.size_bytes, -1)
        _leave_run(connection, row.run_id)
    connection.execute(sa.delete(segments).where(segments.c.id.in_([row.id for row in doomed])))
    return len(doomed)


@row_operation("recorder.rebuild_derived")
def rebuild_derived(connection: sa.Connection, source_id: str) -> None:
    """Compute the source's spans, daily usage and runs' counts anew from its segments."""
    connection.execute(sa.delete(spans).where(spans.c.source_id == source_id))
    connection.execute(sa.delete(daily_usage).where(daily_usage.c.source_id == source_id))
    rows = connection.execute(
        sa.select(
            segments.c.start_us,
            segments.c.size_bytes,
            segments.c.effective_start_us,
            segments.c.effective_end_us,
        )
        .where(segments.c.source_id == source_id)
        .order_by(segments.c.effective_start_us)
    ).all()
    for row in rows:
        if row.effective_start_us is not None:
            add_span(connection, source_id, row.effective_start_us, row.effective_end_us)
        _add_usage(connection, source_id, row.start_us, row.size_bytes, 1)
    counts = dict.fromkeys(
        connection.execute(sa.select(runs.c.id).where(runs.c.source_id == source_id)).scalars(), 0
    )
    for run_id in connection.execute(
        sa.select(segments.c.run_id).where(segments.c.source_id == source_id)
    ).scalars():
        counts[run_id] = counts.get(run_id, 0) + 1
    for run_id, count in counts.items():
        connection.execute(sa.update(runs).where(runs.c.id == run_id).values(segments=count))
    connection.execute(sa.delete(runs).where(runs.c.source_id == source_id, runs.c.segments == 0))


def _ensure_source(connection: sa.Connection, source: Mapping[str, Any], now_us: int) -> None:
    known = connection.execute(sa.select(sources.c.id).where(sources.c.id == source["id"])).scalar()
    if known is None:
        columns = {name: source[name] for name in _SOURCE_COLUMNS}
        connection.execute(sa.insert(sources).values(created_us=now_us, **columns))


def _join_run(connection: sa.Connection, run: Mapping[str, Any]) -> None:
    """One more segment of the run; its first brings the run itself."""
    joined = connection.execute(
        sa.update(runs).where(runs.c.id == run["id"]).values(segments=runs.c.segments + 1)
    ).rowcount
    if not joined:
        timescales = ",".join(str(scale) for scale in run["timescales"])
        connection.execute(sa.insert(runs).values({**run, "timescales": timescales, "segments": 1}))


def _admit(connection: sa.Connection, source: Mapping[str, Any], epoch: int, now_us: int) -> None:
    """Register the source if it is new; refuse an epoch that was never assigned."""
    known = connection.execute(
        sa.select(sources.c.id, assignments.c.epoch)
        .select_from(sources.outerjoin(assignments, assignments.c.source_id == sources.c.id))
        .where(sources.c.id == source["id"])
    ).first()
    if known is None:
        _ensure_source(connection, source, now_us)
        current = connection.execute(
            sa.select(assignments.c.epoch).where(assignments.c.source_id == source["id"])
        ).scalar()
    else:
        current = known.epoch
    if current is not None and epoch > current:
        raise RowError(
            "unknown_epoch",
            f"footage of {source['id']} carries epoch {epoch}, but only {current} was ever "
            "assigned: was the database restored from an old backup?",
        )


def _settle(
    connection: sa.Connection, source_id: str, segment: Mapping[str, Any]
) -> tuple[int, int] | None:
    """The newcomer's effective range; clips those that it wins over."""
    whole = (segment["start_us"], segment["end_us"])
    mine = (segment["epoch"], segment["ordinal"])
    others = _overlapping(connection, source_id, *whole)
    stronger = [row for row in others if (row.epoch, row.ordinal) >= mine]
    effective = longest(
        subtract(whole, [(row.effective_start_us, row.effective_end_us) for row in stronger])
    )
    if effective is None:
        return None
    for row in others:
        theirs = (row.effective_start_us, row.effective_end_us)
        if row in stronger or theirs[1] <= effective[0] or theirs[0] >= effective[1]:
            continue
        left = longest(subtract(theirs, [effective]))
        remove_span(connection, source_id, *theirs)
        if left is not None:
            add_span(connection, source_id, *left)
        connection.execute(
            sa.update(segments)
            .where(segments.c.id == row.id)
            .values(
                effective_start_us=left[0] if left else None,
                effective_end_us=left[1] if left else None,
            )
        )
    return effective


def _overlapping(
    connection: sa.Connection, source_id: str, start_us: int, end_us: int
) -> list[Any]:
    """Rows whose effective range meets the range, walking back from its end."""
    found: list[Any] = []
    before_us = end_us
    while True:
        batch = connection.execute(
            sa.select(
                segments.c.id,
                segments.c.epoch,
                segments.c.ordinal,
                segments.c.effective_start_us,
                segments.c.effective_end_us,
            )
            .where(segments.c.source_id == source_id, segments.c.effective_start_us < before_us)
            .order_by(segments.c.effective_start_us.desc())
            .limit(_NEIGHBOURS)
        ).all()
        for row in batch:
            # Ranges do not overlap: once one ends before, so do all that start earlier.
            if row.effective_end_us <= start_us:
                return found
            found.append(row)
        if len(batch) < _NEIGHBOURS:
            return found
        before_us = batch[-1].effective_start_us


def _add_usage(
    connection: sa.Connection, source_id: str, start_us: int, size_bytes: int, count: int
) -> None:
    day = start_us // _DAY_US
    here = (daily_usage.c.source_id == source_id, daily_usage.c.day == day)
    changed = connection.execute(
        sa.update(daily_usage)
        .where(*here)
        .values(
            size_bytes=daily_usage.c.size_bytes + size_bytes,
            segments=daily_usage.c.segments + count,
        )
    ).rowcount
    if not changed:
        connection.execute(
            sa.insert(daily_usage).values(
                source_id=source_id, day=day, size_bytes=size_bytes, segments=count
            )
        )
    elif count < 0:
        connection.execute(sa.delete(daily_usage).where(*here, daily_usage.c.segments <= 0))


def _leave_run(connection: sa.Connection, run_id: str) -> None:
    """A segment of the run is gone; the run goes with its last."""
    connection.execute(
        sa.update(runs).where(runs.c.id == run_id).values(segments=runs.c.segments - 1)
    )
    connection.execute(sa.delete(runs).where(runs.c.id == run_id, runs.c.segments <= 0))


def source_message(source: Any) -> dict[str, Any]:
    """The ``source`` argument of the operations, from a RecordedSource."""
    return {
        "id": source.id,
        "kind": source.kind,
        "camera_id": source.camera_id,
        "variant": source.variant,
    }


def chunks(items: list[str], size: int = 500) -> Iterable[list[str]]:
    """``items`` in lists short enough for one statement."""
    return (items[start : start + size] for start in range(0, len(items), size))
