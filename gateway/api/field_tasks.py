"""Tasks in the field: incidents that the worker's unit has, and the steps that are taken there."""

from __future__ import annotations

from typing import Any, Literal

from fastapi import APIRouter, Request
from pydantic import Field

from gateway.api.access import CallerInPerson
from gateway.api.answers import Listing
from gateway.api.forms import Form
from gateway.api.incident_answers import IncidentAnswer, IncidentDetail, TakenAnswer
from gateway.api.incident_forms import ArriveStep, AttachmentForm, Identifier, PlainStep
from gateway.api.incidents import list_incidents, read_incident, take_step
from gateway.api.services import ServicesDep

router = APIRouter(prefix="/api/field/tasks", tags=["field"])

_LISTED = 100


class TaskForm(Form):
    """``files``: of attachments, as finished uploads name them. Where one is: WGS-84."""

    words: str = Field(default="", max_length=2000)
    files: list[Identifier] = Field(default_factory=list, max_length=9)
    longitude: float | None = Field(default=None, ge=-180, le=180, allow_inf_nan=False)
    latitude: float | None = Field(default=None, ge=-90, le=90, allow_inf_nan=False)


@router.get("", response_model=Listing[IncidentAnswer])
async def list_tasks(caller: CallerInPerson, services: ServicesDep) -> dict[str, Any]:
    """What one's units have to do, what is due first at the top."""
    page = await list_incidents(
        caller, services, under_way=True, own_units=True, order="due", limit=_LISTED
    )
    return {"items": page["items"]}


@router.get("/{incident_id}", response_model=IncidentDetail)
async def read_task(
    incident_id: str, caller: CallerInPerson, services: ServicesDep
) -> dict[str, Any]:
    """All of it."""
    return await read_incident(incident_id, caller, services)


@router.post("/{incident_id}/{step}", response_model=TakenAnswer)
async def do_task(
    incident_id: str,
    step: Literal["accept", "arrive", "reply", "answer"],
    body: TaskForm,
    caller: CallerInPerson,
    request: Request,
    services: ServicesDep,
) -> dict[str, Any]:
    """Take it, say that one is there, say how it goes, say that it is done."""
    attachments = [AttachmentForm(kind="file", subject_id=one) for one in body.files]
    taken: ArriveStep | PlainStep
    if step == "arrive":
        taken = ArriveStep(
            kind=step, words=body.words, attachments=attachments,
            longitude=body.longitude, latitude=body.latitude,
        )  # fmt: skip
    else:
        taken = PlainStep(kind=step, words=body.words, attachments=attachments)
    return await take_step(incident_id, taken, caller, request, services)
