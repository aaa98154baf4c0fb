"""Writes to what people keep: bookmarks, layouts, tours, walls, and the restreams they hand out."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from gateway.database.tables import bookmarks, layouts, restreams, tours, walls
from gateway.identifiers import new_id, now_us
from recorder.rows import RowError, row_operation

_DOCUMENTS = {"layouts": layouts, "tours": tours}
_PREFIXES = {"layouts": "lay", "tours": "tour"}


@row_operation("bookmarks.create")
def create_bookmark(connection: sa.Connection, **columns: Any) -> str:
    """Add a bookmark; gives its id."""
    bookmark_id = new_id("bmk")
    connection.execute(sa.insert(bookmarks).values(id=bookmark_id, created_us=now_us(), **columns))
    return bookmark_id


@row_operation("bookmarks.change")
def change_bookmark(connection: sa.Connection, bookmark_id: str, columns: dict[str, Any]) -> None:
    """Change the given columns."""
    statement = sa.update(bookmarks).where(bookmarks.c.id == bookmark_id).values(**columns)
    _require(connection.execute(statement), "bookmark")


@row_operation("bookmarks.delete")
def delete_bookmark(connection: sa.Connection, bookmark_id: str) -> None:
    """Delete a bookmark."""
    statement = sa.delete(bookmarks).where(bookmarks.c.id == bookmark_id)
    _require(connection.execute(statement), "bookmark")


@row_operation("documents.put")
def put_document(
    connection: sa.Connection, kind: str, document_id: str | None, columns: dict[str, Any]
) -> str:
    """Add a layout or tour, or replace one; gives its id."""
    table = _DOCUMENTS[kind]
    if document_id is None:
        document_id = new_id(_PREFIXES[kind])
        values = {"id": document_id, "changed_us": now_us(), **columns}
        connection.execute(sa.insert(table).values(**values))
        return document_id
    columns.pop("owner_id", None)
    statement = sa.update(table).where(table.c.id == document_id)
    _require(connection.execute(statement.values(changed_us=now_us(), **columns)), kind)
    return document_id


@row_operation("documents.delete")
def delete_document(connection: sa.Connection, kind: str, document_id: str) -> None:
    """Delete a layout or tour."""
    table = _DOCUMENTS[kind]
    _require(connection.execute(sa.delete(table).where(table.c.id == document_id)), kind)


@row_operation("walls.put")
def put_wall(
    connection: sa.Connection, user_id: str, screen: str, document: dict[str, Any]
) -> None:
    """Remember what a screen shows. May be repeated."""
    here = sa.and_(walls.c.user_id == user_id, walls.c.screen == screen)
    values = {"document": document, "changed_us": now_us()}
    changed = connection.execute(sa.update(walls).where(here).values(**values))
    if changed.rowcount == 0:
        connection.execute(sa.insert(walls).values(user_id=user_id, screen=screen, **values))


@row_operation("restreams.create")
def create_restream(connection: sa.Connection, **columns: Any) -> str:
    """Add a restream; gives its id."""
    restream_id = new_id("rst")
    connection.execute(sa.insert(restreams).values(id=restream_id, created_us=now_us(), **columns))
    return restream_id


@row_operation("restreams.revoke")
def revoke_restream(connection: sa.Connection, restream_id: str) -> None:
    """End a restream. May be repeated."""
    statement = sa.update(restreams).where(restreams.c.id == restream_id)
    _require(connection.execute(statement.values(revoked_us=now_us())), "restream")


def _require(result: sa.CursorResult[Any], what: str) -> None:
    if result.rowcount == 0:
        raise RowError("not_found", f"there is no such {what}")
