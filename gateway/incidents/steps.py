"""What is done to an incident, step by step: the one way in which it changes.

Each step may be taken in some states only, is written into the history with who took it, and leaves
the clocks worked out anew. Who may take it is asked before, by the API.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from gateway.database.incident_tables import incident_areas, incident_steps, incidents
from gateway.database.tables import areas
from gateway.identifiers import now_us
from gateway.incidents.opening import Attachment, attach, lie_in, note, search_text
from gateway.incidents.timing import OVER, light_of, worked_out
from gateway.incidents.working_days import chinese_working_days
from gateway.people.areas import subtree
from recorder.rows import RowError, row_follower, row_operation

UNDER_WAY = frozenset({"open", "assigned", "accepted", "arrived", "answered"})
WITH_A_UNIT = frozenset({"assigned", "accepted", "arrived"})


@dataclass(slots=True)
class Step:
    """One step while it is taken: it changes ``row``, and adds to ``detail``."""

    connection: sa.Connection
    row: dict[str, Any]
    by: tuple[str | None, str]
    at_us: int
    words: str
    fields: dict[str, Any]
    detail: dict[str, Any] = field(default_factory=dict)

    def require_words(self) -> None:
        """Raises RowError where nothing was said."""
        if not self.words.strip():
            raise RowError("invalid", "say why")


Taking = Callable[[Step], None]
# By kind: the states in which it may be taken, and what it does.
STEPS: dict[str, tuple[frozenset[str], Taking]] = {}


def step(kind: str, states: frozenset[str]) -> Callable[[Taking], Taking]:
    """Register a step."""

    def register(taking: Taking) -> Taking:
        STEPS[kind] = (states, taking)
        return taking

    return register


@row_operation("incidents.step")
def take_step(
    connection: sa.Connection,
    incident_id: str,
    kind: str,
    by_id: str | None,
    by_name: str,
    words: str = "",
    fields: dict[str, Any] | None = None,
    version: int | None = None,
    attachments: Sequence[dict[str, Any]] = (),
    told_as: str | None = None,
    made_us: int | None = None,
) -> dict[str, Any]:
    """``{version, detail}`` after it. Refused with ``conflict`` when ``version`` is not its own.

    ``told_as``: as the caller's telephone names the step; one that was taken by that name is not
    taken again. ``made_us``: when it was made there, for the history; clocks count its arrival.

    Raises RowError ``not_found``, ``conflict`` where it cannot be taken now, ``invalid``.
    """
    row = find_incident(connection, incident_id)
    if (known := step_told_as(connection, incident_id, by_id, told_as)) is not None:
        return {"version": row["version"], "detail": known}
    if version is not None and row["version"] != version:
        raise RowError("conflict", "somebody has changed the incident meanwhile: look again")
    states, taking = STEPS[kind]
    if row["state"] not in states:
        raise RowError("conflict", f"this cannot be done to an incident that is {row['state']}")
    at_us = max(now_us(), row["changed_us"] + 1)
    unit_before = row["unit_id"]
    taken = Step(connection, row, (by_id, by_name), at_us, words, dict(fields or {}))
    if made_us is not None:
        taken.detail["made_us"] = made_us
    taking(taken)
    added = attach(
        connection, incident_id, at_us, [Attachment(**one) for one in attachments], taken.by
    )
    if added:
        taken.detail["attachments"] = added
    write(connection, row, at_us)
    note(connection, incident_id, at_us, kind, taken.by, unit_before, words, taken.detail, told_as)
    return {"version": row["version"], "detail": taken.detail}


def step_told_as(
    connection: sa.Connection, incident_id: str, by_id: str | None, told_as: str | None
) -> dict[str, Any] | None:
    """The detail of the step that they took by this name; None where there is none."""
    if told_as is None:
        return None
    table = incident_steps.c
    detail: dict[str, Any] | None = connection.scalar(
        sa.select(table.detail).where(
            table.incident_id == incident_id, table.by_id == by_id, table.told_as == told_as
        )
    )
    return detail


def find_incident(connection: sa.Connection, incident_id: str) -> dict[str, Any]:
    """Its row. Raises RowError ``not_found``."""
    row = connection.execute(
        sa.select(incidents).where(incidents.c.id == incident_id)
    ).one_or_none()
    if row is None:
        raise RowError("not_found", "there is no such incident")
    return dict(row._mapping)


def write(connection: sa.Connection, row: dict[str, Any], at_us: int) -> None:
    """The row as it is now, with what follows from it."""
    row |= worked_out(row, chinese_working_days()) | {"search_text": search_text(row)}
    row["version"] += 1
    row["changed_us"] = at_us
    if row["state"] not in OVER and light_of(row, at_us) in ("green", "paused"):
        # Extended, or answered: when it turns again, that is told again.
        row["told_light"] = "green"
    connection.execute(sa.update(incidents).where(incidents.c.id == row["id"]).values(**row))


def turned(at_us: int) -> sa.ColumnElement[bool]:
    """On ``incidents``: those whose light is another one than was told last."""
    table = incidents.c
    return sa.and_(
        table.closed_us.is_(None),
        sa.or_(
            sa.and_(table.red_us <= at_us, table.told_light != "red"),
            sa.and_(table.yellow_us <= at_us, table.told_light == "green"),
        ),
    )


@row_operation("incidents.lights")
def tell_lights(connection: sa.Connection, at_us: int, limit: int) -> list[str]:
    """Note those whose light has turned; gives their ids. What was told once is not told again."""
    table = incidents.c
    rows = connection.execute(sa.select(incidents).where(turned(at_us)).limit(limit)).all()
    told = []
    for found in rows:
        row = dict(found._mapping)
        light = light_of(row, at_us)
        connection.execute(
            sa.update(incidents)
            .where(table.id == row["id"])
            .values(told_light=light, version=row["version"] + 1, changed_us=at_us)
        )
        note(connection, row["id"], at_us, f"turned_{light}", (None, ""), row["unit_id"], "", {})
        told.append(row["id"])
    return told


@row_follower("areas.move")
@row_follower("areas.edit")
def follow_area(connection: sa.Connection, arguments: dict[str, Any], _: object) -> None:
    """An area hangs elsewhere: what happened there, and below it, does so too."""
    moved = arguments["area_id"]
    path = connection.scalar(sa.select(areas.c.path).where(areas.c.id == moved))
    if path is None:
        return
    inside = sa.select(incident_areas.c.incident_id).where(incident_areas.c.area_id == moved)
    stale = connection.execute(
        sa.select(incidents.c.id, incidents.c.opened_us, areas.c.path)
        .join(areas, areas.c.id == incidents.c.area_id)
        .where(
            incidents.c.id.in_(inside),
            subtree(areas.c.path, path),
            incidents.c.area_path != areas.c.path,
        )
    ).all()
    for row in stale:
        connection.execute(
            sa.update(incidents).where(incidents.c.id == row.id).values(area_path=row.path)
        )
        lie_in(connection, row.id, row.path, row.opened_us)
