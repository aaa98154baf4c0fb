"""One worker from outside: started, asked, ended when it hangs or grows, started again.

A worker answers one round at a time. It is killed when an answer takes longer than ``patience_s``,
and when it holds more memory than it may; what it was asked is then failed with the reason, and the
next is started after a pause that grows while it goes on dying.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgpack
import structlog

from camera_adapters.event_wait import wait_for_event
from gateway.analysis.framing import BYTES_LIMIT, LENGTH, packed
from gateway.settings.analysis import SearchSettings

_log = structlog.get_logger(__name__)

# Models are read from the disk and warmed.
START_PATIENCE_S = 120.0
FIRST_BACK_OFF_S = 1.0
LAST_BACK_OFF_S = 60.0
STEADY_S = 120.0
_MEMORY_EVERY_S = 1.0
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


class WorkerFailed(Exception):
    """The worker did not answer this; ``died`` says whether it is gone, with all that it knew.
    ``asked`` False: it was not there to be asked, so that this is not what it died of.
    """

    def __init__(self, message: str, *, died: bool, asked: bool = True) -> None:
        super().__init__(message)
        self.died = died
        self.asked = asked


@dataclass(frozen=True, slots=True)
class Ready:
    """What a worker says of its models."""

    model: str
    provider: str
    classes: tuple[str, ...]
    vector_kind: str
    vector_size: int


@dataclass(slots=True, eq=False)
class _Running:
    process: subprocess.Popen[bytes]
    writer: asyncio.StreamWriter
    reader: asyncio.StreamReader


class WorkerProcess:
    """``state``: ``idle`` (not started), ``starting``, ``ready``, ``waiting`` (it died, and is
    started again soon), ``refused`` (a model cannot be used: tried again, too), ``closed``.
    ``message`` says what is wrong, in one line, else it is empty.
    """

    def __init__(
        self,
        name: str,
        settings: SearchSettings,
        *,
        on_ready: Callable[[], None] = lambda: None,
        on_gone: Callable[[str], None] = lambda why: None,
        module: str = "gateway.analysis.worker",
    ) -> None:
        self.name = name
        self.state = "idle"
        self.message = ""
        self.ready: Ready | None = None
        self.restarts = 0
        self.rounds = 0
        self.failed = 0
        self._settings = settings
        self._on_ready = on_ready
        self._on_gone = on_gone
        self._module = module
        self._running: _Running | None = None
        self._asking = asyncio.Lock()
        self._keeper: asyncio.Task[None] | None = None
        self._died: asyncio.Event = asyncio.Event()
        self._is_ready = asyncio.Event()
        self._why = ""
        self._busy: deque[tuple[float, float]] = deque(maxlen=256)

    @property
    def process_id(self) -> int | None:
        """Of the process that runs now."""
        return None if self._running is None else self._running.process.pid

    @property
    def memory_bytes(self) -> int:
        """What it holds in memory now; 0 where nothing runs."""
        return 0 if self._running is None else _resident_bytes(self._running.process.pid)

    def busy_share(self) -> float:
        """Which share of the last minute it worked."""
        now = time.monotonic()
        spent = sum(seconds for at, seconds in self._busy if at > now - 60)
        return min(1.0, spent / 60)

    def start(self) -> None:
        """Begin, and go on until :meth:`close`. Returns at once; may be called again."""
        if self._keeper is None and self.state != "closed":
            self._keeper = asyncio.create_task(self._keep())

    async def until_ready(self) -> None:
        """Wait until it may be asked; :class:`WorkerFailed` where its models are refused."""
        self.start()
        while self.state != "ready":
            if self.state in ("refused", "closed"):
                raise WorkerFailed(self.message or "it is stopping", died=True, asked=False)
            self._is_ready.clear()
            await self._is_ready.wait()

    async def ask(self, request: dict[str, Any]) -> dict[str, Any]:
        """Ask, and wait for the answer. One at a time; others wait. Raises WorkerFailed."""
        async with self._asking:
            running = self._running
            if running is None or self.state != "ready":
                why = self.message or "the worker is not running"
                raise WorkerFailed(why, died=True, asked=False)
            began = time.monotonic()
            self.rounds += 1
            loads = request["type"] == "model"
            patience_s = START_PATIENCE_S if loads else self._settings.patience_s
            try:
                async with asyncio.timeout(patience_s):
                    running.writer.write(packed(request))
                    reply = await _read(running.reader)
            except TimeoutError:
                why = f"it did not answer for {patience_s:.0f} s and was ended"
                self._kill(running, why)
                self.failed += 1
                raise WorkerFailed(why, died=True) from None
            except (asyncio.IncompleteReadError, ConnectionError, ValueError):
                # Only now is it known of what it died.
                await wait_for_event(self._died, 10)
                self.failed += 1
                raise WorkerFailed(self._why or "it ended", died=True) from None
            except asyncio.CancelledError:
                # Its answer would be taken for that to the next question.
                self._kill(running, "it was stopped within a question")
                raise
            self._busy.append((time.monotonic(), time.monotonic() - began))
            if reply["type"] == "failed":
                self.failed += 1
                self.message = str(reply["message"])
                raise WorkerFailed(self.message, died=False)
            self.message = ""
            return reply

    def tell(self, message: dict[str, Any]) -> None:
        """Send what has no answer; lost where nothing runs."""
        if self._running is not None and self.state == "ready":
            self._running.writer.write(packed(message))

    async def close(self) -> None:
        """End the process, and wait until it is gone."""
        self.state = "closed"
        self._is_ready.set()
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.gather(self._keeper, return_exceptions=True)
            self._keeper = None
        await self._end()

    async def _keep(self) -> None:
        back_off_s = FIRST_BACK_OFF_S
        while True:
            began = time.monotonic()
            self.state = "starting"
            self._died.clear()
            self._why = ""
            try:
                self._running = await self._spawn()
                await self._set_up(self._running)
                await self._watch(self._running)
            except (OSError, ValueError, EOFError, TimeoutError) as error:
                self._why = self._why or f"it cannot be started: {error or type(error).__name__}"
            finally:
                code = await self._end()
            why = self._why or f"it ended by itself ({_exit(code)})"
            self._why = why
            self._died.set()
            refused = why.startswith(_REFUSED)
            self.message = why.removeprefix(_REFUSED)
            self.state = "refused" if refused else "waiting"
            self._is_ready.set()
            self._on_gone(self.message)
            if time.monotonic() - began > STEADY_S:
                back_off_s = FIRST_BACK_OFF_S
            _log.warning(
                "an analysis worker is not running",
                worker=self.name,
                why=self.message,
                again_in_s=back_off_s,
            )
            await asyncio.sleep(back_off_s)
            back_off_s = min(LAST_BACK_OFF_S, back_off_s * 2)
            self.restarts += 1

    async def _spawn(self) -> _Running:
        ours, theirs = socket.socketpair()
        threads = str(self._settings.threads)
        try:
            process = await asyncio.to_thread(
                subprocess.Popen,
                [sys.executable, "-m", self._module, str(theirs.fileno())],
                pass_fds=(theirs.fileno(),),
                stdin=subprocess.DEVNULL,
                env={
                    **os.environ,
                    "OMP_NUM_THREADS": threads,
                    "OPENBLAS_NUM_THREADS": threads,
                },
            )
        except BaseException:
            ours.close()
            raise
        finally:
            theirs.close()
        reader, writer = await asyncio.open_connection(sock=ours, limit=2**22)
        return _Running(process, writer, reader)

    async def _set_up(self, running: _Running) -> None:
        settings = self._settings
        message = settings.model_dump(
            mode="json",
            include={
                "detector", "models", "appearance", "score", "provider", "threads", "cpu_percent",
                "moving_fps", "keyframes_only",
            },
        )  # fmt: skip
        running.writer.write(packed({"type": "setup", **message}))
        try:
            async with asyncio.timeout(START_PATIENCE_S):
                reply = await _read(running.reader)
        except TimeoutError:
            self._why = f"its models were not ready after {START_PATIENCE_S:.0f} s"
            raise
        except asyncio.IncompleteReadError:
            return
        if reply["type"] == "refused":
            self._why = _REFUSED + str(reply["message"])
            return
        self.ready = Ready(
            reply["model"],
            reply["provider"],
            tuple(reply["classes"]),
            reply["vector_kind"],
            reply["vector_size"],
        )
        self.message = ""
        self.state = "ready"
        self._is_ready.set()
        self._on_ready()

    async def _watch(self, running: _Running) -> None:
        """Until it ends."""
        if self.state != "ready":
            return
        ended = asyncio.Event()
        loop = asyncio.get_running_loop()
        descriptor = os.pidfd_open(running.process.pid)
        loop.add_reader(descriptor, ended.set)
        try:
            while not ended.is_set():
                held = _resident_bytes(running.process.pid)
                if held > self._settings.memory_bytes_limit:
                    self._kill(
                        running,
                        f"it held {held // 1024**2} MiB, more than search.memory_bytes_limit "
                        "allows, and was ended",
                    )
                await wait_for_event(ended, _MEMORY_EVERY_S)
        finally:
            loop.remove_reader(descriptor)
            os.close(descriptor)

    def _kill(self, running: _Running, why: str) -> None:
        self._why = why
        if self.state == "ready":
            # Nobody may ask the one that dies.
            self.state = "waiting"
        with contextlib.suppress(ProcessLookupError):
            running.process.kill()

    async def _end(self) -> int | None:
        running, self._running = self._running, None
        if running is None:
            return None
        with contextlib.suppress(ProcessLookupError):
            running.process.kill()
        running.writer.close()
        return await asyncio.to_thread(running.process.wait)


_REFUSED = "refused: "


def _exit(code: int | None) -> str:
    if code is None:
        return "no process"
    return f"signal {-code}" if code < 0 else f"status {code}"


async def _read(reader: asyncio.StreamReader) -> dict[str, Any]:
    (length,) = LENGTH.unpack(await reader.readexactly(LENGTH.size))
    if length > BYTES_LIMIT:
        raise ValueError("an answer without end")
    reply: dict[str, Any] = msgpack.unpackb(await reader.readexactly(length))
    return reply


def _resident_bytes(process_id: int) -> int:
    try:
        return int(Path(f"/proc/{process_id}/statm").read_text().split()[1]) * _PAGE_BYTES
    except (OSError, IndexError, ValueError):
        return 0
