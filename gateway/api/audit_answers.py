"""What the routes of the register answer with: records, findings, how far it is signed."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field

from gateway.api.answers import Listing, TimeUs


class AuditEntry(BaseModel):
    """A record of the register. ``area_path``: the names from the root down, at that time."""

    sequence: int
    at_us: TimeUs
    user_id: str | None
    user_name: str | None
    address: str | None
    action: str
    camera_id: str | None
    camera_name: str | None
    area_path: list[str] | None
    start_us: TimeUs | None
    end_us: TimeUs | None
    reason_code: str | None
    reason: str | None
    case_id: str | None
    detail: Any


class AuditActions(BaseModel):
    """The actions that occur in what the caller may see of the register."""

    items: list[Annotated[str, Field(description="a dotted name, such as live.open")]]


class AuditFinding(BaseModel):
    """Something for an auditor to look at, and the first records that it comes of."""

    kind: Literal[
        "blank_reason", "filler_reason", "copied_reason", "off_shift", "same_target", "refused"
    ]
    user_id: str | None
    user_name: str | None
    camera_id: str | None
    camera_name: str | None
    count: int
    first_us: TimeUs
    last_us: TimeUs
    example: str | None
    sequences: list[int]
    detail: dict[str, Any]


class AuditorsReport(BaseModel):
    """The findings of a period, by kind and then the most frequent first."""

    start_us: TimeUs
    end_us: TimeUs
    looks: int
    people: int
    findings: list[AuditFinding]
    counts: dict[str, int]


class SignedHead(BaseModel):
    """The newest record that is signed."""

    sequence: int
    at_us: TimeUs


class OutsideCopy(BaseModel):
    """A place where signatures are kept besides, and why it does not take the newest."""

    place: str
    sequence: int
    at_us: TimeUs
    error: str | None


class AuditState(BaseModel):
    """How far the register is signed."""

    records: int
    signed: SignedHead | None
    outside: list[OutsideCopy]


class AuditPage(Listing[AuditEntry]):
    """A page of the register, newest first."""

    next_cursor: int | None
