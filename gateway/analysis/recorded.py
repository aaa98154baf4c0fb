"""Recorded footage through the same pipeline, when no live pictures wait.

A stretch is looked through fragment by fragment. Its row says how far it got, together with what
was found, in one transaction; so that after ``kill -9`` it goes on from there. What was under way
then is looked at once more, and what is in the index already is recognised.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import sqlalchemy as sa
import structlog
from sqlalchemy.ext.asyncio import AsyncEngine

from camera_adapters.event_wait import wait_for_event
from camera_adapters.stream import AccessUnit, Track
from gateway.analysis.backlog import YOUNGEST_US
from gateway.analysis.keeping import Batch, Keeper, undescribed
from gateway.analysis.known import KnownPassages, is_known
from gateway.analysis.mailboxes import FAILED
from gateway.analysis.results import KEEP_FAULTS
from gateway.analysis.turns import UNDER_WAY_US
from gateway.analysis.worker_process import WorkerFailed
from gateway.database.analysis_tables import analysis_jobs, analysis_owners, analysis_stretches
from gateway.footage.reader import FootageGone, FootageReader, FootageUnreadable, Located
from gateway.identifiers import now_us
from gateway.transcoder.wire import track_to_wire, units_to_wire
from gateway.zones.zone_reader import ZonesOfCameras
from recorder.fmp4.reader import read_units
from recorder.intervals import Interval, subtract
from recorder.rows import RowError, RowWriter
from recorder.segments import Fragment
from recorder.stores import StoreError
from search.index.messages import StoredPassage
from search.objects import ObjectClass
from search.passages import PathPoint

_log = structlog.get_logger(__name__)

KEEP_EVERY_S = 15.0
KEEP_PASSAGES = 200
FIRST_PAUSE_US = 60_000_000
# Less than this between two pieces of footage is no break.
_SEAM_US = 1_000_000
_TRIES_OF_FRAGMENT = 2
_WAIT_S = 5.0
_WORKER_PAUSE_S = 1.0

Ask = Callable[[dict[str, Any]], Awaitable[dict[str, Any]]]
Tell = Callable[[dict[str, Any]], None]


@dataclass(frozen=True, slots=True)
class Stretch:
    """A row of ``analysis_stretches``; ``again``: what other looks found there is replaced;
    ``by_model``: the detector that the job named.
    """

    id: str
    job_id: str | None
    camera_id: str
    reason: str
    start_us: int
    end_us: int
    position_us: int
    again: bool
    by_model: str | None = None


@dataclass(slots=True)
class _Progress:
    """What one look through a stretch has gathered since it was last kept."""

    stretch: Stretch
    model: str
    passages: list[Mapping[str, Any]] = field(default_factory=list)
    own: set[int] = field(default_factory=set)
    # Footage that was looked at and not noted yet; of the last piece objects may be under way.
    pieces: list[list[int]] = field(default_factory=list)
    failed: list[list[Any]] = field(default_factory=list)
    # Of the whole stretch: whether anything was looked at, what could not be, and why.
    saw_anything: bool = False
    unseen: list[Interval] = field(default_factory=list)
    fault: str = ""
    kept_s: float = 0.0
    # Of this look's own passages, where they could not be described: as rows of what was missed.
    undescribed: list[list[Any]] = field(default_factory=list)
    # Before it, other looks' passages are replaced already.
    replaced_us: int = 0

    def could_not(self, start_us: int, end_us: int, fault: str = "") -> None:
        """A fragment was not looked at, or not all of it."""
        self.failed.append([self.stretch.camera_id, start_us, end_us, FAILED])
        self.unseen.append((start_us, end_us))
        self.fault = fault or self.fault

    def looked_at(self, start_us: int, end_us: int) -> None:
        """A fragment went through."""
        self.saw_anything = True
        if self.pieces and start_us - self.pieces[-1][1] <= _SEAM_US:
            self.pieces[-1][1] = max(self.pieces[-1][1], end_us)
        else:
            self.pieces.append([start_us, end_us])

    def take_back(self, spans: Iterable[Sequence[Any]]) -> None:
        """Of ``[camera_id, start_us, end_us]`` it turned out afterwards that nothing is known."""
        for _, start_us, end_us in spans:
            self.could_not(start_us, end_us)
            self.pieces = [
                [*left]
                for piece in self.pieces
                for left in subtract((piece[0], piece[1]), [(start_us, end_us)])
            ]

    def take_looked_at(self, before_us: int) -> list[list[Any]]:
        """What may be noted: all of it before then."""
        noted, left = [], []
        for start_us, end_us in self.pieces:
            if start_us < before_us:
                until_us = min(end_us, before_us)
                noted.append([self.stretch.camera_id, start_us, until_us, self.model, True])
                if until_us < end_us:
                    left.append([until_us, end_us])
            else:
                left.append([start_us, end_us])
        self.pieces = left
        return noted


class RecordedFootage:
    """Looks through stretches, one at a time for each worker. ``current``: what each is at."""

    def __init__(
        self,
        reader: AsyncEngine,
        rows: RowWriter,
        footage: FootageReader,
        keeper: Keeper,
        zones: ZonesOfCameras,
        owner: str | None = None,
    ) -> None:
        """``owner``: the analyst whose cameras' footage it is, where there are several."""
        self.current: dict[str, Stretch] = {}
        self.pictures = 0
        self.passages = 0
        self.message = ""
        self._reader = reader
        self._rows = rows
        self._footage = footage
        self._keeper = keeper
        self._zones = zones
        self._owner = owner
        self._wake = asyncio.Event()
        self._deadly: dict[tuple[str, int], int] = {}

    def wake(self) -> None:
        """There may be something to look through."""
        self._wake.set()

    async def run(
        self,
        worker: str,
        ask: Ask,
        tell: Tell,
        model: Callable[[], str | None],
        is_mine: Callable[[str], bool],
    ) -> None:
        """For one worker, for ever: the stretches of its cameras, the most wanted first. ``ask`` is
        for what the worker answers, ``tell`` for what it does not.
        """
        while True:
            try:
                stretch = await self._next(is_mine)
                if stretch is None:
                    self.current.pop(worker, None)
                    self._wake.clear()
                    await _wait(self._wake, _WAIT_S)
                    continue
                self.current[worker] = stretch
                await self._look_through(stretch, ask, tell, model)
            except (sa.exc.DBAPIError, RowError, ConnectionError, TimeoutError) as error:
                self.message = f"recorded footage cannot be looked through now: {error}"
                _log.warning("recorded footage waits", why=str(error))
                await asyncio.sleep(_WAIT_S)
            except Exception:
                _log.exception("recorded footage waits")
                await asyncio.sleep(_WAIT_S)

    async def _next(self, is_mine: Callable[[str], bool]) -> Stretch | None:
        table = analysis_stretches.c
        statement = (
            sa.select(analysis_stretches, analysis_jobs.c.again, analysis_jobs.c.model)
            .select_from(
                analysis_stretches.outerjoin(analysis_jobs, analysis_jobs.c.id == table.job_id)
            )
            .where(table.state == "waiting", table.next_us <= now_us())
            .order_by(table.rank, table.next_us, table.id)
            .limit(200)
        )
        if self._owner is not None:
            has = analysis_owners.c
            own = sa.select(has.camera_id).where(has.owner == self._owner)
            statement = statement.where(table.camera_id.in_(own))
        async with self._reader.connect() as connection:
            rows = (await connection.execute(statement)).all()
        for row in rows:
            if is_mine(row.camera_id):
                return Stretch(
                    row.id, row.job_id, row.camera_id, row.reason, row.start_us, row.end_us,
                    row.position_us, bool(row.again), row.model,
                )  # fmt: skip
        return None

    async def _look_through(
        self, stretch: Stretch, ask: Ask, tell: Tell, model: Callable[[], str | None]
    ) -> None:
        try:
            await self._through(stretch, ask, model)
            self.message = ""
        except (FootageUnreadable, StoreError) as error:
            await self._stumble(stretch, str(error))
        except WorkerFailed as error:
            # The worker says why by itself; it is on its way back.
            if not error.died:
                await self._stumble(stretch, str(error))
            await asyncio.sleep(_WORKER_PAUSE_S)
        except KEEP_FAULTS as error:
            self.message = f"what was found in footage cannot be kept: {error}"
            await asyncio.sleep(_WAIT_S)
        finally:
            tell({"type": "forget", "stream": stretch.id, "camera_id": stretch.camera_id})

    async def _through(self, stretch: Stretch, ask: Ask, model: Callable[[], str | None]) -> None:
        if stretch.by_model is not None:
            loaded = await self._load(stretch, stretch.by_model, ask)
            # What is found, and what was looked at, carries its name.
            model = partial(str, loaded["model"])
        progress = _Progress(
            stretch, model() or "", kept_s=time.monotonic(), replaced_us=stretch.position_us
        )
        end_us = min(stretch.end_us, now_us() - YOUNGEST_US)
        items = await self._footage.between(stretch.camera_id, "main", stretch.position_us, end_us)
        run_id, until_us = "", 0
        for located in items:
            before: list[tuple[str, Any]] = []
            for part in self._parts(located, stretch.position_us, end_us):
                if located.run.id != run_id or abs(part.start_us - until_us) > _SEAM_US:
                    if run_id:
                        before.append(("end", None))
                    before.append(("run", self._tracks(located)))
                    run_id = located.run.id
                until_us = part.start_us + part.duration_us
                if not await self._look_at(located, part, before, progress, ask, model):
                    before = [("break", None)]
                    continue
                before = []
                if not await self._keep_some(progress, until_us):
                    return
        if items:
            reply = await self._round(stretch, [("end", None)], ask)
            self._found(progress, reply)
            progress.take_back(reply["unseen"])
        if progress.fault and not progress.saw_anything:
            # A model that cannot look at any of it replaces nothing, and this is not done.
            await self._keep(progress, stretch.position_us, done=False)
            await self._stumble(stretch, progress.fault)
            return
        await self._keep(progress, stretch.end_us, done=True)

    async def _load(self, stretch: Stretch, name: str, ask: Ask) -> dict[str, Any]:
        try:
            return await ask({"type": "model", "name": name})
        except WorkerFailed as error:
            if error.died and error.asked:
                # Tried for ever, it would end live looking for ever.
                await self._stumble(stretch, f"the model {name} ended the worker: {error}")
            raise

    async def _look_at(
        self,
        located: Located,
        part: Fragment,
        before: list[tuple[str, Any]],
        progress: _Progress,
        ask: Ask,
        model: Callable[[], str | None],
    ) -> bool:
        """One fragment. False: it cannot be looked at, and is said to be missed."""
        stretch = progress.stretch
        end_us = part.start_us + part.duration_us
        key = (stretch.id, part.start_us)
        try:
            if self._deadly.get(key, 0) >= _TRIES_OF_FRAGMENT:
                raise ValueError("it ended the worker twice")
            units = await self._units(located, part)
        except (FootageGone, ValueError) as error:
            _log.warning("footage is left out", camera=stretch.camera_id, why=str(error))
            progress.could_not(part.start_us, end_us)
            return False
        items = [*before, *(("unit", unit) for unit in units_to_wire(units))]
        try:
            reply = await self._round(stretch, items, ask)
        except WorkerFailed as error:
            if error.died and error.asked:
                self._deadly[key] = self._deadly.get(key, 0) + 1
            raise
        progress.model = model() or progress.model
        self._found(progress, reply)
        here = [one for one in reply["unseen"] if one[1] < end_us and one[2] > part.start_us]
        progress.take_back(one for one in reply["unseen"] if one not in here)
        if here:
            fault = reply["fault"] if reply["faults"] else ""
            progress.could_not(part.start_us, end_us, fault)
            self.message = fault or self.message
        else:
            progress.looked_at(part.start_us, end_us)
        return True

    async def _round(
        self, stretch: Stretch, items: Sequence[tuple[str, Any]], ask: Ask
    ) -> dict[str, Any]:
        return await ask(
            {
                "type": "round",
                "number": 0,
                "stream": stretch.id,
                "model": stretch.by_model,
                "cameras": [[stretch.camera_id, items]],
                "watched": [],
                # For what passages crossed; what happened then is no alarm now.
                "zones": self._zones.of([stretch.camera_id]),
            }
        )

    def _found(self, progress: _Progress, reply: Mapping[str, Any]) -> None:
        self.pictures += reply["detected"]
        progress.passages += reply["passages"]
        progress.take_back(reply["lost"])

    async def _keep_some(self, progress: _Progress, until_us: int) -> bool:
        """Now and then. False: the stretch was cancelled."""
        due = time.monotonic() - progress.kept_s > KEEP_EVERY_S
        if not (due or len(progress.passages) >= KEEP_PASSAGES):
            return True
        return await self._keep(progress, until_us - UNDER_WAY_US, done=False)

    async def _keep(self, progress: _Progress, position_us: int, *, done: bool) -> bool:
        stretch = progress.stretch
        earlier = await self._earlier(progress, position_us)
        fresh = progress.passages
        if not stretch.again:
            fresh = [one for one in fresh if _own(progress, one) or not _is_known(one, earlier)]
        looked_at = progress.take_looked_at(position_us)
        batch = Batch(
            fresh,
            looked_at,
            # Its own, which reach into what is noted anew now, stay.
            [*progress.failed, *progress.undescribed],
            {
                "stretch_id": stretch.id,
                "position_us": max(stretch.position_us, position_us),
                "passages": sum(not _own(progress, one) for one in fresh),
                "done": done,
            },
            _replaced(progress, earlier, looked_at) if stretch.again else (),
            [one[:3] for one in looked_at] if stretch.again else (),
        )
        goes_on = await self._keeper.keep(batch)
        self.passages += len(fresh)
        progress.own |= {one["row"]["id"] for one in fresh}
        progress.undescribed += undescribed(fresh)
        progress.undescribed = [one for one in progress.undescribed if one[2] > position_us]
        progress.passages, progress.failed = [], []
        progress.kept_s = time.monotonic()
        progress.replaced_us = max(progress.replaced_us, position_us)
        return goes_on

    async def _earlier(
        self,
        progress: _Progress,
        position_us: int,
    ) -> list[StoredPassage]:
        """What the index has of it from other looks: to be replaced, or not to be found twice."""
        stretch = progress.stretch
        known = KnownPassages(self._reader, stretch.camera_id)
        if stretch.again:
            if position_us <= progress.replaced_us:
                return []
            found = await known.between(progress.replaced_us, position_us)
        elif progress.passages:
            start_us = min(one["first_us"] for one in progress.passages)
            end_us = max(one["last_us"] for one in progress.passages) + 1
            found = await known.between(start_us, end_us)
        else:
            return []
        own = progress.own | {one["row"]["id"] for one in progress.passages}
        return [one for one in found if one.id not in own]

    @staticmethod
    def _parts(located: Located, start_us: int, end_us: int) -> Iterable[Fragment]:
        """Those that meet what of the segment counts, within the range."""
        segment = located.segment
        first_us = max(start_us, segment.effective_start_us or start_us)
        last_us = min(end_us, segment.effective_end_us or end_us)
        return [
            part
            for part in located.fragments
            if part.start_us < last_us and part.start_us + part.duration_us > first_us
        ]

    def _tracks(self, located: Located) -> list[dict[str, Any]]:
        return [track_to_wire(track) for track in self._footage.tracks(located.run)]

    async def _units(self, located: Located, part: Fragment) -> list[AccessUnit]:
        """Its pictures, in decoding order. Raises FootageGone, FootageUnreadable, Mp4Error."""
        data = await self._footage.read(located, part.offset, part.size_bytes)
        tracks = self._footage.tracks(located.run)
        return await asyncio.to_thread(_pictures, data, tracks, located.run.start_us)

    async def _stumble(self, stretch: Stretch, why: str) -> None:
        self.message = f"footage of {stretch.camera_id} cannot be looked through: {why}"
        await self._rows.write(
            "analysis.stumble", stretch_id=stretch.id, detail=why, again_after_us=FIRST_PAUSE_US
        )


def _pictures(data: bytes, tracks: Sequence[Track], run_start_us: int) -> list[AccessUnit]:
    units = read_units(data, tracks, run_start_us)
    return [unit for unit in units if tracks[unit.track_index].kind == "video"]


def _replaced(
    progress: _Progress, earlier: Iterable[StoredPassage], looked_at: Iterable[Sequence[Any]]
) -> list[int]:
    """Passages of other looks that this one takes the place of: those that began in what it has
    looked at. What it could not look at keeps what is known of it.
    """
    seen = [(start_us, end_us) for _, start_us, end_us, *_ in looked_at]
    return [
        one.id
        for one in earlier
        if one.first_us >= progress.replaced_us
        and any(start_us <= one.first_us < end_us for start_us, end_us in seen)
        and not any(
            start_us <= one.last_us and one.first_us < end_us
            for start_us, end_us in progress.unseen
        )
    ]


def _own(progress: _Progress, passage: Mapping[str, Any]) -> bool:
    return passage["row"]["id"] in progress.own


def _is_known(passage: Mapping[str, Any], earlier: Sequence[StoredPassage]) -> bool:
    path = [PathPoint(*point) for point in passage["path"]]
    kind = ObjectClass(passage["class"])
    return is_known(kind, passage["first_us"], passage["last_us"], path, earlier)


async def _wait(event: asyncio.Event, timeout_s: float) -> None:
    await wait_for_event(event, timeout_s)
