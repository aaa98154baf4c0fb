"""The processes of a cluster as detached actors of Ray. See :mod:`gateway.cluster.ray_settings`.

Each actor starts and watches one child process (:mod:`gateway.cluster.ray_actor`). The actors go on
when this process dies, and are found again by their names when it comes back.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import IO, Any

import structlog

from gateway.cluster.interface import ProcessSpec, ProcessStatus, StartError
from gateway.cluster.kept_process import STOP_TIMEOUT_S
from gateway.cluster.ray_settings import NAMESPACE, actor_options, ray_environment
from gateway.cluster.spool_names import keep_spools
from gateway.cluster.supervisor import (
    READY_TIMEOUT_S,
    settings_file,
    take_lock,
    write_settings,
)
from gateway.settings import Settings

_log = structlog.get_logger(__name__)

LOOK_INTERVAL_S = 0.5
_ANSWER_S = 5.0


@dataclass(slots=True)
class _Actor:
    spec: ProcessSpec
    status: ProcessStatus
    handle: Any = None
    incarnation: str = ""
    lives: int = 0


class RayCluster:
    """See :class:`gateway.cluster.interface.Cluster`. ``address`` is that of Ray's head.

    ``reports``: whether the processes' rows are written, which needs the machine's writer.
    """

    def __init__(
        self,
        settings: Settings,
        address: str,
        secret: bytes,
        specs: Sequence[ProcessSpec],
        *,
        reports: bool = True,
    ) -> None:
        self._settings = settings
        self._address = address
        self._secret = secret
        self._reports = reports
        self._actors = [
            _Actor(spec, ProcessStatus(spec.name, spec.kind, "starting", None, None, 0))
            for spec in sorted(specs, key=lambda spec: spec.stage)
        ]
        self._failure: asyncio.Future[str] | None = None
        self._looking: asyncio.Task[None] | None = None
        self._changed = asyncio.Event()
        self._lock: IO[bytes] | None = None

    async def start(self) -> None:
        """Find or make the actors, stage by stage; each stage answers before the next begins."""
        self._failure = asyncio.get_running_loop().create_future()
        self._settings.effective_run_directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._lock = take_lock(self._settings)
        await asyncio.to_thread(keep_spools, self._settings)
        await asyncio.to_thread(write_settings, self._settings)
        try:
            await asyncio.to_thread(self._connect)
        except ImportError:
            raise StartError(
                "Ray is not installed: pip install 'gridsight[ray]', or serve without --cluster"
            ) from None
        except (OSError, RuntimeError, ValueError) as error:
            raise StartError(
                f"no Ray answers at {self._address}: {error}; start it on this machine by "
                "'gridsight ray', with the same secrets/cluster.key as its head"
            ) from None
        _take_sigterm_back()
        self._looking = asyncio.create_task(self._look_for_ever())
        for _, stage in groupby(self._actors, key=lambda actor: actor.spec.stage):
            starting = list(stage)
            for actor in starting:
                actor.handle = await asyncio.to_thread(self._make, actor.spec)
            await self._await_stage(starting, self._failure)

    async def stop(self) -> None:
        """Stop the stages in reverse order, and end the actors."""
        for _, stage in groupby(reversed(self._actors), key=lambda actor: actor.spec.stage):
            await asyncio.gather(*(self._end(actor) for actor in stage if actor.handle is not None))
        if self._looking is not None:
            self._looking.cancel()
            await asyncio.gather(self._looking, return_exceptions=True)
        if self._lock is not None:
            # Without the lock the file is that of another gridsight, which still runs.
            settings_file(self._settings).unlink(missing_ok=True)
            self._lock.close()
            self._lock = None
            with contextlib.suppress(ImportError):
                await asyncio.to_thread(_disconnect)

    async def failed(self) -> str:
        """Wait until a process says that it cannot run as configured."""
        assert self._failure is not None
        return await asyncio.shield(self._failure)

    def status(self) -> list[ProcessStatus]:
        """Every process, in the order of starting, as it was half a second ago."""
        return [actor.status for actor in self._actors]

    def _connect(self) -> None:
        os.environ.update(ray_environment(self._secret))
        import ray

        # Ray itself would try for minutes.
        host, _, port = self._address.rpartition(":")
        socket.create_connection((host, int(port)), timeout=_ANSWER_S).close()
        ray.init(
            address=self._address,
            namespace=NAMESPACE,
            log_to_driver=False,
            configure_logging=False,
            ignore_reinit_error=True,
            # Without it Ray asks the system's routes, which on a machine with several addresses may
            # name another than `gridsight ray` was started with, and then joins the head's machine.
            _node_ip_address=self._settings.cluster.reached_at or "127.0.0.1",
        )

    def _make(self, spec: ProcessSpec) -> Any:
        import ray

        from gateway.cluster.ray_actor import ProcessActor

        options = actor_options(spec.name, self._settings.cluster.node_name)
        fields = {"kind": spec.kind, "name": spec.name, "stage": spec.stage}
        made = ray.remote(ProcessActor).options(**options)
        return made.remote(fields, str(settings_file(self._settings)), self._reports)

    async def _await_stage(self, starting: list[_Actor], failure: asyncio.Future[str]) -> None:
        waiting = asyncio.create_task(
            self._until(lambda: all(actor.status.state == "running" for actor in starting))
        )
        await asyncio.wait(
            (waiting, failure), return_when=asyncio.FIRST_COMPLETED, timeout=READY_TIMEOUT_S
        )
        if waiting.done() and not failure.done():
            return
        waiting.cancel()
        late = ", ".join(actor.spec.name for actor in starting if actor.status.state != "running")
        reason = (
            failure.result()
            if failure.done()
            else f"{late} did not start within {READY_TIMEOUT_S:.0f} s: does Ray on this machine "
            f"know it as {self._settings.cluster.node_name} (cluster.node)?"
        )
        raise StartError(f"{reason}; Ray's log on this machine says why")

    async def _until(self, holds: Callable[[], bool]) -> None:
        while not holds():
            self._changed.clear()
            await self._changed.wait()

    async def _look_for_ever(self) -> None:
        while True:
            await asyncio.gather(*(self._look(actor) for actor in self._actors))
            self._changed.set()
            await asyncio.sleep(LOOK_INTERVAL_S)

    async def _look(self, actor: _Actor) -> None:
        if actor.handle is None or actor.status.state == "stopped":
            return
        try:
            async with asyncio.timeout(_ANSWER_S):
                told = await actor.handle.status.remote()
        except Exception as error:
            # Its machine is gone, or slow: Ray starts the actor again, here or elsewhere.
            if actor.status.state != "waiting":
                _log.warning("actor does not answer", name=actor.spec.name, why=str(error))
            actor.status = replace(actor.status, state="waiting", process_id=None)
            return
        if actor.status.state == "stopped":
            return
        if told["incarnation"] != actor.incarnation:
            actor.incarnation = told["incarnation"]
            actor.lives += 1
        if told["status"] is not None:
            status = ProcessStatus(**told["status"])
            # Each life of the actor begins its own count.
            actor.status = replace(status, restarts=status.restarts + actor.lives - 1)
        if told["failure"] is not None and self._failure is not None and not self._failure.done():
            self._failure.set_result(told["failure"])

    async def _end(self, actor: _Actor) -> None:
        import ray

        try:
            async with asyncio.timeout(STOP_TIMEOUT_S + _ANSWER_S):
                await actor.handle.stop.remote()
        except Exception as error:
            _log.error(
                "process could not be stopped in order", name=actor.spec.name, why=str(error)
            )
        actor.status = replace(actor.status, state="stopped")
        handle, actor.handle = actor.handle, None
        await asyncio.to_thread(ray.kill, handle, no_restart=True)


def _take_sigterm_back() -> None:
    """Ray has put a handler of its own beneath Python's, which dumps and aborts the process."""
    handler = signal.getsignal(signal.SIGTERM)
    if handler is not None:
        signal.signal(signal.SIGTERM, handler)


def _disconnect() -> None:
    import ray

    ray.shutdown()
