"""Keeps every camera on a shard that lives: looks twice a second, places, moves.

Where several machines run, each has one of these, and all of them watch; the one that leads
(:mod:`gateway.cluster.leading`) acts. What it writes is refused once another leads.
"""

from __future__ import annotations

import asyncio
import ipaddress
import time
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit

import sqlalchemy as sa
import structlog
from sqlalchemy.ext.asyncio import AsyncEngine

from camera_adapters.event_wait import wait_for_event
from gateway.cluster.placement import Camera, Host, Placement, Shard, place_cameras
from gateway.cluster.pulse import BEAT_INTERVAL_S, Pulse
from gateway.cluster.telling import Telling
from gateway.control.channel import ControlClient, ControlError
from gateway.database.tables import cameras, shards
from recorder.rows import RowWriter
from recorder.tables import assignments, sources

_log = structlog.get_logger(__name__)

# The lease of whoever places cameras: shorter than a shard's, so that no camera waits for it where
# the machine that is lost is the one that led.
PLACEMENT = "placement"
PLACEMENT_LASTS_S = 2.5
PLACEMENT_EVERY_S = 0.5
PLACEMENT_MARGIN_S = 0.5
RECONCILE_INTERVAL_S = 3.0
MOVES_AT_ONCE = 20
# A successor has to be seen recording for so long: its first fragment is then on a disk.
RECORDS_FOR_S = 3.0
# A camera that grants one connection only is moved after this, with a gap that its rows name.
MOVE_PATIENCE_S = 30.0
# What a camera is taken to send.
CAMERA_MBPS = 2.0


@dataclass(slots=True)
class _Move:
    """A camera on its way, as this process has seen it; times of the loop's clock."""

    source_ids: list[str]
    successor: str
    began_s: float
    recording_since_s: float | None = None


class Reconciler:
    """``connect`` gives the control channel of a shard. ``rows`` is None where several machines
    run: this one then only watches, but for the time that :meth:`lead` takes. ``awaited`` tells
    which shards are given more time, since their supervisor is just starting them again.
    """

    def __init__(
        self,
        reader: AsyncEngine,
        rows: RowWriter | None,
        connect: Callable[[str], ControlClient],
        *,
        awaited: Callable[[], Collection[str]] = tuple,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._reader = reader
        self._rows = rows
        self._connect = connect
        self._awaited = awaited
        self._clock = clock
        self._clients: dict[str, ControlClient] = {}
        self._telling = Telling(self._client)
        self._pulse = Pulse()
        self._living: set[str] = set()
        self._moves: dict[str, _Move] = {}
        self._reconciled_s = float("-inf")
        self._woken = asyncio.Event()

    def wake(self) -> None:
        """Something was configured: look now."""
        self._woken.set()

    async def run(self) -> None:
        """Reconcile for ever; a failure is logged and tried again."""
        woken = True
        while True:
            self._woken.clear()
            try:
                await self.turn(woken)
            except Exception:
                _log.warning("assignments could not be reconciled; trying again", exc_info=True)
            woken = await wait_for_event(self._woken, BEAT_INTERVAL_S)

    async def lead(self, rows: RowWriter) -> None:
        """Act on what :meth:`run` sees until cancelled; write through ``rows``."""
        self._reconciled_s = float("-inf")
        self._rows = rows
        self.wake()
        try:
            await asyncio.Event().wait()
        finally:
            self._rows = None

    async def turn(self, woken: bool = False) -> None:
        """Look who lives; act where that has changed, where asked to, and every few seconds."""
        now_s = self._clock()
        known = await self._look()
        living = self._pulse.observe(
            {shard.name: beat for shard, beat in known.items()}, now_s, self._awaited()
        )
        changed = living != self._living
        if changed and self._living:
            _log.warning("media shards live", names=sorted(living), before=sorted(self._living))
        self._living = living
        rows = self._rows
        if rows is None:
            return
        if woken or changed or now_s - self._reconciled_s >= RECONCILE_INTERVAL_S:
            self._reconciled_s = now_s
            placed = await self._reconcile(rows, [one for one in known if one.name in living])
            if woken and not placed:
                self._telling.tell(living)
        await self._advance(rows, living, now_s)

    async def _reconcile(self, rows: RowWriter, living: list[Shard]) -> bool:
        """One comparison and its repair; gives whether anything was changed."""
        wanted, current = await self._read()
        placement = place_cameras(wanted, current, living, moves_at_once=MOVES_AT_ONCE)
        if placement.unreachable:
            _log.error(
                "no media shard reaches these cameras: see cluster.networks",
                cameras=placement.unreachable[:10],
                number=len(placement.unreachable),
            )
        self._note_moves(wanted)
        return await self._write(rows, placement, wanted, {one.name for one in living})

    async def told(self) -> None:
        """Wait until the shards have looked at what was changed."""
        await self._telling.told()

    async def close(self) -> None:
        """Tell nobody any more, and close the channels."""
        await self._telling.close()
        for client in self._clients.values():
            await client.close()

    async def _look(self) -> dict[Shard, int]:
        """The shards and their beats."""
        async with self._reader.connect() as connection:
            rows = (await connection.execute(sa.select(shards))).all()
        return {
            Shard(
                row.name,
                row.capacity_mbps,
                tuple(ipaddress.ip_network(one) for one in row.networks),
                row.drained,
            ): row.beat
            for row in rows
        }

    async def _read(self) -> tuple[list[Camera], dict[str, str]]:
        async with self._reader.connect() as connection:
            camera_rows = (
                await connection.execute(
                    sa.select(
                        cameras.c.id, cameras.c.main_url, cameras.c.sub_url, cameras.c.platform_id
                    )
                    .where(cameras.c.enabled, cameras.c.deleted_us.is_(None))
                    .order_by(cameras.c.id)
                )
            ).all()
            assignment_rows = (
                await connection.execute(
                    sa.select(assignments.c.source_id, assignments.c.owner, assignments.c.successor)
                    .join(sources, sources.c.id == assignments.c.source_id)
                    # A meeting is where it was begun: its own rows say so.
                    .where(sources.c.kind != "meeting")
                )
            ).all()
        successors = {row.source_id: row.successor for row in assignment_rows}
        wanted = [
            Camera(
                row.id,
                tuple(_sources_of(row)),
                CAMERA_MBPS,
                _host_of(row.main_url),
                successors.get(f"{row.id}/main"),
                fixed=row.main_url.startswith("push://"),
            )
            for row in camera_rows
        ]
        return wanted, {row.source_id: row.owner for row in assignment_rows}

    async def _write(
        self,
        rows: RowWriter,
        placement: Placement,
        wanted: list[Camera],
        living: Collection[str],
    ) -> bool:
        if placement.owners:
            changed = await rows.write("assignments.place", owners=placement.owners)
            _log.info("assignments changed", sources=len(changed))
        if placement.moves:
            by_id = {camera.camera_id: camera for camera in wanted}
            moves: dict[str, list[str]] = {}
            for camera_id, successor in placement.moves.items():
                moves.setdefault(successor, []).extend(by_id[camera_id].source_ids)
            await rows.write("assignments.begin_move", moves=moves)
            _log.info("cameras move", cameras=len(placement.moves))
        if not placement.owners and not placement.moves:
            return False
        self._telling.tell(living)
        return True

    def _note_moves(self, wanted: Iterable[Camera]) -> None:
        now_s = self._clock()
        under_way = {one.camera_id: one for one in wanted if one.successor is not None}
        for camera_id in [one for one in self._moves if one not in under_way]:
            del self._moves[camera_id]
        for camera_id, camera in under_way.items():
            known = self._moves.get(camera_id)
            if known is None or known.successor != camera.successor:
                assert camera.successor is not None
                self._moves[camera_id] = _Move(list(camera.source_ids), camera.successor, now_s)

    async def _advance(self, rows: RowWriter, living: Collection[str], now_s: float) -> None:
        """End the moves whose successors record, and those that will never."""
        for successor in {move.successor for move in self._moves.values()}:
            moving = {c: m for c, m in self._moves.items() if m.successor == successor}
            if successor not in living:
                await self._end(rows, moving, successor, succeeds=False)
                continue
            recording = await self._recorded_by(successor)
            done = {}
            for camera_id, move in moving.items():
                if camera_id not in recording:
                    move.recording_since_s = None
                elif move.recording_since_s is None:
                    move.recording_since_s = now_s
                elif now_s - move.recording_since_s >= RECORDS_FOR_S:
                    done[camera_id] = move
                if now_s - move.began_s >= MOVE_PATIENCE_S:
                    _log.warning("a camera moves before its successor records", camera=camera_id)
                    done[camera_id] = move
            await self._end(rows, done, successor, succeeds=True)

    async def _recorded_by(self, successor: str) -> set[str]:
        try:
            status = await self._client(successor).call("shard.status")
        except (ConnectionError, TimeoutError, ControlError):
            return set()
        found = set()
        for camera in status["cameras"]:
            main = camera["states"].get("main", {})
            if main.get("recording") and main.get("state") == "live":
                found.add(camera["camera_id"])
        return found

    async def _end(
        self, rows: RowWriter, moves: dict[str, _Move], successor: str, *, succeeds: bool
    ) -> None:
        if not moves:
            return
        await rows.write(
            "assignments.end_move",
            source_ids=[source_id for move in moves.values() for source_id in move.source_ids],
            successor=successor,
            succeeds=succeeds,
        )
        for camera_id in moves:
            del self._moves[camera_id]
        _log.info("cameras moved", cameras=len(moves), to=successor, succeeds=succeeds)
        self._telling.tell(self._living)

    def _client(self, name: str) -> ControlClient:
        if name not in self._clients:
            self._clients[name] = self._connect(name)
        return self._clients[name]


def _sources_of(row: Any) -> list[str]:
    """A camera's sources: what is pulled, and what may be fetched from the device's own storage."""
    variants = ["main"]
    if row.sub_url:
        variants.append("sub")
    if row.platform_id:
        variants += ["backfill", "borrowed"]
    return [f"{row.id}/{variant}" for variant in variants]


@lru_cache(maxsize=2**16)
def _host_of(url: str) -> Host | None:
    try:
        return ipaddress.ip_address(urlsplit(url).hostname or "")
    except ValueError:
        return None
