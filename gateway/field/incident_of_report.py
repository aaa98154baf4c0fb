"""A report from the field becomes an incident, and what comes later with it is attached to that."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import sqlalchemy as sa

import gateway.incidents.handling  # noqa: F401  # declares the steps
from gateway.database.attachment_tables import attached_files
from gateway.database.tables import users
from gateway.incidents.opening import Attachment, NewIncident, open_incident
from gateway.incidents.steps import take_step
from recorder.rows import RowError

_TITLE = 60


def open_from_report(
    connection: sa.Connection, report_id: str, report: Mapping[str, Any], file_ids: Sequence[str]
) -> str:
    """Gives the incident's id; the same one again for the same report. A category that is offered
    no more does not stop a report that was written without a network.
    """
    name = _name(connection, report["user_id"])
    new = NewIncident(
        origin="field",
        origin_id=report_id,
        area_id=report["area_id"],
        title=_title(report),
        words=report["words"],
        category=report["category"],
        place=report["place_words"],
        longitude=report["longitude"],
        latitude=report["latitude"],
        happened_us=report["made_us"],
        reporter_user_id=report["user_id"],
        reporter_name=name,
        opened_by=report["user_id"],
        opened_name=name,
        attachments=_attachments(connection, file_ids),
    )
    try:
        return open_incident(connection, new)
    except RowError as error:
        if error.code != "invalid" or report["category"] is None:
            raise
        return open_from_report(connection, report_id, {**report, "category": None}, file_ids)


def add_to_incident(
    connection: sa.Connection, incident_id: str, user_id: str, file_id: str
) -> None:
    """A file of the report has come after it: a step of the incident's history."""
    take_step(
        connection,
        incident_id,
        "attach",
        user_id,
        _name(connection, user_id),
        attachments=[asdict(one) for one in _attachments(connection, [file_id])],
    )


def _attachments(connection: sa.Connection, file_ids: Sequence[str]) -> list[Attachment]:
    files = attached_files.c
    rows = connection.execute(
        sa.select(files.id, files.name).where(files.id.in_(file_ids)).order_by(files.created_us)
    )
    return [Attachment("file", row.id, row.name) for row in rows]


def _name(connection: sa.Connection, user_id: str) -> str:
    row = connection.execute(
        sa.select(users.c.display_name, users.c.name).where(users.c.id == user_id)
    ).one()
    return str(row.display_name or row.name)


def _title(report: Mapping[str, Any]) -> str:
    first = str(report["words"]).partition("\n")[0].strip()
    if len(first) > _TITLE:
        first = f"{first[: _TITLE - 1]}…"
    return first or report["category"] or report["place_words"] or "现场上报"
