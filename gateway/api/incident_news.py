"""News of incidents to who may see them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from gateway.database.incident_tables import incidents, unit_members
from gateway.identifiers import US_PER_S, now_us
from gateway.incidents.timing import light_of
from gateway.news import NewsWatch
from gateway.people.authorize import AreaPlace, Principal
from gateway.people.roles import Right

# A change is written this much later than its time says, at most, when several machines write.
_LATE_US = 10 * US_PER_S
_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class IncidentNews:
    """What has become of an incident, and who may hear of it beside those who may read there."""

    document: dict[str, Any]
    place: AreaPlace
    user_ids: frozenset[str]

    def is_for(self, principal: Principal) -> bool:
        """Whether somebody may hear of it."""
        rights = principal.rights_at(self.place, now_us())
        return Right.INCIDENTS in rights or principal.user_id in self.user_ids


def watch_incidents(reader: AsyncEngine) -> NewsWatch[IncidentNews]:
    """Tells of every change from now on."""
    return NewsWatch("incidents", _Changes(reader).read)


class _Changes:
    """What has changed since the last time. There may be a million incidents: only those that
    changed lately are looked at.
    """

    def __init__(self, reader: AsyncEngine) -> None:
        self._reader = reader
        self._looked_us = now_us()
        # The versions that were told lately, and when they changed.
        self._told: dict[str, tuple[int, int]] = {}

    async def read(self) -> list[IncidentNews]:
        since_us = self._looked_us - _LATE_US
        at_us = now_us()
        column = incidents.c
        async with self._reader.connect() as connection:
            rows = (
                await connection.execute(
                    sa.select(incidents)
                    .where(column.changed_us >= since_us)
                    .order_by(column.changed_us)
                    .limit(_AT_ONCE)
                )
            ).all()
            fresh = [row for row in rows if self._told.get(row.id, (0, 0))[0] != row.version]
            members: dict[str, set[str]] = {}
            table = unit_members.c
            units = {row.unit_id for row in fresh if row.unit_id}
            if units:
                for unit_id, user_id in await connection.execute(
                    sa.select(table.unit_id, table.user_id).where(table.unit_id.in_(units))
                ):
                    members.setdefault(unit_id, set()).add(user_id)
        # Where there are more than fit, the next look goes on behind the last.
        self._looked_us = rows[-1].changed_us + _LATE_US if len(rows) == _AT_ONCE else at_us
        oldest_us = self._looked_us - _LATE_US
        self._told = {one: kept for one, kept in self._told.items() if kept[1] >= oldest_us}
        self._told |= {row.id: (row.version, row.changed_us) for row in fresh}
        return [_news(dict(row._mapping), members.get(row.unit_id, set()), at_us) for row in fresh]


def _news(row: dict[str, Any], members: set[str], at_us: int) -> IncidentNews:
    document = {
        name: row[name]
        for name in ("id", "number", "version", "state", "title", "priority", "area_id",
                     "camera_id", "longitude", "latitude", "opened_us", "closed_us",
                     "yellow_us", "red_us")
    }  # fmt: skip
    document["light"] = light_of(row, at_us)
    people = members | {row["reporter_user_id"]} - {None}
    return IncidentNews(document, AreaPlace(row["area_path"]), frozenset(people))
