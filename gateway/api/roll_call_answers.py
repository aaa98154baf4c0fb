"""What the routes of roll calls answer; see docs/http-api.md."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, Field

from gateway.api.answers import TimeUs
from gateway.meetings.roll_call import Presence


class RollCallSummary(BaseModel):
    """A roll call, without its list."""

    id: str
    title: str
    area_id: str | None
    started_us: TimeUs
    ended_us: TimeUs | None
    current_id: Annotated[str | None, Field(description="the participant that is called now")]
    late_after_s: int


class RollCallRow(BaseModel):
    """A site on the list. ``connected``: what the machine found when it was called; no presence."""

    participant_id: str
    position: int
    kind: str
    name: str
    area_id: str | None
    area_path: list[str]
    state: Presence
    called_us: TimeUs | None
    connected: bool | None
    connected_now: bool
    answered_us: Annotated[TimeUs | None, Field(description="somebody at the site said so")]
    tick: Annotated[Literal["present", "absent"] | None, Field(description="the chair's word")]
    ticked_us: TimeUs | None
    note: str
    snapshot_us: Annotated[TimeUs | None, Field(description="of when the picture kept of it is")]
    late_us: Annotated[int, Field(description="how late it came; 0: in time")]
    early_us: Annotated[int, Field(description="how early it left; 0: not early, or not over")]
    connected_us: Annotated[int, Field(description="how long it was connected, in microseconds")]


class RollCallAnswer(RollCallSummary):
    """The board, in the order of the tree of areas."""

    meeting_id: str
    meeting_title: str
    tally: dict[str, int]
    rows: list[RollCallRow]


class CalledSite(BaseModel):
    """Who was called: None where nobody was left to be called."""

    participant_id: str | None
    connected: bool


class RoundStarted(BaseModel):
    """Of how many sites pictures are being taken."""

    sites: int


class PrintGroup(BaseModel):
    """The sites of a township."""

    name: str
    rows: list[list[str]]


class PrintTally(BaseModel):
    """How many of a state."""

    state: str
    word: str
    count: int


class RollCallPrint(BaseModel):
    """What an A4 page is laid out from, in words."""

    title: str
    lines: list[str]
    columns: list[str]
    groups: list[PrintGroup]
    tally: list[PrintTally]
    signatures: list[str]
