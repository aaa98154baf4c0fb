"""Writes to the purposes of shifts."""

from __future__ import annotations

import sqlalchemy as sa

from gateway.audit import AuditRecord, ReasonGiven, append_rows
from gateway.database.audit_tables import shift_purposes
from gateway.identifiers import new_id, now_us
from recorder.rows import row_operation


@row_operation("purposes.state")
def state(
    connection: sa.Connection,
    user_id: str,
    user_name: str,
    address: str | None,
    code: str,
    text: str | None,
    case_id: str | None,
    lasts_us: int,
) -> None:
    """Begin a shift with its purpose, and write it into the register: both or neither.

    The same purpose said again while it stands changes nothing: a wall opens many tiles at once.
    """
    at_us = now_us()
    table = shift_purposes.c
    standing = connection.execute(
        sa.select(table.code, table.text, table.case_id)
        .where(table.user_id == user_id, table.ended_us.is_(None), table.expires_us > at_us)
        .order_by(table.given_us.desc())
        .limit(1)
    ).one_or_none()
    if standing is not None and tuple(standing) == (code, text, case_id):
        return
    _end(connection, user_id, at_us)
    connection.execute(
        sa.insert(shift_purposes).values(
            id=new_id("shp"),
            user_id=user_id,
            code=code,
            text=text,
            case_id=case_id,
            given_us=at_us,
            expires_us=at_us + lasts_us,
        )
    )
    record = AuditRecord(
        "shift.purpose",
        user_id=user_id,
        user_name=user_name,
        address=address,
        start_us=at_us,
        end_us=at_us + lasts_us,
    ).because(ReasonGiven(code, text, case_id))
    append_rows(connection, [record.to_message()])


@row_operation("purposes.end")
def end_shift(connection: sa.Connection, user_id: str) -> None:
    """The shift is over or was handed over: the next live view asks anew. May be repeated.

    For operations that hand a shift over, in the same transaction.
    """
    _end(connection, user_id, now_us())


def _end(connection: sa.Connection, user_id: str, at_us: int) -> None:
    connection.execute(
        sa.update(shift_purposes)
        .where(shift_purposes.c.user_id == user_id, shift_purposes.c.ended_us.is_(None))
        .values(ended_us=at_us)
    )
