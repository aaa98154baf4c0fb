"""Grants as they are asked for and shown."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from pydantic import BaseModel, Field, model_validator
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.database.tables import areas, grants, users
from gateway.identifiers import now_us
from gateway.people.areas import area_names
from gateway.people.authorize import Grant
from gateway.people.roles import WHOLE_COUNTY, Role

_giver = users.alias("giver")
_JOINED = (
    grants.join(users, users.c.id == grants.c.user_id)
    .outerjoin(areas, areas.c.id == grants.c.area_id)
    .outerjoin(_giver, _giver.c.id == grants.c.granted_by)
)
_PLAIN = (
    "id", "role", "area_id", "valid_from_us", "valid_until_us", "ptz_priority", "created_us",
)  # fmt: skip


class GrantTerms(BaseModel):
    """A role in an area and all below it; ``*`` is the whole county. Without end where not said."""

    role: Role
    area_id: str = Field(max_length=40)
    valid_from_us: int | None = Field(default=None, ge=0, lt=2**62)
    valid_until_us: int | None = Field(default=None, ge=0, lt=2**62)
    ptz_priority: int | None = Field(default=None, ge=1, le=100)

    @model_validator(mode="after")
    def _in_order(self) -> GrantTerms:
        if (
            self.valid_until_us is not None
            and self.valid_from_us is not None
            and self.valid_until_us <= self.valid_from_us
        ):
            raise ValueError("the grant would end before it begins")
        return self

    @property
    def area(self) -> str | None:
        """The area's id; None is the whole county."""
        return None if self.area_id == WHOLE_COUNTY else self.area_id

    def as_grant(self, area_path: str) -> Grant:
        """What it would be, in the area with this path."""
        return Grant(
            self.role, area_path, self.valid_from_us, self.valid_until_us, self.ptz_priority
        )


def in_force(at_us: int) -> sa.ColumnElement[bool]:
    """Rows of ``grants`` that hold at that time."""
    return sa.and_(
        sa.func.coalesce(grants.c.valid_from_us, at_us) <= at_us,
        sa.func.coalesce(grants.c.valid_until_us, at_us + 1) > at_us,
    )


async def count_grants(connection: AsyncConnection, *where: sa.ColumnElement[bool]) -> int:
    """How many meet conditions on ``grants``, ``users`` and ``areas``."""
    statement = sa.select(sa.func.count()).select_from(_JOINED).where(*where)
    return await connection.scalar(statement.where(users.c.deleted_us.is_(None))) or 0


async def read_grants(
    connection: AsyncConnection, *where: sa.ColumnElement[bool], limit: int | None = None
) -> list[dict[str, Any]]:
    """The Grant documents that meet conditions on ``grants``, ``users`` and ``areas``, newest
    first.
    """
    statement = (
        sa.select(
            *(grants.c[name] for name in _PLAIN),
            *(users.c[name].label(f"user_{name}") for name in ("id", "name", "display_name")),
            *(_giver.c[name].label(f"giver_{name}") for name in ("id", "name", "display_name")),
            areas.c.axis,
            areas.c.path,
        )
        .select_from(_JOINED)
        .where(users.c.deleted_us.is_(None), *where)
        .order_by(grants.c.created_us.desc(), grants.c.id.desc())
        .limit(limit)
    )
    rows = (await connection.execute(statement)).all()
    names = await area_names(connection, [row.path for row in rows if row.path is not None])
    at_us = now_us()
    return [
        {
            **{name: row._mapping[name] for name in _PLAIN},
            "user": _person(row, "user"),
            "granted_by": None if row.giver_id is None else _person(row, "giver"),
            "axis": row.axis,
            "area_path": names.get(row.path, []),
            "in_force": (row.valid_from_us or 0) <= at_us
            and (row.valid_until_us is None or at_us < row.valid_until_us),
        }
        for row in rows
    ]


def _person(row: Any, who: str) -> dict[str, Any]:
    return {name: row._mapping[f"{who}_{name}"] for name in ("id", "name", "display_name")}
