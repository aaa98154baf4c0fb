"""Sources that begin to be recorded, told to the index many at a time: a shard begins with
thousands, and asking for each alone would keep everybody else's writes waiting.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass

from recorder.index import source_message
from recorder.rows import RowWriter
from recorder.spool_header import RecordedSource

_AT_ONCE = 250
_PATIENCE_S = 5.0


@dataclass(frozen=True, slots=True)
class _Asked:
    source: RecordedSource
    answer: asyncio.Future[dict[str, int | None]]


class SourceOpenings:
    """What asks while others wait goes with the next write."""

    def __init__(self, rows: RowWriter) -> None:
        self._rows = rows
        self._waiting: list[_Asked] = []
        self._asking: asyncio.Task[None] | None = None

    async def open(self, source: RecordedSource) -> dict[str, int | None]:
        """As the row operation ``recorder.open_source`` answers. Raises ConnectionError or
        TimeoutError where the index is out of reach.
        """
        loop = asyncio.get_running_loop()
        asked = _Asked(source, loop.create_future())
        self._waiting.append(asked)
        if self._asking is None or self._asking.done():
            self._asking = loop.create_task(self._ask())
        return await asked.answer

    async def close(self) -> None:
        """Ask no more; who still waits gets ConnectionError."""
        if self._asking is not None:
            self._asking.cancel()
            await asyncio.gather(self._asking, return_exceptions=True)
        self._refuse(self._waiting, ConnectionError("the recorder is closed"))

    async def _ask(self) -> None:
        while self._waiting:
            asked = self._waiting[:_AT_ONCE]
            try:
                async with asyncio.timeout(_PATIENCE_S):
                    known = await self._rows.write(
                        "recorder.open_sources",
                        wanted=[source_message(one.source) for one in asked],
                        now_us=time.time_ns() // 1000,
                    )
            except Exception as error:
                # Nobody waits in vain for longer than the first did.
                refused, self._waiting = self._waiting, []
                self._refuse(refused, error)
                continue
            del self._waiting[: len(asked)]
            for one, answer in zip(asked, known, strict=True):
                if not one.answer.done():
                    one.answer.set_result(answer)

    @staticmethod
    def _refuse(asked: list[_Asked], error: Exception) -> None:
        for one in asked:
            if not one.answer.done():
                one.answer.set_exception(error)
