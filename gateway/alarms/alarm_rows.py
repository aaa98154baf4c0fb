"""Alarms and switches as rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from gateway import outbox
from gateway.alarms.priorities import PRIORITIES, priority_of
from gateway.alarms.rule_rows import apply_rules, escalate_again, next_step_now
from gateway.database.operating_tables import alarms, switches
from gateway.database.tables import areas
from gateway.identifiers import new_id, now_us
from recorder.rows import RowError, row_operation

_ENDED_BY_SEEING = "standing_match"


@row_operation("alarms.apply")
def apply(
    connection: sa.Connection,
    opened: Sequence[dict[str, Any]],
    changed: Sequence[dict[str, Any]],
    closed: Sequence[dict[str, Any]],
    again: Sequence[dict[str, Any]] = (),
) -> None:
    """What the judge found: new rows, ``{id, folded_into, detail}`` of others, ``{id, end_us}`` of
    those that are over, ``{id, detail, since_us}`` of those that were and are on again. May be
    repeated.
    """
    if again:
        _raise_again(connection, again)
    if opened:
        ids = [row["id"] for row in opened]
        known = set(connection.scalars(sa.select(alarms.c.id).where(alarms.c.id.in_(ids))))
        # What others are folded into goes first.
        fresh = sorted(
            (row for row in opened if row["id"] not in known),
            key=lambda row: row["folded_into"] is not None,
        )
        if fresh:
            connection.execute(sa.insert(alarms), fresh)
            _tell(connection, "opened", [row["id"] for row in fresh])
            apply_rules(connection, [row["id"] for row in fresh if row["folded_into"] is None])
    by_id = sa.update(alarms).where(alarms.c.id == sa.bindparam("row_id"))
    if changed:
        alone = [row["id"] for row in changed if row["folded_into"] is None]
        explained = sa.and_(alarms.c.id.in_(alone), alarms.c.folded_into.is_not(None))
        # They were another's until now.
        freed = list(connection.scalars(sa.select(alarms.c.id).where(explained)))
        connection.execute(
            by_id.values(
                folded_into=sa.bindparam("new_folded_into"), detail=sa.bindparam("new_detail")
            ),
            [
                {
                    "row_id": row["id"],
                    "new_folded_into": row["folded_into"],
                    "new_detail": row["detail"],
                }
                for row in changed
            ],
        )
        apply_rules(connection, freed)
    if closed:
        connection.execute(
            by_id.values(end_us=sa.bindparam("new_end_us")),
            [{"row_id": row["id"], "new_end_us": row["end_us"]} for row in closed],
        )
        _tell(connection, "closed", [row["id"] for row in closed])


def _raise_again(connection: sa.Connection, again: Sequence[dict[str, Any]]) -> None:
    ids = [row["id"] for row in again]
    over = sa.and_(alarms.c.id.in_(ids), alarms.c.end_us.is_not(None))
    known = set(connection.scalars(sa.select(alarms.c.id).where(over)))
    rows = [row for row in again if row["id"] in known]
    if not rows:
        return
    connection.execute(
        sa.update(alarms)
        .where(alarms.c.id == sa.bindparam("row_id"))
        .values(
            end_us=None, again=alarms.c.again + 1, again_us=sa.bindparam("new_again_us"),
            detail=sa.bindparam("new_detail"),
        ),
        [
            {"row_id": row["id"], "new_again_us": row["since_us"], "new_detail": row["detail"]}
            for row in rows
        ],
    )  # fmt: skip
    _tell(connection, "opened", list(known))
    escalate_again(connection, list(known))


def _tell(connection: sa.Connection, what: str, alarm_ids: Sequence[str]) -> None:
    """Tell other systems of those that explain the others, and of none that belongs to a search:
    what a case is about leaves nobody's hands by itself.
    """
    if not outbox.is_wanted(connection, "alarms"):
        return
    own = alarms.c
    rows = connection.execute(
        sa.select(
            own.id,
            own.kind,
            own.subject,
            own.camera_id,
            own.area_id,
            own.begin_us,
            own.end_us,
            own.again,
        ).where(own.id.in_(alarm_ids), own.folded_into.is_(None), own.search_request_id.is_(None))
    ).all()
    for row in rows:
        told, key = dict(row._mapping), f"alarm:{row.id}:{what}"
        if row.again:
            key += f":{row.again}"
        outbox.put(connection, f"alarm.{what}", told, key, topic="alarms")


@row_operation("alarms.acknowledge")
def acknowledge(
    connection: sa.Connection, alarm_id: str, user_id: str, name: str, note: str | None
) -> None:
    """Somebody sees to it. Raises RowError ``conflict`` when somebody else does already."""
    row = connection.execute(
        sa.select(alarms.c.acknowledged_name, alarms.c.search_request_id, alarms.c.kind).where(
            alarms.c.id == alarm_id
        )
    ).one_or_none()
    if row is None:
        raise RowError("not_found", "there is no such alarm")
    if row.acknowledged_name is not None:
        raise RowError("conflict", f"{row.acknowledged_name} has seen to it already")
    connection.execute(
        sa.update(alarms)
        .where(alarms.c.id == alarm_id)
        .values(
            acknowledged_us=now_us(), acknowledged_by=user_id, acknowledged_name=name, note=note
        )
    )
    if row.search_request_id is not None and row.kind == _ENDED_BY_SEEING:
        # It is no condition that goes on: who sees to it ends it.
        connection.execute(
            sa.update(alarms)
            .where(alarms.c.id == alarm_id, alarms.c.end_us.is_(None))
            .values(end_us=now_us())
        )


@row_operation("alarms.escalate")
def escalate(connection: sa.Connection, alarm_id: str, name: str, words: str) -> dict[str, Any]:
    """Somebody thinks that others must hear of it: it is one level more urgent, wakes if it was put
    off, and whoever its rules name next is told now. Gives ``{priority, told}``: the new priority
    and how many steps. Raises RowError ``not_found``, ``conflict`` where nothing is left to do.
    """
    row = connection.execute(
        sa.select(alarms.c.kind, alarms.c.priority, alarms.c.acknowledged_us).where(
            alarms.c.id == alarm_id
        )
    ).one_or_none()
    if row is None:
        raise RowError("not_found", "there is no such alarm")
    if row.acknowledged_us is not None:
        raise RowError("conflict", "somebody sees to it already")
    at_us = now_us()
    before = row.priority or priority_of(row.kind)
    priority = PRIORITIES[max(0, PRIORITIES.index(before) - 1)]
    told = next_step_now(connection, alarm_id, at_us)
    if priority == before and not told:
        raise RowError("conflict", "it is an emergency already, and no rule names anybody further")
    connection.execute(
        sa.update(alarms)
        .where(alarms.c.id == alarm_id)
        .values(
            priority=priority, escalated_us=at_us, escalated_name=name, escalated_words=words,
            snoozed_until_us=None, snoozed_name=None, silent=False,
        )
    )  # fmt: skip
    return {"priority": priority, "told": told}


@row_operation("alarms.snooze")
def snooze(connection: sa.Connection, alarm_id: str, until_us: int | None, name: str) -> None:
    """Put off until a time, or (None) no longer. Raises RowError ``conflict`` when it is over."""
    row = connection.execute(
        sa.select(alarms.c.end_us).where(alarms.c.id == alarm_id)
    ).one_or_none()
    if row is None:
        raise RowError("not_found", "there is no such alarm")
    if row.end_us is not None:
        raise RowError("conflict", "the alarm is over: there is nothing to put off")
    connection.execute(
        sa.update(alarms)
        .where(alarms.c.id == alarm_id)
        .values(snoozed_until_us=until_us, snoozed_name=None if until_us is None else name)
    )


@row_operation("switches.create")
def create_switch(connection: sa.Connection, columns: dict[str, Any]) -> str:
    """Add a switch; gives its id."""
    _require_area(connection, columns["area_id"])
    switch_id, at_us = new_id("swt"), now_us()
    connection.execute(
        sa.insert(switches).values(id=switch_id, created_us=at_us, changed_us=at_us, **columns)
    )
    return switch_id


@row_operation("switches.change")
def change_switch(connection: sa.Connection, switch_id: str, columns: dict[str, Any]) -> None:
    """Change the given columns."""
    if "area_id" in columns:
        _require_area(connection, columns["area_id"])
    greatest = sa.func.max if connection.dialect.name == "sqlite" else sa.func.greatest
    changed = connection.execute(
        sa.update(switches)
        .where(switches.c.id == switch_id)
        .values(changed_us=greatest(switches.c.changed_us + 1, now_us()), **columns)
    )
    if changed.rowcount == 0:
        raise RowError("not_found", "there is no such switch")


@row_operation("switches.delete")
def delete_switch(connection: sa.Connection, switch_id: str) -> None:
    """Remove a switch; its alarm ends by itself."""
    connection.execute(sa.delete(switches).where(switches.c.id == switch_id))


def _require_area(connection: sa.Connection, area_id: str) -> None:
    axis = connection.scalar(sa.select(areas.c.axis).where(areas.c.id == area_id))
    if axis is None:
        raise RowError("not_found", "there is no such area")
    if axis != "area":
        raise RowError("invalid", "a switch belongs to an area of the county's own tree")
