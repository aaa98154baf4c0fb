"""Recorded footage that is to be looked through: asked for, followed, called off."""

from __future__ import annotations

from typing import Annotated, Any, Self

import sqlalchemy as sa
from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field, model_validator
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.analysis.backlog import YOUNGEST_US, recorded_pieces
from gateway.api.access import Caller, act, check, visible_area
from gateway.api.analysis import seen_paths, wake
from gateway.api.analysis_answers import AnalysisJob, AnalysisJobs
from gateway.api.errors import ApiError, invalid, not_found
from gateway.api.services import ServicesDep
from gateway.cameras import Camera, find_cameras, read_cameras, select_cameras
from gateway.database.analysis_tables import analysis_jobs, analysis_stretches
from gateway.database.tables import cameras, users
from gateway.identifiers import US_PER_S, new_id, now_us
from gateway.people.areas import cameras_within
from gateway.people.authorize import Principal
from gateway.people.roles import Right

router = APIRouter(prefix="/api/analysis/jobs", tags=["analysis"])

CAMERAS_LIMIT = 1000
LONGEST_US = 92 * 86_400 * US_PER_S
# So many stretches of one job are shown; they are counted all.
_SHOWN = 200
_WAITING_LIMIT = 20

_Id = Annotated[str, Field(max_length=40)]


class JobForm(BaseModel):
    """Which footage. ``again``: also what was looked through already, by the model of now, whose
    finds take the place of the earlier ones. ``model``: by that of ``search.models`` instead.
    """

    model_config = ConfigDict(extra="forbid")

    camera_ids: list[_Id] | None = Field(default=None, min_length=1, max_length=CAMERAS_LIMIT)
    area_id: _Id | None = None
    start_us: int = Field(ge=0, lt=2**62)
    end_us: int = Field(ge=0, lt=2**62)
    again: bool = False
    model: _Id | None = None

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if (self.camera_ids is None) == (self.area_id is None):
            raise ValueError("say which cameras, or which area")
        if not 0 < self.end_us - self.start_us <= LONGEST_US:
            raise ValueError("a range ends after it begins, and within 92 days")
        return self


@router.post("", status_code=201, response_model=AnalysisJob)
async def ask(
    body: JobForm, caller: Caller, request: Request, services: ServicesDep
) -> dict[str, Any]:
    """Have recorded footage looked through. Right ``search`` at every camera, with ``again`` also
    ``configure``. A job with nothing to do is done at once.
    """
    if body.start_us >= now_us():
        raise invalid(start_us="that has not been recorded yet")
    models = services.settings.search.models
    if body.model is not None and body.model not in models:
        known = ", ".join(sorted(models)) or "there is none"
        raise invalid(model=f"not one of those in the settings, search.models: {known}")
    async with services.reader.connect() as connection:
        chosen = await _chosen(connection, caller, body)
        waiting = await connection.scalar(
            sa.select(sa.func.count())
            .select_from(analysis_jobs)
            .where(
                analysis_jobs.c.created_by == caller.user_id, analysis_jobs.c.finished_us.is_(None)
            )
        )
        if (waiting or 0) >= _WAITING_LIMIT:
            raise ApiError(
                429, "too_many_jobs", f"{_WAITING_LIMIT} of your jobs wait: call one off, or wait"
            )
        stretches = await recorded_pieces(
            connection,
            [camera.id for camera in chosen],
            body.start_us,
            # What is younger is not looked through: a job over it would be done without.
            min(body.end_us, now_us() - YOUNGEST_US),
            again=body.again,
        )
    job_id = new_id("anj")
    job = {
        "id": job_id,
        "start_us": body.start_us,
        "end_us": body.end_us,
        "again": body.again,
        "model": body.model,
        "created_by": caller.user_id,
    }
    await act(
        services, request, caller, "analysis.ask", "analysis.ask",
        {"job": job, "stretches": stretches}, cameras=chosen,
        detail={"job_id": job_id, "start_us": body.start_us, "end_us": body.end_us,
                "again": body.again, "model": body.model},
    )  # fmt: skip
    await wake(services)
    async with services.reader.connect() as connection:
        return (await _jobs(connection, caller, [analysis_jobs.c.id == job_id], 1))[0]


@router.get("", response_model=AnalysisJobs)
async def list_jobs(
    caller: Caller,
    services: ServicesDep,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> dict[str, Any]:
    """Those of which the caller may search or configure a camera."""
    seen_paths(caller)
    async with services.reader.connect() as connection:
        return {"items": await _jobs(connection, caller, [], limit)}


@router.get("/{job_id}", response_model=AnalysisJob)
async def show_job(job_id: str, caller: Caller, services: ServicesDep) -> dict[str, Any]:
    """One of them."""
    async with services.reader.connect() as connection:
        return await _job(connection, caller, job_id)


@router.delete("/{job_id}", status_code=204)
async def call_off(
    job_id: str, caller: Caller, request: Request, services: ServicesDep
) -> Response:
    """Look through no more of it; what was found stays. One's own, or with ``configure`` at every
    camera of it.
    """
    async with services.reader.connect() as connection:
        found = await _job(connection, caller, job_id)
        ids = await connection.scalars(
            sa.select(analysis_stretches.c.camera_id)
            .where(analysis_stretches.c.job_id == job_id)
            .distinct()
        )
        known = await find_cameras(connection, list(ids), deleted=True)
    own = found["created_by"] is not None and found["created_by"]["id"] == caller.user_id
    if not own:
        for camera in known.values():
            check(caller, Right.CONFIGURE, camera)
    await act(
        services, request, caller, "analysis.cancel", "analysis.cancel", {"job_id": job_id},
        cameras=list(known.values()), detail={"job_id": job_id},
    )  # fmt: skip
    return Response(status_code=204)


async def _chosen(connection: AsyncConnection, caller: Principal, body: JobForm) -> list[Camera]:
    """The cameras, each of which the caller may have looked at."""
    if body.camera_ids is not None:
        found = await find_cameras(connection, body.camera_ids, deleted=True)
        if any(camera_id not in found for camera_id in body.camera_ids):
            raise not_found("camera")
        chosen = [found[camera_id] for camera_id in dict.fromkeys(body.camera_ids)]
    else:
        path = await visible_area(connection, caller, body.area_id or "")
        paths = caller.areas_with(Right.SEARCH, now_us())
        statement = select_cameras().where(
            cameras.c.deleted_us.is_(None), cameras_within(paths), cameras_within([path])
        )
        chosen = await read_cameras(connection, statement.limit(CAMERAS_LIMIT + 1))
        if len(chosen) > CAMERAS_LIMIT:
            raise invalid(area_id=f"these are more than {CAMERAS_LIMIT} cameras: choose fewer")
        if not chosen:
            raise ApiError(403, "not_allowed", "you may search no camera there")
    for camera in chosen:
        check(caller, Right.SEARCH, camera)
        if body.again:
            check(caller, Right.CONFIGURE, camera)
    return chosen


async def _job(connection: AsyncConnection, caller: Principal, job_id: str) -> dict[str, Any]:
    """The document. Raises ApiError 404 for who knows none of its cameras, and 403 for who may
    neither search nor configure one.
    """
    known = cameras_within(caller.areas_with(None, now_us()))
    ids = await connection.scalars(
        sa.select(cameras.c.id)
        .join(analysis_stretches, analysis_stretches.c.camera_id == cameras.c.id)
        .where(analysis_stretches.c.job_id == job_id, known)
        .limit(1)
    )
    found = await _jobs(connection, caller, [analysis_jobs.c.id == job_id], 1)
    if found:
        return found[0]
    if ids.first() is None:
        raise not_found("job")
    raise ApiError(403, "not_allowed", "you may neither search nor configure its cameras")


async def _jobs(
    connection: AsyncConnection,
    caller: Principal,
    where: list[sa.ColumnElement[bool]],
    limit: int,
) -> list[dict[str, Any]]:
    """The documents, of jobs of which the caller may know a camera, or that are theirs."""
    at_us = now_us()
    paths = [*caller.areas_with(Right.SEARCH, at_us), *caller.areas_with(Right.CONFIGURE, at_us)]
    if not paths:
        return []
    seen = sa.select(cameras.c.id).where(cameras_within(paths))
    mine = analysis_jobs.c.created_by == caller.user_id
    knows = sa.exists().where(
        analysis_stretches.c.job_id == analysis_jobs.c.id,
        analysis_stretches.c.camera_id.in_(seen),
    )
    rows = (
        await connection.execute(
            sa.select(analysis_jobs, users.c.name, users.c.display_name)
            .select_from(analysis_jobs.outerjoin(users, users.c.id == analysis_jobs.c.created_by))
            .where(sa.or_(mine, knows), *where)
            .order_by(analysis_jobs.c.created_us.desc(), analysis_jobs.c.id)
            .limit(limit)
        )
    ).all()
    stretches: dict[str, list[sa.Row[Any]]] = {row.id: [] for row in rows}
    visible: set[str] = set()
    if rows:
        parts = await connection.execute(
            sa.select(
                analysis_stretches,
                cameras.c.name.label("camera_name"),
                cameras.c.id.in_(seen).label("is_seen"),
            )
            .select_from(
                analysis_stretches.join(cameras, cameras.c.id == analysis_stretches.c.camera_id)
            )
            .where(analysis_stretches.c.job_id.in_(stretches))
            .order_by(analysis_stretches.c.start_us, analysis_stretches.c.id)
        )
        for part in parts:
            stretches[part.job_id].append(part)
            if part.is_seen:
                visible.add(part.camera_id)
    return [_document(row, stretches[row.id], visible) for row in rows]


def _document(row: sa.Row[Any], parts: list[sa.Row[Any]], visible: set[str]) -> dict[str, Any]:
    """Of the cameras that the caller may know; of others only that there are some."""
    seen = [part for part in parts if part.camera_id in visible]
    whole_us = sum(part.end_us - part.start_us for part in seen)
    done_us = sum(
        part.end_us - part.start_us
        if part.state == "done"
        else max(0, part.position_us - part.start_us)
        for part in seen
    )
    return {
        "id": row.id,
        "start_us": row.start_us,
        "end_us": row.end_us,
        "again": row.again,
        "model": row.model,
        "state": _state(row, seen),
        "created_us": row.created_us,
        "created_by": (
            None
            if row.created_by is None
            else {"id": row.created_by, "name": row.name, "display_name": row.display_name}
        ),
        "finished_us": row.finished_us,
        "cameras": len({part.camera_id for part in seen}),
        "seconds": whole_us / US_PER_S,
        "done": 1.0 if not whole_us else round(done_us / whole_us, 4),
        "passages": sum(part.passages for part in seen),
        "stretches": [
            {
                name: getattr(part, name)
                for name in (
                    "camera_id", "camera_name", "start_us", "end_us", "position_us", "state",
                    "passages", "detail",
                )
            }
            for part in seen[:_SHOWN]
        ],
        "hidden": len(seen) < len(parts),
    }  # fmt: skip


def _state(row: sa.Row[Any], parts: list[sa.Row[Any]]) -> str:
    if row.cancelled_us is not None:
        return "cancelled"
    if row.finished_us is not None:
        return "failed" if any(part.state == "failed" for part in parts) else "done"
    begun = any(part.position_us > part.start_us or part.state != "waiting" for part in parts)
    return "running" if begun else "waiting"
