"""Who steers which camera now, and what devices tell, kept by listening to signalling."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import structlog

from gateway.api.states import ShardDirectory
from gateway.control.channel import ControlError

_log = structlog.get_logger(__name__)

SIGNALLING = "signalling"
_RETRY_S = 1.0

NOBODY: dict[str, Any] = {"holder": None, "moving": False, "patrol": None}

SteeringListener = Callable[[str, dict[str, Any]], None]
EventListener = Callable[[dict[str, Any]], None]


class SteeringStates:
    """States as ``ptz.watch`` gives them, a moment old at most; and the events of ``events.watch``,
    passed on.
    """

    def __init__(self, processes: ShardDirectory) -> None:
        self._processes = processes
        self._states: dict[str, dict[str, Any]] = {}
        self._listeners: set[SteeringListener] = set()
        self._event_listeners: set[EventListener] = set()

    def of(self, camera_id: str) -> dict[str, Any]:
        """{holder, moving, patrol} of a camera."""
        return self._states.get(camera_id, NOBODY)

    def all(self) -> dict[str, dict[str, Any]]:
        """Every camera that is held or patrols."""
        return self._states

    @contextmanager
    def listening(self, steering: SteeringListener, events: EventListener) -> Iterator[None]:
        """Have ``steering(camera_id, state)`` and ``events(row)`` called at each change."""
        self._listeners.add(steering)
        self._event_listeners.add(events)
        try:
            yield
        finally:
            self._listeners.discard(steering)
            self._event_listeners.discard(events)

    async def run(self) -> None:
        """Follow signalling for ever."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._follow("ptz.watch", self._take_states))
            group.create_task(self._follow("events.watch", self._take_events))

    async def _follow(self, call: str, take: Callable[[dict[str, Any]], None]) -> None:
        while True:
            try:
                if await self._processes.names(SIGNALLING):
                    client = self._processes.client(SIGNALLING)
                    async with client.stream(call) as updates:
                        async for update in updates:
                            take(update)
            except (ConnectionError, TimeoutError, ControlError) as error:
                _log.warning("lost signalling", call=call, why=str(error))
            except Exception:
                _log.exception("signalling cannot be understood", call=call)
            if call == "ptz.watch":
                for camera_id in tuple(self._states):
                    self._put(camera_id, NOBODY)
            await asyncio.sleep(_RETRY_S)

    def _take_states(self, update: dict[str, Any]) -> None:
        for camera_id, state in update["cameras"].items():
            self._put(camera_id, state)

    def _put(self, camera_id: str, state: dict[str, Any]) -> None:
        if state["holder"] is None and state["patrol"] is None:
            self._states.pop(camera_id, None)
        else:
            self._states[camera_id] = state
        for listener in tuple(self._listeners):
            listener(camera_id, state)

    def _take_events(self, update: dict[str, Any]) -> None:
        for row in update["events"]:
            for listener in tuple(self._event_listeners):
                listener(row)
