"""Which shard owns which camera: a pure decision, and the loop that keeps it true.

A camera's sources (main and sub) belong to one shard together. A camera stays where it is as long
as its shard exists; new and orphaned ones go to the shard with the fewest.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import sqlalchemy as sa
import structlog
from sqlalchemy.ext.asyncio import AsyncEngine

from camera_adapters.event_wait import wait_for_event
from gateway.control.channel import ControlClient
from gateway.database.tables import cameras
from recorder.rows import RowWriter
from recorder.tables import assignments, sources

_log = structlog.get_logger(__name__)

RECONCILE_INTERVAL_S = 3.0


def place_cameras(
    wanted: Mapping[str, Sequence[str]],
    current: Mapping[str, str],
    shards: Sequence[str],
) -> dict[str, str | None]:
    """The changes of owner that make ``current`` right.

    ``wanted``: camera id → its source ids. ``current``: source id → owner ("" for nobody).
    ``shards``: those that exist, at least one. A source that is not wanted is given to nobody.
    """
    changes: dict[str, str | None] = {}
    load: Counter[str] = Counter(dict.fromkeys(shards, 0))
    homeless = []
    for camera_id, source_ids in wanted.items():
        owner = next((current[s] for s in source_ids if current.get(s) in load), None)
        if owner is None:
            homeless.append(camera_id)
            continue
        load[owner] += 1
        changes.update(_give(source_ids, owner, current))
    for camera_id in homeless:
        owner = min(shards, key=lambda shard: load[shard])
        load[owner] += 1
        changes.update(_give(wanted[camera_id], owner, current))
    kept = {source_id for source_ids in wanted.values() for source_id in source_ids}
    changes.update({s: None for s, owner in current.items() if owner and s not in kept})
    return changes


def _sources_of(row: Any) -> list[str]:
    """A camera's sources: what is pulled, and what may be fetched from the device's own storage."""
    variants = ["main"]
    if row.sub_url:
        variants.append("sub")
    if row.platform_id:
        variants += ["backfill", "borrowed"]
    return [f"{row.id}/{variant}" for variant in variants]


def _give(
    source_ids: Iterable[str], owner: str, current: Mapping[str, str]
) -> dict[str, str | None]:
    return {source_id: owner for source_id in source_ids if current.get(source_id) != owner}


class Reconciler:
    """Compares rows with assignments every few seconds, and at once when woken."""

    def __init__(
        self, reader: AsyncEngine, rows: RowWriter, shards: Mapping[str, ControlClient]
    ) -> None:
        self._reader = reader
        self._rows = rows
        self._shards = shards
        self._woken = asyncio.Event()

    def wake(self) -> None:
        """Something was configured: look now."""
        self._woken.set()

    async def run(self) -> None:
        """Reconcile for ever; a failure is logged and tried again."""
        while True:
            self._woken.clear()
            try:
                await self.reconcile()
            except Exception:
                _log.warning("assignments could not be reconciled; trying again", exc_info=True)
            if not await wait_for_event(self._woken, RECONCILE_INTERVAL_S):
                continue
            await self._tell_shards()

    async def reconcile(self) -> list[str]:
        """One comparison and its repair; gives the source ids whose owner changed."""
        wanted, current = await self._read()
        changes = place_cameras(wanted, current, list(self._shards))
        if not changes:
            return []
        changed: list[str] = await self._rows.write("assignments.place", owners=changes)
        _log.info("assignments changed", sources=len(changed))
        await self._tell_shards()
        return changed

    async def _read(self) -> tuple[dict[str, list[str]], dict[str, str]]:
        async with self._reader.connect() as connection:
            camera_rows = await connection.execute(
                sa.select(cameras.c.id, cameras.c.sub_url, cameras.c.platform_id)
                .where(cameras.c.enabled, cameras.c.deleted_us.is_(None))
                .order_by(cameras.c.id)
            )
            assignment_rows = await connection.execute(
                sa.select(assignments.c.source_id, assignments.c.owner)
                .join(sources, sources.c.id == assignments.c.source_id)
                # A meeting is where it was begun: its own rows say so.
                .where(sources.c.kind != "meeting")
            )
            wanted = {row.id: _sources_of(row) for row in camera_rows}
            current: dict[str, str] = {row.source_id: row.owner for row in assignment_rows}
        return wanted, current

    async def _tell_shards(self) -> None:
        # A shard that is being restarted reads its assignments when it is up.
        await asyncio.gather(
            *(client.call("shard.reconcile") for client in self._shards.values()),
            return_exceptions=True,
        )
