"""Opening an incident: once for what it is opened from, and given to who is responsible."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any, Literal

import sqlalchemy as sa

from gateway import outbox
from gateway.attachments.rows import attach as attach_files
from gateway.database.incident_tables import (
    incident_areas,
    incident_attachments,
    incident_numbers,
    incident_steps,
    incidents,
)
from gateway.database.tables import areas
from gateway.evidence.hold_rows import place_hold
from gateway.identifiers import US_PER_S, new_id, now_us
from gateway.incidents.categories import find_category
from gateway.incidents.timing import worked_out
from gateway.incidents.units import find_unit, responsible_unit
from gateway.incidents.working_days import chinese_working_days
from recorder.rows import RowError, row_operation

FOOTAGE_HELD_US = 365 * 24 * 3600 * US_PER_S
"""So long is footage that belongs to an incident held, if nobody lets it go before."""

Origin = Literal["alarm", "search", "live", "call", "field", "external"]
Priority = Literal["normal", "urgent", "emergency"]
AttachmentKind = Literal["file", "footage", "snapshot", "export"]


@dataclass(frozen=True, slots=True)
class Attachment:
    """What belongs to an incident. Footage has both times, a picture the first."""

    kind: AttachmentKind
    subject_id: str
    name: str = ""
    start_us: int | None = None
    end_us: int | None = None


@dataclass(frozen=True, slots=True)
class NewIncident:
    """``origin_id``: what it is opened from; what comes twice opens one. ``category``: id or name;
    without one it is for everything else. ``unit_id``: straight to that unit; else to the one that
    is responsible for the area. Longitude and latitude are WGS-84.
    """

    origin: Origin
    origin_id: str
    area_id: str
    title: str
    words: str = ""
    category: str | None = None
    priority: Priority = "normal"
    place: str = ""
    longitude: float | None = None
    latitude: float | None = None
    camera_id: str | None = None
    happened_us: int | None = None
    reporter_user_id: str | None = None
    reporter_name: str = ""
    reporter_phone: str = ""
    opened_by: str | None = None
    opened_name: str = ""
    unit_id: str | None = None
    attachments: Sequence[Attachment] = field(default=())

    def to_message(self) -> dict[str, Any]:
        """As ``incidents.open`` takes it."""
        return asdict(self)


def open_incident(connection: sa.Connection, new: NewIncident) -> str:
    """Its id; of the one that is there already for what comes again. For use within row operations.

    Raises RowError ``not_found`` for an area or unit that is not there, ``invalid`` for a category.
    """
    known: str | None = connection.scalar(
        sa.select(incidents.c.id).where(
            incidents.c.origin == new.origin, incidents.c.origin_id == new.origin_id
        )
    )
    if known is not None:
        return known
    place = connection.execute(
        sa.select(areas.c.path, areas.c.axis).where(areas.c.id == new.area_id)
    ).one_or_none()
    if place is None or place.axis != "area":
        raise RowError("not_found", "there is no such area in the county's own tree")
    category = find_category(connection, new.category)
    unit_id = new.unit_id
    if unit_id is not None:
        find_unit(connection, unit_id)
    else:
        unit_id = responsible_unit(connection, place.path, category.id)
    at_us = now_us()
    row: dict[str, Any] = {
        "id": new_id("inc"),
        "number": _next_number(connection, at_us),
        "version": 1,
        "changed_us": at_us,
        "origin": new.origin,
        "origin_id": new.origin_id,
        "state": "open" if unit_id is None else "assigned",
        "title": new.title,
        "words": new.words,
        "category_id": category.id,
        "priority": new.priority,
        "area_id": new.area_id,
        "area_path": place.path,
        "place": new.place,
        "longitude": new.longitude,
        "latitude": new.latitude,
        "camera_id": new.camera_id,
        "happened_us": new.happened_us,
        "reporter_user_id": new.reporter_user_id,
        "reporter_name": new.reporter_name,
        "reporter_phone": new.reporter_phone,
        "opened_us": at_us,
        "opened_by": new.opened_by,
        "opened_name": new.opened_name,
        "unit_id": unit_id,
        "assigned_us": None if unit_id is None else at_us,
        "arrived_us": None,
        "answered_us": None,
        "arrive": category.arrive,
        "resolve": category.resolve,
        "suspensions": [],
        "extended_us": 0,
        "reply_due_us": None,
        "urges": 0,
        "told_light": "green",
    }
    row |= worked_out(row, chinese_working_days()) | {"search_text": search_text(row)}
    connection.execute(sa.insert(incidents).values(**row))
    lie_in(connection, row["id"], row["area_path"], at_us)
    by = (new.opened_by, new.opened_name)
    note(connection, row["id"], at_us, "opened", by, None, new.words, {"origin": new.origin})
    if unit_id is not None:
        detail = {"unit_id": unit_id, "straight": new.unit_id is not None}
        note(connection, row["id"], at_us, "assigned", (None, ""), unit_id, "", detail)
    attach(connection, row["id"], at_us, new.attachments, by)
    return str(row["id"])


@row_operation("incidents.open")
def open_from_message(connection: sa.Connection, new: dict[str, Any]) -> str:
    """As :func:`open_incident`, of what :meth:`NewIncident.to_message` gives."""
    attachments = [Attachment(**one) for one in new["attachments"]]
    return open_incident(connection, NewIncident(**{**new, "attachments": attachments}))


def search_text(row: dict[str, Any]) -> str:
    """What it is found by: everything that people say of it."""
    named = ("number", "title", "words", "place", "reporter_name", "reporter_phone")
    return "\n".join(str(row[name]) for name in named).lower()


def lie_in(connection: sa.Connection, incident_id: str, area_path: str, opened_us: int) -> None:
    """Say in which areas it lies, in place of what was said before."""
    connection.execute(sa.delete(incident_areas).where(incident_areas.c.incident_id == incident_id))
    connection.execute(
        sa.insert(incident_areas),
        [
            {"area_id": one, "opened_us": opened_us, "incident_id": incident_id}
            for one in area_path.strip("/").split("/")
        ],
    )


def note(
    connection: sa.Connection,
    incident_id: str,
    at_us: int,
    kind: str,
    by: tuple[str | None, str],
    unit_id: str | None,
    words: str,
    detail: dict[str, Any],
    told_as: str | None = None,
) -> None:
    """A step of its history; other systems that want to know of incidents are told."""
    step = connection.scalar(
        sa.insert(incident_steps)
        .values(
            incident_id=incident_id,
            at_us=at_us,
            kind=kind,
            by_id=by[0],
            by_name=by[1],
            unit_id=unit_id,
            words=words,
            detail=detail,
            told_as=told_as,
        )
        .returning(incident_steps.c.id)
    )
    names = ("id", "number", "origin", "origin_id", "state", "title", "priority", "area_id")
    row = connection.execute(
        sa.select(*(incidents.c[one] for one in names)).where(incidents.c.id == incident_id)
    ).one()
    told = {**row._mapping, "step": kind, "at_us": at_us, "words": words}
    outbox.put(connection, f"incident.{kind}", told, f"incident:{step}", topic="incidents")


def attach(
    connection: sa.Connection,
    incident_id: str,
    at_us: int,
    attachments: Sequence[Attachment],
    by: tuple[str | None, str],
) -> list[str]:
    """Add what belongs to it, and hold its footage; gives the ids.

    Raises RowError ``not_found`` for a file that is not there, or is another's and attached to
    nothing.
    """
    rows = [
        {
            "id": new_id("iatt"),
            "incident_id": incident_id,
            **asdict(one),
            "at_us": at_us,
            "by_id": by[0],
            "by_name": by[1],
        }
        for one in attachments
    ]
    if rows:
        connection.execute(sa.insert(incident_attachments), rows)
    for one in attachments:
        if one.kind == "footage" and one.start_us is not None and one.end_us is not None:
            until_us = at_us + FOOTAGE_HELD_US
            place_hold(
                connection, one.subject_id, one.start_us, one.end_us, incident_id, by[0],
                expires_us=until_us,
            )  # fmt: skip
    files = [one.subject_id for one in attachments if one.kind == "file"]
    attach_files(connection, files, "incident", incident_id, by[0])
    return [row["id"] for row in rows]


def _next_number(connection: sa.Connection, at_us: int) -> str:
    year = datetime.fromtimestamp(at_us // US_PER_S, chinese_working_days().zone).year
    counted = connection.execute(
        sa.update(incident_numbers)
        .where(incident_numbers.c.year == year)
        .values(last=incident_numbers.c.last + 1)
    )
    if counted.rowcount == 0:
        connection.execute(sa.insert(incident_numbers).values(year=year, last=1))
    last = connection.scalar(
        sa.select(incident_numbers.c.last).where(incident_numbers.c.year == year)
    )
    return f"{year}-{last:06d}"
