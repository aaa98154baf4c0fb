"""Writes to big screens."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from gateway.database.screen_tables import screens
from gateway.identifiers import new_id, now_us
from recorder.rows import RowError, row_operation


@row_operation("screens.add")
def add(
    connection: sa.Connection, name: str, area_id: str, document: dict[str, Any], changed_by: str
) -> str:
    """A new screen of version 1; gives its id."""
    screen_id, at_us = new_id("scr"), now_us()
    connection.execute(
        sa.insert(screens).values(
            id=screen_id, name=name, area_id=area_id, version=1, document=document,
            created_us=at_us, changed_us=at_us, changed_by=changed_by,
        )
    )  # fmt: skip
    return screen_id


@row_operation("screens.put")
def put(connection: sa.Connection, screen_id: str, version: int, columns: dict[str, Any]) -> int:
    """Replace version ``version``; gives the new version's number.

    Refused with ``conflict`` when another version is in force by now.
    """
    changed = connection.execute(
        sa.update(screens)
        .where(screens.c.id == screen_id, screens.c.version == version)
        .values(version=version + 1, changed_us=now_us(), **columns)
    )
    if changed.rowcount == 0:
        if connection.scalar(sa.select(screens.c.id).where(screens.c.id == screen_id)) is None:
            raise RowError("not_found", "there is no such screen")
        raise RowError("conflict", "somebody else has changed the screen: look at it again")
    return version + 1


@row_operation("screens.delete")
def delete(connection: sa.Connection, screen_id: str) -> None:
    """Take it down. Nothing of what it showed is lost."""
    connection.execute(sa.delete(screens).where(screens.c.id == screen_id))
