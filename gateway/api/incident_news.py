"""News of incidents to who may see them: what was opened and what has changed shows in a second.

What has changed is known by the rows, whoever changed them: a route, another process, the clock.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
import structlog
from sqlalchemy.ext.asyncio import AsyncEngine

from gateway.database.incident_tables import incidents, unit_members
from gateway.identifiers import US_PER_S, now_us
from gateway.incidents.timing import light_of
from gateway.people.authorize import AreaPlace, Principal
from gateway.people.roles import Right

_log = structlog.get_logger(__name__)

LOOKS_EVERY_S = 1.0
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


Listener = Callable[[IncidentNews], None]


class IncidentWatch:
    """Looks at what has changed, and tells listeners."""

    def __init__(self, reader: AsyncEngine) -> None:
        self._reader = reader
        self._listeners: set[Listener] = set()
        self._wake = asyncio.Event()
        self._looked_us = now_us()
        # The versions that were told lately.
        self._told: dict[str, tuple[int, int]] = {}

    @contextmanager
    def listening(self, listener: Listener) -> Iterator[None]:
        """Have it called at each change."""
        self._listeners.add(listener)
        try:
            yield
        finally:
            self._listeners.discard(listener)

    def look(self) -> None:
        """Something has changed: look now."""
        self._wake.set()

    async def run(self) -> None:
        """Look every second and when asked to, for ever; a failure is logged."""
        while True:
            self._wake.clear()
            try:
                await self.look_once()
            except sa.exc.DBAPIError as error:
                _log.warning("news of incidents cannot be read", why=str(error))
            try:
                async with asyncio.timeout(LOOKS_EVERY_S):
                    await self._wake.wait()
            except TimeoutError:
                continue

    async def look_once(self) -> None:
        """Tell what has changed since the last time."""
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
            if fresh and self._listeners:
                table = unit_members.c
                for unit_id, user_id in await connection.execute(
                    sa.select(table.unit_id, table.user_id).where(
                        table.unit_id.in_({row.unit_id for row in fresh if row.unit_id})
                    )
                ):
                    members.setdefault(unit_id, set()).add(user_id)
        # Where there are more than fit, the next look goes on behind the last.
        self._looked_us = rows[-1].changed_us + _LATE_US if len(rows) == _AT_ONCE else at_us
        oldest_us = self._looked_us - _LATE_US
        self._told = {one: kept for one, kept in self._told.items() if kept[1] >= oldest_us}
        for row in fresh:
            self._told[row.id] = (row.version, row.changed_us)
            self._tell(dict(row._mapping), members.get(row.unit_id, set()), at_us)

    def _tell(self, row: dict[str, Any], members: set[str], at_us: int) -> None:
        document = {
            name: row[name]
            for name in ("id", "number", "version", "state", "title", "priority", "area_id",
                         "camera_id", "longitude", "latitude", "opened_us", "closed_us",
                         "yellow_us", "red_us")
        }  # fmt: skip
        document["light"] = light_of(row, at_us)
        people = members | {row["reporter_user_id"]} - {None}
        news = IncidentNews(document, AreaPlace(row["area_path"]), frozenset(people))
        for listener in tuple(self._listeners):
            listener(news)
