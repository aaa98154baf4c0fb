"""Alarm rules as rows, and what is told by them: planned with the alarm, told when it is due."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from gateway import outbox
from gateway.alarms.priorities import priority_of
from gateway.alarms.rules import Raised, Rule, Telling, judged
from gateway.audit import AuditRecord, append_rows
from gateway.database.alarm_rule_tables import alarm_notices, alarm_rules
from gateway.database.operating_tables import alarms
from gateway.database.tables import areas, cameras
from gateway.identifiers import new_id, now_us
from recorder.rows import RowError, row_operation

ESCALATED = "alarm.escalate"
_TOLD_IDS = 100
_notice = alarm_notices.c


@row_operation("alarm_rules.create")
def create(connection: sa.Connection, columns: dict[str, Any]) -> str:
    """One more; gives its id."""
    rule_id, at_us = new_id("arl"), now_us()
    connection.execute(
        sa.insert(alarm_rules).values(id=rule_id, created_us=at_us, changed_us=at_us, **columns)
    )
    return rule_id


@row_operation("alarm_rules.change")
def change(connection: sa.Connection, rule_id: str, columns: dict[str, Any]) -> None:
    """Replace it. Raises RowError ``not_found``."""
    found = connection.execute(
        sa.update(alarm_rules)
        .where(alarm_rules.c.id == rule_id)
        .values(changed_us=now_us(), **columns)
    )
    if found.rowcount == 0:
        raise RowError("not_found", "there is no such rule")


@row_operation("alarm_rules.remove")
def remove(connection: sa.Connection, rule_id: str) -> None:
    """Nobody is told by it any more, not of what it holds either."""
    connection.execute(sa.delete(alarm_rules).where(alarm_rules.c.id == rule_id))
    connection.execute(
        sa.update(alarm_notices)
        .where(_notice.rule_id == rule_id, _notice.state == "waiting")
        .values(state="dropped", told_us=now_us())
    )


def apply_rules(connection: sa.Connection, alarm_ids: Sequence[str]) -> None:
    """Alarms that are new, or stand for themselves from now on: give them their priority, and tell
    who is to be told. A part of the write that raises them, so that nothing is lost between.
    """
    rules = _rules(connection)
    if not rules or not alarm_ids:
        return
    at_us = now_us()
    notices: list[dict[str, Any]] = []
    for row in _raised(connection, alarm_ids):
        place = row.path or row.camera_path or ""
        kind_priority = priority_of(row.kind)
        verdict = judged(rules, Raised(row.kind, place, row.camera_id, kind_priority), at_us)
        if verdict.priority is not None or verdict.silent:
            connection.execute(
                sa.update(alarms)
                .where(alarms.c.id == row.id)
                .values(priority=verdict.priority, silent=verdict.silent)
            )
        for rule, telling in verdict.tellings:
            notice = _planned(rule, telling, row.id, at_us)
            notices.append(notice)
            if notice["state"] == "told":
                _send(connection, notice, row)
    if notices:
        connection.execute(sa.insert(alarm_notices), notices)


def escalate_again(connection: sa.Connection, alarm_ids: Sequence[str]) -> None:
    """Alarms that were over are on again: whoever was not told because they were is told as long
    after now as they would have been after the beginning.
    """
    at_us = now_us()
    rows = connection.execute(
        sa.select(_notice.id, _notice.due_us, alarms.c.begin_us)
        .join(alarms, alarms.c.id == _notice.alarm_id)
        .where(alarms.c.id.in_(alarm_ids), _notice.state == "dropped", _notice.step > 0)
    )
    for row in rows.all():
        due_us = at_us + max(0, row.due_us - row.begin_us)
        _put(connection, row.id, state="waiting", told_us=None, due_us=due_us)


def next_step_now(connection: sa.Connection, alarm_id: str, at_us: int) -> int:
    """Have each rule's next step told without waiting; gives how many are to be told."""
    waiting = _notice.alarm_id == alarm_id, _notice.state == "waiting", _notice.held.is_(False)
    rows = connection.execute(
        sa.select(_notice.id, _notice.rule_id).where(*waiting).order_by(_notice.step)
    )
    first: dict[str, str] = {}
    for row in rows.all():
        first.setdefault(row.rule_id, row.id)
    for notice_id in first.values():
        _put(connection, notice_id, due_us=at_us)
    return len(first)


@row_operation("alarm_notices.due")
def tell_due(connection: sa.Connection, at_us: int, limit: int) -> int:
    """Tell what is due by then: what was held in one piece for each rule, and further steps of
    what nobody has acknowledged, which are in the register. Gives how many were looked at.
    """
    rows = connection.execute(
        sa.select(
            alarm_notices, alarms.c.kind, alarms.c.subject, alarms.c.camera_id, alarms.c.area_id,
            alarms.c.begin_us, alarms.c.end_us, alarms.c.search_request_id,
            alarms.c.acknowledged_us, alarms.c.folded_into, alarms.c.snoozed_until_us,
            alarms.c.priority, areas.c.path,
        )
        .join(alarms, alarms.c.id == _notice.alarm_id)
        .outerjoin(areas, areas.c.id == alarms.c.area_id)
        .where(_notice.state == "waiting", _notice.due_us <= at_us)
        .order_by(_notice.due_us, _notice.id)
        .limit(limit)
    ).all()  # fmt: skip
    held: dict[str, list[sa.Row[Any]]] = defaultdict(list)
    records: list[dict[str, Any]] = []
    for row in rows:
        if row.acknowledged_us is not None or row.folded_into is not None or _is_past(row):
            _put(connection, row.id, state="dropped", told_us=at_us)
        elif row.held:
            held[row.rule_id].append(row)
        elif (row.snoozed_until_us or 0) > at_us:
            _put(connection, row.id, due_us=row.snoozed_until_us)
        else:
            _put(connection, row.id, state="told", told_us=at_us)
            _send(connection, dict(row._mapping), row)
            records.append(_record(row))
    for together in held.values():
        _tell_together(connection, together, at_us)
    if records:
        append_rows(connection, records)
    return len(rows)


@row_operation("alarm_notices.forget")
def forget(connection: sa.Connection, before_us: int, limit: int) -> int:
    """Drop what was told, or not to be told any more, before then; gives how many."""
    over = list(
        connection.scalars(sa.select(_notice.id).where(_notice.told_us < before_us).limit(limit))
    )
    if over:
        connection.execute(sa.delete(alarm_notices).where(_notice.id.in_(over)))
    return len(over)


def _rules(connection: sa.Connection) -> list[Rule]:
    rows = connection.execute(
        sa.select(alarm_rules, areas.c.path)
        .outerjoin(areas, areas.c.id == alarm_rules.c.area_id)
        .where(alarm_rules.c.enabled)
        .order_by(alarm_rules.c.created_us, alarm_rules.c.id)
    )
    return [Rule.from_row(dict(row), row["path"] or "") for row in rows.mappings()]


def _planned(rule: Rule, telling: Telling, alarm_id: str, at_us: int) -> dict[str, Any]:
    step = rule.steps[telling.step]
    is_now = telling.due_us <= at_us
    return {
        "id": new_id("ant"), "rule_id": rule.id, "rule_name": rule.name,
        "user_ids": list(step.user_ids), "roles": list(step.roles),
        "channel_ids": list(step.channel_ids), "alarm_id": alarm_id, "step": telling.step,
        "count": 1, "held": telling.held, "state": "told" if is_now else "waiting",
        "due_us": telling.due_us, "told_us": at_us if is_now else None,
    }  # fmt: skip


def _raised(connection: sa.Connection, alarm_ids: Sequence[str]) -> list[sa.Row[Any]]:
    home = areas.alias("home")
    known = sa.select(_notice.alarm_id).where(_notice.alarm_id == alarms.c.id)
    return list(
        connection.execute(
            sa.select(
                alarms.c.id, alarms.c.kind, alarms.c.subject, alarms.c.camera_id,
                alarms.c.area_id, alarms.c.begin_us, alarms.c.end_us,
                alarms.c.search_request_id, areas.c.path, home.c.path.label("camera_path"),
            )
            .outerjoin(areas, areas.c.id == alarms.c.area_id)
            .outerjoin(cameras, cameras.c.id == alarms.c.camera_id)
            .outerjoin(home, home.c.id == cameras.c.area_id)
            .where(alarms.c.id.in_(alarm_ids), alarms.c.folded_into.is_(None), ~known.exists())
        )
    )  # fmt: skip


def _is_past(row: sa.Row[Any]) -> bool:
    """Whether there is nothing to escalate: what ended by itself, unless it is a call for help,
    which lasts for a moment only.
    """
    priority = row.priority or priority_of(row.kind)
    return bool(not row.held and row.end_us is not None and priority != "emergency")


def _tell_together(connection: sa.Connection, rows: Sequence[sa.Row[Any]], at_us: int) -> None:
    """What one rule has held: one notice for all."""
    first = rows[0]
    notice = {
        "id": new_id("ant"), "rule_id": first.rule_id, "rule_name": first.rule_name,
        "user_ids": first.user_ids, "roles": first.roles, "channel_ids": first.channel_ids,
        "alarm_id": None, "step": 0, "count": len(rows), "held": True, "state": "told",
        "due_us": at_us, "told_us": at_us,
    }  # fmt: skip
    connection.execute(sa.insert(alarm_notices).values(notice))
    connection.execute(
        sa.update(alarm_notices)
        .where(_notice.id.in_([one.id for one in rows]))
        .values(state="summed", told_us=at_us)
    )
    tellable = [one.alarm_id for one in rows if one.search_request_id is None]
    if notice["channel_ids"] and tellable:
        body = {
            "rule": first.rule_name,
            "count": len(tellable),
            "alarm_ids": tellable[:_TOLD_IDS],
        }
        key = f"alarm_notice:{notice['id']}"
        outbox.put(connection, "alarm.digest", body, key, channel_ids=first.channel_ids)


def _send(connection: sa.Connection, notice: dict[str, Any], alarm: sa.Row[Any]) -> None:
    """To other systems, which hear of nothing that belongs to a search."""
    if not notice["channel_ids"] or alarm.search_request_id is not None:
        return
    told = {
        name: getattr(alarm, name)
        for name in ("kind", "subject", "camera_id", "area_id", "begin_us", "end_us")
    }
    body = {"rule": notice["rule_name"], "step": notice["step"], "id": notice["alarm_id"], **told}
    key = f"alarm_notice:{notice['id']}"
    outbox.put(connection, "alarm.notice", body, key, channel_ids=notice["channel_ids"])


def _put(connection: sa.Connection, notice_id: str, **values: Any) -> None:
    connection.execute(sa.update(alarm_notices).where(_notice.id == notice_id).values(**values))


def _record(row: sa.Row[Any]) -> dict[str, Any]:
    return AuditRecord(
        ESCALATED,
        area_path=row.path,
        detail={
            "id": row.alarm_id, "kind": row.kind, "rule": row.rule_name, "step": row.step,
            "user_ids": row.user_ids, "roles": row.roles, "channel_ids": row.channel_ids,
        },
    ).to_message()  # fmt: skip
