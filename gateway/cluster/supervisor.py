"""The local supervisor: the processes of one machine, started in order, restarted, stopped."""

from __future__ import annotations

import asyncio
import fcntl
import os
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from typing import IO

from gateway.cluster.interface import ProcessSpec, ProcessStatus, StartError
from gateway.cluster.kept_process import KeptProcess
from gateway.cluster.spool_names import keep_spools
from gateway.settings import Settings
from recorder.rows import RowWriter

READY_TIMEOUT_S = 60.0


def local_processes(settings: Settings) -> list[ProcessSpec]:
    """What runs on one machine. The writer first and last: everybody else may still write.

    Of signalling one speaks and the others stand by; of several machines' analysis each has its
    part of the cameras. The machines' settings say on which they are.
    """

    def each(kind: str, name: str, stage: int) -> ProcessSpec:
        return ProcessSpec(kind, settings.name_here(name), stage)

    specs = [each("writer", "writer", 0)]
    if settings.demo:
        specs.append(each("demo", "demo", 1))
    specs += [ProcessSpec("transcoder", name, 1) for name in settings.transcoder_names]
    if settings.cluster.signalling:
        specs.append(each("signalling", "signalling", 1))
    specs += [
        each("footage", f"footage-{number}", 2) for number in range(1, settings.footage.count + 1)
    ]
    specs += [each("shard", f"shard-{number}", 2) for number in range(1, settings.shards.count + 1)]
    # After the shards, whose pictures it takes.
    if settings.cluster.analysis:
        specs.append(each("analysis", "analysis", 3))
    specs += [ProcessSpec("api", name, 3) for name in settings.api_names]
    return specs


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
        chosen = local_processes(settings) if specs is None else specs
        self._run_directory = settings.effective_run_directory
        self._settings_file = settings_file(settings)
        self._children = [
            KeptProcess(spec, settings, self._settings_file, rows, self._give_up)
            for spec in sorted(chosen, key=lambda spec: spec.stage)
        ]
        self._lock: IO[bytes] | None = None
        self._failure: asyncio.Future[str] | None = None

    async def start(self) -> None:
        """Start stage by stage; each stage answers before the next begins."""
        self._failure = asyncio.get_running_loop().create_future()
        self._run_directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._lock = take_lock(self._settings)
        await asyncio.to_thread(keep_spools, self._settings)
        write_settings(self._settings)
        for _, stage in groupby(self._children, key=lambda child: child.spec.stage):
            starting = list(stage)
            for child in starting:
                child.start()
            await self._await_stage(starting, self._failure)

    async def stop(self) -> None:
        """Stop the stages in reverse order, then release the data directory."""
        stages = groupby(reversed(self._children), key=lambda child: child.spec.stage)
        for _, stage in stages:
            await asyncio.gather(*(child.stop() for child in stage))
        if self._lock is not None:
            # Without the lock the file is that of another gridsight, which still runs.
            self._settings_file.unlink(missing_ok=True)
            self._lock.close()
            self._lock = None

    async def failed(self) -> str:
        """Wait until a process says that it cannot run as configured."""
        assert self._failure is not None
        return await asyncio.shield(self._failure)

    def status(self) -> list[ProcessStatus]:
        """Every process, in the order of starting."""
        return [child.status() for child in self._children]

    async def _await_stage(self, starting: list[KeptProcess], failure: asyncio.Future[str]) -> None:
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

    def _give_up(self, reason: str) -> None:
        if self._failure is not None and not self._failure.done():
            self._failure.set_result(reason)


async def _all_ready(children: list[KeptProcess]) -> None:
    for child in children:
        await child.ready.wait()


def take_lock(settings: Settings) -> IO[bytes]:
    """Be the only one on this data directory until the file is closed, or the process ends. Raises
    StartError.
    """
    lock = (settings.effective_run_directory / "supervisor.lock").open("wb")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.close()
        raise StartError(
            f"another gridsight already runs on {settings.data_directory}: stop it, "
            "or choose another data_directory"
        ) from None
    return lock


def settings_file(settings: Settings) -> Path:
    """Where this machine's child processes read their settings."""
    return settings.effective_run_directory / "settings.json"


def write_settings(settings: Settings) -> None:
    """Put them there, whole or not at all; only this user may read them."""
    path = settings_file(settings)
    staged = path.with_suffix(f".{os.getpid()}")
    descriptor = os.open(staged, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as opened:
        opened.write(settings.to_json())
    staged.replace(path)
