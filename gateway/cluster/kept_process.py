"""One child process that is kept running: started, watched, started again, stopped.

The local supervisor keeps all of a machine's in this way; with Ray each actor keeps one.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

import structlog

from gateway.cluster.child import (
    EXIT_CONFIGURATION,
    SETTINGS_FILE_VARIABLE,
    SUPERVISOR_VARIABLE,
)
from gateway.cluster.interface import ProcessSpec, ProcessState, ProcessStatus
from gateway.cluster.lifetime import READY_DESCRIPTOR_VARIABLE
from gateway.control.channel import ControlError
from gateway.identifiers import now_us
from gateway.settings import Settings
from recorder.rows import RowError, RowWriter

_log = structlog.get_logger(__name__)

STOP_TIMEOUT_S = 25.0
FIRST_BACK_OFF_S = 0.2
LAST_BACK_OFF_S = 30.0
RECORD_AGAIN_S = 0.5
# A process that ran this long starts its back-off anew when it dies.
STEADY_S = 60.0


class KeptProcess:
    """``settings_file`` is what the child reads, mode 0600. ``rows`` is where its ``processes`` row
    is written; None in tests without a writer. ``give_up`` is told when it cannot run as
    configured: it is not started again then.
    """

    def __init__(
        self,
        spec: ProcessSpec,
        settings: Settings,
        settings_file: Path,
        rows: RowWriter | None,
        give_up: Callable[[str], None],
    ) -> None:
        self.spec = spec
        self.state: ProcessState = "starting"
        self.process: asyncio.subprocess.Process | None = None
        self.http_port: int | None = None
        self.control_port: int | None = None
        self.peer_http_port: int | None = None
        self.ready = asyncio.Event()
        self._settings = settings
        self._settings_file = settings_file
        self._rows = rows
        self._give_up = give_up
        self._restarts = -1
        self._keeper: asyncio.Task[None] | None = None
        self._stopping = False

    def start(self) -> None:
        """Start it, and keep it running until :meth:`stop`."""
        self._keeper = asyncio.create_task(self._keep())

    def status(self) -> ProcessStatus:
        """What is known of it."""
        return ProcessStatus(
            self.spec.name,
            self.spec.kind,
            self.state,
            self.process.pid if self.process is not None else None,
            self.http_port,
            max(0, self._restarts),
        )

    async def stop(self) -> None:
        """Ask it to end; kill it when it does not within :data:`STOP_TIMEOUT_S`."""
        self._stopping = True
        process = self.process
        if process is not None and process.returncode is None:
            process.terminate()
            try:
                await asyncio.wait_for(process.wait(), STOP_TIMEOUT_S)
            except TimeoutError:
                _log.error("process does not stop and is killed", name=self.spec.name)
                process.kill()
                await process.wait()
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.gather(self._keeper, return_exceptions=True)
        self.state = "stopped"

    async def _keep(self) -> None:
        back_off_s = FIRST_BACK_OFF_S
        while not self._stopping:
            started = time.monotonic()
            self._restarts += 1
            try:
                code = await self._run_once()
            except OSError as error:
                # No memory, no descriptors: it is tried again like one that has died.
                _log.error("process cannot be started", name=self.spec.name, why=str(error))
                code = os.EX_OSERR
            if self._stopping:
                break
            if code == EXIT_CONFIGURATION:
                self.state = "stopped"
                self._give_up(f"{self.spec.name} cannot run as configured")
                return
            if time.monotonic() - started > STEADY_S:
                back_off_s = FIRST_BACK_OFF_S
            self.state = "waiting"
            _log.error(
                "process ended and is started again",
                name=self.spec.name,
                exit_code=code,
                in_s=round(back_off_s, 1),
            )
            await asyncio.sleep(back_off_s)
            back_off_s = min(LAST_BACK_OFF_S, back_off_s * 2)

    async def _run_once(self) -> int:
        self.state = "starting"
        self.http_port = self.control_port = self.peer_http_port = None
        reading, writing = os.pipe()
        environment = {
            **os.environ,
            READY_DESCRIPTOR_VARIABLE: str(writing),
            SETTINGS_FILE_VARIABLE: str(self._settings_file),
            SUPERVISOR_VARIABLE: str(os.getpid()),
        }
        try:
            # A session of its own: Ctrl-C reaches the supervisor alone, which knows the order.
            self.process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "gateway.cluster.child",
                self.spec.kind,
                self.spec.name,
                env=environment,
                stdin=asyncio.subprocess.DEVNULL,
                pass_fds=(writing,),
                start_new_session=True,
            )
        except OSError:
            os.close(reading)
            raise
        finally:
            os.close(writing)
        readiness = asyncio.create_task(self._await_ready(reading, now_us()))
        try:
            return await self.process.wait()
        finally:
            readiness.cancel()

    async def _await_ready(self, descriptor: int, started_us: int) -> None:
        report = await _read_to_end(descriptor)
        if not report:
            return  # It died before it was ready; _keep sees that too.
        ready = json.loads(report)
        self.http_port, self.control_port = ready["http_port"], ready["control_port"]
        self.peer_http_port = ready["peer_http_port"]
        await self.record(started_us)
        self.state = "running"
        self.ready.set()
        _log.info("process is up", name=self.spec.name)

    async def record(self, started_us: int) -> None:
        """Write where it is to be found, as soon as the writer can."""
        if self._rows is None or self.process is None:
            return
        cluster = self._settings.cluster
        while True:
            try:
                await self._rows.write(
                    "processes.report",
                    name=self.spec.name,
                    kind=self.spec.kind,
                    node=cluster.node_name,
                    process_id=self.process.pid,
                    http_address=None if self.http_port is None else "127.0.0.1",
                    http_port=self.http_port,
                    control_address=None if self.control_port is None else cluster.reached_at,
                    control_port=self.control_port,
                    peer_http_port=self.peer_http_port,
                    started_us=started_us,
                )
                return
            except (ConnectionError, TimeoutError, ControlError, RowError) as error:
                # The writer is being restarted, or its disk is full: nothing is lost by waiting.
                _log.warning("cannot record a process yet", name=self.spec.name, why=str(error))
            await asyncio.sleep(RECORD_AGAIN_S)


async def _read_to_end(descriptor: int) -> bytes:
    reader = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    pipe = os.fdopen(descriptor, "rb", 0)
    transport, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), pipe)
    try:
        return await reader.read()
    finally:
        transport.close()
