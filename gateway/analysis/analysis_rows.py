"""Writes of analysis: what was found together with how far it got, and jobs over footage.

Everything here may be repeated after a failure whose outcome is not known.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from gateway.database.analysis_tables import analysis_jobs, analysis_stretches
from gateway.identifiers import new_id, now_us
from recorder.merged_spans import remove_range
from recorder.rows import RowError, perform, row_operation
from search.index.removal import drop_crops, drop_plates, take_out
from search.index.tables import indexed_spans, passage_cameras, passage_leftovers, passages
from search.passages import began_us

RANKS = {"asked": 0, "import": 1, "backfill": 2, "missed": 3}
# A stretch that did not get further so often is given up, and says why.
TRIES_LIMIT = 5
_DETAIL_LIMIT = 500
_IDS_AT_ONCE = 500


@row_operation("analysis.keep")
def keep(
    connection: sa.Connection,
    items: Sequence[Mapping[str, Any]],
    indexed: Sequence[Sequence[Any]] = (),
    missed: Sequence[Sequence[Any]] = (),
    progress: Mapping[str, Any] | None = None,
    replaced: Sequence[int] = (),
    anew: Sequence[Sequence[Any]] = (),
) -> bool:
    """Passages (see ``passages.add``), what was looked at ``[camera_id, start_us, end_us, model,
    late]``, what was missed ``[camera_id, start_us, end_us, cause]``, and how far a stretch of
    footage got ``{stretch_id, position_us, passages, done}``, all or nothing. What could not be
    described in ``anew``, ``[camera_id, start_us, end_us]``, is noted no more, but for what
    ``missed`` says of it.

    False: the stretch has been cancelled meanwhile; what was found is kept all the same.
    """
    for at in range(0, len(replaced), _IDS_AT_ONCE):
        _replace(connection, replaced[at : at + _IDS_AT_ONCE])
    if items:
        perform(connection, "passages.add", {"items": items})
    for camera_id, start_us, end_us, model, late in indexed:
        perform(
            connection,
            "passages.note_indexed",
            {
                "camera_id": camera_id,
                "start_us": start_us,
                "end_us": end_us,
                "model": model,
                "late": late,
            },
        )
    for camera_id, start_us, end_us in anew:
        perform(
            connection,
            "passages.note_described",
            {"camera_id": camera_id, "start_us": start_us, "end_us": end_us},
        )
    for camera_id, start_us, end_us, cause in missed:
        perform(
            connection,
            "passages.note_missed",
            {"camera_id": camera_id, "start_us": start_us, "end_us": end_us, "cause": cause},
        )
    return True if progress is None else _advance(connection, progress)


@row_operation("analysis.undo")
def undo(connection: sa.Connection, spans: Sequence[Sequence[Any]], cause: str) -> None:
    """What was under way in ``[camera_id, start_us, end_us]`` is lost: this was not looked at."""
    for camera_id, start_us, end_us in spans:
        if end_us <= start_us:
            continue
        camera = connection.scalar(
            sa.select(passage_cameras.c.number).where(passage_cameras.c.camera_id == camera_id)
        )
        if camera is None:
            continue
        models = connection.scalars(
            sa.select(indexed_spans.c.model).where(indexed_spans.c.camera == camera).distinct()
        )
        for model in list(models):
            key = {"camera": camera, "model": model}
            remove_range(connection, indexed_spans, key, start_us, end_us)
        perform(
            connection,
            "passages.note_missed",
            {"camera_id": camera_id, "start_us": start_us, "end_us": end_us, "cause": cause},
        )


@row_operation("analysis.undo_live")
def undo_live(
    connection: sa.Connection,
    under_way_us: int,
    cause: str,
    camera_ids: Sequence[str] | None = None,
) -> None:
    """Whoever looked at live pictures was killed: what was under way at the end of each camera's is
    lost; of all, or of these. Once: a camera of which nothing new is noted has lost nothing more.
    """
    table = passage_cameras.c
    which: sa.ColumnElement[bool] = table.live_us.is_not(None)
    if camera_ids is not None:
        which = sa.and_(which, table.camera_id.in_(camera_ids))
    ended = connection.execute(sa.select(table.camera_id, table.live_us).where(which)).all()
    undo(
        connection,
        [[one.camera_id, one.live_us - under_way_us, one.live_us] for one in ended],
        cause,
    )
    connection.execute(sa.update(passage_cameras).where(which).values(live_us=None))


@row_operation("analysis.ask")
def ask(
    connection: sa.Connection, job: Mapping[str, Any], stretches: Sequence[Mapping[str, Any]]
) -> None:
    """A job ``{id, start_us, end_us, again, model, created_by}`` and its stretches ``{camera_id,
    start_us, end_us}``; one without any is finished.
    """
    at_us = now_us()
    connection.execute(
        sa.insert(analysis_jobs).values(
            created_us=at_us, finished_us=None if stretches else at_us, **job
        )
    )
    _insert(connection, stretches, "asked", job["id"], at_us)


@row_operation("analysis.find")
def find(connection: sa.Connection, stretches: Sequence[Mapping[str, Any]], reason: str) -> int:
    """Stretches ``{camera_id, start_us, end_us}`` that nobody asked for and that were not looked
    at; those that meet a known one of their camera are left out. Gives how many were new.
    """
    new = []
    for one in stretches:
        known = connection.scalar(
            sa.select(analysis_stretches.c.id)
            .where(
                analysis_stretches.c.camera_id == one["camera_id"],
                analysis_stretches.c.start_us < one["end_us"],
                analysis_stretches.c.end_us > one["start_us"],
                analysis_stretches.c.state.in_(("waiting", "failed")),
            )
            .limit(1)
        )
        if known is None:
            new.append(one)
    _insert(connection, new, reason, None, now_us())
    return len(new)


@row_operation("analysis.stumble")
def stumble(connection: sa.Connection, stretch_id: str, detail: str, again_after_us: int) -> None:
    """A stretch did not get further, and why; it is tried again later, or given up."""
    row = connection.execute(
        sa.select(analysis_stretches).where(analysis_stretches.c.id == stretch_id)
    ).first()
    if row is None or row.state != "waiting":
        return
    tries = row.tries + 1
    given_up = tries >= TRIES_LIMIT
    _set(
        connection,
        stretch_id,
        tries=tries,
        state="failed" if given_up else "waiting",
        next_us=now_us() + again_after_us * 2**row.tries,
        detail=detail[:_DETAIL_LIMIT],
    )
    if given_up:
        _finish_job(connection, row.job_id)


@row_operation("analysis.cancel")
def cancel(connection: sa.Connection, job_id: str) -> None:
    """Look through no more of it; what was found stays. Raises RowError."""
    row = connection.execute(
        sa.select(analysis_jobs.c.finished_us).where(analysis_jobs.c.id == job_id)
    ).first()
    if row is None:
        raise RowError("not_found", "there is no such job")
    if row.finished_us is not None:
        raise RowError("conflict", "this job is over")
    at_us = now_us()
    connection.execute(
        sa.update(analysis_stretches)
        .where(analysis_stretches.c.job_id == job_id, analysis_stretches.c.state == "waiting")
        .values(state="cancelled", changed_us=at_us)
    )
    connection.execute(
        sa.update(analysis_jobs)
        .where(analysis_jobs.c.id == job_id)
        .values(cancelled_us=at_us, finished_us=at_us)
    )


@row_operation("analysis.forget")
def forget(connection: sa.Connection, before_us: int) -> int:
    """Forget stretches and jobs that were over before then; gives how many stretches."""
    gone = connection.execute(
        sa.delete(analysis_stretches).where(
            analysis_stretches.c.state != "waiting", analysis_stretches.c.changed_us < before_us
        )
    )
    left = sa.select(analysis_stretches.c.job_id).where(analysis_stretches.c.job_id.is_not(None))
    connection.execute(
        sa.delete(analysis_jobs).where(
            analysis_jobs.c.finished_us < before_us, analysis_jobs.c.id.not_in(left)
        )
    )
    return gone.rowcount


def _replace(connection: sa.Connection, ids: Sequence[int]) -> None:
    """Take out rows; their vectors and crops are deleted afterwards, as all leftovers are."""
    cameras = connection.execute(
        sa.select(passages.c.camera, sa.func.min(passages.c.id), sa.func.max(passages.c.id))
        .where(passages.c.id.in_(ids))
        .group_by(passages.c.camera)
    ).all()
    at_us = now_us()
    taken = take_out(connection, ids)
    if not taken.ids:
        return
    drop_crops(connection, taken.crops, "replaced", at_us=began_us(taken.ids[0]), now_us=at_us)
    drop_plates(connection, taken.plates)
    connection.execute(
        sa.insert(passage_leftovers),
        [
            {
                "camera": camera,
                "cause": "replaced",
                "first_id": first_id,
                "last_id": last_id,
                "passages": taken.with_vectors,
                "since_us": at_us,
            }
            for camera, first_id, last_id in cameras
        ],
    )


def _advance(connection: sa.Connection, progress: Mapping[str, Any]) -> bool:
    stretch_id = progress["stretch_id"]
    row = connection.execute(
        sa.select(analysis_stretches).where(analysis_stretches.c.id == stretch_id)
    ).first()
    if row is None or row.state != "waiting":
        return False
    further = progress["position_us"] > row.position_us
    _set(
        connection,
        stretch_id,
        position_us=max(row.position_us, progress["position_us"]),
        passages=row.passages + progress["passages"],
        tries=0 if further else row.tries,
        state="done" if progress["done"] else "waiting",
        detail="",
    )
    if progress["done"]:
        _finish_job(connection, row.job_id)
    return True


def _set(connection: sa.Connection, stretch_id: str, **columns: Any) -> None:
    connection.execute(
        sa.update(analysis_stretches)
        .where(analysis_stretches.c.id == stretch_id)
        .values(changed_us=now_us(), **columns)
    )


def _finish_job(connection: sa.Connection, job_id: str | None) -> None:
    if job_id is None:
        return
    left = connection.scalar(
        sa.select(sa.func.count())
        .select_from(analysis_stretches)
        .where(analysis_stretches.c.job_id == job_id, analysis_stretches.c.state == "waiting")
    )
    if left == 0:
        connection.execute(
            sa.update(analysis_jobs)
            .where(analysis_jobs.c.id == job_id, analysis_jobs.c.finished_us.is_(None))
            .values(finished_us=now_us())
        )


def _insert(
    connection: sa.Connection,
    stretches: Sequence[Mapping[str, Any]],
    reason: str,
    job_id: str | None,
    at_us: int,
) -> None:
    if not stretches:
        return
    connection.execute(
        sa.insert(analysis_stretches),
        [
            {
                "id": new_id("str"),
                "job_id": job_id,
                "camera_id": one["camera_id"],
                "reason": reason,
                "rank": RANKS[reason],
                "start_us": one["start_us"],
                "end_us": one["end_us"],
                "position_us": one["start_us"],
                "state": "waiting",
                "next_us": at_us,
                "changed_us": at_us,
            }
            for one in stretches
        ],
    )
