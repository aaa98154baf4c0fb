"""The local supervisor: the processes of one machine, started in order, restarted, stopped."""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import IO

import structlog

from gateway.cluster.child import (
    EXIT_CONFIGURATION,
    SETTINGS_FILE_VARIABLE,
    SUPERVISOR_VARIABLE,
)
from gateway.cluster.interface import ProcessSpec, ProcessState, ProcessStatus, StartError
from gateway.cluster.lifetime import READY_DESCRIPTOR_VARIABLE
from gateway.control.channel import ControlError
from gateway.identifiers import now_us
from gateway.settings import Settings
from recorder.rows import RowError, RowWriter

_log = structlog.get_logger(__name__)

READY_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 25.0
FIRST_BACK_OFF_S = 0.2
LAST_BACK_OFF_S = 30.0
RECORD_AGAIN_S = 0.5
# A process that ran this long starts its back-off anew when it dies.
STEADY_S = 60.0


def local_processes(settings: Settings) -> list[ProcessSpec]:
    """What runs on one machine. The writer first and last: everybody else may still write.

    Signalling and analysis are one each in a cluster: the machines' settings say on which.
    """

    def each(kind: str, name: str, stage: int) -> ProcessSpec:
        return ProcessSpec(kind, settings.name_here(name), stage)

    specs = [each("writer", "writer", 0)]
    if settings.demo:
        specs.append(each("demo", "demo", 1))
    specs += [ProcessSpec("transcoder", name, 1) for name in settings.transcoder_names]
    if settings.cluster.signalling:
        specs.append(ProcessSpec("signalling", "signalling", 1))
    specs += [
        each("footage", f"footage-{number}", 2) for number in range(1, settings.footage.count + 1)
    ]
    specs += [each("shard", f"shard-{number}", 2) for number in range(1, settings.shards.count + 1)]
    # After the shards, whose pictures it takes.
    if settings.cluster.analysis:
        specs.append(ProcessSpec("analysis", "analysis", 3))
    specs += [ProcessSpec("api", name, 3) for name in settings.api_names]
    return specs


@dataclass(slots=True)
class _Child:
    spec: ProcessSpec
    state: ProcessState = "starting"
    process: asyncio.subprocess.Process | None = None
    http_port: int | None = None
    control_port: int | None = None
    restarts: int = -1
    ready: asyncio.Event = field(default_factory=asyncio.Event)
    keeper: asyncio.Task[None] | None = None
    stopping: bool = False


class LocalSupervisor:
    """See :class:`gateway.cluster.interface.Cluster`."""

    def __init__(
        self,
        settings: Settings,
        rows: RowWriter | None,
        specs: Sequence[ProcessSpec] | None = None,
    ) -> None:
        """``rows`` is where ``processes`` rows are written; None in tests without a writer."""
        self._settings = settings
        self._rows = rows
        chosen = local_processes(settings) if specs is None else specs
        self._children = [_Child(spec) for spec in sorted(chosen, key=lambda spec: spec.stage)]
        self._run_directory = settings.effective_run_directory
        self._settings_file = self._run_directory / "settings.json"
        self._lock: IO[bytes] | None = None
        self._failure: asyncio.Future[str] | None = None

    async def start(self) -> None:
        """Start stage by stage; each stage answers before the next begins."""
        self._failure = asyncio.get_running_loop().create_future()
        self._run_directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._take_lock()
        self._write_settings()
        for _, stage in groupby(self._children, key=lambda child: child.spec.stage):
            starting = list(stage)
            for child in starting:
                child.keeper = asyncio.create_task(self._keep(child))
            await self._await_stage(starting, self._failure)

    async def stop(self) -> None:
        """Stop the stages in reverse order, then release the data directory."""
        stages = groupby(reversed(self._children), key=lambda child: child.spec.stage)
        for _, stage in stages:
            await asyncio.gather(*(self._stop_child(child) for child in stage))
        self._settings_file.unlink(missing_ok=True)
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    async def failed(self) -> str:
        """Wait until a process says that it cannot run as configured."""
        assert self._failure is not None
        return await asyncio.shield(self._failure)

    def status(self) -> list[ProcessStatus]:
        """Every process, in the order of starting."""
        return [
            ProcessStatus(
                child.spec.name,
                child.spec.kind,
                child.state,
                child.process.pid if child.process is not None else None,
                child.http_port,
                max(0, child.restarts),
            )
            for child in self._children
        ]

    async def _await_stage(self, starting: list[_Child], failure: asyncio.Future[str]) -> None:
        waiting = asyncio.create_task(_all_ready(starting))
        await asyncio.wait(
            (waiting, failure), return_when=asyncio.FIRST_COMPLETED, timeout=READY_TIMEOUT_S
        )
        if waiting.done() and not failure.done():
            return
        waiting.cancel()
        late = ", ".join(child.spec.name for child in starting if not child.ready.is_set())
        reason = (
            failure.result()
            if failure.done()
            else f"{late} did not start within {READY_TIMEOUT_S:.0f} s"
        )
        raise StartError(f"{reason}; the log above says why")

    def _take_lock(self) -> None:
        lock = (self._run_directory / "supervisor.lock").open("wb")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.close()
            raise StartError(
                f"another gridsight already runs on {self._settings.data_directory}: stop it, "
                "or choose another data_directory"
            ) from None
        self._lock = lock

    def _write_settings(self) -> None:
        descriptor = os.open(self._settings_file, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as opened:
            opened.write(self._settings.to_json())

    async def _keep(self, child: _Child) -> None:
        back_off_s = FIRST_BACK_OFF_S
        while not child.stopping:
            started = time.monotonic()
            child.restarts += 1
            try:
                code = await self._run_once(child)
            except OSError as error:
                # No memory, no descriptors: it is tried again like one that has died.
                _log.error("process cannot be started", name=child.spec.name, why=str(error))
                code = os.EX_OSERR
            if child.stopping:
                break
            if code == EXIT_CONFIGURATION:
                self._give_up(f"{child.spec.name} cannot run as configured")
                return
            if time.monotonic() - started > STEADY_S:
                back_off_s = FIRST_BACK_OFF_S
            child.state = "waiting"
            _log.error(
                "process ended and is started again",
                name=child.spec.name,
                exit_code=code,
                in_s=round(back_off_s, 1),
            )
            await asyncio.sleep(back_off_s)
            back_off_s = min(LAST_BACK_OFF_S, back_off_s * 2)

    async def _run_once(self, child: _Child) -> int:
        child.state = "starting"
        child.http_port = child.control_port = None
        reading, writing = os.pipe()
        environment = {
            **os.environ,
            READY_DESCRIPTOR_VARIABLE: str(writing),
            SETTINGS_FILE_VARIABLE: str(self._settings_file),
            SUPERVISOR_VARIABLE: str(os.getpid()),
        }
        try:
            # A session of its own: Ctrl-C reaches the supervisor alone, which knows the order.
            child.process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "gateway.cluster.child",
                child.spec.kind,
                child.spec.name,
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
        readiness = asyncio.create_task(self._await_ready(child, reading, now_us()))
        try:
            return await child.process.wait()
        finally:
            readiness.cancel()

    async def _await_ready(self, child: _Child, descriptor: int, started_us: int) -> None:
        report = await _read_to_end(descriptor)
        if not report:
            return  # It died before it was ready; _keep sees that too.
        ready = json.loads(report)
        child.http_port, child.control_port = ready["http_port"], ready["control_port"]
        await self._record(child, started_us)
        child.state = "running"
        child.ready.set()
        _log.info("process is up", name=child.spec.name)

    async def _record(self, child: _Child, started_us: int) -> None:
        if self._rows is None or child.process is None:
            return
        while True:
            try:
                await self._rows.write(
                    "processes.report",
                    name=child.spec.name,
                    kind=child.spec.kind,
                    node=self._settings.cluster.node_name,
                    process_id=child.process.pid,
                    http_address=None if child.http_port is None else "127.0.0.1",
                    http_port=child.http_port,
                    control_address=(
                        None if child.control_port is None else self._settings.cluster.reached_at
                    ),
                    control_port=child.control_port,
                    started_us=started_us,
                )
                return
            except (ConnectionError, TimeoutError, ControlError, RowError) as error:
                # The writer is being restarted, or its disk is full: nothing is lost by waiting.
                _log.warning("cannot record a process yet", name=child.spec.name, why=str(error))
            await asyncio.sleep(RECORD_AGAIN_S)

    def _give_up(self, reason: str) -> None:
        if self._failure is not None and not self._failure.done():
            self._failure.set_result(reason)

    async def _stop_child(self, child: _Child) -> None:
        child.stopping = True
        process = child.process
        if process is not None and process.returncode is None:
            process.terminate()
            try:
                await asyncio.wait_for(process.wait(), STOP_TIMEOUT_S)
            except TimeoutError:
                _log.error("process does not stop and is killed", name=child.spec.name)
                process.kill()
                await process.wait()
        if child.keeper is not None:
            child.keeper.cancel()
            await asyncio.gather(child.keeper, return_exceptions=True)
        child.state = "stopped"


async def _all_ready(children: list[_Child]) -> None:
    for child in children:
        await child.ready.wait()


async def _read_to_end(descriptor: int) -> bytes:
    reader = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    pipe = os.fdopen(descriptor, "rb", 0)
    transport, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), pipe)
    try:
        return await reader.read()
    finally:
        transport.close()
