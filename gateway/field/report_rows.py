"""Reports from the field as rows: each once, however often it is sent."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from gateway.attachments.rows import attach
from gateway.audit.records import append_rows
from gateway.database.field_tables import field_reports, field_uploads
from gateway.field.incident_of_report import add_to_incident, open_from_report
from gateway.identifiers import new_id
from recorder.rows import row_operation

REPORT = "report"

_own = field_reports.c


@row_operation("field.report")
def report(
    connection: sa.Connection, columns: dict[str, Any], record: dict[str, Any]
) -> tuple[str, bool]:
    """Keep a report, with what has come of its files, and open an incident from it; gives its id,
    and whether it is new.

    ``record`` goes into the register with it, and not again with one that is known.
    """
    known: str | None = connection.scalar(
        sa.select(_own.id).where(
            _own.user_id == columns["user_id"], _own.client_id == columns["client_id"]
        )
    )
    if known is not None:
        return known, False
    report_id = new_id("rep")
    connection.execute(sa.insert(field_reports).values(id=report_id, **columns))
    uploads = field_uploads.c
    arrived = connection.scalars(
        sa.select(uploads.file_id).where(
            uploads.user_id == columns["user_id"],
            uploads.report_client_id == columns["client_id"],
            uploads.file_id.is_not(None),
        )
    ).all()
    file_ids = [one for one in arrived if one]
    attach(connection, file_ids, REPORT, report_id, columns["user_id"])
    incident_id = open_from_report(connection, report_id, columns, file_ids)
    connection.execute(
        sa.update(field_reports).where(_own.id == report_id).values(incident_id=incident_id)
    )
    detail = {**record["detail"], "report": report_id, "incident": incident_id}
    append_rows(connection, [{**record, "detail": detail}])
    return report_id, True


def add_file(
    connection: sa.Connection, user_id: str, report_client_id: str | None, file_id: str
) -> None:
    """A file of a report has come; where the report has not, it finds the file when it does."""
    if report_client_id is None:
        return
    row = connection.execute(
        sa.select(_own.id, _own.incident_id).where(
            _own.user_id == user_id, _own.client_id == report_client_id
        )
    ).one_or_none()
    if row is not None:
        attach(connection, [file_id], REPORT, row.id, user_id)
        add_to_incident(connection, row.incident_id, user_id, file_id)
