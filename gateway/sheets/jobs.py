"""Imports under way: each is a file that was sent, checked in a process of its own, and then, when
somebody says so, checked anew and written in one transaction.

They live in the memory of the API process that took the file, whose name their ids end with. What a
restart loses is a file that was not written yet, or the news that it was: importing it again is
right in both cases.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal
from weakref import WeakValueDictionary

import structlog

from gateway.audit import AuditRecord, append
from gateway.identifiers import US_PER_S, new_id, now_us
from gateway.settings import Settings
from gateway.sheets import worker
from gateway.sheets.files import Kind
from gateway.sheets.plan import Plan
from gateway.sheets.register import THINGS
from gateway.sheets.scope import Scope
from gateway.sheets.sheet import SheetError
from gateway.sheets.writing import write_plan
from recorder.rows import RowError, RowWriter

_log = structlog.get_logger(__name__)

State = Literal["checking", "checked", "applying", "applied", "failed"]

KEPT_S = 3600
PASSWORDS_KEPT_US = 15 * 60 * US_PER_S
JOBS_PER_USER = 5
JOBS_LIMIT = 40


@dataclass(slots=True)
class ImportJob:
    """One import. ``by`` says whose; ``path`` holds the file as it was sent, of which ``lines``
    have been read.
    """

    id: str
    kind: Kind
    name: str
    by: AuditRecord
    path: Path
    sha256: str = ""
    state: State = "checking"
    lines: int = 0
    plan: Plan = field(default_factory=Plan)
    error: tuple[str, str] | None = None
    # Name, display name and one-time password of each account that was made.
    passwords: list[tuple[str, str, str]] = field(default_factory=list)
    applied_us: int = 0
    task: asyncio.Task[None] | None = None
    expiry: asyncio.TimerHandle | None = None


class TooManyImports(Exception):
    """As many files are being read as may be: try again later."""


class ImportJobs:
    """Every import of this process. One file is worked on at a time."""

    def __init__(
        self,
        settings: Settings,
        rows: RowWriter,
        written: Callable[[], Awaitable[None]],
        process: str = "",
    ) -> None:
        """``written`` is called when something has been imported. ``process``: the name of this
        one, where there are several.
        """
        self._settings = settings
        self._rows = rows
        self._written = written
        self._process = process
        self._root = settings.data_directory / "imports"
        self._folder = self._root / process if process else self._root
        self._jobs: dict[str, ImportJob] = {}
        self._turn = asyncio.Lock()
        self._turn_of: WeakValueDictionary[str | None, asyncio.Lock] = WeakValueDictionary()

    @staticmethod
    def process_of(job_id: str) -> str:
        """The name of the process that holds an import; empty where there is one only."""
        return job_id.partition(".")[2]

    async def open(self) -> None:
        """Throw away files that an earlier process left."""
        await asyncio.to_thread(self._clear)

    async def close(self) -> None:
        """Stop what is under way; what is being written is either written whole or not at all."""
        for job in list(self._jobs.values()):
            await self.forget(job)

    async def start(
        self, kind: Kind, name: str, content: bytes, scope: Scope, by: AuditRecord
    ) -> ImportJob:
        """Take a file of ``by.user_id`` and check it; their oldest imports are forgotten for it.

        Raises TooManyImports.
        """
        await self._make_room(by.user_id)
        job_id = new_id("imp") + (f".{self._process}" if self._process else "")
        job = ImportJob(job_id, kind, name, by, self._folder / job_id)
        self._jobs[job.id] = job
        try:
            job.sha256 = await asyncio.to_thread(self._keep, job.path, content)
        except BaseException:
            self._jobs.pop(job.id, None)
            raise
        # Files hold passwords: none stays because nobody came back for it.
        job.expiry = asyncio.get_running_loop().call_later(KEPT_S, self._expire, job)
        job.task = asyncio.create_task(self._guarded(job, self._check(job, scope)))
        return job

    def find(self, job_id: str, user_id: str) -> ImportJob | None:
        """The import, if it is this user's."""
        job = self._jobs.get(job_id)
        return job if job is not None and job.by.user_id == user_id else None

    def apply(self, job: ImportJob, scope: Scope, by: AuditRecord) -> None:
        """Check it anew, with the rights of now, and write it."""
        job.state = "applying"
        job.error = None
        job.task = asyncio.create_task(self._guarded(job, self._apply(job, scope, by)))

    async def forget(self, job: ImportJob) -> None:
        """Stop it and delete its file. What is just being written may be written all the same."""
        self._jobs.pop(job.id, None)
        if job.expiry is not None:
            job.expiry.cancel()
        if job.task is not None:
            job.task.cancel()
            await asyncio.gather(job.task, return_exceptions=True)
        await asyncio.to_thread(job.path.unlink, missing_ok=True)

    def passwords(self, job: ImportJob) -> list[tuple[str, str, str]]:
        """The one-time passwords of its accounts, for a quarter of an hour."""
        if job.applied_us < now_us() - PASSWORDS_KEPT_US:
            job.passwords = []
        return job.passwords

    async def _check(self, job: ImportJob, scope: Scope) -> None:
        def read(lines: int) -> None:
            job.lines = lines

        own = self._turn_of.setdefault(job.by.user_id, asyncio.Lock())
        # Nobody waits for more than one file of each of the others.
        async with own, self._turn:
            job.plan = await worker.check(
                self._settings, worker.Check(job.kind, job.path, scope), read
            )
        if job.state == "checking":
            job.state = "checked"
            # The steps hold sealed secrets, and may be outdated when they are wanted.
            job.plan.steps = []

    async def _apply(self, job: ImportJob, scope: Scope, by: AuditRecord) -> None:
        await self._check(job, scope)
        if job.plan.faults:
            job.state = "checked"
            job.error = ("import_has_faults", "the county has changed: the file has faults now")
            return
        detail = {"file": job.name, "sha256": job.sha256}
        job.passwords = await write_plan(self._rows, job.kind, job.plan, by, detail)
        job.plan.steps = []
        job.applied_us = now_us()
        job.state = "applied"
        await asyncio.to_thread(job.path.unlink, missing_ok=True)
        await self._written()

    async def _guarded(self, job: ImportJob, work: Awaitable[None]) -> None:
        try:
            await work
        except SheetError as error:
            job.state, job.error = "failed", (error.code, str(error))
            await self._note_refused(job, error.code)
        except RowError as error:
            # Nothing was written; the file can be tried again.
            job.state, job.error = "checked", (error.code, str(error))
        except (ConnectionError, TimeoutError, OSError):
            _log.warning("an import was cut off", job=job.id, exc_info=True)
            job.state = "failed"
            job.error = ("unavailable", "a part of the gateway is being restarted: try again")
        except Exception:
            _log.error("an import failed", job=job.id, exc_info=True)
            job.state, job.error = "failed", ("failed", "this failed inside the gateway")

    async def _note_refused(self, job: ImportJob, code: str) -> None:
        """A file that is no sheet, or a bomb, is on record."""
        detail = {"file": job.name, "sha256": job.sha256, "code": code}
        action = f"{THINGS[job.kind]}.import_refused"
        refused = replace(job.by, action=action, detail={**job.by.detail, **detail})
        try:
            await append(self._rows, [refused])
        except (ConnectionError, RowError):
            _log.warning("a refused import is not on record", job=job.id, code=code)

    async def _make_room(self, user_id: str | None) -> None:
        """Forget the oldest for one more, of this user and at all. Raises TooManyImports."""
        everybody = list(self._jobs.values())
        own = [job for job in everybody if job.by.user_id == user_id]
        for jobs, limit in ((own, JOBS_PER_USER), (everybody, JOBS_LIMIT)):
            idle = [job for job in jobs if job.state not in ("applying", "checking")]
            surplus = max(0, len(jobs) + 1 - limit)
            if surplus > len(idle):
                raise TooManyImports("many files are being read just now: try again in a moment")
            for job in idle[:surplus]:
                await self.forget(job)

    def _expire(self, job: ImportJob) -> None:
        job.expiry = None
        job.task = asyncio.create_task(self._forget_after(job, job.task))

    async def _forget_after(self, job: ImportJob, task: asyncio.Task[None] | None) -> None:
        if task is not None:
            await asyncio.gather(task, return_exceptions=True)
        job.task = None
        await self.forget(job)

    def _keep(self, path: Path, content: bytes) -> str:
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        path.touch(mode=0o600)
        path.write_bytes(content)
        return hashlib.sha256(content).hexdigest()

    def _clear(self) -> None:
        if not self._root.is_dir():
            return
        names = self._settings.api_names if self._process else []
        others = {self._root / name for name in names if name != self._process}
        for path in self._root.iterdir():
            if not path.is_dir():
                path.unlink(missing_ok=True)
            elif path not in others:
                for left in path.iterdir():
                    left.unlink(missing_ok=True)
