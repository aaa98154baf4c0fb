"""Imports are kept for a while, few at a time, and leave nothing behind."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gateway.audit import AuditRecord
from gateway.settings import Settings
from gateway.sheets import jobs as module
from gateway.sheets import worker
from gateway.sheets.jobs import ImportJob, ImportJobs, TooManyImports
from gateway.sheets.plan import Plan
from gateway.sheets.scope import Scope
from gateway.sheets.sheet import SheetError

WANG = AuditRecord("import", user_id="usr_wang")


class NoRows:
    """A writer that nobody needs."""

    async def write(self, operation: str, /, **arguments: Any) -> Any:
        raise AssertionError(operation)


@pytest.fixture
def jobs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ImportJobs:
    """Imports whose files are all right at once."""

    async def check(*_: Any) -> Plan:
        return Plan()

    monkeypatch.setattr(worker, "check", check)
    return ImportJobs(Settings(data_directory=tmp_path), NoRows(), nobody)


async def nobody() -> None:
    """Who is told that something was imported."""


async def checked(jobs: ImportJobs, by: AuditRecord = WANG) -> ImportJob:
    job = await jobs.start("areas", "a.csv", b"secret", Scope(), by)
    assert job.task is not None
    await job.task
    assert job.state == "checked"
    return job


async def test_files_that_a_killed_gateway_left_are_thrown_away(
    jobs: ImportJobs, tmp_path: Path
) -> None:
    left = tmp_path / "imports" / "imp_left"
    left.parent.mkdir()
    left.write_bytes(b"secret")
    await jobs.open()
    assert list(left.parent.iterdir()) == []


async def test_only_the_newest_of_a_user_are_kept(jobs: ImportJobs, tmp_path: Path) -> None:
    made = [await checked(jobs) for _ in range(module.JOBS_PER_USER + 3)]
    kept = [jobs.find(job.id, "usr_wang") for job in made]
    assert kept == [None] * 3 + made[3:]
    assert len(list((tmp_path / "imports").iterdir())) == module.JOBS_PER_USER
    other = await checked(jobs, AuditRecord("import", user_id="usr_li"))
    assert jobs.find(made[3].id, "usr_wang") is not None
    # To each their own.
    assert jobs.find(other.id, "usr_wang") is None
    await jobs.close()
    assert list((tmp_path / "imports").iterdir()) == []


async def test_nobody_waits_for_more_than_one_file_of_another(
    jobs: ImportJobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    order: list[str | None] = []
    going_on = asyncio.Event()

    async def check(_: object, asked: worker.Check, __: object) -> Plan:
        await going_on.wait()
        order.append(by_path[asked.path])
        return Plan()

    monkeypatch.setattr(worker, "check", check)
    by_path: dict[Path, str | None] = {}
    started = []
    for user_id in ["usr_wang"] * module.JOBS_PER_USER + ["usr_li"]:
        by = AuditRecord("import", user_id=user_id)
        job = await jobs.start("areas", "a.csv", b"secret", Scope(), by)
        by_path[job.path] = user_id
        started.append(job)
    # Nor does anybody have more than their share waiting.
    with pytest.raises(TooManyImports):
        await jobs.start("areas", "a.csv", b"secret", Scope(), WANG)
    going_on.set()
    await asyncio.gather(*(job.task for job in started if job.task is not None))
    assert order.index("usr_li") <= 1
    assert len(order) == module.JOBS_PER_USER + 1
    await jobs.close()


async def test_a_file_is_forgotten_after_its_time(
    jobs: ImportJobs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "KEPT_S", 0)
    job = await checked(jobs)
    while list((tmp_path / "imports").iterdir()):  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    assert jobs.find(job.id, "usr_wang") is None


@pytest.fixture
def read_by(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Puts a script in place of the process that reads."""

    def put(script: str) -> None:
        path = tmp_path / "reader"
        path.write_text(script)
        path.chmod(0o700)
        monkeypatch.setattr(worker.sys, "executable", str(path))

    return put


async def test_a_file_that_kills_its_reader_is_refused(
    tmp_path: Path, read_by: Callable[[str], None]
) -> None:
    # As the kernel does with one that takes too much memory or time.
    read_by("#!/bin/sh\nkill -9 $$\n")
    asked = worker.Check("areas", tmp_path / "a.csv", Scope())
    with pytest.raises(SheetError) as refused:
        await worker.check(Settings(data_directory=tmp_path), asked)
    assert refused.value.code == "too_heavy"


async def test_a_fault_of_ours_is_not_called_the_files(
    tmp_path: Path, read_by: Callable[[str], None]
) -> None:
    read_by("#!/bin/sh\ncat > /dev/null\nexit 1\n")
    asked = worker.Check("areas", tmp_path / "a.csv", Scope())
    with pytest.raises(RuntimeError):
        await worker.check(Settings(data_directory=tmp_path), asked)
