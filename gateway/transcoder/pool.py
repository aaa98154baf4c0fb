"""A bounded pool of worker processes, and the queue before it.

Video jobs hold one place each, as many as configured; sound and pictures are cheap and share a
worker of their own, so that neither waits behind a video. Live goes before playback: in the queue,
and by taking the place of the playback that started last.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import socket
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import msgpack
import structlog

from camera_adapters.stream import AccessUnit, Track
from gateway.transcoder.burn_in import Polygon
from gateway.transcoder.errors import TranscodeError
from gateway.transcoder.stamp import Stamp
from gateway.transcoder.wire import track_to_wire, units_to_wire
from gateway.transcoder.worker import LENGTH

_log = structlog.get_logger(__name__)

Kind = Literal["video", "aac", "opus"]
LIVE_BACKLOG_LIMIT = 50
SOUND_JOBS_LIMIT = 512
PICTURES_WAITING_LIMIT = 32
CLOSE_PATIENCE_S = 10.0
PICTURE_PATIENCE_S = 20.0
_REPLY_BYTES_LIMIT = 256 * 1024 * 1024

Event = dict[str, Any]


@dataclass(slots=True, eq=False)
class Job:
    """One piece of work. ``events`` gets what the caller is told: ``queued`` (position, length),
    ``started`` (track), ``units``, ``finished`` (token, units), and last ``failed`` or None.
    """

    number: int
    kind: Kind
    track: Track
    live: bool
    deliver: Callable[[Event | None], None]
    masks: Sequence[Polygon] = ()
    stamp: Stamp | None = None
    worker: Worker | None = None
    ended: bool = False
    backlog: int = 0
    skipping: bool = False
    skipped_units: int = 0
    closing: asyncio.TimerHandle | None = None

    def fail(self, code: str, message: str) -> None:
        """Tell the caller why this is over. Later events are swallowed."""
        if not self.ended:
            self.ended = True
            self.deliver({"type": "failed", "code": code, "message": message})
            self.deliver(None)


@dataclass(slots=True, eq=False)
class Worker:
    """One worker process and the socket to it."""

    process: subprocess.Popen[bytes]
    writer: asyncio.StreamWriter
    reading: asyncio.Task[None] | None = None
    jobs: dict[int, Job] = field(default_factory=dict)

    def send(self, message: dict[str, Any]) -> None:
        """Queue a request; the transport buffers it."""
        packed = msgpack.packb(message)
        self.writer.write(LENGTH.pack(len(packed)))
        self.writer.write(packed)

    def kill(self) -> None:
        """End the process; its reader sees it and fails what was there."""
        with contextlib.suppress(ProcessLookupError):
            self.process.kill()


class TranscoderPool:
    """See the module. All calls happen on one event loop; :meth:`close` ends every worker."""

    def __init__(self, places: int) -> None:
        self.places = places
        self._numbers = itertools.count(1)
        self._running: list[Job] = []
        self._waiting_live: deque[Job] = deque()
        self._waiting_playback: deque[Job] = deque()
        self._idle: list[Worker] = []
        self._workers: set[Worker] = set()
        self._shared: dict[str, Worker | asyncio.Task[Worker]] = {}
        self._starting: set[asyncio.Task[None]] = set()
        self._pictures_waiting = 0
        self._closed = False

    def status(self) -> dict[str, int]:
        """Running and waiting video jobs, those of them that are live, and how many may run."""
        return {
            "live": sum(job.live and not job.ended for job in self._running)
            + len(self._waiting_live),
            "running": len(self._running),
            "queued": len(self._waiting_live) + len(self._waiting_playback),
            "limit": self.places,
        }

    def open(
        self,
        kind: Kind,
        track: Track,
        *,
        live: bool,
        deliver: Callable[[Event | None], None],
        masks: Sequence[Polygon] = (),
        stamp: Stamp | None = None,
    ) -> Job:
        """Take on a job; what becomes of it arrives by ``deliver``."""
        job = Job(next(self._numbers), kind, track, live, deliver, masks, stamp)
        if kind != "video":
            self._spawn(self._start_sound(job))
        elif self.places == 0:
            job.fail("unavailable", "transcoding is switched off (transcoder.workers is 0)")
        else:
            (self._waiting_live if live else self._waiting_playback).append(job)
            self._fill_places()
            self._tell_positions()
        return job

    def push(self, job: Job, units: list[AccessUnit], *, catching_up: bool = False) -> None:
        """Hand units to a started job. A live video job that cannot keep up skips to a keyframe;
        ``catching_up`` exempts the GOP that a late starter is given.
        """
        if job.ended or job.worker is None:
            return
        if job.live and job.kind == "video" and not catching_up:
            units = self._within_backlog(job, units)
        if units:
            job.backlog += 0 if catching_up else len(units)
            job.worker.send({"type": "units", "job": job.number, "units": units_to_wire(units)})

    def start_at(self, job: Job, pts_90k: int, keyframes_90k: list[int]) -> None:
        """See :meth:`gateway.transcoder.video.VideoTranscoder.start_at`."""
        if not job.ended and job.worker is not None:
            job.worker.send(
                {
                    "type": "start_at",
                    "job": job.number,
                    "pts_90k": pts_90k,
                    "keyframes_90k": keyframes_90k,
                }
            )

    def finish(self, job: Job, token: int) -> None:
        """Ask for everything that is still inside; ``finished`` with this token follows it."""
        if not job.ended and job.worker is not None:
            job.worker.send({"type": "finish", "job": job.number, "token": token})

    def close_job(self, job: Job) -> None:
        """Give up a job, in whatever state. May be called twice."""
        job.ended = True
        for waiting in (self._waiting_live, self._waiting_playback):
            if job in waiting:
                waiting.remove(job)
                self._tell_positions()
        if job.worker is not None and job.closing is None and job.number in job.worker.jobs:
            job.worker.send({"type": "close", "job": job.number})
            # A decoder that never comes back keeps its place for so long, no longer.
            loop = asyncio.get_running_loop()
            job.closing = loop.call_later(CLOSE_PATIENCE_S, job.worker.kill)

    async def picture(
        self,
        track: Track,
        units: list[AccessUnit],
        at_90k: int | None,
        width: int | None,
        *,
        masks: Sequence[Polygon] = (),
        lines: Sequence[str] = (),
    ) -> bytes:
        """A JPEG; see :func:`gateway.transcoder.picture.jpeg_at`. Raises TranscodeError, with code
        ``busy`` when too many are waiting.
        """
        if self._pictures_waiting >= PICTURES_WAITING_LIMIT:
            raise TranscodeError("busy", "too many pictures are being made; try again")
        answer: asyncio.Future[Event] = asyncio.get_running_loop().create_future()

        def deliver(event: Event | None) -> None:
            if event is not None and not answer.done():
                answer.set_result(event)

        job = Job(next(self._numbers), "video", track, False, deliver)
        self._pictures_waiting += 1
        try:
            worker = await self._shared_worker("picture")
            job.worker = worker
            worker.jobs[job.number] = job
            worker.send(
                {
                    "type": "picture",
                    "job": job.number,
                    "track": track_to_wire(track),
                    "units": units_to_wire(units),
                    "at_90k": at_90k,
                    "width": width,
                    "masks": masks,
                    "lines": lines,
                }
            )
            event = await asyncio.wait_for(answer, PICTURE_PATIENCE_S)
        except TimeoutError:  # an OSError too: it comes first
            if job.worker is not None:
                job.worker.kill()
            raise TranscodeError("crashed", "the picture took too long and was given up") from None
        except OSError as error:
            raise TranscodeError("unavailable", f"no worker process: {error}") from error
        finally:
            self._pictures_waiting -= 1
            if job.worker is not None:
                job.worker.jobs.pop(job.number, None)
        if event["type"] == "failed":
            raise TranscodeError(event["code"], event["message"])
        return bytes(event["jpeg"])

    def warm_up(self) -> None:
        """Start the worker for pictures now: the first one wanted shall not wait for a process."""

        async def start() -> None:
            try:
                await self._shared_worker("picture")
            except OSError as error:
                _log.warning("no worker for pictures yet", why=str(error))

        self._spawn(start())

    async def close(self) -> None:
        """End all jobs and workers, and wait until the processes are gone."""
        self._closed = True
        for job in (*self._waiting_live, *self._waiting_playback):
            job.fail("unavailable", "the transcoder is stopping")
        self._waiting_live.clear()
        self._waiting_playback.clear()
        for task in tuple(self._starting):
            task.cancel()
        workers = list(self._workers)
        for worker in workers:
            worker.writer.close()
            worker.kill()
        for worker in workers:
            if worker.reading is not None:
                await asyncio.gather(worker.reading, return_exceptions=True)

    # ---- places and queue

    def _fill_places(self) -> None:
        while len(self._running) < self.places and (self._waiting_live or self._waiting_playback):
            queue = self._waiting_live or self._waiting_playback
            job = queue.popleft()
            self._running.append(job)
            self._spawn(self._start_video(job))
        leaving = sum(job.ended for job in self._running)
        playback = [job for job in self._running if not job.live and not job.ended]
        for job in playback[::-1][: max(0, len(self._waiting_live) - leaving)]:
            self._preempt(job)

    def _preempt(self, job: Job) -> None:
        job.fail("preempted", "a live viewer took this place in the transcoder")
        self.close_job(job)

    def _tell_positions(self) -> None:
        waiting = [*self._waiting_live, *self._waiting_playback]
        for position, job in enumerate(waiting, start=1):
            job.deliver({"type": "queued", "position": position, "length": len(waiting)})

    def _release(self, job: Job) -> None:
        if job in self._running:
            self._running.remove(job)
            self._fill_places()
            self._tell_positions()

    # ---- workers

    def _spawn(self, work: Any) -> None:
        task = asyncio.ensure_future(work)
        self._starting.add(task)
        task.add_done_callback(self._starting.discard)

    async def _start_video(self, job: Job) -> None:
        try:
            worker = self._idle.pop() if self._idle else await self._new_worker()
        except OSError as error:
            job.fail("unavailable", f"no worker process: {error}")
            self._release(job)
            return
        if job.ended:
            self._idle.append(worker)
            self._release(job)
            return
        self._assign(worker, job)

    async def _start_sound(self, job: Job) -> None:
        try:
            worker = await self._shared_worker("sound")
        except OSError as error:
            job.fail("unavailable", f"no worker process: {error}")
            return
        if len(worker.jobs) >= SOUND_JOBS_LIMIT:
            job.fail("busy", "too much sound is being transcoded; try again")
        elif not job.ended:
            self._assign(worker, job)

    def _assign(self, worker: Worker, job: Job) -> None:
        job.worker = worker
        worker.jobs[job.number] = job
        worker.send(
            {
                "type": "open",
                "job": job.number,
                "kind": job.kind,
                "track": track_to_wire(job.track),
                "live": job.live,
                "masks": job.masks,
                "stamp": job.stamp.to_wire() if job.stamp is not None else None,
            }
        )

    async def _shared_worker(self, name: str) -> Worker:
        known = self._shared.get(name)
        if isinstance(known, Worker):
            return known
        if known is None:
            known = self._shared[name] = asyncio.ensure_future(self._new_worker())
        try:
            worker = await asyncio.shield(known)
            if worker not in self._workers:
                raise OSError("the worker process ended while it started")
        except OSError:
            if self._shared.get(name) is known:
                del self._shared[name]
            raise
        if self._shared.get(name) is known:
            self._shared[name] = worker
        return worker

    async def _new_worker(self) -> Worker:
        ours, theirs = socket.socketpair()
        command = [sys.executable, "-m", "gateway.transcoder.worker", str(theirs.fileno())]
        try:
            process = await asyncio.to_thread(
                subprocess.Popen,
                command,
                pass_fds=(theirs.fileno(),),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                env={**os.environ, "OMP_NUM_THREADS": "1"},
            )
        except BaseException:
            ours.close()
            raise
        finally:
            theirs.close()
        reader, writer = await asyncio.open_connection(sock=ours, limit=2**20)
        worker = Worker(process, writer)
        self._workers.add(worker)
        worker.reading = asyncio.ensure_future(self._read(worker, reader))
        return worker

    async def _read(self, worker: Worker, reader: asyncio.StreamReader) -> None:
        try:
            while True:
                (length,) = LENGTH.unpack(await reader.readexactly(LENGTH.size))
                if length > _REPLY_BYTES_LIMIT:
                    break
                self._on_reply(worker, msgpack.unpackb(await reader.readexactly(length)))
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            await self._worker_gone(worker)

    async def _worker_gone(self, worker: Worker) -> None:
        worker.kill()
        worker.writer.close()
        status = await asyncio.to_thread(worker.process.wait)
        self._workers.discard(worker)
        if worker in self._idle:
            self._idle.remove(worker)
        for name, shared in tuple(self._shared.items()):
            if shared is worker:
                del self._shared[name]
        if not self._closed:
            _log.warning("a transcoder worker ended", status=status, jobs=len(worker.jobs))
        for job in tuple(worker.jobs.values()):
            if job.closing is not None:
                job.closing.cancel()
            job.fail("crashed", f"the worker process ended (status {status}) on this stream")
            self._release(job)
        worker.jobs.clear()

    def _on_reply(self, worker: Worker, reply: dict[str, Any]) -> None:
        job = worker.jobs.get(reply["job"])
        if job is None:
            return
        kind = reply["type"]
        if kind == "closed" or (kind == "failed" and job.closing is None):
            self._job_left(worker, job)
        if job.ended:
            return
        if kind == "failed":
            job.fail(reply["code"], reply["message"])
        elif kind == "opened":
            job.deliver({"type": "started", "track": reply["track"]})
        elif kind != "closed":
            job.backlog = max(0, job.backlog - reply.get("taken", 0))
            if kind != "units" or reply["units"]:
                job.deliver({key: value for key, value in reply.items() if key != "job"})

    def _job_left(self, worker: Worker, job: Job) -> None:
        if job.closing is not None:
            job.closing.cancel()
        worker.jobs.pop(job.number, None)
        if job in self._running:
            self._idle.append(worker)
            self._release(job)

    @staticmethod
    def _within_backlog(job: Job, units: list[AccessUnit]) -> list[AccessUnit]:
        kept: list[AccessUnit] = []
        for unit in units:
            if job.skipping and unit.keyframe and job.backlog + len(kept) < LIVE_BACKLOG_LIMIT:
                job.skipping = False
            elif job.backlog + len(kept) >= LIVE_BACKLOG_LIMIT:
                job.skipping = True
            if job.skipping:
                job.skipped_units += 1
            else:
                kept.append(unit)
        return kept
