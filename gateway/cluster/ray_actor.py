"""What runs inside Ray: an actor that keeps one child process running, and ends with it.

The child is the same that the local supervisor starts. It dies with the actor's process, by the
kernel's doing (``PR_SET_PDEATHSIG``), so that Ray can kill the actor however it likes.
"""

from __future__ import annotations

import asyncio
import threading
import uuid
from collections.abc import Coroutine
from dataclasses import asdict
from pathlib import Path
from typing import Any

from gateway.cluster.interface import ProcessSpec
from gateway.cluster.kept_process import KeptProcess
from gateway.database.writer_process import RemoteRowWriter
from gateway.log import configure_logging
from gateway.settings import Settings

# ``gridsight serve`` of the machine writes the file; it may be started after Ray.
_LOOK_AGAIN_S = 0.5


class ProcessActor:
    """Keeps the process of ``spec`` (kind, name, stage) running from its making on.

    ``settings_file`` is read on the machine that the actor is on: each machine has its own there.
    Its settings, which hold secrets, so never pass through Ray.
    """

    def __init__(self, spec: dict[str, Any], settings_file: str, reports: bool) -> None:
        self._spec = ProcessSpec(**spec)
        self._settings_file = Path(settings_file)
        self._reports = reports
        self._incarnation = uuid.uuid4().hex
        self._kept: KeptProcess | None = None
        self._failure: str | None = None
        self._stopped = threading.Event()
        # Not Ray's own loop: a child is waited for on one that nobody else closes, in a thread that
        # lives as long as this process. PR_SET_PDEATHSIG means the thread that forked.
        self._loop = asyncio.new_event_loop()
        threading.Thread(target=self._loop.run_forever, daemon=True).start()
        threading.Thread(target=self._begin, daemon=True).start()

    def status(self) -> dict[str, Any]:
        """``{status, incarnation, failure}``: ProcessStatus as a dictionary, None while the
        machine has no settings yet; which life of the actor this is; why it has given up.
        """
        kept = self._kept
        return {
            "status": None if kept is None else asdict(kept.status()),
            "incarnation": self._incarnation,
            "failure": self._failure,
        }

    def stop(self) -> None:
        """Stop the process in order; returns when it has ended."""
        self._stopped.set()
        if self._kept is not None:
            self._run(self._kept.stop())

    def _begin(self) -> None:
        while not self._settings_file.exists():
            if self._stopped.wait(_LOOK_AGAIN_S):
                return
        settings = Settings.from_json(self._settings_file.read_text())
        configure_logging(settings.log, f"actor of {self._spec.name}")
        self._run(self._start(settings))

    async def _start(self, settings: Settings) -> None:
        if self._stopped.is_set():
            return
        rows = RemoteRowWriter.from_settings(settings) if self._reports else None
        self._kept = KeptProcess(self._spec, settings, self._settings_file, rows, self._give_up)
        self._kept.start()

    def _give_up(self, reason: str) -> None:
        self._failure = reason

    def _run(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result()
