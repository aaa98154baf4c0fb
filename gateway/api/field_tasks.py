"""Tasks in the field: incidents that the worker's unit has, and the steps that are taken there."""

from __future__ import annotations

from typing import Any, Literal, Self

from fastapi import APIRouter, Request
from pydantic import Field, model_validator

from gateway.api.access import CallerInPerson
from gateway.api.answers import Listing
from gateway.api.field_reports import ClientId
from gateway.api.forms import Form
from gateway.api.incident_answers import IncidentAnswer, IncidentDetail, TakenAnswer
from gateway.api.incident_forms import (
    ArriveStep,
    AttachmentForm,
    Identifier,
    Instant,
    PlainStep,
)
from gateway.api.incidents import list_incidents, read_incident, step_taken
from gateway.api.services import ServicesDep
from gateway.field.judging import judge_times
from gateway.identifiers import US_PER_S, now_us

router = APIRouter(prefix="/api/field/tasks", tags=["field"])

_LISTED = 100
_ON_ITS_WAY_US = 120 * US_PER_S


class TaskForm(Form):
    """``id`` is made by the telephone: what is sent again by it is the same step. ``files``: of
    attachments, as finished uploads name them. Where one is: WGS-84. The times are the
    telephone's, when the step was made and now; the history tells of one that was long on its way.
    """

    id: ClientId | None = None
    words: str = Field(default="", max_length=2000)
    files: list[Identifier] = Field(default_factory=list, max_length=9)
    longitude: float | None = Field(default=None, ge=-180, le=180, allow_inf_nan=False)
    latitude: float | None = Field(default=None, ge=-90, le=90, allow_inf_nan=False)
    made_phone_us: Instant | None = None
    sent_phone_us: Instant | None = None

    @model_validator(mode="after")
    def _both(self) -> Self:
        if (self.made_phone_us is None) != (self.sent_phone_us is None):
            raise ValueError("say when it was made and when it is sent, or neither")
        return self


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
    """Take it, say that one is there, say how it goes, say that it is done. May be repeated with
    its ``id``: it is one step.
    """
    attachments = [AttachmentForm(kind="file", subject_id=one) for one in body.files]
    taken: ArriveStep | PlainStep
    if step == "arrive":
        taken = ArriveStep(
            kind=step, words=body.words, attachments=attachments,
            longitude=body.longitude, latitude=body.latitude,
        )  # fmt: skip
    else:
        taken = PlainStep(kind=step, words=body.words, attachments=attachments)
    return await step_taken(
        services, request, caller, incident_id, taken,
        told_as=body.id, made_us=_made_long_ago(body),
    )  # fmt: skip


def _made_long_ago(body: TaskForm) -> int | None:
    """When the step was made, where it was minutes on its way; else its arrival says it."""
    if body.made_phone_us is None or body.sent_phone_us is None:
        return None
    received_us = now_us()
    made_us = judge_times(body.made_phone_us, body.sent_phone_us, received_us).made_us
    return made_us if received_us - made_us > _ON_ITS_WAY_US else None
