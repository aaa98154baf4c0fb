"""What is answered: ResponseStatusObject, alone or in a list (GA/T 1400.4)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from camera_adapters.gat1400.codes import Status
from camera_adapters.gat1400.fields import read_text, write_moment

_LISTED_LIMIT = 1000


@dataclass(frozen=True, slots=True)
class ResponseStatus:
    """How one object of a request went. ``text`` says what to do where it did not go well."""

    url: str
    status: Status
    text: str
    id: str = ""

    @property
    def ok(self) -> bool:
        """Whether it was taken."""
        return self.status is Status.OK


def write_statuses(
    statuses: Iterable[ResponseStatus], now_us: int, utc_offset_minutes: int
) -> dict[str, Any]:
    """The ResponseStatusListObject."""
    objects = [_object(one, now_us, utc_offset_minutes) for one in statuses]
    return {"ResponseStatusListObject": {"ResponseStatusObject": objects}}


def write_status(status: ResponseStatus, now_us: int, utc_offset_minutes: int) -> dict[str, Any]:
    """One ResponseStatusObject, as the System interfaces answer."""
    return {"ResponseStatusObject": _object(status, now_us, utc_offset_minutes)}


def read_statuses(document: Mapping[str, Any]) -> list[ResponseStatus]:
    """Whatever shape the other side answered in: a list, one, or nothing (then an empty list)."""
    held = document.get("ResponseStatusListObject", document)
    found = held.get("ResponseStatusObject") if isinstance(held, Mapping) else held
    if found is None and "StatusCode" in document:
        found = document
    if isinstance(found, Mapping):
        found = [found]
    if not isinstance(found, list):
        return []
    return [
        ResponseStatus(
            read_text(one.get("RequestURL"), 256) or "",
            _status(one.get("StatusCode")),
            read_text(one.get("StatusString"), 256) or "",
            read_text(one.get("Id", one.get("ID")), 64) or "",
        )
        for one in found[:_LISTED_LIMIT]
        if isinstance(one, Mapping)
    ]


def _object(one: ResponseStatus, now_us: int, utc_offset_minutes: int) -> dict[str, Any]:
    return {
        "RequestURL": one.url,
        "StatusCode": int(one.status),
        "StatusString": one.text,
        "Id": one.id,
        "LocalTime": write_moment(now_us, utc_offset_minutes),
    }


def _status(value: object) -> Status:
    text = read_text(value, 4)
    try:
        return Status(int(text or ""))
    except ValueError:
        return Status.OTHER_ERROR
