"""What happened in zones becomes rows of ``device_events``, of which alarms are made.

Rows are written in the order in which things happened, again and again until they are durable. What
a killed process left open is ended when the next begins.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import sqlalchemy as sa
import structlog

from gateway.control.channel import ControlError
from gateway.database.zone_tables import ZONE_SOURCE
from gateway.identifiers import now_us
from recorder.rows import RowError, RowWriter

_log = structlog.get_logger(__name__)

WAITING_LIMIT = 10_000
"""So many happenings wait for a database that is away; then the oldest are dropped and counted."""
_AT_ONCE = 500
_PAUSE_S = 2.0
_FAULTS = (ControlError, RowError, ConnectionError, TimeoutError, OSError, sa.exc.DBAPIError)

Item = Mapping[str, Any]


class ZoneEvents:
    """``dropped`` counts what could not wait."""

    def __init__(
        self, rows: RowWriter, name_of: Callable[[str], str], *, is_alone: bool = True
    ) -> None:
        """``name_of``: a zone's name by its id. ``is_alone``: nobody else watches zones, so that
        what is open when it begins is nobody's.
        """
        self.dropped = 0
        self._rows = rows
        self._name_of = name_of
        self._is_alone = is_alone
        self._waiting: list[tuple[str, Any]] = []
        self._wake = asyncio.Event()
        # An end is not written before its begin.
        self._writing = asyncio.Lock()

    @property
    def waiting(self) -> int:
        """What is not written yet."""
        return len(self._waiting)

    def take(self, happenings: Iterable[Item]) -> None:
        """These happened: messages as of :func:`search.zones.document.happening_message`."""
        for one in happenings:
            self._put("happening", self._row(one))

    def unwatched(self, camera_ids: Iterable[str]) -> None:
        """Nobody watches these cameras any more: what lasts there is over."""
        gone = list(camera_ids)
        if gone:
            self._put("unwatched", (gone, now_us()))

    async def run(self) -> None:
        """For ever. Begins with ending what an earlier process left open, where it is alone."""
        if self._is_alone:
            self._waiting.insert(0, ("unwatched", (None, now_us())))
        while True:
            self._wake.clear()
            try:
                await self.flush()
                await self._wake.wait()
            except _FAULTS as error:
                _log.warning("what happened in zones cannot be written now", why=str(error))
                await asyncio.sleep(_PAUSE_S)

    async def flush(self) -> None:
        """Write what waits. Raises what the writer raises; then it still waits."""
        async with self._writing:
            await self._flush()

    async def _flush(self) -> None:
        while self._waiting:
            count = next(
                (n for n, (kind, _) in enumerate(self._waiting[:_AT_ONCE]) if kind == "unwatched"),
                min(_AT_ONCE, len(self._waiting)),
            )
            # Of what is being written, nothing may be dropped meanwhile.
            batch = self._waiting[: max(1, count)]
            del self._waiting[: len(batch)]
            try:
                await self._write(batch)
            except BaseException:
                self._waiting[:0] = batch
                raise

    async def _write(self, batch: list[tuple[str, Any]]) -> None:
        kind, item = batch[0]
        if kind == "unwatched":
            await self._rows.write("zones.end_open", camera_ids=item[0], at_us=item[1])
            return
        new: dict[str, dict[str, Any]] = {}
        changed: list[dict[str, Any]] = []
        for _, row in batch:
            if row["state"] != "ended":
                new[row["id"]] = row
            elif row["id"] in new:
                new[row["id"]] = {**row, "begin_us": new[row["id"]]["begin_us"]}
            else:
                changed.append(row)
        await self._rows.write("device_events.store", new=list(new.values()), changed=changed)

    def _put(self, kind: str, item: Any) -> None:
        self._waiting.append((kind, item))
        if len(self._waiting) > WAITING_LIMIT:
            del self._waiting[0]
            self.dropped += 1
        self._wake.set()

    def _row(self, one: Item) -> dict[str, Any]:
        detail: dict[str, Any] = {"zone_name": self._name_of(one["zone_id"]), **one["detail"]}
        for name in ("passage_id", "class", "box"):
            if one[name] is not None:
                detail[name] = one[name]
        state = {"begin": "open", "end": "ended", "pulse": "pulse"}[one["state"]]
        return {
            "id": f"zev_{one['id']}",
            "platform_id": "",
            "camera_id": one["camera_id"],
            "channel": "",
            "kind": one["kind"],
            "source": f"{ZONE_SOURCE}{one['zone_id']}",
            "state": state,
            "begin_us": one["at_us"],
            "end_us": None if state == "open" else one["at_us"],
            "count": 1,
            "detail": detail,
        }
