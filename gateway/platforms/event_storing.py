"""What devices tell: stored in batches with the camera that it is about, and told to watchers."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Iterable, Mapping
from typing import Any

import sqlalchemy as sa
import structlog
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from camera_adapters.device_events import DeviceEvent
from gateway.control.channel import ControlError
from gateway.database.operating_tables import device_events
from gateway.database.tables import cameras, platform_states, platforms
from gateway.identifiers import US_PER_S, now_us
from gateway.platforms.event_intake import EventIntake, EventRow
from recorder.rows import RowError, RowWriter

_log = structlog.get_logger(__name__)

_GATHER_S = 0.3
_AGAIN_S = 2.0
_ROWS_AT_ONCE = 500
_EXPIRE_EVERY_S = 3600.0
_EXPIRE_AGAIN_S = 0.5
# Who has been away for so long does not come back to tell that something is over.
SILENT_US = 3600 * US_PER_S
_SILENT_EVERY_S = 60.0
_CAMERAS_S = 10.0
_CAMERAS_LIMIT = 50_000
_TOLD_LIMIT = 1000
_CHANNELS_AT_ONCE = 200
_WRITE_FAULTS = (ConnectionError, TimeoutError, ControlError, RowError, sa.exc.DBAPIError)


class EventStoring:
    """``take`` is the ``on_event`` of :class:`gateway.platforms.context.SignallingContext`."""

    def __init__(self, rows: RowWriter, reader: AsyncEngine, *, default_days: int) -> None:
        self.intake = EventIntake()
        self._rows = rows
        self._reader = reader
        self._default_days = default_days
        self._wake = asyncio.Event()
        self._cameras: dict[tuple[str, str], tuple[str | None, float]] = {}
        self._watchers: set[asyncio.Queue[list[dict[str, Any]]]] = set()
        self._told_dropped = 0

    def take(self, platform_id: str, event: DeviceEvent) -> None:
        """Store an event; returns at once."""
        self.intake.take(platform_id, event)
        self._wake.set()

    def figures(self) -> Mapping[str, float]:
        """For /metrics."""
        return {
            "device_events": self.intake.taken,
            "device_events_dropped": self.intake.dropped,
            "device_events_waiting": self.intake.waiting,
        }

    async def watch(self) -> AsyncIterator[dict[str, Any]]:
        """``{events: [row]}`` of what is stored from now on. Who does not read misses some."""
        told: asyncio.Queue[list[dict[str, Any]]] = asyncio.Queue(_TOLD_LIMIT)
        self._watchers.add(told)
        try:
            while True:
                yield {"events": await told.get()}
        finally:
            self._watchers.discard(told)

    async def run(self) -> None:
        """Write for ever; what cannot be written now is written later."""
        expiring = asyncio.create_task(self._expire_for_ever())
        giving_up: asyncio.Task[None] | None = None
        try:
            await self._know_open()
            giving_up = asyncio.create_task(self._give_up_for_ever())
            while True:
                await self._wake.wait()
                self._wake.clear()
                try:
                    await self.flush()
                except _WRITE_FAULTS as error:
                    _log.warning("events of devices cannot be written yet", why=str(error))
                    self._wake.set()
                    await asyncio.sleep(_AGAIN_S)
                # The first is written at once, what comes after it together.
                await asyncio.sleep(_GATHER_S)
        finally:
            expiring.cancel()
            if giving_up is not None:
                giving_up.cancel()

    async def flush(self) -> None:
        """Write what waits. Raises what the writer raises; nothing is lost then."""
        while some := self.intake.take_waiting(_ROWS_AT_ONCE):
            try:
                await self._find_cameras(row for row in some if row.is_new)
                # A row may go on changing while it is written: what is written is a copy.
                new = [row.to_columns() for row in some if row.is_new]
                changed = [row.to_columns() for row in some if not row.is_new]
                await self._rows.write("device_events.store", new=new, changed=changed)
            except BaseException:
                self.intake.back(some)
                raise
            for row in some:
                row.is_new = False
            for told in self._watchers:
                with contextlib.suppress(asyncio.QueueFull):
                    told.put_nowait([*new, *changed])
        if self.intake.dropped != self._told_dropped:
            lost = self.intake.dropped - self._told_dropped
            self._told_dropped = self.intake.dropped
            _log.warning("events of devices were dropped: the database is too slow", lost=lost)

    async def give_up_silent(self, at_us: int) -> None:
        """End what lasts at devices that are away since an hour, switched off or deleted."""
        for platform_id in sorted(self.intake.open_platforms):
            async with self._reader.connect() as connection:
                since_us = await _silent_since(connection, platform_id)
            if since_us is not None and since_us < at_us - SILENT_US:
                self.intake.give_up(platform_id, since_us)
                self._wake.set()

    async def _give_up_for_ever(self) -> None:
        while True:
            await asyncio.sleep(_SILENT_EVERY_S)
            try:
                await self.give_up_silent(now_us())
            except sa.exc.DBAPIError as error:
                _log.warning("silent devices cannot be looked for now", why=str(error))

    async def _know_open(self) -> None:
        statement = sa.select(device_events).where(device_events.c.state == "open")
        while True:
            try:
                async with self._reader.connect() as connection:
                    rows = (await connection.execute(statement)).mappings().all()
            except sa.exc.DBAPIError as error:
                _log.warning("open events of devices cannot be read yet", why=str(error))
                await asyncio.sleep(_AGAIN_S)
                continue
            self.intake.know(EventRow(**dict(row)) for row in rows)
            return

    async def _find_cameras(self, rows: Iterable[EventRow]) -> None:
        new = [row for row in rows if row.camera_id is None]
        now = time.monotonic()
        if len(self._cameras) > _CAMERAS_LIMIT:
            self._cameras.clear()
        unknown = {
            (row.platform_id, row.channel)
            for row in new
            if self._cameras.get((row.platform_id, row.channel), (None, 0.0))[1] < now
        }
        if unknown:
            async with self._reader.connect() as connection:
                found = await _cameras_of(connection, sorted(unknown))
            for one in unknown:
                self._cameras[one] = (found.get(one), now + _CAMERAS_S)
        for row in new:
            row.camera_id = self._cameras[row.platform_id, row.channel][0]

    async def _expire_for_ever(self) -> None:
        while True:
            try:
                gone = await self._rows.write(
                    "device_events.expire", default_days=self._default_days, at_us=now_us()
                )
            except _WRITE_FAULTS as error:
                _log.warning("old events of devices cannot be deleted yet", why=str(error))
                gone = 0
            # Thousands at a time, so that nobody waits for the writer.
            await asyncio.sleep(_EXPIRE_AGAIN_S if gone else _EXPIRE_EVERY_S)


async def _silent_since(connection: AsyncConnection, platform_id: str) -> int | None:
    """When the platform was last heard of; None while it is there."""
    state = platform_states.c
    row = (
        await connection.execute(
            sa.select(
                platforms.c.enabled, platforms.c.deleted_us, platforms.c.changed_us,
                state.state, state.since_us, state.seen_us,
            )
            .outerjoin(platform_states, state.platform_id == platforms.c.id)
            .where(platforms.c.id == platform_id)
        )
    ).one_or_none()  # fmt: skip
    if row is None:
        return 0
    if row.deleted_us is not None or not row.enabled:
        return int(row.deleted_us or row.changed_us)
    if row.state is None or row.state == "online":
        return None
    # It may have been heard of before this process was there to see it.
    return int(row.seen_us or row.since_us)


async def _cameras_of(
    connection: AsyncConnection, wanted: list[tuple[str, str]]
) -> dict[tuple[str, str], str]:
    """Camera ids by platform and channel. What a device tells of itself is about its camera, when
    it has only one.
    """
    living = cameras.c.deleted_us.is_(None)
    columns = sa.select(cameras.c.id, cameras.c.platform_id, cameras.c.channel)
    found: dict[tuple[str, str], str] = {}
    named = [one for one in wanted if one[1]]
    for at in range(0, len(named), _CHANNELS_AT_ONCE):
        some = named[at : at + _CHANNELS_AT_ONCE]
        rows = await connection.execute(
            columns.where(
                living,
                cameras.c.platform_id.in_({platform for platform, _ in some}),
                cameras.c.channel.in_({channel for _, channel in some}),
            )
        )
        found.update({(row.platform_id, row.channel): row.id for row in rows})
    for platform_id in {platform for platform, channel in wanted if not channel}:
        own = (
            await connection.execute(
                columns.where(living, cameras.c.platform_id == platform_id).limit(2)
            )
        ).all()
        if len(own) == 1:
            found[platform_id, ""] = own[0].id
    return found
