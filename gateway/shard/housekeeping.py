"""Deleting footage whose time is over, what search has of it, the bookmarks on it, and what others
have seen; recordings of meetings; files that people brought. One shard does it for everybody: of
several machines the one that holds a lease.
"""

from __future__ import annotations

import asyncio
import shutil
import uuid
from pathlib import Path

import sqlalchemy as sa
import structlog
from sqlalchemy.ext.asyncio import AsyncEngine

from gateway.attachments.expiry import AttachmentExpiry
from gateway.cluster.leading import Leadership
from gateway.database.tables import bookmarks, cameras
from gateway.field.expiry import UploadExpiry, end_duties, end_silent_lives
from gateway.identifiers import now_us
from gateway.meetings.paper_expiry import PaperExpiry
from gateway.meetings.recording.expiry import RecordingExpiry
from gateway.retention import camera_days, camera_policies, default_policy, overdue_bookmarks
from gateway.settings import Settings
from gateway.sightings.expiry import SightingExpiry
from gateway.store_state import count_holds, longest_days
from recorder.object_locks import keep_locks
from recorder.retention import DAY_US, Retention, RetentionReport
from recorder.rows import RowError, RowWriter
from recorder.stores import Store, StoreError
from recorder.stores.lifecycle import LifecycleStore
from recorder.unfinished import take_up_unfinished
from search.index.expiry import PassageExpiry

_log = structlog.get_logger(__name__)

LEASE = "housekeeping"
# Nothing is late by half a minute, and a shard that is busy for seconds shall not lose it.
LEASE_S = 30.0
INTERVAL_S = 60.0
# Below this share of the footage's disk, the oldest footage goes.
_RESERVE_SHARE = 0.02
_RESERVE_BYTES_LIMIT = 20 * 1024**3
_UNFINISHED_INTERVAL_US = 3_600_000_000
_CLAIMS_KEPT_US = 400 * DAY_US  # no spool comes back later


async def keep_house(
    settings: Settings,
    reader: AsyncEngine,
    rows: RowWriter,
    store: Store,
    name: str,
    *,
    lasts_s: float = LEASE_S,
) -> None:
    """For ever: what has to be deleted, as the first shard of a machine (``name``). Alone it is the
    only one; of several machines' one does it, and another ``lasts_s`` after it was lost.
    """

    async def work(rows: RowWriter) -> None:
        await Housekeeping(settings, reader, rows, store).run()

    if settings.cluster.listen_address is None:
        await work(rows)
        return
    leadership = Leadership(
        reader,
        rows,
        LEASE,
        f"{name} {uuid.uuid4().hex}",
        lasts_s=lasts_s,
        every_s=lasts_s / 4,
        margin_s=lasts_s / 4,
    )
    await leadership.run(work)


class Housekeeping:
    """Applies each camera's retention once a minute; what fails is tried again."""

    def __init__(
        self, settings: Settings, reader: AsyncEngine, rows: RowWriter, store: Store
    ) -> None:
        self._settings = settings
        self._reader = reader
        self._rows = rows
        self._store = store
        self._recorded_day = -1
        self._taken_up_us = 0
        self._guarded: tuple[bool, float, int] | None = None
        self._sightings = SightingExpiry(settings, reader, rows, store)
        self._passages = PassageExpiry(reader, rows, store)
        self._recordings = RecordingExpiry(settings, reader, rows, store)
        self._papers = PaperExpiry(settings, reader, rows, store)
        self._attachments = AttachmentExpiry(settings, rows, store)
        self._uploads = UploadExpiry(rows, store)
        self._retention = Retention(
            reader,
            rows,
            store,
            default=default_policy(settings),
            capacity_bytes=settings.retention.bytes,
        )
        self.last_report: RetentionReport | None = None

    async def run(self) -> None:
        """For ever."""
        while True:
            try:
                await self.turn()
            except (
                StoreError,
                RowError,
                ConnectionError,
                TimeoutError,
                sa.exc.DBAPIError,
            ) as error:
                _log.warning("retention is put off", why=str(error))
            except Exception:
                _log.exception("retention failed; trying again")
            await asyncio.sleep(INTERVAL_S)

    async def turn(self) -> RetentionReport:
        """One pass. Raises StoreError, ConnectionError, DBAPIError."""
        async with self._reader.connect() as connection:
            self._retention.policies = await camera_policies(connection, self._settings)
        if self._settings.store.kind == "directory":
            folder = self._settings.store_directory
            self._retention.reserve_bytes = await asyncio.to_thread(_reserve_bytes, folder)
        await self._guard_against_rules()
        await keep_locks(self._reader, self._rows, self._store, now_us())
        self.last_report = await self._retention.run(now_us())
        await self._take_up_unfinished()
        async with self._reader.connect() as connection:
            days = await camera_days(connection)
        await self._passages.run(now_us(), self._settings.retention.days, days)
        await self._sightings.run(now_us())
        await self._recordings.run(now_us())
        await self._papers.run(now_us())
        await self._attachments.run(now_us())
        await self._uploads.run(now_us())
        await end_duties(self._reader, self._rows, now_us())
        await end_silent_lives(self._reader, self._rows, now_us())
        await self._delete_bookmarks()
        today = now_us() // DAY_US
        if today != self._recorded_day:
            await self._rows.write("retention.record_deletions", today=today)
            await self._rows.write("retention.record_passages", today=today)
            self._recorded_day = today
        return self.last_report

    async def _guard_against_rules(self) -> None:
        """Our rule that deletes footage goes before the first hold, and before any camera keeps
        longer than it waits: looked at whenever that changes, and each hour.
        """
        if not isinstance(self._store, LifecycleStore):
            return
        async with self._reader.connect() as connection:
            held = await count_holds(connection) > 0
            longest = await longest_days(connection, self._settings)
        known = (held, longest, now_us() // _UNFINISHED_INTERVAL_US)
        if known == self._guarded:
            return
        try:
            rules = await self._store.lifecycle()
            if rules.expiry_days is not None and (held or rules.expiry_days <= longest):
                await self._store.set_lifecycle(upload_days=rules.upload_days, expiry_days=None)
                _log.warning(
                    "the bucket's rule that deletes footage was taken away",
                    why="footage is held" if held else f"a camera keeps {longest:g} days",
                )
        except StoreError as error:
            if error.code in ("unreachable", "timeout", "slow_down"):
                raise
            _log.info("the bucket's rules cannot be read", why=str(error))
        self._guarded = known

    async def _take_up_unfinished(self) -> None:
        """Once an hour: what machines that are away had sent of their segments."""
        if now_us() - self._taken_up_us < _UNFINISHED_INTERVAL_US:
            return
        idle_s = self._settings.store.upload_hours * 3600
        await take_up_unfinished(self._reader, self._rows, self._store, now_us(), idle_s)
        await self._rows.write("recorder.forget_claims", before_us=now_us() - _CLAIMS_KEPT_US)
        self._taken_up_us = now_us()

    async def _delete_bookmarks(self) -> None:
        """What was written about footage goes after it."""
        default_days, at_us = self._settings.retention.days, now_us()
        due = (
            sa.select(bookmarks.c.id)
            .join(cameras, cameras.c.id == bookmarks.c.camera_id)
            .where(overdue_bookmarks(default_days, at_us))
            .limit(1)
        )
        async with self._reader.connect() as connection:
            if (await connection.execute(due)).first() is None:
                return
        await self._rows.write("retention.delete_bookmarks", default_days=default_days, at_us=at_us)


def _reserve_bytes(folder: Path) -> int:
    folder.mkdir(parents=True, exist_ok=True)
    return min(round(shutil.disk_usage(folder).total * _RESERVE_SHARE), _RESERVE_BYTES_LIMIT)
