"""The pick-list of purposes, and the purpose of the caller's shift."""

from __future__ import annotations

from typing import Any, Literal

from fastapi import APIRouter, Request
from pydantic import BaseModel

from gateway.accountability import (
    TEXT_CODES,
    LookAction,
    Purpose,
    ReasonCode,
    asks,
    demands_case,
    require_purpose,
    running_shift,
)
from gateway.api.access import Caller, act, client_address
from gateway.api.answers import TimeUs
from gateway.api.services import ServicesDep

router = APIRouter(prefix="/api/purposes", tags=["purposes"])

_ACTIONS: tuple[LookAction, ...] = ("live", "playback", "search", "export")


class Code(BaseModel):
    """A line of the pick-list."""

    code: ReasonCode
    text_needed: bool


class ShiftPurpose(BaseModel):
    """Why the caller watches live in this shift."""

    code: ReasonCode
    text: str | None
    case_id: str | None
    given_us: TimeUs
    expires_us: TimeUs


class Purposes(BaseModel):
    """What is asked of the caller before a look, and the answer that stands."""

    codes: list[Code]
    shift: ShiftPurpose | None
    asked: dict[Literal["live", "playback", "search", "export"], bool]
    case_required: dict[Literal["live", "playback", "search", "export"], bool]


@router.get("", response_model=Purposes)
async def read_purposes(caller: Caller, services: ServicesDep) -> dict[str, Any]:
    """The pick-list, what is asked of the caller, and the purpose of the running shift."""
    settings = services.settings
    asked = {action: asks(settings, action) for action in _ACTIONS}
    return {
        "codes": [{"code": one, "text_needed": one in TEXT_CODES} for one in ReasonCode],
        "shift": await running_shift(services.reader, caller.user_id),
        "asked": asked,
        "case_required": {
            action: asked[action] and demands_case(settings.accountability, caller, action)
            for action in _ACTIONS
        },
    }


@router.put("/shift", response_model=ShiftPurpose)
async def state_shift(
    body: Purpose, caller: Caller, request: Request, services: ServicesDep
) -> dict[str, Any] | None:
    """State the purpose of the shift that begins now."""
    await require_purpose(services, caller, "live", body, address=client_address(request))
    return await running_shift(services.reader, caller.user_id)


@router.delete("/shift", status_code=204)
async def end_shift(caller: Caller, request: Request, services: ServicesDep) -> None:
    """The shift is over: the next live view asks anew."""
    await act(services, request, caller, "shift.end", "purposes.end", {"user_id": caller.user_id})
