"""News of what people are told by alarm rules, to those people."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from gateway.api.alarm_documents import ToldAlarm, told_alarms
from gateway.database.alarm_rule_tables import alarm_notices
from gateway.identifiers import US_PER_S, now_us
from gateway.news import NewsWatch, VersionedRows
from gateway.people.authorize import Principal

# A look that failed or was late finds them still.
_RECENT_US = 15 * US_PER_S
# In a storm the newest are told; the inbox has them all.
_AT_ONCE = 50


@dataclass(frozen=True, slots=True)
class AlarmNotice:
    """One telling. ``alarm`` None: of ``count`` alarms that were held through quiet hours."""

    id: str
    rule_name: str
    user_ids: frozenset[str]
    roles: frozenset[str]
    step: int
    count: int
    told_us: int
    alarm: ToldAlarm | None

    def message_for(self, principal: Principal) -> dict[str, Any] | None:
        """The ``alarm_notice`` event; None for who is not told, or may not know of the alarm. Who
        is told as a holder of a role holds it where the alarm is.
        """
        at_us = now_us()
        place = None if self.alarm is None else self.alarm.place
        holds = any(
            grant.role in self.roles
            and grant.in_force(at_us)
            and (place is None or grant.covers(place))
            for grant in principal.grants
        )
        if principal.user_id not in self.user_ids and not holds:
            return None
        document = None if self.alarm is None else self.alarm.document_for(principal)
        if document is None and self.alarm is not None:
            return None
        return {
            "type": "alarm_notice",
            "id": self.id,
            "rule_name": self.rule_name,
            "step": self.step,
            "count": self.count,
            "told_us": self.told_us,
            "alarm": document,
        }


def watch_alarm_notices(reader: AsyncEngine) -> NewsWatch[AlarmNotice]:
    """Tells each as it is told."""
    rows = VersionedRows(reader, _recent, _read)
    return NewsWatch("alarm notices", rows.changed)


def _recent() -> sa.Select[tuple[str, int]]:
    column = alarm_notices.c
    return (
        sa.select(column.id, column.told_us.label("version"))
        .where(column.told_us > now_us() - _RECENT_US, column.state == "told")
        .order_by(column.told_us.desc(), column.id)
        .limit(_AT_ONCE)
    )


async def _read(connection: AsyncConnection, ids: list[str]) -> dict[str, AlarmNotice]:
    rows = (
        await connection.execute(sa.select(alarm_notices).where(alarm_notices.c.id.in_(ids)))
    ).all()
    about = {row.alarm_id for row in rows if row.alarm_id is not None}
    found = await told_alarms(connection, sorted(about)) if about else []
    known = {one.document["id"]: one for one in found}
    return {
        row.id: AlarmNotice(
            row.id,
            row.rule_name,
            frozenset(row.user_ids),
            frozenset(row.roles),
            row.step,
            row._mapping["count"],
            row.told_us,
            known.get(row.alarm_id),
        )
        for row in rows
        if row.alarm_id is None or row.alarm_id in known
    }
