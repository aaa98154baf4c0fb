"""How many cameras of an event loop are being connected to at once.

A shard that starts has thousands to connect to. All at once, each waits for all the others, none is
answered in time, and all begin anew; a hundred at a time, those that have begun get done.
"""

from __future__ import annotations

import asyncio
from collections import deque

AT_ONCE = 100
# A camera that does not answer keeps the next one from its turn for no longer.
LONGEST_S = 1.0

_by_loop: dict[asyncio.AbstractEventLoop, StartingTurns] = {}


class StartingTurns:
    """The turns of one event loop, in the order of asking. Get it with :func:`starting_turns`; it
    ends with its last.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._taken = 0
        self._waiting: deque[asyncio.Future[None]] = deque()

    async def take(self) -> Turn:
        """Wait for a turn; end it when pictures come, or when they will not."""
        if self._taken < AT_ONCE:
            self._taken += 1
            return Turn(self._loop, self)
        asked: asyncio.Future[None] = self._loop.create_future()
        self._waiting.append(asked)
        try:
            await asked
        except asyncio.CancelledError:
            if not asked.cancelled():
                self.give_back()
            raise
        return Turn(self._loop, self)

    def give_back(self) -> None:
        """A turn has ended: the next one's begins."""
        while self._waiting:
            asked = self._waiting.popleft()
            if not asked.done():
                asked.set_result(None)
                return
        self._taken -= 1
        if not self._taken:
            _by_loop.pop(self._loop, None)


class Turn:
    """One camera's; ends by itself after :data:`LONGEST_S`."""

    __slots__ = ("_ending", "_turns")

    def __init__(self, loop: asyncio.AbstractEventLoop, turns: StartingTurns) -> None:
        self._turns: StartingTurns | None = turns
        self._ending = loop.call_later(LONGEST_S, self.end)

    def end(self) -> None:
        """Let the next one begin. May be called twice."""
        turns, self._turns = self._turns, None
        if turns is not None:
            self._ending.cancel()
            turns.give_back()


def starting_turns(loop: asyncio.AbstractEventLoop) -> StartingTurns:
    """The loop's turns, made at the first call."""
    turns = _by_loop.get(loop)
    if turns is None:
        turns = _by_loop[loop] = StartingTurns(loop)
    return turns
