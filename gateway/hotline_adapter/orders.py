"""A hotline's work orders in its words and in ours. No input or output.

What a hotline sends is not standardized; these are the fields that municipal ones have in common.
Whoever connects another system changes this module, and its names in the tests.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints
from pydantic.alias_generators import to_camel

from gateway.geo.coordinates import CoordinateSystem, to_wgs84

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LEVELS = (12, 9, 6)
_DIVISION_DIGITS = 12

OrderNumber = Annotated[str, StringConstraints(pattern=r"^[0-9A-Za-z_\-]{4,50}$")]
_Said = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=2000)]


class _Message(BaseModel):
    """A document of the hotline's. Fields that the adapter does not know are passed over."""

    model_config = ConfigDict(alias_generator=to_camel, extra="ignore")


class WorkOrder(_Message):
    """What a citizen told; the place in what the settings say of the hotline."""

    order_no: OrderNumber
    title: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]
    content: str = Field(default="", max_length=3500)
    area_code: str = Field(default="", max_length=40)
    type_code: str = Field(default="", max_length=40)
    address: str = Field(default="", max_length=300)
    longitude: float | None = Field(default=None, ge=-180, le=180)
    latitude: float | None = Field(default=None, ge=-90, le=90)
    caller_name: str = Field(default="", max_length=200)
    caller_phone: str = Field(default="", max_length=40)
    called_at: AwareDatetime | None = None
    level: Literal["normal", "urgent", "emergency"] = "normal"


class Urging(_Message):
    """The citizen waits, and says so again."""

    words: str = Field(default="", max_length=2000)
    reply_by: AwareDatetime | None = None


class Supplement(_Message):
    """More that the citizen told."""

    words: _Said


class Withdrawal(_Message):
    """The hotline takes it back."""

    words: _Said


class Visit(_Message):
    """What the citizen said when they were asked afterwards; ``again``: it is not settled."""

    rating: int = Field(ge=1, le=5)
    words: str = Field(default="", max_length=2000)
    again: bool = False


class Webhook(BaseModel):
    """What the gateway sends, see integration.md."""

    type: str
    data: dict[str, Any]


class Told(BaseModel):
    """A step of an incident, as the gateway tells it."""

    id: str
    number: str
    step: str
    at_us: int
    words: str


def incident_form(
    order: WorkOrder, area_id: str, category_id: str | None, system: CoordinateSystem
) -> dict[str, Any]:
    """What is posted to ``/api/incidents``; the same order again gives the same incident."""
    longitude, latitude = order.longitude, order.latitude
    if longitude is not None and latitude is not None:
        longitude, latitude = to_wgs84(system, longitude, latitude)
    return {
        "origin": "external",
        "origin_id": order.order_no,
        "area_id": area_id,
        "title": order.title,
        "words": order.content,
        "category_id": category_id,
        "priority": order.level,
        "place": order.address,
        "longitude": longitude,
        "latitude": latitude,
        "happened_us": None if order.called_at is None else _us(order.called_at),
        "reporter_name": order.caller_name,
        "reporter_phone": order.caller_phone,
    }


def urge_step(said: Urging) -> dict[str, Any]:
    """The step that hurries the unit."""
    due_us = None if said.reply_by is None else _us(said.reply_by)
    return {"kind": "urge", "words": said.words, "reply_due_us": due_us}


def visit_steps(said: Visit) -> Iterator[dict[str, Any]]:
    """The rating; and that it goes on, where it is not settled."""
    yield {"kind": "rate", "rating": said.rating, "words": said.words}
    if said.again:
        yield {"kind": "reopen", "words": said.words or "回访不满意"}


def area_codes(code: str) -> Iterator[str]:
    """The codes under which a place may be known, from the smallest up: hotlines write divisions
    with all twelve digits or without their zeros, and know cells that we may not.
    """
    known_as = [code]
    if code.isascii() and code.isdecimal():
        wide = code[:_DIVISION_DIGITS].ljust(_DIVISION_DIGITS, "0")
        for digits in _LEVELS:
            known_as += [wide[:digits], wide[:digits].ljust(_DIVISION_DIGITS, "0")]
    yield from dict.fromkeys(one for one in known_as if one)


# What the citizen's hotline is told; remarks among those who handle it are no business of theirs.
_STATUSES = {
    "opened": "received",
    "assign": "dispatched",
    "up": "dispatched",
    "hand_over": "dispatched",
    "accept": "accepted",
    "arrive": "on_site",
    "reply": "progress",
    "answer": "answered",
    "send_back": "accepted",
    "suspend": "suspended",
    "resume": "accepted",
    "extend": "extended",
    "turned_red": "overdue",
    "merge": "merged",
    "reopen": "reopened",
    "close": "closed",
}
_TELLS_WORDS = {"reply", "suspend", "extend", "close"}


def status_of(step: str) -> str | None:
    """The hotline's word for a step of ours; None for one that it is not told of."""
    return _STATUSES.get(step)


def feedback(
    order_no: str, message_id: str, told: Told, incident: Mapping[str, Any]
) -> dict[str, Any]:
    """What is posted to the hotline. ``told`` is what the gateway's webhook said, ``incident`` as
    it is now. ``feedbackId`` is the same whenever the same is sent again.
    """
    step = told.step
    document = {
        "orderNo": order_no,
        "feedbackId": message_id,
        "status": status_of(step),
        "at": (_EPOCH + timedelta(microseconds=told.at_us)).isoformat(),
        "number": told.number,
        "unit": incident["unit"]["name"] if incident["unit"] else None,
        "words": told.words if step in _TELLS_WORDS else "",
    }
    if step == "close":
        document |= {
            "result": incident["result"],
            "words": incident["result_words"] or told.words,
            "late": bool(incident["resolved_late"]),
        }
    return document


def _us(at: datetime) -> int:
    return max(0, (at - _EPOCH) // timedelta(microseconds=1))
