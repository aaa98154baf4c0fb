"""Incidents as answers say them: with the names that things have now."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.api.incident_access import steps_open_to
from gateway.cameras import find_cameras
from gateway.database.attachment_tables import attached_files
from gateway.database.incident_tables import (
    incident_attachments,
    incident_categories,
    incident_steps,
    incidents,
    units,
)
from gateway.identifiers import now_us
from gateway.incidents.dispatching import DISPATCHING
from gateway.incidents.handling import HANDLING
from gateway.incidents.reading import Scope
from gateway.incidents.timing import is_suspended, light_of
from gateway.people.areas import area_names
from gateway.people.authorize import Principal, authorize
from gateway.people.roles import Right

Document = dict[str, Any]

_KEPT_TO_ITSELF = (
    "area_path", "category_id", "unit_id", "handler_id", "reporter_user_id", "opened_by", "arrive",
    "resolve", "suspensions", "told_light", "search_text",
)  # fmt: skip
_HISTORY_LIMIT = 2000


async def incident_documents(
    connection: AsyncConnection, caller: Principal, scope: Scope, rows: Iterable[Document]
) -> list[Document]:
    """``IncidentAnswer`` of each row, in their order."""
    listed = list(rows)
    at_us = now_us()
    categories = await names_of(
        connection, incident_categories, {row["category_id"] for row in listed}
    )
    unit_names = await names_of(connection, units, {row["unit_id"] for row in listed})
    areas = await area_names(connection, [row["area_path"] for row in listed])
    documents = []
    for row in listed:
        steps = steps_open_to(caller, row, scope)
        works = not (HANDLING | DISPATCHING).isdisjoint(steps)
        document = {name: value for name, value in row.items() if name not in _KEPT_TO_ITSELF}
        documents.append(
            document
            | {
                "light": light_of(row, at_us),
                "category": {"id": row["category_id"], "name": categories[row["category_id"]]},
                "unit": named(row["unit_id"], unit_names),
                "area_names": areas.get(row["area_path"], []),
                "reporter_phone": row["reporter_phone"] if works else None,
                "suspended": is_suspended(row),
                "steps": steps,
            }
        )
    return documents


async def incident_detail(
    connection: AsyncConnection, caller: Principal, scope: Scope, row: Document
) -> Document:
    """``IncidentDetail``."""
    (document,) = await incident_documents(connection, caller, scope, [row])
    table = incident_steps.c
    steps = (
        await connection.execute(
            sa.select(incident_steps)
            .where(table.incident_id == row["id"])
            .order_by(table.id)
            .limit(_HISTORY_LIMIT)
        )
    ).all()
    told = {one.detail.get("unit_id") for one in steps} | {one.unit_id for one in steps}
    unit_names = await names_of(connection, units, told)
    merged = await connection.execute(
        sa.select(incidents.c.id, incidents.c.number).where(incidents.c.merged_into == row["id"])
    )
    return document | {
        "history": [
            {
                "at_us": one.at_us,
                "kind": one.kind,
                "by_name": one.by_name,
                "unit": named(one.unit_id, unit_names),
                "words": one.words,
                "detail": _told(one.detail, unit_names),
            }
            for one in steps
        ],
        "attachments": await _attachments(connection, caller, row["id"]),
        "merged": [{"id": one.id, "name": one.number} for one in merged],
    }


async def names_of(
    connection: AsyncConnection, table: sa.Table, ids: Collection[str | None]
) -> dict[str, str]:
    """The names of rows, by their ids."""
    wanted = [one for one in ids if one is not None]
    if not wanted:
        return {}
    rows = await connection.execute(
        sa.select(table.c.id, table.c.name).where(table.c.id.in_(wanted))
    )
    return {row.id: row.name for row in rows}


def named(identifier: str | None, names: dict[str, str]) -> Document | None:
    """``Named``; None of nothing."""
    if identifier is None:
        return None
    return {"id": identifier, "name": names.get(identifier, "")}


def _told(detail: Document, unit_names: dict[str, str]) -> Document:
    unit_id = detail.get("unit_id")
    return detail if unit_id is None else {**detail, "unit_name": unit_names.get(unit_id, "")}


async def _attachments(
    connection: AsyncConnection, caller: Principal, incident_id: str
) -> Sequence[Document]:
    table, files = incident_attachments.c, attached_files.c
    rows = (
        await connection.execute(
            sa.select(incident_attachments, files.media_type, files.has_thumbnail)
            .outerjoin(attached_files, files.id == table.subject_id)
            .where(table.incident_id == incident_id)
            .order_by(table.at_us, table.id)
        )
    ).all()
    of_cameras = [one.subject_id for one in rows if one.kind in ("footage", "snapshot")]
    found = await find_cameras(connection, of_cameras, deleted=True)
    at_us = now_us()

    def may_look(one: sa.Row[Any]) -> bool:
        if one.kind == "file":
            return bool(one.media_type)
        camera = found.get(one.subject_id)
        if camera is None:
            return bool(one.kind == "export")
        return authorize(caller, Right.PLAYBACK, camera, at_us).allowed

    return [
        {
            "id": one.id,
            "kind": one.kind,
            "subject_id": one.subject_id,
            "name": one.name,
            "media_type": one.media_type,
            "has_thumbnail": bool(one.has_thumbnail),
            "start_us": one.start_us,
            "end_us": one.end_us,
            "at_us": one.at_us,
            "by_name": one.by_name,
            "may_look": may_look(one),
        }
        for one in rows
    ]
