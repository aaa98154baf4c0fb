"""RowGapLog: gaps and clock offsets on their way to their rows, in order, through any outage."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Any

import structlog

from camera_adapters.event_wait import wait_for_event
from camera_adapters.stream import GapCause
from recorder.backoff import Backoff
from recorder.rows import RowError, RowWriter

_log = structlog.get_logger(__name__)

_WAITING_LIMIT = 100_000


class RowGapLog:
    """See :class:`~recorder.segment_writer.GapLog`.

    What cannot be written waits in memory. If the process dies meanwhile, the next start explains
    the time until then as ``gateway_stopped``.
    """

    def __init__(self, rows: RowWriter) -> None:
        self._rows = rows
        self._epochs: dict[str, int] = {}
        self._waiting: deque[tuple[str, dict[str, Any]]] = deque()
        self._wake = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Start writing; call on the event loop."""
        self._task = asyncio.create_task(self._run(), name="gap-log")

    async def close(self, timeout_s: float = 5.0) -> None:
        """Write what waits, but not for longer than ``timeout_s``."""
        if not await wait_for_event(self._idle, timeout_s):
            _log.warning("gaps were not written", count=len(self._waiting))
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None

    async def drain(self) -> None:
        """Wait until everything told so far is in its row."""
        await self._idle.wait()

    def speak_under(self, source_id: str, epoch: int) -> None:
        """From now on tell of this source under this epoch: it counts while the epoch does."""
        self._epochs[source_id] = epoch

    def open_gap(
        self,
        source_id: str,
        start_us: int,
        cause: GapCause,
        detail: str,
        *,
        unless_open: bool = False,
    ) -> None:
        """See GapLog."""
        self._put(
            "recorder.open_gap",
            source_id=source_id,
            start_us=start_us,
            cause=str(cause),
            detail=detail,
            unless_open=unless_open,
            epoch=self._epochs.get(source_id),
        )

    def close_gap(self, source_id: str, end_us: int) -> None:
        """See GapLog."""
        self._put(
            "recorder.close_gap",
            source_id=source_id,
            end_us=end_us,
            epoch=self._epochs.get(source_id),
        )

    def add_gap(
        self, source_id: str, start_us: int, end_us: int, cause: GapCause, detail: str
    ) -> None:
        """See GapLog."""
        self._put(
            "recorder.add_gap",
            source_id=source_id,
            start_us=start_us,
            end_us=end_us,
            cause=str(cause),
            detail=detail,
        )

    def set_clock_offset(self, source_id: str, since_us: int, offset_us: int) -> None:
        """See GapLog."""
        self._put(
            "recorder.set_clock_offset",
            source_id=source_id,
            since_us=since_us,
            offset_us=offset_us,
        )

    def accept_clock(self, source_id: str, accepted_us: int) -> None:
        """An operator accepted the source's clock."""
        self._put("recorder.accept_clock", source_id=source_id, accepted_us=accepted_us)

    def _put(self, operation: str, **arguments: Any) -> None:
        if len(self._waiting) >= _WAITING_LIMIT:  # the oldest are the least that people look for
            self._waiting.popleft()
        self._waiting.append((operation, arguments))
        self._idle.clear()
        self._wake.set()

    async def _run(self) -> None:
        backoff = Backoff(0.2, 10.0)
        while True:
            if not self._waiting:
                self._idle.set()
                self._wake.clear()
                await self._wake.wait()
            operation, arguments = self._waiting[0]
            try:
                await self._rows.write(operation, **arguments)
            except RowError as error:
                _log.error("a gap was refused", operation=operation, error=str(error))
            except Exception as error:
                _log.warning("gaps wait for the database", error=str(error))
                await backoff.wait()
                continue
            backoff.reset()
            if self._waiting and self._waiting[0][1] is arguments:
                self._waiting.popleft()
