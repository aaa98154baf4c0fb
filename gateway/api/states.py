"""What every camera is doing now, kept by listening to the shards; and who wants to hear of it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Protocol

import sqlalchemy as sa
import structlog
from sqlalchemy.ext.asyncio import AsyncEngine

from gateway.cameras import read_places, sum_of_times
from gateway.control.channel import ControlClient, ControlError
from gateway.database.tables import areas, cameras
from gateway.identifiers import now_us
from gateway.people.authorize import AreaPlace
from gateway.shard.told import RELEASED

_log = structlog.get_logger(__name__)

_RETRY_S = 1.0
_DIRECTORY_INTERVAL_S = 2.0

# Measured figures, which are never still; with thousands of cameras and hundreds of browsers every
# tremor of theirs would be a million messages a second.
_MEASURES = ("bitrate_bps", "frames_per_second", "gop_s")
_TREMOR = 0.25

Listener = Callable[[str, str, dict[str, Any]], None]


def is_news(told: dict[str, Any] | None, state: dict[str, Any]) -> bool:
    """Whether who was ``told`` that should hear of ``state``: any fact that changed, or a measure
    that moved by more than a quarter.
    """
    if told is None:
        return True
    for name in told.keys() | state.keys():
        before, now = told.get(name), state.get(name)
        if before == now:
            continue
        if name not in _MEASURES or not before or not now:
            return True
        if abs(now - before) > _TREMOR * before:
            return True
    return False


class ShardDirectory(Protocol):
    """The part of :class:`gateway.api.processes.Processes` that is needed here."""

    def client(self, name: str) -> ControlClient:
        """The control channel of a process."""

    async def names(self, kind: str | None = None) -> list[str]:
        """The names of the processes of a kind."""


class CameraStates:
    """States by camera and variant, and where each camera stands, both a moment old at most."""

    def __init__(self, reader: AsyncEngine, shards: ShardDirectory) -> None:
        self._reader = reader
        self._shards = shards
        self._states: dict[str, dict[str, dict[str, Any]]] = {}
        # What listeners were told last: they need not hear that a bit rate breathes.
        self._told: dict[tuple[str, str], dict[str, Any]] = {}
        self._owners: dict[str, str] = {}
        self._places: dict[str, AreaPlace] = {}
        self._stamp: object = None
        self._listeners: set[Listener] = set()
        self._watchers: dict[str, asyncio.Task[None]] = {}

    def of(self, camera_id: str) -> dict[str, dict[str, Any]]:
        """Variant → VariantState; empty while no shard has said anything."""
        return self._states.get(camera_id, {})

    @property
    def registered(self) -> int:
        """How many cameras there are, known to a shard or not."""
        return len(self._places)

    def place(self, camera_id: str) -> AreaPlace | None:
        """Where a camera stands, for filtering events; None for unknown ones."""
        return self._places.get(camera_id)

    def all(self) -> Iterator[tuple[str, str, dict[str, Any]]]:
        """Every known (camera id, variant, state)."""
        for camera_id, variants in self._states.items():
            for variant, state in variants.items():
                yield camera_id, variant, state

    @contextmanager
    def listening(self, listener: Listener) -> Iterator[None]:
        """Have ``listener(camera_id, variant, state)`` called at each change, on the loop."""
        self._listeners.add(listener)
        try:
            yield
        finally:
            self._listeners.discard(listener)

    async def run(self) -> None:
        """Follow all shards and the directory of cameras, for ever."""
        try:
            while True:
                try:
                    await self._read_directory()
                    names = set(await self._shards.names("shard"))
                except Exception:
                    _log.exception("cameras cannot be read; trying again")
                else:
                    for name in names - self._watchers.keys():
                        self._watchers[name] = asyncio.create_task(self._watch(name))
                    for name in self._watchers.keys() - names:
                        self._watchers.pop(name).cancel()
                        self._lose(name)
                await asyncio.sleep(_DIRECTORY_INTERVAL_S)
        finally:
            for task in self._watchers.values():
                task.cancel()

    async def _watch(self, shard: str) -> None:
        client = self._shards.client(shard)
        while True:
            try:
                async with client.stream("shard.watch") as updates:
                    async for update in updates:
                        for state in update["states"]:
                            self._take(shard, dict(state))
            except (ConnectionError, ControlError) as error:
                _log.warning("lost a shard's states", shard=shard, why=str(error))
            except Exception:
                _log.exception("a shard's states cannot be understood", shard=shard)
            self._lose(shard)
            await asyncio.sleep(_RETRY_S)

    def _take(self, shard: str, state: dict[str, Any]) -> None:
        camera_id, variant = state.pop("camera_id"), state.pop("variant")
        if state["state"] == RELEASED:
            self._release(shard, camera_id, variant)
            return
        self._owners[camera_id] = shard
        self._states.setdefault(camera_id, {})[variant] = state
        if is_news(self._told.get((camera_id, variant)), state):
            self._told[camera_id, variant] = state
            self._tell(camera_id, variant, state)

    def _release(self, shard: str, camera_id: str, variant: str) -> None:
        # One that has moved may have been heard of from where it is now.
        known = self._states.get(camera_id, {})
        if self._owners.get(camera_id) != shard or variant not in known:
            return
        del known[variant]
        self._told.pop((camera_id, variant), None)
        if not known:
            del self._states[camera_id], self._owners[camera_id]
        idle = {"state": "idle", "since_us": now_us(), "recording": False, "viewers": 0}
        self._tell(camera_id, variant, idle)

    def _lose(self, shard: str) -> None:
        lost = [camera_id for camera_id, owner in self._owners.items() if owner == shard]
        for camera_id in lost:
            del self._owners[camera_id]
            for variant in self._states.pop(camera_id, {}):
                self._told.pop((camera_id, variant), None)
                away = {
                    "state": "offline",
                    "since_us": now_us(),
                    "cause": "gateway_stopped",
                    "detail": f"{shard} is being restarted",
                    "recording": False,
                    "viewers": 0,
                }
                self._tell(camera_id, variant, away)

    def _tell(self, camera_id: str, variant: str, state: dict[str, Any]) -> None:
        for listener in tuple(self._listeners):
            listener(camera_id, variant, state)

    async def _read_directory(self) -> None:
        async with self._reader.connect() as connection:
            camera_stamp = await connection.execute(
                sa.select(sa.func.count(), sum_of_times(cameras.c.changed_us)).select_from(cameras)
            )
            moved_us = await connection.scalar(sa.select(sum_of_times(areas.c.moved_us)))
            stamp = (*camera_stamp.one(), moved_us)
            if stamp == self._stamp:
                return
            before = self._places
            self._places = await read_places(connection, cameras.c.deleted_us.is_(None))
        self._stamp = stamp
        for camera_id in self._states.keys() - self._places.keys():
            for variant in self._states.pop(camera_id):
                self._told.pop((camera_id, variant), None)
            self._owners.pop(camera_id, None)
        # Whoever may see a camera where it stands now has heard nothing of it yet.
        for camera_id, variants in self._states.items():
            if self._places[camera_id] != before.get(camera_id):
                for variant, state in variants.items():
                    self._tell(camera_id, variant, state)
