"""Files that people bring, as rows: announced, kept, attached to something, removed.

A file is announced before its objects are put and kept after: what a crash leaves in between is
found by its row and taken away. :func:`attach` is for use inside others' row operations.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from gateway.audit.records import AuditRecord, append_rows
from gateway.database.attachment_tables import attached_files, attachments
from gateway.identifiers import US_PER_S, now_us
from recorder.rows import RowError, row_operation

STORE_PREFIX = "attachments/"
# Somebody writes a report for an hour, out of reach for a day.
UNATTACHED_US = 48 * 3600 * US_PER_S
ON_THEIR_WAY_US = 3600 * US_PER_S
_AT_ONCE = 200

_files, _links = attached_files.c, attachments.c


def object_key(file_id: str) -> str:
    """Where the file lies in the store."""
    return f"{STORE_PREFIX}{file_id}/file"


def thumbnail_key(file_id: str) -> str:
    """Where its small picture lies."""
    return f"{STORE_PREFIX}{file_id}/thumbnail.jpg"


@row_operation("attachments.announce")
def announce(connection: sa.Connection, columns: dict[str, Any]) -> str:
    """A file is about to be stored; gives its id. May be repeated."""
    known = connection.scalar(sa.select(_files.id).where(_files.id == columns["id"]))
    if known is None:
        connection.execute(sa.insert(attached_files).values(created_us=now_us(), **columns))
    return str(columns["id"])


@row_operation("attachments.keep")
def keep(connection: sa.Connection, file_id: str) -> None:
    """Its objects are in the store, whole. May be repeated."""
    changed = connection.execute(
        sa.update(attached_files)
        .where(_files.id == file_id, _files.removed_us.is_(None))
        .values(kept_us=sa.func.coalesce(_files.kept_us, now_us()))
    )
    if not changed.rowcount:
        raise RowError("not_found", "this file was given up: send it again")


def attach(
    connection: sa.Connection,
    file_ids: Sequence[str],
    subject_kind: str,
    subject_id: str,
    user_id: str | None,
) -> None:
    """Attach files to a subject. May be repeated.

    A file is attached by who brought it, or where it is attached to something already: whoever
    calls has seen to it that ``user_id`` may see that. Raises RowError ``not_found`` naming the
    first that is not there, or is somebody else's and attached to nothing.
    """
    for file_id in dict.fromkeys(file_ids):
        row = connection.execute(
            sa.select(_files.created_by, _files.kept_us, _files.removed_us).where(
                _files.id == file_id
            )
        ).one_or_none()
        linked = connection.scalars(
            sa.select(_links.subject_kind + ":" + _links.subject_id).where(
                _links.file_id == file_id
            )
        ).all()
        theirs = row is not None and (
            user_id is None or row.created_by == user_id or len(linked) > 0
        )
        if row is None or row.kept_us is None or row.removed_us is not None or not theirs:
            raise RowError("not_found", f"there is no such file: {file_id}")
        if f"{subject_kind}:{subject_id}" not in linked:
            connection.execute(
                sa.insert(attachments).values(
                    file_id=file_id,
                    subject_kind=subject_kind,
                    subject_id=subject_id,
                    attached_us=now_us(),
                    attached_by=user_id,
                )
            )


def release(connection: sa.Connection, subject_kind: str, subject_id: str) -> None:
    """The subject is gone: its files are no more attached to it. May be repeated."""
    connection.execute(
        sa.delete(attachments).where(
            _links.subject_kind == subject_kind, _links.subject_id == subject_id
        )
    )


@row_operation("attachments.discard")
def discard(connection: sa.Connection, file_id: str, user_id: str) -> None:
    """Whoever brought it takes it back, before it is attached to anything."""
    unattached = ~sa.exists().where(_links.file_id == file_id)
    changed = connection.execute(
        sa.update(attached_files)
        .where(
            _files.id == file_id,
            _files.created_by == user_id,
            _files.removed_us.is_(None),
            unattached,
        )
        .values(removed_us=now_us())
    )
    if not changed.rowcount:
        raise RowError("not_found", "there is no such file, or it is attached to something")


@row_operation("attachments.expire")
def expire(connection: sa.Connection, at_us: int, before_us: int) -> list[str]:
    """Mark what was brought before ``before_us``, what nobody attached to anything, and what never
    came whole, with a record of how many; gives the ids of all that are marked, a few hundred at a
    time. May be repeated.
    """
    attached = sa.exists().where(_links.file_id == _files.id)
    due = connection.execute(
        sa.select(_files.id, _files.created_us, attached.label("attached"))
        .where(
            _files.removed_us.is_(None),
            sa.or_(
                _files.created_us < before_us,
                sa.and_(_files.created_us < at_us - UNATTACHED_US, ~attached),
                sa.and_(_files.created_us < at_us - ON_THEIR_WAY_US, _files.kept_us.is_(None)),
            ),
        )
        .order_by(_files.created_us)
        .limit(_AT_ONCE)
    ).all()
    if due:
        connection.execute(
            sa.update(attached_files)
            .where(_files.id.in_([row.id for row in due]))
            .values(removed_us=at_us)
        )
        detail = {"files": len(due), "unattached": sum(not row.attached for row in due)}
        record = AuditRecord(
            "attachment.expire",
            start_us=min(row.created_us for row in due),
            end_us=max(row.created_us for row in due),
            detail=detail,
        )
        append_rows(connection, [record.to_message()])
    return list(
        connection.scalars(
            sa.select(_files.id).where(_files.removed_us.is_not(None)).limit(_AT_ONCE)
        )
    )


@row_operation("attachments.forget")
def forget(connection: sa.Connection, file_ids: list[str]) -> None:
    """What was marked has left the store. May be repeated."""
    gone = sa.select(_files.id).where(_files.id.in_(file_ids), _files.removed_us.is_not(None))
    connection.execute(sa.delete(attachments).where(_links.file_id.in_(gone)))
    connection.execute(
        sa.delete(attached_files).where(_files.id.in_(file_ids), _files.removed_us.is_not(None))
    )
