"""When the storage will be full, and whose footage will not reach its days."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import sqlalchemy as sa
import structlog
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from gateway.alarms.storage_conditions import StorageConditions
from gateway.database.tables import cameras
from gateway.identifiers import US_PER_S, now_us
from gateway.retention import camera_policies, default_policy
from gateway.settings import Settings
from gateway.store_state import StoreState, longest_days, look_at_store
from recorder.forecast import Forecast, forecast
from recorder.retention import Breach
from recorder.stores import Store, StoreError

_log = structlog.get_logger(__name__)

INTERVAL_S = 60.0
_STATE_INTERVAL_S = 3600.0

Listener = Callable[[dict[str, Any]], None]


class StorageWatch:
    """Keeps the newest forecast, and tells listeners of each. ``store`` is the one it looks at."""

    def __init__(self, settings: Settings, reader: AsyncEngine, store: Store) -> None:
        self._settings = settings
        self._reader = reader
        self.store = store
        self._listeners: set[Listener] = set()
        self.document: dict[str, Any] | None = None
        self.state: StoreState | None = None
        self._state_due_s = 0.0
        self.conditions = StorageConditions(
            round(settings.alarms.storage_ahead_days * 86_400 * US_PER_S)
        )

    @contextlib.contextmanager
    def listening(self, listener: Listener) -> Iterator[None]:
        """Have ``listener(document)`` called at each forecast."""
        self._listeners.add(listener)
        try:
            yield
        finally:
            self._listeners.discard(listener)

    async def run(self) -> None:
        """For ever; a failure is logged and tried again."""
        while True:
            try:
                await self.look()
            except sa.exc.DBAPIError as error:
                self.conditions.forget()
                _log.warning("no storage forecast", why=str(error))
            except Exception:
                self.conditions.forget()
                _log.exception("no storage forecast")
            else:
                for listener in tuple(self._listeners):
                    if self.document is not None:
                        listener(self.document)
            try:
                await self.look_at_store()
            except Exception:
                _log.exception("what the store can do is unknown")
            await asyncio.sleep(INTERVAL_S)

    async def look_at_store(self) -> None:
        """See what the store can do; what is missing is logged when it is first seen. Again after
        an hour, or at the next turn while the store does not answer. Raises DBAPIError.
        """
        if time.monotonic() < self._state_due_s:
            return
        async with self._reader.connect() as connection:
            longest = await longest_days(connection, self._settings)
        state = await look_at_store(self._settings, self.store, longest)
        if state.problem is None:
            self._state_due_s = time.monotonic() + _STATE_INTERVAL_S
        for line in state.troubles:
            if self.state is None or line not in self.state.troubles:
                _log.warning("the store lacks something", place=state.place, what=line)
        self.state = state

    async def look(self) -> dict[str, Any]:
        """The ``storage`` document of now."""
        answers = True
        try:
            free_bytes = await self.store.free_bytes()
        except StoreError as error:
            # Down or not made yet: what is indexed can be told all the same.
            _log.warning("free space is unknown", why=str(error))
            free_bytes, answers = None, False
        at_us = now_us()
        async with self._reader.connect() as connection:
            found = await forecast(
                connection,
                now_us=at_us,
                free_bytes=free_bytes,
                default=default_policy(self._settings),
                policies=await camera_policies(connection, self._settings),
                capacity_bytes=self._settings.retention.bytes,
            )
            names = await _names(connection) if found.breaches else {}
        if answers:
            self.conditions.take(found, at_us)
        else:
            self.conditions.forget()
        self.document = _document(found, names)
        return self.document


async def _names(connection: AsyncConnection) -> dict[str, str]:
    rows = await connection.execute(sa.select(cameras.c.id, cameras.c.name))
    return {row.id: row.name for row in rows}


def _document(found: Forecast, names: Mapping[str, str]) -> dict[str, Any]:
    return {
        "used_bytes": found.used_bytes,
        "free_bytes": found.free_bytes,
        "bytes_per_day": round(found.bytes_per_day),
        "real_days": round(found.real_days, 3),
        "forecast": {
            "full_at_us": found.full_at_us,
            "breaches": [_breach_document(breach, names) for breach in found.breaches],
        },
    }


def _breach_document(breach: Breach, names: Mapping[str, str]) -> dict[str, Any]:
    camera_id = breach.source_id.partition("/")[0]
    return {
        "camera_id": camera_id,
        "camera_name": names.get(camera_id, camera_id),
        "kept_days": round(breach.kept_days, 2),
        "required_days": breach.required_days,
    }
