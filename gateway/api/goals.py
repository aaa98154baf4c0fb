"""The four goals in figures, for what the caller sees live."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import BaseModel

from gateway.api.access import Caller, permitted_areas
from gateway.api.answers import TimeUs
from gateway.api.services import ServicesDep
from gateway.people.roles import Right

router = APIRouter(prefix="/api", tags=["screens"])


class Coverage(BaseModel):
    """Villages, and those with a camera that gives a picture."""

    villages: int
    covered: int


class Sharing(BaseModel):
    """Platforms above and below, and those of them that are linked now."""

    above: int
    above_online: int
    below: int
    below_online: int


class Availability(BaseModel):
    """Cameras in use: live, away, or idle (nobody asks them), and those that are to be recorded."""

    total: int
    live: int
    away: int
    idle: int
    to_record: int
    recording: int


class Control(BaseModel):
    """Looks at footage in the register, and those that say what for."""

    today: int
    today_with_purpose: int
    month: int
    month_with_purpose: int


class GoalsAnswer(BaseModel):
    """``at_us``: when it was counted."""

    at_us: TimeUs
    coverage: Coverage
    sharing: Sharing
    availability: Availability
    control: Control


@router.get("/goals", response_model=GoalsAnswer)
async def read_goals(
    caller: Caller,
    services: ServicesDep,
    utc_offset_minutes: Annotated[int, Query(ge=-840, le=840)] = 480,
) -> dict[str, Any]:
    """Counted anew every ten seconds at most. Days begin by ``utc_offset_minutes``."""
    return await services.goals.read(permitted_areas(caller, Right.LIVE), utc_offset_minutes)
