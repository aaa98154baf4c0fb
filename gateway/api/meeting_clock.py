"""What goes on by itself with meetings: they begin at their time, ring no longer than they should,
are moved off a shard that is gone, and end when nobody came back.

That the chair is gone ends nothing. Each step is one transaction that checks anew what it was taken
for; a gateway that was killed goes on where the rows are.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field

import sqlalchemy as sa
import structlog

from gateway.api.meeting_commands import changed
from gateway.api.meetings import living_shard
from gateway.api.services import Services
from gateway.audit import AuditRecord
from gateway.audit import act as act_and_append
from gateway.control.channel import ControlError
from gateway.database.meeting_tables import meeting_participants, meetings
from gateway.database.tables import areas
from gateway.identifiers import US_PER_S, now_us
from recorder.rows import RowError

_log = structlog.get_logger(__name__)

EVERY_S = 1.0
# A shard of this machine is waited for as long as it is configured; one of another machine for as
# long as starting it again takes. It holds its meetings again when it is back.
GONE_S = 4.0
# One that nobody has begun by a day after its end will not begin any more.
_STALE_US = 24 * 3600 * US_PER_S
_MINUTE_US = 60 * US_PER_S

_FAULTS = (ConnectionError, TimeoutError, ControlError, RowError, OSError, sa.exc.DBAPIError)


async def keep_meetings_for_ever(services: Services) -> None:
    """Look every second; a failure is logged and tried again."""
    clock = MeetingClock(services)
    while True:
        await asyncio.sleep(EVERY_S)
        try:
            await clock.look()
        except _FAULTS as error:
            _log.warning("meetings could not be looked after; trying again", why=str(error))
        except Exception:
            _log.exception("meetings could not be looked after; trying again")


@dataclass(slots=True)
class MeetingClock:
    """Looks at what is due, and remembers since when a shard has been away."""

    services: Services
    _gone_since: dict[str, float] = field(default_factory=dict)

    async def look(self) -> None:
        """Do what is due now."""
        at_us, table = now_us(), meetings.c
        settings = self.services.settings.meetings
        ringing_us = at_us - round(settings.ring_seconds * US_PER_S)
        own = meeting_participants.c
        unanswered = sa.select(own.id).where(own.state == "ringing", own.rung_us < ringing_us)
        async with self.services.reader.connect() as connection:
            rows = (
                await connection.execute(
                    sa.select(meetings, areas.c.path)
                    .select_from(meetings.outerjoin(areas, areas.c.id == table.area_id))
                    .where(table.state.in_(["scheduled", "running"]))
                )
            ).all()
            rings_on = (await connection.execute(unanswered.limit(1))).first() is not None
            seated = (
                await connection.execute(
                    sa.select(own.meeting_id, own.shard).where(own.shard.is_not(None)).distinct()
                )
            ).all()
        if rings_on:
            await self.services.rows.write("meetings.stop_ringing", before_us=ringing_us)
            self.services.meetings.look()
        names = await self.services.processes.living("shard")
        for row in rows:
            try:
                if row.state == "scheduled":
                    await self._before(row, at_us)
                else:
                    await self._during(row, at_us, names)
                    await self._unseat(
                        row, {one.shard for one in seated if one.meeting_id == row.id}, names
                    )
            except RowError as error:
                # Somebody was quicker.
                _log.info("a meeting was not as it was found", meeting=row.id, why=str(error))

    async def _before(self, row: sa.Row[tuple[object, ...]], at_us: int) -> None:
        over_us = row.scheduled_us + row.planned_s * US_PER_S
        remind_us = round(self.services.settings.meetings.remind_minutes * _MINUTE_US)
        if at_us > (over_us if row.starts_itself else over_us + _STALE_US):
            # It would have been over before anybody began it: the gateway was off, or nobody came.
            await self._act(row, "cancel", "meetings.cancel", why="nobody began it in time")
        elif row.starts_itself and row.scheduled_us <= at_us:
            shard = await living_shard(self.services)
            if shard is not None:
                await self._act(row, "start", "meetings.start", shard=shard)
        elif (
            remind_us
            and row.reminded_us is None
            # Who is called for soon needs no reminder.
            and row.created_us < row.scheduled_us - remind_us <= at_us
        ):
            await self._act(row, "remind", "meetings.reminded")

    async def _during(self, row: sa.Row[tuple[object, ...]], at_us: int, shards: list[str]) -> None:
        patience_us = round(self.services.settings.meetings.empty_minutes * _MINUTE_US)
        if row.empty_since_us is not None and row.empty_since_us + patience_us < at_us:
            await self._act(row, "end", "meetings.end", reason="abandoned")
            return
        if not self._is_gone(row.shard, shards):
            return
        shard = await living_shard(self.services, but=row.shard)
        if shard is not None:
            await self.services.rows.write("meetings.lost", meeting_id=row.id)
            await self._act(row, "move", "meetings.move", shard=shard, gone=row.shard)

    async def _unseat(
        self, row: sa.Row[tuple[object, ...]], seated_at: set[str], shards: list[str]
    ) -> None:
        """Who sat at another shard that is gone is seated anew when they come again."""
        for shard in sorted(seated_at):
            if self._is_gone(shard, shards):
                await self._act(row, "unseat", "meetings.unseat", shard=shard)

    def _is_gone(self, shard: str, shards: list[str]) -> bool:
        if shard in shards:
            self._gone_since.pop(shard, None)
            return False
        since = self._gone_since.setdefault(shard, time.monotonic())
        return time.monotonic() - since >= GONE_S

    async def _act(
        self, row: sa.Row[tuple[object, ...]], action: str, operation: str, **arguments: str
    ) -> None:
        why = arguments.pop("why", None)
        record = AuditRecord(
            f"meeting.{action}",
            area_path=row.path,
            detail={"meeting": row.id, "title": row.title, "by": "clock", "why": why, **arguments},
        )
        await act_and_append(
            self.services.rows, operation, {"meeting_id": row.id, **arguments}, [record]
        )
        await changed(self.services, row.id)
