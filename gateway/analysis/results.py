"""What workers found, on its way into the index: gathered for some seconds, then kept together."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from typing import Any

import sqlalchemy as sa
import structlog

from gateway.analysis.keeping import Batch, Keeper
from gateway.analysis.mailboxes import FAILED, Missed
from gateway.analysis.spans import Indexed, Spans
from gateway.control.channel import ControlError
from recorder.rows import RowError, RowWriter
from recorder.stores import StoreError

_log = structlog.get_logger(__name__)

# So much may wait for a store or a database that is away; then nothing more is looked at.
WAITING_LIMIT = 5_000
WAITING_BYTES_LIMIT = 128 * 1024 * 1024
LAST_PAUSE_S = 30.0
# So often a batch is refused as a whole; then it is kept piece by piece, and what is refused alone
# is left out: one bad row must not stop all others.
REFUSALS_LIMIT = 3
KEEP_FAULTS = (
    StoreError, RowError, ControlError, ConnectionError, TimeoutError, OSError, sa.exc.DBAPIError,
)  # fmt: skip
# Of these a second try makes nothing better: what is written is wrong, not the place.
_WRONG = frozenset(
    {
        "DataError", "IntegrityError", "InterfaceError", "KeyError", "OverflowError",
        "StatementError", "TypeError", "ValueError",
    }
)  # fmt: skip


def _is_refusal(error: Exception) -> bool:
    """Whether the same would be refused again, wherever it was thrown."""
    if isinstance(error, ControlError):
        return error.code == "failed" and str(error).rpartition(" ")[2] in _WRONG
    return isinstance(error, RowError) or type(error).__name__ in _WRONG


class Results:
    """``message`` says why nothing can be kept at the moment, else it is empty."""

    def __init__(self, keeper: Keeper, rows: RowWriter, *, every_s: float) -> None:
        self.message = ""
        self.found = 0
        self.room = asyncio.Event()
        self.room.set()
        self._keeper = keeper
        self._rows = rows
        self._every_s = every_s
        self._spans: dict[str, Spans] = {}
        self._passages: list[Mapping[str, Any]] = []
        self._bytes = 0
        self._lost: list[list[Any]] = []
        self._batch: Batch | None = None
        self._keeping = asyncio.Lock()
        self._model = ""
        self._refusals = 0

    @property
    def waiting(self) -> int:
        """Passages that are not in the index yet."""
        return len(self._passages) + (0 if self._batch is None else len(self._batch.passages))

    def take(self, model: str, passages: Iterable[Mapping[str, Any]]) -> None:
        """These were found live."""
        self._model = model
        for passage in passages:
            self._passages.append(passage)
            self._bytes += len(passage["jpeg"]) + len(passage["vector"] or b"")
            self.found += 1
        if len(self._passages) > WAITING_LIMIT or self._bytes > WAITING_BYTES_LIMIT:
            self.room.clear()

    def indexed(self, model: str, spans: Iterable[Indexed]) -> None:
        """These were looked at."""
        known = self._spans.setdefault(model, Spans())
        for span in spans:
            known.indexed(span)

    def missed(self, spans: Iterable[Missed]) -> None:
        """These were not."""
        self._spans.setdefault(self._model, Spans()).missed(spans)

    def lost(self, spans: Iterable[Indexed]) -> None:
        """What was under way in these is lost, although they were said to be looked at."""
        self._lost += [[one.camera_id, one.start_us, one.end_us] for one in spans]

    async def run(self) -> None:
        """Keep what has gathered, again and again; what fails is tried again."""
        pause_s = self._every_s
        while True:
            await asyncio.sleep(pause_s)
            try:
                await self.flush()
                pause_s = self._every_s
            except KEEP_FAULTS as error:
                self.message = f"what was found cannot be kept: {error or type(error).__name__}"
                _log.warning("what was found cannot be kept yet", why=str(error))
                pause_s = min(LAST_PAUSE_S, max(1.0, pause_s * 2))
            except Exception as error:
                self.message = f"what was found cannot be kept: {error}"
                _log.exception("what was found cannot be kept yet")
                pause_s = min(LAST_PAUSE_S, max(1.0, pause_s * 2))

    async def flush(self) -> None:
        """Keep all there is. Raises what :meth:`Keeper.keep` does; nothing is lost then."""
        async with self._keeping:
            if self._batch is None:
                self._batch = self._gathered()
            if self._batch is not None:
                await self._keep(self._batch)
                self._batch = None
            self.message = ""
            self.room.set()
            if self._lost:
                lost, self._lost = self._lost, []
                try:
                    await self._rows.write("analysis.undo", spans=lost, cause="failed")
                except BaseException:
                    self._lost = lost + self._lost
                    raise

    async def _keep(self, batch: Batch) -> None:
        if self._refusals < REFUSALS_LIMIT:
            try:
                await self._keeper.keep(batch)
            except Exception as error:
                self._refusals += _is_refusal(error)
                raise
        else:
            await self._keep_apart(batch)
        self._refusals = 0

    async def _keep_apart(self, batch: Batch) -> None:
        """Each passage alone, then what was looked at: of what is refused nothing is known. What
        was kept already when this is interrupted is kept once more, and is then the same.
        """
        missed = [*batch.missed]
        for passage in batch.passages:
            if not await self._is_kept(Batch([passage])):
                span = [passage["camera_id"], passage["first_us"], passage["last_us"] + 1]
                missed.append([*span, FAILED])
                self._lost.append(span)
        for indexed in batch.indexed:
            await self._is_kept(Batch((), [indexed]))
        for one in missed:
            await self._is_kept(Batch((), (), [one]))

    async def _is_kept(self, batch: Batch) -> bool:
        """False: it is refused. Raises what is tried again."""
        try:
            await self._keeper.keep(batch)
        except Exception as error:
            if not _is_refusal(error):
                raise
            _log.error("something that was found is refused, and left out", why=str(error))
            return False
        return True

    def _gathered(self) -> Batch | None:
        indexed: list[list[Any]] = []
        missed: list[list[Any]] = []
        for model, spans in self._spans.items():
            looked, dropped = spans.take()
            indexed += [[one.camera_id, one.start_us, one.end_us, model, False] for one in looked]
            missed += [[one.camera_id, one.start_us, one.end_us, one.cause] for one in dropped]
        passages, self._passages, self._bytes = self._passages, [], 0
        if not (passages or indexed or missed):
            return None
        return Batch(passages, indexed, missed)
