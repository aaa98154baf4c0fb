"""What incidents are about, and how long each kind of them may take."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from gateway.database.incident_tables import incident_categories
from gateway.identifiers import new_id
from gateway.incidents.clocks import Limit
from recorder.rows import RowError, row_operation

_ON_THE_SPOT = Limit.hours(24, yellow_hours=6)
_SOON = Limit.hours(2, yellow_hours=1)
_SUPPLY = Limit.working_days(3, yellow_hours=24)
_USUAL = Limit.working_days(7, yellow_hours=48)

# What a county begins with; people change them as they like.
DEFAULTS: tuple[tuple[str, Limit | None, Limit | None], ...] = (
    ("治安", _SOON, _USUAL),
    ("消防安全", _SOON, _SUPPLY),
    ("道路交通", _SOON, _SUPPLY),
    ("走失求助", _SOON, Limit.hours(24, yellow_hours=6)),
    ("矛盾纠纷", _ON_THE_SPOT, _USUAL),
    ("水电气", _ON_THE_SPOT, _SUPPLY),
    ("环境卫生", _ON_THE_SPOT, _USUAL),
    ("公共设施", _ON_THE_SPOT, _USUAL),
    ("其他", _ON_THE_SPOT, _USUAL),
)
_OTHER = DEFAULTS[-1][0]


def limit_document(limit: Limit | None) -> dict[str, Any] | None:
    """As rows and answers have it."""
    if limit is None:
        return None
    return {"us": limit.us, "working": limit.working, "yellow_us": limit.yellow_us}


def read_limit(document: dict[str, Any] | None) -> Limit | None:
    """The inverse of :func:`limit_document`."""
    if document is None:
        return None
    return Limit(document["us"], document["working"], document["yellow_us"])


@row_operation("incident_categories.seed")
def seed(connection: sa.Connection) -> None:
    """Begin with the usual ones, where there are none at all."""
    if connection.scalar(sa.select(incident_categories.c.id).limit(1)) is not None:
        return
    connection.execute(
        sa.insert(incident_categories),
        [
            {
                "id": new_id("icat"),
                "name": name,
                "position": position,
                "arrive": limit_document(arrive),
                "resolve": limit_document(resolve),
                "retired": False,
            }
            for position, (name, arrive, resolve) in enumerate(DEFAULTS)
        ],
    )


@row_operation("incident_categories.put")
def put(connection: sa.Connection, category_id: str | None, columns: dict[str, Any]) -> str:
    """Add a category, or change one; gives its id. Incidents that are open keep their limits."""
    name = columns.get("name")
    same_name = incident_categories.c.name == name
    if name is not None and connection.scalar(
        sa.select(incident_categories.c.id).where(
            same_name, incident_categories.c.id != (category_id or "")
        )
    ):
        raise RowError("conflict", f"there is a category called {name} already")
    if category_id is None:
        last = connection.scalar(sa.select(sa.func.max(incident_categories.c.position)))
        row = {"position": 0 if last is None else last + 1, "retired": False, **columns}
        category_id = new_id("icat")
        connection.execute(sa.insert(incident_categories).values(id=category_id, **row))
        return category_id
    changed = connection.execute(
        sa.update(incident_categories)
        .where(incident_categories.c.id == category_id)
        .values(**columns)
    )
    if changed.rowcount == 0:
        raise RowError("not_found", "there is no such category")
    return category_id


def find_category(connection: sa.Connection, wanted: str | None) -> Any:
    """The row by id or name; the one for everything else where neither is known or none is named.

    Raises RowError ``invalid`` for one that is not offered.
    """
    seed(connection)
    table = incident_categories
    if wanted:
        row = connection.execute(
            sa.select(table).where(sa.or_(table.c.id == wanted, table.c.name == wanted))
        ).one_or_none()
        if row is None or row.retired:
            raise RowError("invalid", f"there is no category {wanted}: choose one that is offered")
        return row
    offered = sa.select(table).where(table.c.retired.is_(False))
    row = connection.execute(
        offered.order_by(table.c.name != _OTHER, table.c.position.desc()).limit(1)
    ).one_or_none()
    if row is None:
        raise RowError("invalid", "no category is offered: bring one back first")
    return row
