"""Reading the tree of areas through what a principal may see of it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Protocol

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.database.tables import areas
from gateway.people.authorize import Grant
from gateway.people.roles import WHOLE_COUNTY, Role


def subtree(column: sa.ColumnElement[str], path: str) -> sa.ColumnElement[bool]:
    """Rows whose area path is ``path`` or lies below it; "" is everything.

    A range, not LIKE: it uses the index, and ids may hold LIKE's wildcards.
    """
    if not path:
        return sa.true()
    # "0" follows "/" in ASCII and in every collation that we create databases with.
    return sa.and_(column >= path, column < f"{path[:-1]}0")


def within(column: sa.ColumnElement[str], paths: Sequence[str]) -> sa.ColumnElement[bool]:
    """Rows that lie in any of the subtrees; none when there are none."""
    return sa.or_(sa.false(), *(subtree(column, path) for path in paths))


class _GrantRow(Protocol):
    @property
    def role(self) -> Any: ...
    @property
    def area_id(self) -> Any: ...
    @property
    def path(self) -> Any: ...


def held_grants(rows: Iterable[_GrantRow]) -> tuple[Grant, ...]:
    """The grants in rows of ``role``, ``area_id`` and the area's ``path``. None comes of a row
    without a role (an outer join), nor of an area that is gone.
    """
    return tuple(
        Grant(Role(row.role), "" if row.area_id == WHOLE_COUNTY else row.path)
        for row in rows
        if row.role is not None and (row.area_id == WHOLE_COUNTY or row.path is not None)
    )


async def area_path(connection: AsyncConnection, area_id: str) -> str | None:
    """The path of an area, None when there is none of that id."""
    path: str | None = await connection.scalar(sa.select(areas.c.path).where(areas.c.id == area_id))
    return path


async def area_names(connection: AsyncConnection, paths: Sequence[str]) -> dict[str, list[str]]:
    """For each path, the names from the root down."""
    identifiers = {part for path in paths for part in path.split("/") if part}
    rows = await connection.execute(
        sa.select(areas.c.id, areas.c.name).where(areas.c.id.in_(identifiers))
    )
    names: dict[str, Any] = {row.id: row.name for row in rows}
    return {path: [names.get(part, "?") for part in path.split("/") if part] for path in paths}
