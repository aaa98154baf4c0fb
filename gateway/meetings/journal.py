"""What a room observes, told to the rows: who came, who left, who was on.

The event loop never waits for it. Facts go out in the order in which they happened, in batches of
one transaction, each until it is durable; all operations may be repeated without harm.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
import structlog

from gateway.control.channel import ControlError
from recorder.rows import RowError, RowWriter, perform, row_operation

_log = structlog.get_logger(__name__)

OBSERVED = frozenset(
    {
        "meetings.arrived",
        "meetings.departed",
        "meetings.waits",
        "meetings.seen",
        "meetings.played",
        "meetings.subtitle",
        "meetings.program",
        "roll_calls.answered",
    }
)
_BATCH = 200
_WAITING_LIMIT = 50_000
_RETRY_S = 1.0
_CLOSE_S = 5.0

Told = Callable[[Any], None]
"""Called with what the operation gave, None where it was refused, once that is durable."""


@dataclass(frozen=True, slots=True, eq=False)
class _Fact:
    operation: str
    arguments: dict[str, Any]
    told: Told | None


@row_operation("meetings.observe")
def observe(connection: sa.Connection, facts: list[list[Any]]) -> list[list[Any]]:
    """Perform ``[operation, arguments]`` one after the other; one that is refused, or cannot be
    written whatever the reason, harms no other. Gives ``[result, why]`` for each; ``why`` is None
    unless it was refused. Raises RowError ``invalid`` for an operation that is none of a room's;
    OperationalError, InterfaceError.
    """
    outcomes: list[list[Any]] = []
    for operation, arguments in facts:
        if operation not in OBSERVED:
            raise RowError("invalid", f"no room observes {operation}")
        savepoint = connection.begin_nested()
        try:
            result = perform(connection, operation, arguments)
        except Exception as error:
            savepoint.rollback()
            if isinstance(error, (sa.exc.OperationalError, sa.exc.InterfaceError)):
                # The database is not well: that says nothing about the fact.
                raise
            outcomes.append([None, f"{operation}: {type(error).__name__}: {error}"])
        else:
            savepoint.commit()
            outcomes.append([result, None])
    return outcomes


class Journal:
    """Takes facts by :meth:`note`, sends them by :meth:`run`, then :meth:`close`."""

    def __init__(self, rows: RowWriter) -> None:
        self._rows = rows
        self._waiting: list[_Fact] = []
        self._wake = asyncio.Event()
        self._sending = asyncio.Lock()
        # So many are sent singly: one among them cannot be sent.
        self._doubtful = 0

    def __len__(self) -> int:
        return len(self._waiting)

    def note(self, operation: str, *, told: Told | None = None, **arguments: Any) -> None:
        """This has happened. Never blocks; the oldest goes when far too much waits."""
        if len(self._waiting) >= _WAITING_LIMIT:
            lost = self._waiting.pop(0)
            _log.error("what a meeting saw cannot be recorded", lost=lost.operation)
        self._waiting.append(_Fact(operation, arguments, told))
        self._wake.set()

    async def run(self) -> None:
        """Send for ever."""
        while True:
            await self._wake.wait()
            try:
                await self.flush()
            except (ConnectionError, TimeoutError, ControlError) as error:
                _log.warning("what a meeting saw cannot be recorded yet", why=str(error))
                await asyncio.sleep(_RETRY_S)
            except Exception:
                _log.exception("what a meeting saw cannot be recorded yet")
                await asyncio.sleep(_RETRY_S)

    async def flush(self) -> None:
        """Send all that waits. Raises ConnectionError, TimeoutError, ControlError."""
        async with self._sending:
            while self._waiting:
                await self._send(self._waiting[: 1 if self._doubtful else _BATCH])
                self._doubtful = max(0, self._doubtful - 1)
            self._wake.clear()

    async def _send(self, batch: list[_Fact]) -> None:
        facts = [[fact.operation, fact.arguments] for fact in batch]
        try:
            outcomes = await self._rows.write("meetings.observe", facts=facts)
        except (RowError, TypeError, ValueError, OverflowError) as error:
            # It cannot even be sent, or is none of a room's: it never will be.
            if len(batch) > 1:
                self._doubtful = len(batch)
                return
            outcomes = [[None, f"{batch[0].operation}: {type(error).__name__}: {error}"]]
        # While it was sent, the oldest may have been given up.
        sent = set(batch)
        self._waiting = [fact for fact in self._waiting if fact not in sent]
        for fact, (result, why) in zip(batch, outcomes, strict=True):
            if why is not None:
                _log.warning("what a meeting saw is not recorded: it was refused", why=why)
            if fact.told is not None:
                fact.told(result)

    async def close(self) -> None:
        """Send what is left, if the writer still answers."""
        with contextlib.suppress(ConnectionError, TimeoutError, ControlError):
            await asyncio.wait_for(self.flush(), _CLOSE_S)
