"""Writes of standing searches: what was indexed waits to be compared; what fits is an alarm."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from gateway.alarms.rule_rows import apply_rules
from gateway.audit import AuditRecord, append_rows
from gateway.database.evidence_tables import cases
from gateway.database.investigation_tables import (
    search_requests,
    standing_dropped,
    standing_matches,
    standing_queue,
)
from gateway.database.operating_tables import alarms
from gateway.database.tables import areas, cameras
from gateway.identifiers import US_PER_S, new_id, now_us
from gateway.investigations.request_rows import IN_USE, is_usable
from recorder.merged_spans import add_range
from recorder.rows import row_follower, row_operation
from search.index.tables import passage_cameras, passages
from search.passages import began_us

STANDING_MATCH = "standing_match"
# Of one search at one camera; what is found beyond is counted in the last of them.
ALARMS_AN_HOUR = 20
_HOUR_US = 3600 * US_PER_S
# Should nobody compare for days, the oldest go, and the time in which they began is told: in whole
# steps, since nobody need know when exactly something passed beneath a mask.
_QUEUE_LIMIT = 1_000_000
_DROPPED_STEP_US = 600 * US_PER_S


@row_follower("passages.add")
def queue(connection: sa.Connection, arguments: dict[str, Any], _: object) -> None:
    """Passages that were indexed wait in the same transaction, while there is a standing search."""
    ids = [item["id"] for item in arguments["items"]]
    searched = (
        sa.select(search_requests.c.id)
        .where(search_requests.c.kind == "standing", search_requests.c.state.in_(IN_USE))
        .limit(1)
    )
    if not ids or connection.execute(searched).first() is None:
        return
    connection.execute(sa.insert(standing_queue), [{"passage_id": one} for one in ids])
    newest = connection.scalar(sa.select(sa.func.max(standing_queue.c.number))) or 0
    _cut(connection, standing_queue.c.number <= newest - _QUEUE_LIMIT)


def _cut(connection: sa.Connection, gone: sa.ColumnElement[bool]) -> None:
    """This goes uncompared, which coverage of its searches tells."""
    rows = connection.execute(
        sa.select(standing_queue.c.passage_id, passage_cameras.c.camera_id)
        .join(passages, passages.c.id == standing_queue.c.passage_id)
        .join(passage_cameras, passage_cameras.c.number == passages.c.camera)
        .where(gone)
    )
    steps = {(row.camera_id, began_us(row.passage_id) // _DROPPED_STEP_US) for row in rows}
    for camera_id, step in sorted(steps):
        start_us = step * _DROPPED_STEP_US
        key = {"camera_id": camera_id}
        add_range(connection, standing_dropped, key, start_us, start_us + _DROPPED_STEP_US)
    connection.execute(sa.delete(standing_queue).where(gone))


@row_operation("investigations.compared")
def compared(
    connection: sa.Connection,
    matches: Sequence[dict[str, Any]],
    through: int,
    dropped: Sequence[int] = (),
) -> list[str]:
    """What was waiting up to number ``through`` was compared; these fit: ``request_id``,
    ``passage_id``, ``camera_id``, ``at_us``, ``likeness``, ``object_class``, ``masked`` (for who
    may not lift masks there is no match). Each becomes an alarm (or is
    counted in one) and a record, once. Passages that are ``dropped`` could not be compared, and
    never will be. Gives the alarms' ids. May be repeated.
    """
    at_us = now_us()
    told: list[str] = []
    records = []
    for one in matches:
        request = connection.execute(
            sa.select(search_requests, cases.c.number, cases.c.closed_us)
            .join(cases, cases.c.id == search_requests.c.case_id)
            .where(search_requests.c.id == one["request_id"])
        ).one_or_none()
        if request is None or request.closed_us is not None or not is_usable(request, at_us):
            continue
        known = sa.select(standing_matches.c.id).where(
            standing_matches.c.request_id == request.id,
            standing_matches.c.passage_id == one["passage_id"],
        )
        if connection.execute(known).first() is not None:
            continue
        camera = connection.execute(
            sa.select(cameras.c.area_id, areas.c.path)
            .join(areas, areas.c.id == cameras.c.area_id)
            .where(cameras.c.id == one["camera_id"])
        ).one_or_none()
        if camera is None:
            continue
        masked = bool(one.get("masked"))
        alarm_id = _full(connection, request.id, one["camera_id"], masked, at_us)
        if alarm_id is not None:
            _note(connection, request.id, one, at_us, alarm_id)
            told.append(alarm_id)
            records.append(_record(request, camera.path, one))
            continue
        alarm_id = new_id("alm")
        connection.execute(
            sa.insert(alarms).values(
                id=alarm_id,
                kind=STANDING_MATCH,
                subject=f"match:{request.id}:{one['passage_id']}",
                camera_id=one["camera_id"],
                area_id=camera.area_id,
                search_request_id=request.id,
                begin_us=one["at_us"],
                detail={
                    "request_id": request.id,
                    "passage_id": str(one["passage_id"]),
                    "case_id": request.case_id,
                    "case_number": request.number,
                    "class": one["object_class"],
                    "likeness": one["likeness"],
                    **({"masked": True} if masked else {}),
                },
            )
        )
        apply_rules(connection, [alarm_id])
        _note(connection, request.id, one, at_us, alarm_id)
        told.append(alarm_id)
        records.append(_record(request, camera.path, one))
    if records:
        append_rows(connection, records)
    waiting = standing_queue.c.number <= through
    if dropped:
        _cut(connection, sa.and_(waiting, standing_queue.c.passage_id.in_(dropped)))
    connection.execute(sa.delete(standing_queue).where(waiting))
    return list(dict.fromkeys(told))


def _full(
    connection: sa.Connection, request_id: str, camera_id: str, masked: bool, at_us: int
) -> str | None:
    """The newest alarm of a search at a camera that has raised enough of them within the hour; one
    more match is counted there. Those beneath masks are others': told to others.
    """
    table = standing_matches.c
    lately = sa.select(table.alarm_id).where(
        table.request_id == request_id,
        table.camera_id == camera_id,
        table.found_us > at_us - _HOUR_US,
    )
    rows = connection.execute(
        sa.select(alarms.c.id, alarms.c.detail)
        .where(alarms.c.id.in_(lately))
        .order_by(alarms.c.begin_us.desc(), alarms.c.id)
    )
    alike = [row for row in rows if bool(row.detail.get("masked")) == masked]
    if len(alike) < ALARMS_AN_HOUR:
        return None
    newest = alike[0]
    connection.execute(
        sa.update(alarms)
        .where(alarms.c.id == newest.id)
        .values(detail={**newest.detail, "more": newest.detail.get("more", 0) + 1})
    )
    found: str = newest.id
    return found


def _note(
    connection: sa.Connection, request_id: str, one: dict[str, Any], at_us: int, alarm_id: str
) -> None:
    connection.execute(
        sa.insert(standing_matches).values(
            request_id=request_id,
            passage_id=one["passage_id"],
            camera_id=one["camera_id"],
            at_us=one["at_us"],
            found_us=at_us,
            likeness=one["likeness"],
            alarm_id=alarm_id,
        )
    )


def _record(request: sa.Row[Any], area_path: str, one: dict[str, Any]) -> dict[str, Any]:
    return AuditRecord(
        "search.match",
        camera_id=one["camera_id"],
        area_path=area_path,
        start_us=one["at_us"],
        end_us=one["at_us"] + 1,
        case_id=request.case_id,
        detail={
            "request_id": request.id,
            "passage_id": str(one["passage_id"]),
            "likeness": one["likeness"],
        },
    ).to_message()
