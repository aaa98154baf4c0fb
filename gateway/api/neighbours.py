"""News from one API process to the others: each has its own listeners.

Best effort and never waited for: all of it can be read from rows, which is how somebody who was
away learns of it. An API process alone tells nobody.
"""

from __future__ import annotations

import asyncio
from typing import Any

import structlog

from gateway.api.processes import Processes
from gateway.control.channel import ControlError

_log = structlog.get_logger(__name__)

HEAR = "api.hear"
_PATIENCE_S = 3.0


class Neighbours:
    """The other API processes. ``name`` is this one's own; empty in a process that is none."""

    def __init__(self, processes: Processes, name: str = "") -> None:
        self._processes = processes
        self.name = name
        self._telling: set[asyncio.Task[None]] = set()

    def tell(self, kind: str, **what: Any) -> None:
        """Have every other one call what hears of this ``kind``; returns at once."""
        if not self.name:
            return
        task = asyncio.get_running_loop().create_task(self._tell(kind, what))
        self._telling.add(task)
        task.add_done_callback(self._telling.discard)

    async def close(self) -> None:
        """Give what is being told a moment."""
        if self._telling:
            await asyncio.wait(self._telling, timeout=1.0)

    async def _tell(self, kind: str, what: dict[str, Any]) -> None:
        try:
            names = await self._processes.names("api")
        except Exception as error:
            _log.warning("other API processes are not known", why=str(error))
            return
        await asyncio.gather(
            *(self._tell_one(name, kind, what) for name in names if name != self.name)
        )

    async def _tell_one(self, name: str, kind: str, what: dict[str, Any]) -> None:
        try:
            async with asyncio.timeout(_PATIENCE_S):
                await self._processes.client(name).call(HEAR, kind=kind, what=what)
        except (ConnectionError, TimeoutError, ControlError) as error:
            _log.info("an API process did not hear", process_name=name, news=kind, why=str(error))


class ToldEvent(asyncio.Event):
    """An event that is set in the other API processes, too."""

    def __init__(self, neighbours: Neighbours, kind: str) -> None:
        super().__init__()
        self._neighbours = neighbours
        self._kind = kind

    def set(self) -> None:
        """Here, and there."""
        super().set()
        self._neighbours.tell(self._kind)

    def hear(self) -> None:
        """Somebody else has set it."""
        super().set()
