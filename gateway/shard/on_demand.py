"""Deciding when a Stream that costs something has been without a viewer for long enough."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

IDLE_CLOSE_S = 20.0


class IdleTimer:
    """Calls ``on_idle`` once nobody has been there for ``idle_s``; a newcomer stops the clock."""

    def __init__(self, on_idle: Callable[[], None], idle_s: float = IDLE_CLOSE_S) -> None:
        self._on_idle = on_idle
        self._idle_s = idle_s
        self._timer: asyncio.TimerHandle | None = None

    def used(self) -> None:
        """Somebody is there."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def unused(self) -> None:
        """Nobody is there; may be said again and again."""
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(self._idle_s, self._expired)

    def close(self) -> None:
        """Never call again."""
        self.used()

    def _expired(self) -> None:
        self._timer = None
        self._on_idle()
