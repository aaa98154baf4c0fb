"""Writes to hand-overs of a shift: one document, signed by who goes and by who comes."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import sqlalchemy as sa

from gateway.database.account_tables import desk_items, handovers
from gateway.database.tables import users
from gateway.identifiers import new_id, now_us
from gateway.people.purpose_rows import end_shift
from recorder.rows import RowError, row_operation


@row_operation("handovers.give")
def give(
    connection: sa.Connection,
    desk_id: str,
    desk_name: str,
    shift_start_us: int,
    given_by: str,
    given_method: str,
    taken_by: str,
    summary: str,
) -> dict[str, Any]:
    """Put what is open at the desk and the summary into a document, signed by who goes.

    Gives its id and ``document_sha256``. Raises RowError ``handover_waiting`` while another is to
    be taken at this desk, ``not_found`` for somebody who is nobody.
    """
    waiting = sa.select(handovers.c.id).where(
        handovers.c.desk_id == desk_id,
        handovers.c.taken_us.is_(None),
        handovers.c.withdrawn_us.is_(None),
    )
    if connection.execute(waiting).first() is not None:
        raise RowError("handover_waiting", "a hand-over is waiting at this desk already")
    people = {
        row.id: {"id": row.id, "name": row.name, "display_name": row.display_name}
        for row in connection.execute(
            sa.select(users.c.id, users.c.name, users.c.display_name).where(
                users.c.id.in_([given_by, taken_by]), users.c.enabled
            )
        )
    }
    if taken_by not in people or taken_by == given_by:
        raise RowError("not_found", "name who takes over: somebody else, with an open account")
    handover_id = new_id("hnd")
    at_us = now_us()
    document = {
        "id": handover_id,
        "desk": {"id": desk_id, "name": desk_name},
        "shift_start_us": shift_start_us,
        "given_us": at_us,
        "given_by": people[given_by],
        "taken_by": people[taken_by],
        "summary": summary,
        "items": _open_items(connection, desk_id),
    }
    text = json.dumps(document, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    digest = hashlib.sha256(text.encode()).hexdigest()
    connection.execute(
        sa.insert(handovers).values(
            id=handover_id,
            desk_id=desk_id,
            given_by=given_by,
            given_us=at_us,
            given_method=given_method,
            taken_by=taken_by,
            document=text,
            document_sha256=digest,
        )
    )
    return {"id": handover_id, "document_sha256": digest}


@row_operation("handovers.take")
def take(
    connection: sa.Connection, handover_id: str, user_id: str, method: str, remark: str | None
) -> str:
    """The second signature: the shift of who gave it is over. Gives ``document_sha256``.

    Raises RowError ``conflict`` when it was taken or withdrawn before.
    """
    row = _waiting(connection, handover_id)
    if row.taken_by != user_id:
        raise RowError("not_found", "this hand-over is for somebody else")
    connection.execute(
        sa.update(handovers)
        .where(handovers.c.id == handover_id)
        .values(taken_us=now_us(), taken_method=method, remark=remark)
    )
    end_shift(connection, row.given_by)
    return str(row.document_sha256)


@row_operation("handovers.withdraw")
def withdraw(connection: sa.Connection, handover_id: str) -> None:
    """It is not to be taken any more. Raises RowError ``conflict``."""
    _waiting(connection, handover_id)
    connection.execute(
        sa.update(handovers).where(handovers.c.id == handover_id).values(withdrawn_us=now_us())
    )


def _waiting(connection: sa.Connection, handover_id: str) -> sa.Row[Any]:
    row = connection.execute(
        sa.select(handovers).where(handovers.c.id == handover_id)
    ).one_or_none()
    if row is None:
        raise RowError("not_found", "there is no such hand-over")
    if row.taken_us is not None or row.withdrawn_us is not None:
        raise RowError("conflict", "this hand-over has been taken or withdrawn already")
    return row


def _open_items(connection: sa.Connection, desk_id: str) -> list[dict[str, Any]]:
    table = desk_items
    rows = connection.execute(
        sa.select(table.c.id, table.c.text, table.c.camera_id, table.c.at_us, table.c.opened_us)
        .add_columns(users.c.name.label("opened_by"))
        .join(users, users.c.id == table.c.opened_by)
        .where(table.c.desk_id == desk_id, table.c.closed_us.is_(None))
        .order_by(table.c.opened_us, table.c.id)
    )
    return [dict(row._mapping) for row in rows]
