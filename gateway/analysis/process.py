"""The analysis process: which cameras are looked at, by which worker, and what becomes of it."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any

import sqlalchemy as sa
import structlog

from gateway.analysis.asked_vectors import AskedVectors
from gateway.analysis.backlog import Backlog
from gateway.analysis.boxes import Boxes
from gateway.analysis.clean_stop import note_clean, take_back_unless_clean
from gateway.analysis.desired import AnalysedCameras
from gateway.analysis.keeping import Keeper, Owner
from gateway.analysis.live import LiveFeeds
from gateway.analysis.looks import Looks
from gateway.analysis.mailboxes import FAILED, Mailboxes, Missed
from gateway.analysis.recorded import RecordedFootage
from gateway.analysis.report import Report
from gateway.analysis.results import KEEP_FAULTS, Results
from gateway.analysis.share import Share
from gateway.analysis.turns import Turns
from gateway.analysis.vectors import VectorThread
from gateway.analysis.worker_process import WorkerFailed, WorkerProcess
from gateway.cluster.lifetime import LoopLag, run, run_until_stopped
from gateway.cluster.peers import peer_client
from gateway.control.channel import ControlClient
from gateway.control.serving import control_server
from gateway.database.engine import create_reader_engine
from gateway.database.writer_process import RemoteRowWriter
from gateway.footage.reader import FootageReader
from gateway.identifiers import US_PER_S, now_us
from gateway.secrets import cluster_secret
from gateway.settings import Settings
from gateway.store import open_configured_store
from gateway.zones.zone_events import ZoneEvents
from gateway.zones.zone_reader import ZonesOfCameras
from search.index.vector_expiry import expire_vectors

_log = structlog.get_logger(__name__)

ANALYSIS = "analysis"
RECONCILE_S = 3.0
EXPIRE_S = 60.0
_STOP_S = 5.0


class AnalysisProcess:
    """Everything wired together."""

    def __init__(self, settings: Settings, name: str) -> None:
        self._settings = settings
        self._name = name
        self._search = settings.search
        self._secret = cluster_secret(settings)
        self._lag = LoopLag()
        self._clients: dict[str, ControlClient] = {}
        self._reader = create_reader_engine(settings)
        self._rows = RemoteRowWriter.from_settings(settings)
        self._store = open_configured_store(settings)
        self._vectors = VectorThread(settings.search_directory / "vectors")
        self._boxes = Boxes()
        # Where there may be others it is one of several, and has the cameras that it is given.
        self._owner = name if settings.cluster.listen_address is not None else None
        self._desired = AnalysedCameras(self._reader, self._owner)
        self._mailboxes = Mailboxes(
            bytes_of_camera=self._search.waiting_bytes_of_camera,
            bytes_limit=self._search.waiting_bytes_limit,
            age_us=round(self._search.waiting_s * US_PER_S),
        )
        self._keeper = Keeper(
            self._reader,
            self._rows,
            self._store,
            settings.search_directory / "staging",
            self._vectors.add,
            None if self._owner is None else Owner(self._owner, lambda: self._desired.epochs),
        )
        self._results = Results(self._keeper, self._rows, every_s=self._search.store_every_s)
        self._feeds = LiveFeeds(
            self._client,
            self._mailboxes,
            on_pictures=self._wake,
            on_missed=self._missed,
        )
        self._zones = ZonesOfCameras(self._reader)
        self._zone_events = ZoneEvents(self._rows, self._zones.name, is_alone=self._owner is None)
        self._turns = [self._worker(number) for number in range(self._search.workers)]
        self._footage = FootageReader(self._reader, self._store, self)
        self._recorded = RecordedFootage(
            self._reader, self._rows, self._footage, self._keeper, self._zones, self._owner
        )
        self._backlog = Backlog(
            self._reader,
            self._rows,
            hours=self._search.make_up_hours,
            on_found=self._recorded.wake,
        )
        self._looks = Looks(
            self._search,
            self._footage,
            lambda camera_id: self._desired.shards.get(camera_id, ""),
            self._client,
        )
        self._report = Report(
            self._search,
            self._feeds,
            self._mailboxes,
            self._turns,
            self._results,
            self._recorded,
        )
        self._share = (
            None
            if self._owner is None
            else Share(settings, self._reader, self._rows, self._owner, self._client)
        )
        self._epochs: dict[str, int] = {}
        self._reconciling = asyncio.Lock()
        self._search_directory = settings.search_directory
        self._has_begun = False

    async def call(self, shard: str, name: str, /, **arguments: Any) -> Any:
        """See :class:`gateway.footage.reader.Shards`."""
        return await self._client(shard).call(name, **arguments)

    async def serve(self) -> None:
        """Run until told to stop."""
        async with contextlib.AsyncExitStack() as stack:
            stack.push_async_callback(self._close)
            server = control_server(self._settings, self._name, self._secret, self._handlers())
            await server.start()
            stack.push_async_callback(server.close)
            if self._search.enabled:
                looking = asyncio.create_task(self._prepare_and_look())
                stack.push_async_callback(self._finish, looking)
            elif self._share is not None:
                deleting = asyncio.create_task(self._only_delete(self._share))
                stack.push_async_callback(_ended, deleting)
            stack.push_async_callback(_ended, asyncio.create_task(self._know_shards()))
            await run_until_stopped(self._lag, control_port=server.port)

    def _handlers(self) -> dict[str, Callable[..., Any]]:
        async def status() -> dict[str, Any]:
            return self._report.status()

        async def figures() -> dict[str, Any]:
            return {"event_loop_lag_ms": self._lag.worst_ms(), **self._report.figures()}

        async def reconcile() -> None:
            await self._reconcile()
            self._recorded.wake()

        async def boxes(camera_id: str) -> AsyncIterator[dict[str, Any]]:
            async for newest in self._boxes.of(camera_id):
                yield dict(newest)

        return {
            "analysis.status": status,
            "analysis.reconcile": reconcile,
            "analysis.boxes": boxes,
            "analysis.look": self._looks.look,
            "analysis.photo": self._looks.photo,
            **AskedVectors(self._search_directory / "vectors").handlers(),
            "process.status": figures,
        }

    def _worker(self, number: int) -> Turns:
        worker = WorkerProcess(
            f"{self._name}-{number + 1}",
            self._search,
            on_gone=lambda why: self._turns[number].died(),
        )
        return Turns(
            worker,
            self._mailboxes,
            self._results,
            cameras=self._feeds.cameras,
            is_mine=lambda camera_id: self._number_of(camera_id) == number,
            wish=self._feeds.wish,
            watching=self._boxes,
            zones=self._zones,
            zone_events=self._zone_events,
        )

    def _number_of(self, camera_id: str) -> int:
        """Which worker has a camera: always the same, so that its objects are followed there."""
        count = self._search.workers
        if count == 1:
            return 0
        return int.from_bytes(hashlib.sha256(camera_id.encode()).digest()[:4]) % count

    def _client(self, shard: str) -> ControlClient:
        if shard not in self._clients:
            self._clients[shard] = peer_client(self._settings, self._secret, self._reader, shard)
        return self._clients[shard]

    def _wake(self) -> None:
        for turns in self._turns:
            turns.wake()

    def _missed(self, spans: list[Missed]) -> None:
        for span in spans:
            if self._turns[self._number_of(span.camera_id)].worker.state in ("waiting", "refused"):
                # It was dropped because there is nobody to look at it.
                span = Missed(span.camera_id, span.start_us, span.end_us, FAILED)
            self._results.missed([span])

    async def _prepare_and_look(self) -> None:
        while True:
            try:
                await self._keeper.open()
                if self._share is not None:
                    await self._share.claim(self._search.workers)
                if not await take_back_unless_clean(
                    self._search_directory, self._rows, self._owner
                ):
                    _log.warning("the last minute is looked at again: it was not ended cleanly")
                break
            except Exception:
                _log.exception("what a killed process left cannot be looked through; trying again")
                await asyncio.sleep(RECONCILE_S)
        self._has_begun = True
        loops: list[Coroutine[Any, Any, None]] = [
            self._results.run(),
            self._backlog.run() if self._share is None else self._share.run(self._backlog.run),
            self._zone_events.run(),
            self._expire(),
        ]
        for turns in self._turns:
            loops.append(turns.run())
            loops.append(self._look_through(turns))
        async with asyncio.TaskGroup() as group:
            for loop in loops:
                group.create_task(loop)

    async def _only_delete(self, share: Share) -> None:
        """Switched off, with vectors of other days: those go when all others' do."""
        while True:
            try:
                await share.claim(0)
                break
            except KEEP_FAULTS as error:
                _log.warning("cannot say that vectors may be here", why=str(error))
                await asyncio.sleep(RECONCILE_S)
        await self._expire()

    async def _expire(self) -> None:
        """Vectors go after their rows; only this process may write them."""
        while True:
            await asyncio.sleep(EXPIRE_S)
            try:
                async with self._keeper.writing:
                    await self._expire_once()
            except Exception as error:
                _log.warning("vectors cannot be deleted now; trying again", why=str(error))

    async def _expire_once(self) -> None:
        share = self._share
        if share is None:
            await expire_vectors(self._reader, self._rows, self._vectors.run, now_us())
            return
        await expire_vectors(
            self._reader,
            self._rows,
            self._vectors.run,
            now_us(),
            after=await share.forgot(),
            settle=share.forget,
        )

    async def _look_through(self, turns: Turns) -> None:
        await self._recorded.run(
            turns.worker.name,
            turns.when_idle,
            turns.worker.tell,
            lambda: turns.worker.ready.model if turns.worker.ready is not None else None,
            lambda camera_id: (
                self._desired.has(camera_id)
                and self._number_of(camera_id) == self._turns.index(turns)
            ),
        )

    async def _know_shards(self) -> None:
        while True:
            try:
                await self._reconcile()
            except (sa.exc.DBAPIError, OSError) as error:
                _log.warning("cameras cannot be read; going on with those known", why=str(error))
            except Exception:
                _log.exception("cameras cannot be reconciled; trying again")
            await asyncio.sleep(RECONCILE_S)

    async def _reconcile(self) -> None:
        async with self._reconciling:
            await self._desired.read()
            await self._zones.read()
            if not self._search.enabled:
                return
            known, self._epochs = self._epochs, self._desired.epochs
            # What the one before it left open in their zones.
            self._zone_events.unwatched(
                one for one, epoch in self._epochs.items() if known.get(one) != epoch
            )
            for camera_id in self._feeds.want(self._desired.wanted):
                self._turns[self._number_of(camera_id)].forget(camera_id)

    async def _finish(self, looking: asyncio.Task[None]) -> None:
        """What was found goes into the index before the end, if that can be had soon."""
        await self._feeds.close()
        for turns in self._turns:
            turns.stop()
        is_clean = False
        with contextlib.suppress(TimeoutError, *KEEP_FAULTS):
            async with asyncio.timeout(_STOP_S):
                for turns in self._turns:
                    await turns.stopped.wait()
                    with contextlib.suppress(WorkerFailed):
                        await turns.finish()
                await self._results.flush()
                await self._zone_events.flush()
                is_clean = self._has_begun
        await _ended(looking)
        if is_clean:
            with contextlib.suppress(OSError):
                await note_clean(self._search_directory)

    async def _close(self) -> None:
        for turns in self._turns:
            await turns.worker.close()
        await self._looks.close()
        await self._vectors.close()
        for client in self._clients.values():
            await client.close()
        await self._store.close()
        await self._rows.close()
        await self._reader.dispose()


async def _ended(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def serve(settings: Settings, name: str) -> None:
    """Run until told to stop."""
    await AnalysisProcess(settings, name).serve()


def main(settings: Settings, name: str) -> None:
    """Entry point for the supervisor."""
    run(serve(settings, name))
