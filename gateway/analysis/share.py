"""One analyst's part where several machines analyse: it says that it lives, and one of them places
the cameras of all.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Collection, Coroutine
from pathlib import Path
from typing import Any

import sqlalchemy as sa
import structlog
from sqlalchemy.ext.asyncio import AsyncEngine

from gateway.analysis.desired import is_analysed
from gateway.analysis.placing import Analyst, place
from gateway.analysis.turns import UNDER_WAY_US
from gateway.cluster.leading import Leadership
from gateway.cluster.pulse import BEAT_INTERVAL_S, Pulse
from gateway.control.channel import ControlClient, ControlError
from gateway.database.analysis_tables import analysis_owners, analysis_stretches, analysts
from gateway.database.tables import cameras, shards
from gateway.identifiers import new_id
from gateway.settings import Settings
from recorder.rows import RowError, RowWriter
from recorder.tables import assignments

_log = structlog.get_logger(__name__)

LEASE = "analysis"
LASTS_S = 2.5
EVERY_S = 0.5
MARGIN_S = 0.5
PLACE_EVERY_S = 2.0
MOVES_AT_ONCE = 20
# Who else writes does not wait for a whole county.
_AT_ONCE = 500
_NAME = "name"
_FAULTS = (ConnectionError, TimeoutError, ControlError, RowError, OSError, sa.exc.DBAPIError)


class Share:
    """``client`` gives the control channel of a process."""

    def __init__(
        self,
        settings: Settings,
        reader: AsyncEngine,
        rows: RowWriter,
        name: str,
        client: Callable[[str], ControlClient],
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._settings = settings
        self._reader = reader
        self._rows = rows
        self._name = name
        self._client = client
        self._clock = clock
        self._pulse = Pulse()
        self._living: frozenset[str] = frozenset()
        self._changed = asyncio.Event()

    async def claim(self, workers: int) -> None:
        """Before anything is looked at: be known, also as who had the vectors that are here. One
        without ``workers`` looks at nothing. Raises OSError, and what the writer raises.
        """
        folder = self._settings.search_directory
        former = await asyncio.to_thread(_read_name, folder)
        await self._rows.write(
            "analysts.claim",
            name=self._name,
            node=self._settings.cluster.node_name,
            workers=workers,
            former=former if former != self._name else None,
        )
        await asyncio.to_thread(_write_name, folder, self._name)

    async def forgot(self) -> int:
        """Up to which leftover it has deleted vectors. Raises DBAPIError."""
        own = sa.select(analysts.c.forgot).where(analysts.c.name == self._name)
        async with self._reader.connect() as connection:
            return await connection.scalar(own) or 0

    async def forget(self, through: int) -> int:
        """See :data:`search.index.vector_expiry.Settle`."""
        settled: int = await self._rows.write("analysts.forgot", name=self._name, through=through)
        return settled

    async def run(self, backlog: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """For ever: live, watch the others, and while this one leads, place cameras and look for
        the ``backlog`` of all.
        """
        leadership = Leadership(
            self._reader,
            self._rows,
            LEASE,
            new_id("ana"),
            lasts_s=LASTS_S,
            every_s=EVERY_S,
            margin_s=MARGIN_S,
        )

        async def lead(rows: RowWriter) -> None:
            async with asyncio.TaskGroup() as group:
                group.create_task(backlog())
                group.create_task(self._place_for_ever(rows))

        async with asyncio.TaskGroup() as group:
            group.create_task(self._live())
            group.create_task(leadership.run(lead))

    async def look(self) -> None:
        """See who lives. Raises DBAPIError."""
        async with self._reader.connect() as connection:
            found = await connection.execute(sa.select(analysts.c.name, analysts.c.beat))
            beats = {row.name: row.beat for row in found}
        living = frozenset(self._pulse.observe(beats, self._clock()))
        if living != self._living:
            _log.info("analysts live", names=sorted(living), before=sorted(self._living))
            self._living = living
            self._changed.set()

    async def place(self, rows: RowWriter) -> None:
        """Place cameras among those that live, and tell whom it concerns. Raises what the database
        and the writer raise.
        """
        async with self._reader.connect() as connection:
            known = (await connection.execute(sa.select(analysts))).all()
            current = {
                row.camera_id: row.owner
                for row in await connection.execute(
                    sa.select(analysis_owners.c.camera_id, analysis_owners.c.owner)
                )
            }
            wanted = {row.id: row.node or "" for row in await connection.execute(_wanted_cameras())}
        living = [
            Analyst(row.name, row.node, row.workers)
            for row in sorted(known, key=lambda row: str(row.name))
            if row.name in self._living and row.workers > 0
        ]
        changes = place(wanted, current, living, moves_at_once=MOVES_AT_ONCE)
        if not changes:
            return
        some = list(changes.items())
        for at in range(0, len(some), _AT_ONCE):
            owners = dict(some[at : at + _AT_ONCE])
            await rows.write("analysis.place", owners=owners, under_way_us=UNDER_WAY_US)
        _log.info("cameras placed for analysis", cameras=len(changes))
        concerned = {*changes.values(), *(current.get(one, "") for one in changes)}
        await self._tell(concerned & self._living)

    async def _live(self) -> None:
        while True:
            try:
                await self._rows.write("analysts.beat", name=self._name)
                await self.look()
            except _FAULTS as error:
                _log.warning("cannot say that this analyst lives", why=str(error))
            except Exception:
                _log.exception("cannot say that this analyst lives")
            await asyncio.sleep(BEAT_INTERVAL_S)

    async def _place_for_ever(self, rows: RowWriter) -> None:
        while True:
            self._changed.clear()
            try:
                await self.place(rows)
            except _FAULTS as error:
                _log.warning("cameras cannot be placed for analysis; trying again", why=str(error))
            except Exception:
                _log.exception("cameras cannot be placed for analysis; trying again")
            try:
                async with asyncio.timeout(PLACE_EVERY_S):
                    await self._changed.wait()
            except TimeoutError:
                continue

    async def _tell(self, names: Collection[str]) -> None:
        # They would look within seconds.
        async def tell(name: str) -> None:
            async with asyncio.timeout(BEAT_INTERVAL_S):
                await self._client(name).call("analysis.reconcile")

        await asyncio.gather(*(tell(name) for name in names), return_exceptions=True)


def _wanted_cameras() -> sa.Select[Any]:
    """Cameras whose pictures or footage are to be looked at, and the node of the media shard."""
    waits = sa.select(analysis_stretches.c.camera_id).where(analysis_stretches.c.state == "waiting")
    return (
        sa.select(cameras.c.id, shards.c.node)
        .select_from(
            cameras.outerjoin(
                assignments, assignments.c.source_id == cameras.c.id + "/main"
            ).outerjoin(shards, shards.c.name == assignments.c.owner)
        )
        .where(sa.or_(is_analysed(), cameras.c.id.in_(waits)))
    )


def _read_name(folder: Path) -> str | None:
    path = folder / _NAME
    return path.read_text().strip() if path.exists() else None


def _write_name(folder: Path, name: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    staged = folder / f"{_NAME}.new"
    staged.write_text(name + "\n")
    staged.replace(folder / _NAME)
