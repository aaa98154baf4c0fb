"""Has media shards look at their rows at once: nobody waits for one that is slow or frozen."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterable

from gateway.control.channel import ControlClient, ControlError


class Telling:
    """``client`` gives the control channel of a shard. Each is called once at a time; whatever is
    to be told meanwhile is one more call.
    """

    def __init__(self, client: Callable[[str], ControlClient]) -> None:
        self._client = client
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._again: set[str] = set()

    def tell(self, names: Iterable[str]) -> None:
        """These shards' rows have changed. Returns at once."""
        for name in names:
            if name in self._tasks:
                self._again.add(name)
            else:
                self._tasks[name] = asyncio.create_task(self._call(name))

    async def told(self) -> None:
        """Wait until nobody is left to be told."""
        while self._tasks:
            await asyncio.wait(self._tasks.values())

    async def close(self) -> None:
        """Tell nobody any more."""
        for task in self._tasks.values():
            task.cancel()
        await self.told()

    async def _call(self, name: str) -> None:
        try:
            while True:
                self._again.discard(name)
                # A shard that is being restarted reads its assignments when it is up.
                with contextlib.suppress(ConnectionError, TimeoutError, ControlError):
                    await self._client(name).call("shard.reconcile")
                if name not in self._again:
                    return
        finally:
            del self._tasks[name]
