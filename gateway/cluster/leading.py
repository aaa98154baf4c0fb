"""One leader among several like processes, by a lease in the database.

Who leads renews the lease every second. When it cannot, it stops a second before the lease ends,
by its own steady clock; the others take the lease when its row has not changed for as long as it
lasts, by theirs: no two clocks are ever compared. What a leader writes goes through
:class:`FencedRows`, so that even one that was frozen, and wakes up after another has taken over,
changes nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Coroutine
from typing import Any

import sqlalchemy as sa
import structlog
from sqlalchemy.ext.asyncio import AsyncEngine

from gateway.control.channel import ControlError
from gateway.database.replica_tables import leases
from gateway.identifiers import US_PER_S
from recorder.rows import RowError, RowWriter

_log = structlog.get_logger(__name__)

LASTS_S = 4.0
EVERY_S = 1.0
# So long before the end of its lease a leader has begun to stop.
MARGIN_S = 1.0
_LOOK_S = 0.5
_FAULTS = (ConnectionError, TimeoutError, ControlError, RowError, OSError, sa.exc.DBAPIError)

Work = Callable[[RowWriter], Coroutine[Any, Any, None]]


class FencedRows:
    """A :class:`recorder.rows.RowWriter` for as long as a lease is held: afterwards each write is
    refused with RowError ``lease_lost``.
    """

    def __init__(self, rows: RowWriter, name: str, epoch: int) -> None:
        self._rows = rows
        self._name = name
        self._epoch = epoch

    async def write(self, operation: str, /, **arguments: Any) -> Any:
        """See :class:`recorder.rows.RowWriter`."""
        return await self._rows.write(
            "leases.fenced",
            name=self._name,
            epoch=self._epoch,
            operation=operation,
            arguments=arguments,
        )


class Leadership:
    """One process of those of which one leads. ``holder`` must be nobody else's, ever.

    ``outlasts_silence``: for work whose end would harm more than two that do it for a while. It
    goes on while the database does not answer, until that tells that another leads by now.
    """

    def __init__(
        self,
        reader: AsyncEngine,
        rows: RowWriter,
        name: str,
        holder: str,
        *,
        lasts_s: float = LASTS_S,
        every_s: float = EVERY_S,
        margin_s: float = MARGIN_S,
        outlasts_silence: bool = False,
    ) -> None:
        self._reader = reader
        self._rows = rows
        self._name = name
        self._holder = holder
        self._lasts_s = lasts_s
        self._every_s = every_s
        self._margin_s = margin_s
        self._outlasts_silence = outlasts_silence
        self._seen: object = None
        self._seen_at_s = 0.0
        # The number of this leader; None while another leads.
        self.epoch: int | None = None

    async def run(self, work: Work) -> None:
        """For ever: whenever this one leads, run ``work(rows)``, which does not end by itself; it
        is cancelled when the lease is lost, and begun anew with the next.
        """
        while True:
            asked_s = time.monotonic()
            try:
                epoch = await self._try()
            except _FAULTS as error:
                _log.warning("a lease cannot be asked for", lease=self._name, why=str(error))
                epoch = None
            # Heard of too late, as beside a disk or an event loop that stood still, it may be
            # another's by now.
            if epoch is None or time.monotonic() >= asked_s + self._lasts_s - self._margin_s:
                await asyncio.sleep(_LOOK_S)
                continue
            _log.info("leads now", lease=self._name, epoch=epoch)
            await self._lead(epoch, asked_s, work)
            _log.info("leads no more", lease=self._name, epoch=epoch)

    async def _try(self) -> int | None:
        async with self._reader.connect() as connection:
            own = leases.c
            found = await connection.execute(
                sa.select(own.epoch, own.renewed_us, own.expires_us).where(own.name == self._name)
            )
            row = found.one_or_none()
        now_s = time.monotonic()
        if row is not None and row.expires_us > 0:
            seen = (row.epoch, row.renewed_us)
            if seen != self._seen:
                self._seen, self._seen_at_s = seen, now_s
            if now_s - self._seen_at_s < self._lasts_s:
                return None
        epoch: int | None = await self._rows.write(
            "leases.take",
            name=self._name,
            holder=self._holder,
            lasts_us=round(self._lasts_s * US_PER_S),
        )
        return epoch

    async def _lead(self, epoch: int, asked_s: float, work: Work) -> None:
        self.epoch = epoch
        task = asyncio.create_task(work(FencedRows(self._rows, self._name, epoch)))
        try:
            await self._hold(epoch, asked_s, task)
        finally:
            self.epoch = None
            task.cancel()
            outcome = await asyncio.gather(task, return_exceptions=True)
            if isinstance(outcome[0], Exception):
                _log.error("what a leader does has failed", lease=self._name, exc_info=outcome[0])
            # After the work has ended: the next one may begin at once.
            with contextlib.suppress(*_FAULTS):
                async with asyncio.timeout(self._margin_s):
                    await self._rows.write("leases.give_back", name=self._name, epoch=epoch)

    async def _hold(self, epoch: int, asked_s: float, task: asyncio.Task[None]) -> None:
        """Renew until that cannot be done any more, or the work has ended."""
        until_s = asked_s + self._lasts_s - self._margin_s
        while True:
            done, _ = await asyncio.wait((task,), timeout=self._every_s)
            if done:
                return
            asked_s = time.monotonic()
            if self._outlasts_silence:
                until_s = asked_s + self._lasts_s
            if asked_s >= until_s:
                _log.warning("a lease could not be renewed in time", lease=self._name)
                return
            try:
                async with asyncio.timeout(until_s - asked_s):
                    held = await self._rows.write(
                        "leases.renew",
                        name=self._name,
                        epoch=epoch,
                        lasts_us=round(self._lasts_s * US_PER_S),
                    )
            except _FAULTS as error:
                _log.warning("a lease is not renewed yet", lease=self._name, why=str(error))
                continue
            if not held:
                return
            until_s = asked_s + self._lasts_s - self._margin_s
