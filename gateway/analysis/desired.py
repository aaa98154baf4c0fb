"""Which cameras shall be looked at, in which hours, and which shard has their pictures."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from gateway.analysis.hours import hours_of
from gateway.cameras import sum_of_times
from gateway.database.analysis_tables import analysis_owners
from gateway.database.tables import cameras
from gateway.identifiers import now_us
from recorder.tables import assignments
from search.zones.schedule import Schedule


def is_analysed() -> sa.ColumnElement[bool]:
    """Of ``cameras``: those whose pictures are searched."""
    return sa.and_(
        cameras.c.enabled,
        cameras.c.deleted_us.is_(None),
        sa.or_(
            cameras.c.analysis == "on",
            sa.and_(cameras.c.analysis == "auto", cameras.c.record == "continuous"),
        ),
    )


class AnalysedCameras:
    """Reads them. Asked every few seconds, it looks at sums, and at rows when those are others.

    ``owner``: the analyst whose cameras these are, where there are several.
    """

    def __init__(self, reader: AsyncEngine, owner: str | None = None) -> None:
        self._reader = reader
        self._owner = owner
        # Of those that it has, since which change; nobody else's where it is alone.
        self.epochs: dict[str, int] = {}
        self._stamp: object = None
        self._hours: dict[str, Schedule] = {}
        self.wanted: dict[str, str] = {}
        self.shards: dict[str, str] = {}

    def has(self, camera_id: str) -> bool:
        """Whether its pictures and its footage are this analyst's to look at."""
        return self._owner is None or camera_id in self.epochs

    async def read(self) -> None:
        """``wanted``: camera id → shard of those that shall be looked at now, "" where none has it;
        ``shards``: of all cameras that one has. Raises DBAPIError.
        """
        if self._owner is not None:
            await self._read_own(self._owner)
        async with self._reader.connect() as connection:
            configured = await connection.execute(
                sa.select(
                    sa.func.count(),
                    sum_of_times(cameras.c.changed_us),
                    sa.func.count(cameras.c.deleted_us),
                )
            )
            owned = await connection.execute(
                sa.select(
                    sa.func.count(),
                    sa.func.sum(assignments.c.epoch),
                    sum_of_times(assignments.c.since_us),
                )
            )
            stamp = (*configured.one(), *owned.one())
            if stamp != self._stamp:
                rows = await connection.execute(
                    sa.select(
                        cameras.c.id,
                        cameras.c.analysis_hours,
                        assignments.c.owner,
                        is_analysed().label("is_analysed"),
                    )
                    .select_from(
                        cameras.outerjoin(
                            assignments, assignments.c.source_id == cameras.c.id + "/main"
                        )
                    )
                    .where(cameras.c.enabled, cameras.c.deleted_us.is_(None))
                )
                known = rows.all()
                self.shards = {row.id: row.owner or "" for row in known}
                self._hours = {
                    row.id: hours_of(row.analysis_hours) for row in known if row.is_analysed
                }
                self._stamp = stamp
        at_us = now_us()
        self.wanted = {
            one: self.shards[one]
            for one, hours in self._hours.items()
            if hours.holds(at_us) and self.has(one)
        }

    async def _read_own(self, owner: str) -> None:
        table = analysis_owners.c
        async with self._reader.connect() as connection:
            rows = await connection.execute(
                sa.select(table.camera_id, table.epoch).where(table.owner == owner)
            )
            self.epochs = {row.camera_id: row.epoch for row in rows}
