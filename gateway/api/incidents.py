"""Incidents: opened, found, and taken step by step to their end."""

from __future__ import annotations

from typing import Annotated, Any

import sqlalchemy as sa
from fastapi import APIRouter, Query, Request
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.api.access import Caller, act, permitted_area, permitted_camera
from gateway.api.errors import ApiError, not_found
from gateway.api.incident_access import (
    find_incident,
    require_dispatch,
    scope_of,
    steps_open_to,
)
from gateway.api.incident_answers import (
    IncidentAnswer,
    IncidentDetail,
    IncidentPage,
    LightAnswer,
    OriginAnswer,
    State,
    TakenAnswer,
)
from gateway.api.incident_documents import incident_detail, incident_documents
from gateway.api.incident_forms import AttachmentForm, IncidentForm, Priority, StepForm
from gateway.api.paging import cursor_number, read_cursor, write_cursor
from gateway.api.services import Services, ServicesDep
from gateway.attachments.subjects import where_seen
from gateway.database.attachment_tables import attached_files
from gateway.database.evidence_tables import export_jobs
from gateway.identifiers import now_us
from gateway.incidents.opening import Attachment, NewIncident
from gateway.incidents.reading import Order, Scope, Wanted, count_lights, read_page
from gateway.incidents.steps import UNDER_WAY, step_told_as
from gateway.people.areas import area_path
from gateway.people.authorize import Principal
from gateway.people.roles import Right

router = APIRouter(prefix="/api/incidents", tags=["incidents"])

Instant = Annotated[int, Query(ge=0, lt=2**62)]
Identifier = Annotated[str | None, Query(max_length=40)]
# Of all that a phone may write in a step's words, the register keeps the beginning.
_WORDS_ON_RECORD = 200


@router.get("", response_model=IncidentPage)
async def list_incidents(
    caller: Caller,
    services: ServicesDep,
    under_way: bool | None = None,
    state: Annotated[list[State] | None, Query()] = None,
    light: LightAnswer | None = None,
    late: bool | None = None,
    category_id: Identifier = None,
    priority: Priority | None = None,
    origin: OriginAnswer | None = None,
    unit_id: Identifier = None,
    own_units: bool = False,
    own_reports: bool = False,
    camera_id: Identifier = None,
    area_id: Identifier = None,
    start_us: Instant = 0,
    end_us: Instant = 2**61,
    query: Annotated[str, Query(max_length=200)] = "",
    order: Order = "opened",
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    cursor: Annotated[str | None, Query(max_length=2000)] = None,
) -> dict[str, Any]:
    """What the caller may see, the newest first, or those under way by when they are due."""
    key = read_cursor(cursor, 2)
    after = None if key is None else (cursor_number(key[0]), key[1])
    at_us = now_us()
    async with services.reader.connect() as connection:
        scope = await scope_of(connection, caller)
        path = None if area_id is None else await area_path(connection, area_id)
        if area_id is not None and path is None:
            raise not_found("area")
        if order == "due" or light is not None or (state and UNDER_WAY.issuperset(state)):
            under_way = True
        wanted = Wanted(
            under_way=under_way,
            states=tuple(state) if state else None,
            light=light,
            late=late,
            category_id=category_id,
            priority=priority,
            origin=origin,
            unit_id=unit_id,
            own_units=own_units,
            reported_by=caller.user_id if own_reports else None,
            camera_id=camera_id,
            path=path,
            start_us=start_us,
            end_us=end_us,
            text=query.strip(),
            order=order,
        )
        page = await read_page(connection, scope, wanted, at_us, limit, after)
        rows = [dict(row._mapping) for row in page.rows]
        items = await incident_documents(connection, caller, scope, rows)
        lights = None
        if cursor is None:
            lights = await count_lights(connection, scope, path, at_us)
    return {
        "items": items,
        "next_cursor": write_cursor((str(page.after[0]), page.after[1])) if page.after else None,
        "looked_back_to_us": page.looked_back_to_us,
        "lights": lights,
    }


@router.post("", status_code=201, response_model=IncidentAnswer)
async def open_incident(
    body: IncidentForm, caller: Caller, request: Request, services: ServicesDep
) -> dict[str, Any]:
    """Open one, where the caller dispatches or handles incidents; the same again gives the same.

    Reports of workers in the field come by ``/api/field``.
    """
    async with services.reader.connect() as connection:
        path = await _may_open(connection, caller, body.area_id)
        attachments = await _attachments(connection, caller, body.attachments)
        if body.camera_id is not None:
            await permitted_camera(connection, caller, Right.LIVE, body.camera_id)
    new = NewIncident(
        **body.model_dump(exclude={"category_id", "attachments", "origin_id"}),
        # One's own: nobody takes another's name away by guessing it.
        origin_id=f"{caller.user_id}:{body.origin_id}"[:100],
        category=body.category_id,
        reporter_user_id=None if body.origin == "call" else caller.user_id,
        opened_by=caller.user_id,
        opened_name=caller.display_name or caller.name,
        attachments=attachments,
    )
    if body.origin != "call" and not body.reporter_name:
        new = _told_by(new, caller)
    incident_id = await act(
        services, request, caller, "incident.open", "incidents.open",
        {"new": new.to_message()},
        area=path,
        result_as="incident",
        detail={"title": body.title, "origin": body.origin},
    )  # fmt: skip
    services.incidents.look()
    async with services.reader.connect() as connection:
        row, scope = await find_incident(connection, caller, incident_id)
        (document,) = await incident_documents(connection, caller, scope, [row])
    return document


@router.get("/{incident_id}", response_model=IncidentDetail)
async def read_incident(incident_id: str, caller: Caller, services: ServicesDep) -> dict[str, Any]:
    """Everything about one."""
    async with services.reader.connect() as connection:
        row, scope = await find_incident(connection, caller, incident_id)
        return await incident_detail(connection, caller, scope, row)


@router.post("/{incident_id}/steps", response_model=TakenAnswer)
async def take_step(
    incident_id: str, body: StepForm, caller: Caller, request: Request, services: ServicesDep
) -> dict[str, Any]:
    """Do something with it. 409 ``conflict`` where that cannot be done now, or ``version`` is not
    its version any more.
    """
    return await step_taken(services, request, caller, incident_id, body)


async def step_taken(
    services: Services,
    request: Request,
    caller: Principal,
    incident_id: str,
    body: StepForm,
    *,
    told_as: str | None = None,
    made_us: int | None = None,
) -> dict[str, Any]:
    """A ``TakenAnswer``. ``told_as``: as a telephone names the step; by that name it is taken once.
    ``made_us``: when it was made there. Raises ApiError.
    """
    async with services.reader.connect() as connection:
        row, scope = await find_incident(connection, caller, incident_id)
        known = (
            await connection.run_sync(
                lambda plain: step_told_as(plain, incident_id, caller.user_id, told_as)
            )
            if told_as
            else None
        )
        if known is not None:
            return {"version": row["version"], "incident_id": None}
        if body.kind not in steps_open_to(caller, row, scope):
            raise _refused(caller, row, scope, body.kind)
        attachments = await _attachments(connection, caller, body.attachments)
        if body.kind == "merge":
            into, _ = await find_incident(connection, caller, body.into_id)
            require_dispatch(caller, into["area_path"])
        elif body.kind in ("split", "change") and body.area_id is not None:
            await permitted_area(connection, caller, Right.DISPATCH, body.area_id)
    fields = body.model_dump(
        exclude={"kind", "words", "version", "attachments"}, exclude_unset=body.kind == "change"
    )
    if "description" in fields:
        fields["words"] = fields.pop("description")
    taken = await act(
        services, request, caller, f"incident.{body.kind}", "incidents.step",
        {
            "incident_id": incident_id,
            "kind": body.kind,
            "by_id": caller.user_id,
            "by_name": caller.display_name or caller.name,
            "words": body.words,
            "fields": fields,
            "version": body.version,
            "attachments": [_message(one) for one in attachments],
            "told_as": told_as,
            "made_us": made_us,
        },
        area=row["area_path"],
        detail={
            "incident": incident_id,
            "number": row["number"],
            "words": body.words[:_WORDS_ON_RECORD],
        },
    )  # fmt: skip
    services.incidents.look()
    split_id = taken["detail"].get("incident_id") if body.kind == "split" else None
    return {"version": taken["version"], "incident_id": split_id}


def _refused(caller: Principal, row: dict[str, Any], scope: Scope, kind: str) -> ApiError:
    for state in ("open", "assigned", "accepted", "arrived", "answered", "closed"):
        if kind in steps_open_to(caller, {**row, "state": state, "rating": None}, scope):
            return ApiError(
                409, "conflict", f"this cannot be done to an incident that is {row['state']}"
            )
    return ApiError(
        403, "not_allowed", "this is for the unit that has it, or for who dispatches there"
    )


async def _may_open(connection: AsyncConnection, caller: Principal, area_id: str) -> str:
    try:
        return await permitted_area(connection, caller, Right.DISPATCH, area_id)
    except ApiError:
        return await permitted_area(connection, caller, Right.HANDLE, area_id)


def _told_by(new: NewIncident, caller: Principal) -> NewIncident:
    message = new.to_message() | {"reporter_name": caller.display_name or caller.name}
    return NewIncident(**{**message, "attachments": new.attachments})


def _message(one: Attachment) -> dict[str, Any]:
    return {
        "kind": one.kind,
        "subject_id": one.subject_id,
        "name": one.name,
        "start_us": one.start_us,
        "end_us": one.end_us,
    }


async def _attachments(
    connection: AsyncConnection, caller: Principal, forms: list[AttachmentForm]
) -> list[Attachment]:
    """What may be attached by the caller, by names that say something."""
    found = []
    for form in forms:
        name = form.name
        if form.kind == "file":
            name = name or await _own_file(connection, caller, form.subject_id)
        elif form.kind == "export":
            owner = await connection.scalar(
                sa.select(export_jobs.c.user_id).where(export_jobs.c.id == form.subject_id)
            )
            if owner != caller.user_id:
                raise not_found("export")
        else:
            camera, _ = await permitted_camera(
                connection, caller, Right.PLAYBACK, form.subject_id, deleted=True
            )
            name = name or camera.name
        found.append(Attachment(form.kind, form.subject_id, name, form.start_us, form.end_us))
    return found


async def _own_file(connection: AsyncConnection, caller: Principal, file_id: str) -> str:
    row = (
        await connection.execute(
            sa.select(attached_files.c.name, attached_files.c.created_by).where(
                attached_files.c.id == file_id
            )
        )
    ).one_or_none()
    if row is None or (
        row.created_by != caller.user_id and await where_seen(connection, caller, file_id) is None
    ):
        raise not_found("file")
    return str(row.name)
