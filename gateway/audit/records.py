"""A record, and how it is chained to the one before it."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import sqlalchemy as sa

from gateway.database.audit_tables import audit_log
from gateway.identifiers import now_us
from recorder.rows import RowWriter, perform, row_operation

GENESIS = "0" * 64
LOCAL_WRITER = "local"
# As many are made ready for the writer on the loop; more take long enough to leave it.
_FEW_RECORDS = 100

_CONTENT = (
    "writer",
    "sequence",
    "at_us",
    "user_id",
    "user_name",
    "address",
    "action",
    "camera_id",
    "area_path",
    "start_us",
    "end_us",
    "reason",
    "detail",
    "previous_hash",
)
# Columns of later revisions are hashed by name and only where they are set: what was written
# before them keeps its hash.
_LATER_CONTENT = ("reason_code", "case_id")


@dataclass(frozen=True, slots=True)
class ReasonGiven:
    """Why somebody looks: a code of the pick-list, words, a case. All None: nothing was said."""

    code: str | None = None
    text: str | None = None
    case_id: str | None = None


@dataclass(frozen=True, slots=True)
class AuditRecord:
    """One line of the register: who, from where, did what, to which camera, which minutes, why.

    ``action`` is a dotted name such as ``live.open`` or ``camera.change``; docs/audit.md lists
    them. ``reason`` is the words, ``reason_code`` of the pick-list, ``case_id`` the case.
    """

    action: str
    user_id: str | None = None
    user_name: str | None = None
    address: str | None = None
    camera_id: str | None = None
    area_path: str | None = None
    start_us: int | None = None
    end_us: int | None = None
    reason: str | None = None
    detail: dict[str, Any] = field(default_factory=dict)
    reason_code: str | None = None
    case_id: str | None = None

    def because(self, given: ReasonGiven) -> AuditRecord:
        """The same with a reason."""
        return replace(self, reason_code=given.code, reason=given.text, case_id=given.case_id)

    def to_message(self) -> dict[str, Any]:
        """As row operations take it."""
        return asdict(self)


# Built once: these run for every look at a camera.
_INSERT = sa.insert(audit_log)
_SELECT_HEAD = (
    sa.select(audit_log.c.sequence, audit_log.c.hash)
    .where(audit_log.c.writer == sa.bindparam("name"))
    .order_by(audit_log.c.sequence.desc())
    .limit(1)
)


async def append(rows: RowWriter, records: Sequence[AuditRecord]) -> None:
    """Write the records. When this returns they are durable; raises ConnectionError, RowError.

    What is to be looked at is opened after this, never before.
    """
    await rows.write("audit.append", records=[record.to_message() for record in records])


@row_operation("audit.append")
def append_rows(connection: sa.Connection, records: list[dict[str, Any]]) -> int:
    """Chain the records to the last one; gives the new head's sequence.

    In a row operation of its own, what is done and its record are written both or neither.
    """
    sequence, previous_hash = head(connection, LOCAL_WRITER)
    for record in records:
        sequence += 1
        row = {
            **record,
            "writer": LOCAL_WRITER,
            "sequence": sequence,
            "at_us": now_us(),
            "detail": json.dumps(record.get("detail") or {}, ensure_ascii=False, sort_keys=True),
            "previous_hash": previous_hash,
        }
        row["hash"] = previous_hash = record_hash(row)
        connection.execute(_INSERT, row)
    return sequence


async def act(
    rows: RowWriter,
    operation: str,
    arguments: dict[str, Any],
    records: Sequence[AuditRecord],
    *,
    result_as: str | None = None,
) -> Any:
    """Run a row operation and write its records, in one transaction: both or neither.

    Gives the operation's result, which ``result_as`` also puts under that name into the records'
    details (the id of what was made). Raises RowError, ConnectionError.
    """
    messages = (
        _messages(records)
        if len(records) <= _FEW_RECORDS
        else await asyncio.to_thread(_messages, records)
    )
    return await rows.write(
        "audit.act",
        operation=operation,
        arguments=arguments,
        records=messages,
        result_as=result_as,
    )


def _messages(records: Sequence[AuditRecord]) -> list[dict[str, Any]]:
    return [record.to_message() for record in records]


@row_operation("audit.act")
def act_rows(
    connection: sa.Connection,
    operation: str,
    arguments: dict[str, Any],
    records: list[dict[str, Any]],
    result_as: str | None = None,
) -> Any:
    """See :func:`act`."""
    result = perform(connection, operation, arguments)
    if result_as is not None:
        records = [
            {**one, "detail": {**(one.get("detail") or {}), result_as: result}} for one in records
        ]
    append_rows(connection, records)
    return result


def record_hash(row: dict[str, Any]) -> str:
    """SHA-256 over the canonical JSON of the content, the previous hash included."""
    fields: list[Any] = [row.get(name) for name in _CONTENT]
    later = {name: row[name] for name in _LATER_CONTENT if row.get(name) is not None}
    if later:
        fields.append(later)
    content = json.dumps(fields, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(content.encode()).hexdigest()


def head(connection: sa.Connection, writer: str) -> tuple[int, str]:
    """Sequence and hash of the last record of a writer; (0, GENESIS) before the first."""
    row = connection.execute(_SELECT_HEAD, {"name": writer}).one_or_none()
    return (row.sequence, row.hash) if row is not None else (0, GENESIS)
