"""Writes of open dialogs, so that a restart of signalling neither ends nor forgets one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from gateway.database.gb28181_tables import gb28181_dialogs
from recorder.rows import row_operation


@row_operation("gb28181.keep_dialog")
def keep_dialog(connection: sa.Connection, columns: dict[str, Any]) -> None:
    """Remember a dialog; replaces what was known by its Call-ID. May be repeated."""
    table = gb28181_dialogs
    connection.execute(sa.delete(table).where(table.c.call_id == columns["call_id"]))
    connection.execute(sa.insert(table).values(**columns))


@row_operation("gb28181.end_dialogs")
def end_dialogs(connection: sa.Connection, call_ids: Sequence[str]) -> None:
    """Forget dialogs that are over. May be repeated."""
    table = gb28181_dialogs
    connection.execute(sa.delete(table).where(table.c.call_id.in_(list(call_ids))))
