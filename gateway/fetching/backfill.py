"""Fetching into gaps what the device kept: looked for, fetched one after the other, on record.

One loop in each shard, for the cameras that it owns. What is to be fetched stands in rows, so that
a shard that dies leaves it to the next.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any

import sqlalchemy as sa
import structlog
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from gateway.control.channel import ControlError
from gateway.database.fetch_tables import backfills
from gateway.database.tables import cameras
from gateway.fetching.cameras import fetched_cameras
from gateway.fetching.fetch import Fetch, FetchedCamera, FetchFailed, NothingThere
from gateway.fetching.plan import FETCHED_CAUSES, next_try_us, stretches
from gateway.identifiers import now_us
from recorder.intervals import Interval
from recorder.recorder import Recorder
from recorder.rows import RowError, RowWriter
from recorder.tables import assignments, gaps, spans

_log = structlog.get_logger(__name__)

INTERVAL_S = 20.0
DAY_US = 86_400_000_000
_GAPS_AT_ONCE = 1000
# What was closed before the last look was looked at then; a row may come this much later.
_LATE_US = 3_600_000_000
_DUE_AT_ONCE = 50
# The last picture of a stretch may begin this long before its end.
_SHORT_US = 2_000_000

MakeFetch = Callable[[FetchedCamera, int, int], Fetch]


class Backfill:
    """``make_fetch(camera, start_us, end_us)`` prepares one stretch. At most ``at_once`` run, and
    one of each platform: a device has few sessions, and people come first.
    """

    def __init__(
        self,
        reader: AsyncEngine,
        rows: RowWriter,
        recorder: Recorder,
        make_fetch: MakeFetch,
        *,
        secret: bytes,
        owner: str,
        days: int,
        at_once: int,
    ) -> None:
        self.fetched_us = 0
        self.failures = 0
        self._reader = reader
        self._rows = rows
        self._recorder = recorder
        self._make_fetch = make_fetch
        self._secret = secret
        self._owner = owner
        self._days = days
        self._at_once = at_once
        self._running: dict[str, asyncio.Task[None]] = {}
        self._platforms: dict[str, str] = {}
        self._forgotten_day = -1
        self._looked_us: int | None = None

    async def run(self) -> None:
        """For ever; a failure is logged and tried again."""
        try:
            while True:
                try:
                    await self.turn()
                except (ConnectionError, TimeoutError, ControlError, RowError) as error:
                    _log.warning("backfill is put off", why=str(error))
                except Exception:
                    _log.exception("backfill failed; trying again")
                await asyncio.sleep(INTERVAL_S)
        finally:
            await self.close()

    async def close(self) -> None:
        """End what is being fetched; what came is kept, and the rest waits in its row."""
        tasks = list(self._running.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def turn(self) -> None:
        """Note what is missing, and begin what is due."""
        oldest_us = now_us() - self._days * DAY_US
        await self._note_missing(oldest_us)
        if oldest_us // DAY_US != self._forgotten_day:
            await self._rows.write("backfills.forget", before_us=oldest_us - DAY_US)
            self._forgotten_day = oldest_us // DAY_US
        for row, camera in await self._due():
            if len(self._running) >= self._at_once:
                return
            if camera.platform_id not in self._platforms.values():
                self._begin(row, camera)

    async def _note_missing(self, oldest_us: int) -> None:
        """Look through the gaps that were closed since the last look, a page at a time."""
        at_us = now_us()
        since_us = oldest_us
        if self._looked_us is not None:
            since_us = max(oldest_us, self._looked_us - _LATE_US)
        after: tuple[int, int] | None = None
        while True:
            async with self._reader.connect() as connection:
                page = (await connection.execute(_closed_gaps(self._owner, since_us, after))).all()
                wanted = await self._unknown(connection, page, oldest_us, at_us)
            if wanted:
                added = await self._rows.write("backfills.want", stretches=wanted)
                if added:
                    _log.info("footage is missing that devices may have", stretches=added)
            if len(page) < _GAPS_AT_ONCE:
                break
            after = (page[-1].start_us, page[-1].id)
        self._looked_us = at_us

    async def _unknown(
        self, connection: AsyncConnection, page: Sequence[Any], oldest_us: int, at_us: int
    ) -> list[list[Any]]:
        """What of these gaps no row speaks of yet: ``[camera_id, start_us, end_us]`` each."""
        missing: dict[str, list[Interval]] = defaultdict(list)
        for row in page:
            missing[row.camera_id].append((row.start_us, row.end_us))
        wanted: list[list[Any]] = []
        for camera_id, found in missing.items():
            known = await connection.execute(_known(camera_id, oldest_us))
            ranges = [(row.start_us, row.end_us) for row in known]
            wanted += [
                [camera_id, start_us, end_us]
                for start_us, end_us in stretches(found, ranges, oldest_us, at_us)
            ]
        return wanted

    async def _due(self) -> Sequence[tuple[Any, FetchedCamera]]:
        async with self._reader.connect() as connection:
            due = (await connection.execute(_due_rows(self._owner))).all()
            known = await fetched_cameras(
                connection, self._secret, self._owner, list({row.camera_id for row in due})
            )
        return [
            (row, known[row.camera_id])
            for row in due
            if row.camera_id in known and row.id not in self._running
        ]

    def _begin(self, row: Any, camera: FetchedCamera) -> None:
        self._platforms[row.id] = camera.platform_id
        task = self._running[row.id] = asyncio.create_task(self._fetch(row, camera))
        task.add_done_callback(lambda _: self._ended(row.id))

    def _ended(self, backfill_id: str) -> None:
        self._running.pop(backfill_id, None)
        self._platforms.pop(backfill_id, None)

    async def _fetch(self, row: Any, camera: FetchedCamera) -> None:
        # What an earlier try brought is not asked for again.
        start_us = min(row.start_us + row.fetched_us, row.end_us)
        fetch = self._make_fetch(camera, start_us, row.end_us)
        try:
            columns = await _outcome(fetch, row)
        finally:
            self.fetched_us += fetch.fetched_us
        if columns["fault"]:
            self.failures += 1
        _log.info(
            "backfill",
            camera=camera.camera_id,
            state=columns["state"],
            seconds=fetch.fetched_us // 1_000_000,
            why=columns["detail"],
        )
        await self._report(row.id, columns)

    async def _report(self, backfill_id: str, columns: dict[str, Any]) -> None:
        try:
            await self._rows.write("backfills.report", backfill_id=backfill_id, columns=columns)
        except (ConnectionError, TimeoutError, ControlError, RowError) as error:
            # It is fetched once more than needed: the index knows the same footage again.
            _log.warning("a backfill could not be noted", why=str(error))


async def _outcome(fetch: Fetch, row: Any) -> dict[str, Any]:
    """What the row says after a try."""
    at_us = now_us()
    try:
        await fetch.run()
    except NothingThere:
        return _again(fetch, row, at_us, "empty", "", "the device has nothing of this time")
    except FetchFailed as error:
        return _again(fetch, row, at_us, "failed", error.code, str(error))
    except (ConnectionError, TimeoutError) as error:
        return {
            "fetched_us": _prefix_us(fetch, row),
            "next_us": at_us + 60_000_000,
            "fault": "unavailable",
            "detail": str(error)[:500],
            "state": "waiting",
        }
    if fetch.until_us() < row.end_us - _SHORT_US:
        # It may still be indexing the rest.
        return _again(fetch, row, at_us, "empty", "", "the device has a part of this time")
    whole = row.fetched_us + fetch.fetched_us >= row.end_us - row.start_us - _SHORT_US
    return {
        "state": "done" if whole else "partial",
        "fetched_us": row.fetched_us + fetch.fetched_us,
        "fault": "",
        "detail": "" if whole else "the device has a part of this time",
    }


def _again(
    fetch: Fetch, row: Any, at_us: int, last: str, fault: str, detail: str
) -> dict[str, Any]:
    tries = row.tries + 1
    next_us = next_try_us(tries, at_us)
    # A device that has nothing may still be indexing it; not for hours.
    if last == "empty" and tries >= 3:
        next_us = None
    fetched_us = _prefix_us(fetch, row)
    state = "waiting" if next_us is not None else ("partial" if fetched_us else last)
    return {
        "state": state,
        "tries": tries,
        "next_us": next_us if next_us is not None else at_us,
        "fetched_us": fetched_us,
        "fault": fault,
        "detail": detail[:500],
    }


def _prefix_us(fetch: Fetch, row: Any) -> int:
    """How far the stretch is fetched from its start on: there the next try goes on."""
    reached_us = int(max(fetch.until_us() - row.start_us, row.fetched_us))
    return min(reached_us, int(row.end_us - row.start_us))


def _closed_gaps(owner: str, since_us: int, after: tuple[int, int] | None) -> sa.Select[Any]:
    """A page of gaps of this owner's recorded cameras that a device brings, and that are over since
    then; the newest first, behind the start and id of the last page's last.
    """
    statement = (
        sa.select(cameras.c.id.label("camera_id"), gaps.c.id, gaps.c.start_us, gaps.c.end_us)
        .join(assignments, assignments.c.source_id == gaps.c.source_id)
        .join(cameras, gaps.c.source_id == cameras.c.id + "/main")
        .where(
            assignments.c.owner == owner,
            cameras.c.platform_id.is_not(None),
            cameras.c.deleted_us.is_(None),
            cameras.c.record == "continuous",
            gaps.c.end_us.is_not(None),
            gaps.c.end_us > since_us,
            gaps.c.cause.in_(FETCHED_CAUSES),
        )
        .order_by(gaps.c.start_us.desc(), gaps.c.id.desc())
        .limit(_GAPS_AT_ONCE)
    )
    if after is not None:
        statement = statement.where(sa.tuple_(gaps.c.start_us, gaps.c.id) < sa.tuple_(*after))
    return statement


def _known(camera_id: str, oldest_us: int) -> sa.CompoundSelect[Any]:
    """What rows say of already, and what is recorded."""
    rows = sa.select(backfills.c.start_us, backfills.c.end_us).where(
        backfills.c.camera_id == camera_id, backfills.c.end_us > oldest_us
    )
    recorded = sa.select(spans.c.start_us, spans.c.end_us).where(
        spans.c.source_id.in_([f"{camera_id}/main", f"{camera_id}/backfill"]),
        spans.c.end_us > oldest_us,
    )
    return sa.union_all(rows, recorded)


def _due_rows(owner: str) -> sa.Select[Any]:
    return (
        sa.select(backfills)
        .join(assignments, assignments.c.source_id == backfills.c.camera_id + "/main")
        .where(
            assignments.c.owner == owner,
            backfills.c.state == "waiting",
            backfills.c.next_us <= now_us(),
        )
        # The newest is what people look for.
        .order_by(backfills.c.end_us.desc())
        .limit(_DUE_AT_ONCE)
    )
