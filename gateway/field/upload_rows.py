"""Uploads as rows: begun, gone on with, finished once, given up after some days.

A piece's object is in the store before its row is there; the file of all pieces is kept before the
upload says so. A crash at any line is gone on from, or found by expiry.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from gateway.attachments.rows import keep
from gateway.database.field_tables import field_pieces, field_uploads
from gateway.field.pieces import Piece, judge, next_offset
from gateway.field.report_rows import add_file
from gateway.identifiers import US_PER_S, new_id, now_us
from recorder.rows import RowError, row_operation

STORE_PREFIX = "uploads/"
OPEN_LIMIT = 40
# A telephone that never heard that its file had come asks again, weeks later.
REMEMBERED_US = 60 * 86400 * US_PER_S
_AT_ONCE = 100

_own, _pieces = field_uploads.c, field_pieces.c


def piece_key(upload_id: str, start: int, sha256: str) -> str:
    """Where a piece lies in the store. Two that differ are two objects."""
    return f"{STORE_PREFIX}{upload_id}/{start:012d}-{sha256[:16]}"


@row_operation("field.begin_upload")
def begin(connection: sa.Connection, columns: dict[str, Any], expires_us: int) -> str:
    """A new upload, or the one that was begun by this client id before; gives its id. Raises
    RowError ``conflict`` where that was of another file, ``too_many`` for a telephone that begins
    and never ends.
    """
    known = connection.execute(
        sa.select(_own.id, _own.size_bytes, _own.name).where(
            _own.user_id == columns["user_id"], _own.client_id == columns["client_id"]
        )
    ).one_or_none()
    if known is not None:
        if (known.size_bytes, known.name) != (columns["size_bytes"], columns["name"]):
            raise RowError("conflict", "another file was begun by this id: take a new one")
        return str(known.id)
    under_way = connection.scalar(
        sa.select(sa.func.count()).where(
            _own.user_id == columns["user_id"], _own.file_id.is_(None), _own.refused.is_(None)
        )
    )
    if (under_way or 0) >= OPEN_LIMIT:
        raise RowError(
            "too_many", f"{OPEN_LIMIT} files are on their way already: finish those first"
        )
    upload_id = new_id("upl")
    connection.execute(
        sa.insert(field_uploads).values(
            id=upload_id, created_us=now_us(), expires_us=expires_us, **columns
        )
    )
    return upload_id


def read_pieces(connection: sa.Connection, upload_id: str) -> list[Piece]:
    """Those that are there, in their order."""
    rows = connection.execute(
        sa.select(_pieces.start, _pieces.size_bytes, _pieces.sha256)
        .where(_pieces.upload_id == upload_id)
        .order_by(_pieces.start)
    )
    return [Piece(*row) for row in rows]


@row_operation("field.take_piece")
def take_piece(
    connection: sa.Connection, upload_id: str, start: int, size: int, sha256: str
) -> tuple[str, int]:
    """A piece's object is stored: what :func:`gateway.field.pieces.judge` says, and where the file
    goes on now.
    """
    row = connection.execute(
        sa.select(_own.size_bytes, _own.file_id, _own.refused).where(_own.id == upload_id)
    ).one_or_none()
    if row is None:
        raise RowError("not_found", "this upload was given up: begin it again")
    if row.file_id is not None or row.refused is not None:
        return "known", row.size_bytes
    pieces = read_pieces(connection, upload_id)
    piece = Piece(start, size, sha256)
    verdict = judge(pieces, row.size_bytes, piece)
    if verdict == "new":
        connection.execute(
            sa.insert(field_pieces).values(
                upload_id=upload_id, start=start, size_bytes=size, sha256=sha256
            )
        )
        pieces.append(piece)
    return verdict, next_offset(pieces)


@row_operation("field.finish_upload")
def finish(connection: sa.Connection, upload_id: str, file_id: str) -> str:
    """The file of all its pieces is in the store; gives the id of the file that it became, which is
    another one where somebody finished it first.
    """
    row = connection.execute(
        sa.select(_own.user_id, _own.report_client_id, _own.file_id).where(_own.id == upload_id)
    ).one_or_none()
    if row is None:
        raise RowError("not_found", "this upload was given up: begin it again")
    if row.file_id is not None:
        return str(row.file_id)
    keep(connection, file_id)
    connection.execute(
        sa.update(field_uploads)
        .where(_own.id == upload_id)
        .values(file_id=file_id, expires_us=now_us() + REMEMBERED_US)
    )
    connection.execute(sa.delete(field_pieces).where(_pieces.upload_id == upload_id))
    add_file(connection, row.user_id, row.report_client_id, file_id)
    return file_id


@row_operation("field.refuse_upload")
def refuse(connection: sa.Connection, upload_id: str, code: str) -> None:
    """It is no file that is taken."""
    connection.execute(
        sa.update(field_uploads)
        .where(_own.id == upload_id, _own.file_id.is_(None))
        .values(refused=code)
    )


@row_operation("field.expired_uploads")
def forget_expired(connection: sa.Connection, at_us: int, gone: list[str]) -> list[str]:
    """``gone``: their objects have left the store, and their rows go. Gives further ones whose
    time is over. May be repeated.
    """
    over = sa.and_(_own.id.in_(gone), _own.expires_us < at_us)
    ids = sa.select(_own.id).where(over)
    connection.execute(sa.delete(field_pieces).where(_pieces.upload_id.in_(ids)))
    connection.execute(sa.delete(field_uploads).where(over))
    return list(
        connection.scalars(sa.select(_own.id).where(_own.expires_us < at_us).limit(_AT_ONCE))
    )
