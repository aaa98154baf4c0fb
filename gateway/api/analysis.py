"""How analysis is doing, and whether a camera's pictures are searched."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import sqlalchemy as sa
from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, ConfigDict
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.analysis.desired import is_analysed
from gateway.analysis.hours import hours_of
from gateway.api.access import Caller, act, permitted_camera, visible_area
from gateway.api.analysis_answers import AnalysisHealth, AnalysisMode, ChangedMode
from gateway.api.analysts import merged_status
from gateway.api.errors import ApiError
from gateway.api.services import Services, ServicesDep
from gateway.database.analysis_tables import analysis_stretches
from gateway.database.tables import areas, cameras
from gateway.identifiers import US_PER_S, now_us
from gateway.people.areas import cameras_within
from gateway.people.authorize import Principal
from gateway.people.roles import Right
from gateway.people.search_key import matches
from search.index.tables import passage_cameras

router = APIRouter(tags=["analysis"])

CAMERAS_LIMIT = 1000
_SOMETHING_WRONG = "something is wrong with analysis: who runs the system is told what"
_ORDER = {"connecting": 0, "silent": 1, "live": 2, "resting": 3, "off": 4}


class ModeForm(BaseModel):
    """``auto``: while the camera is recorded."""

    model_config = ConfigDict(extra="forbid")

    mode: AnalysisMode


@router.get("/api/analysis", response_model=AnalysisHealth)
async def show_analysis(
    caller: Caller,
    services: ServicesDep,
    area_id: Annotated[str | None, Query(max_length=40)] = None,
    query: Annotated[str, Query(max_length=200)] = "",
    limit: Annotated[int, Query(ge=0, le=CAMERAS_LIMIT)] = 200,
) -> dict[str, Any]:
    """Of the cameras that the caller may search or configure, those that are worst off first."""
    paths = seen_paths(caller)
    told = await _told(services)
    live = {one["camera_id"]: one for one in told["cameras"]} if told is not None else {}
    async with services.reader.connect() as connection:
        where = [cameras.c.deleted_us.is_(None), cameras.c.enabled, cameras_within(paths)]
        if area_id is not None:
            where.append(cameras_within([await visible_area(connection, caller, area_id)]))
        if query:
            where.append(matches(cameras.c.search_key, query))
        rows = await connection.execute(
            sa.select(
                cameras.c.id,
                cameras.c.name,
                cameras.c.analysis,
                cameras.c.analysis_hours,
                is_analysed().label("is_analysed"),
                passage_cameras.c.live_us,
            )
            .select_from(
                cameras.join(areas, areas.c.id == cameras.c.area_id).outerjoin(
                    passage_cameras, passage_cameras.c.camera_id == cameras.c.id
                )
            )
            .where(*where)
        )
        found = [_camera(row, live.get(row.id)) for row in rows]
        footage = await _footage(connection, paths)
    found.sort(
        key=lambda one: (
            _ORDER[one["state"]],
            -one["lag_s"],
            -one["dropped_units"] - one["damaged_units"],
            one["camera_name"],
        )
    )
    counts = dict.fromkeys(_ORDER, 0)
    for one in found:
        counts[one["state"]] += 1
    told = told or {}
    heard = told.get("footage") or {"pictures": 0, "passages": 0, "message": ""}
    message = told.get("message", "the analysis process does not answer")
    waiting, passages = told.get("waiting_passages", 0), told.get("found", 0)
    workers = told.get("workers", [])
    if "" not in caller.areas_with(Right.SYSTEM, now_us()):
        # Faults name cameras and files, and totals tell of all towns.
        if told and message:
            message = _SOMETHING_WRONG
        waiting = passages = None
        heard = {"pictures": None, "passages": None, "message": ""}
        workers = [{**one, "message": "", "last_fault": ""} for one in workers]
    return {
        "available": bool(told),
        "enabled": services.settings.search.enabled,
        "model": told.get("model"),
        "provider": told.get("provider"),
        "classes": told.get("classes", []),
        "vector_kind": told.get("vector_kind"),
        "models": sorted(services.settings.search.models),
        "message": message,
        "waiting_passages": waiting,
        "passages": passages,
        "workers": workers,
        "footage": {
            **footage,
            **{name: heard[name] for name in ("pictures", "passages", "message")},
        },
        "counts": counts,
        "cameras": found[:limit],
        "left_out": max(0, len(found) - limit),
    }


@router.patch("/api/cameras/{camera_id}/analysis", response_model=ChangedMode)
async def change_mode(
    camera_id: str, body: ModeForm, caller: Caller, request: Request, services: ServicesDep
) -> dict[str, Any]:
    """Whether its pictures are searched. Many at once: ``POST /api/cameras/bulk``."""
    async with services.reader.connect() as connection:
        camera, _ = await permitted_camera(connection, caller, Right.CONFIGURE, camera_id)
    if camera.analysis != body.mode:
        await act(
            services, request, caller, "camera.change", "cameras.change",
            {"camera_id": camera_id, "columns": {"analysis": body.mode}},
            cameras=[camera], detail={"fields": ["analysis"], "analysis": body.mode},
        )  # fmt: skip
        await wake(services)
    return {"camera_id": camera_id, "mode": body.mode}


async def wake(services: Services) -> None:
    """Have analysis look at the rows at once; it would anyway in a few seconds."""
    await services.analysts.all_told("analysis.reconcile")


def seen_paths(caller: Principal) -> list[str]:
    """Where the caller may search or configure. Raises ApiError 403 for nowhere."""
    at_us = now_us()
    paths = [*caller.areas_with(Right.SEARCH, at_us), *caller.areas_with(Right.CONFIGURE, at_us)]
    if not paths:
        raise ApiError(403, "not_allowed", "you may search and configure nowhere")
    return paths


async def _told(services: Services) -> dict[str, Any] | None:
    return merged_status(await services.analysts.all_told("analysis.status"))


def _camera(row: sa.Row[Any], live: dict[str, Any] | None) -> dict[str, Any]:
    known = live if live is not None and row.is_analysed else {}
    state = "off"
    if row.is_analysed:
        rests = not hours_of(row.analysis_hours).holds(now_us())
        state = "resting" if rests else known.get("state", "connecting")
    until_us = known.get("looked_until_us") or row.live_us
    return {
        "camera_id": row.id,
        "camera_name": row.name,
        "mode": row.analysis,
        "state": state,
        "detail": known.get("detail", ""),
        "since_us": known.get("since_us") or None,
        "variant": known.get("variant") or None,
        "looked_until_us": until_us,
        "lag_s": known.get("lag_s", 0.0),
        "waiting_units": known.get("waiting_units", 0),
        "dropped_units": known.get("dropped_units", 0),
        "damaged_units": known.get("damaged_units", 0),
    }


async def _footage(connection: AsyncConnection, paths: Sequence[str]) -> dict[str, Any]:
    table = analysis_stretches.c
    rows = await connection.execute(
        sa.select(
            table.state,
            sa.func.count().label("stretches"),
            sa.func.sum(table.end_us - table.position_us).label("left_us"),
        )
        .select_from(analysis_stretches.join(cameras, cameras.c.id == table.camera_id))
        .where(table.state.in_(("waiting", "failed")), cameras_within(paths))
        .group_by(table.state)
    )
    by_state = {row.state: row for row in rows}
    waiting, failed = by_state.get("waiting"), by_state.get("failed")
    return {
        "waiting_stretches": waiting.stretches if waiting is not None else 0,
        "waiting_s": (int(waiting.left_us) / US_PER_S) if waiting is not None else 0.0,
        "failed_stretches": failed.stretches if failed is not None else 0,
    }
