"""The register: whatever is done to it behind its back is seen."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from gateway.audit import (
    AuditRecord,
    AuditReport,
    CheckpointWriter,
    append,
    checkpoints_path,
    signing_key,
    verify,
)
from gateway.database.engine import create_writer_engine
from gateway.database.migrate import load_tables
from gateway.database.tables import audit_log
from gateway.settings import Settings
from recorder.rows import LocalRowWriter

SECRET = b"s" * 32


class Register:
    """A database and its checkpoints, as the writer process keeps them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.engine = create_writer_engine(Settings(data_directory=folder))
        load_tables().create_all(self.engine)
        self.rows = LocalRowWriter(self.engine)
        self.checkpoints = CheckpointWriter(self.engine, folder, SECRET)
        self.checkpoints.open()

    async def look(self, count: int = 1, *, sign: bool = True) -> None:
        for number in range(count):
            record = AuditRecord(
                "live.open", user_id="usr_1", user_name="王警官", camera_id=f"cam_{number}"
            )
            await append(self.rows, [record])
        if sign:
            self.checkpoints.write_if_moved()

    def change(self, statement: sa.Executable) -> None:
        with self.engine.begin() as connection:
            connection.execute(statement)

    def verify(self) -> AuditReport:
        with self.engine.connect() as connection:
            return verify(connection, self.folder, signing_key(SECRET).public_key())


@pytest.fixture
def register(tmp_path: Path) -> Iterator[Register]:
    opened = Register(tmp_path)
    yield opened
    opened.rows.close()
    opened.engine.dispose()


async def test_an_untouched_register_is_whole(register: Register) -> None:
    await register.look(5)
    await register.look(3, sign=False)
    report = register.verify()
    assert report.faults == ()
    assert (report.records, report.covered_sequence) == (8, 5)


@pytest.mark.parametrize(
    "column",
    [
        column.name
        for column in audit_log.c
        if column.name not in ("writer", "sequence", "hash", "previous_hash")
    ],
)
async def test_an_edit_of_any_column_is_seen(register: Register, column: str) -> None:
    await register.look(5)
    value = 7 if isinstance(audit_log.c[column].type, sa.BigInteger) else "x"
    register.change(sa.update(audit_log).where(audit_log.c.sequence == 3).values({column: value}))
    assert any("record 3 was altered" in fault for fault in register.verify().faults)


async def test_a_removed_record_is_seen(register: Register) -> None:
    await register.look(5)
    register.change(sa.delete(audit_log).where(audit_log.c.sequence == 3))
    assert any("missing" in fault for fault in register.verify().faults)


async def test_a_cut_tail_is_seen(register: Register) -> None:
    await register.look(5)
    register.change(sa.delete(audit_log).where(audit_log.c.sequence > 3))
    assert any("cut off" in fault for fault in register.verify().faults)


async def test_a_cut_tail_that_was_written_over_is_seen(register: Register) -> None:
    await register.look(5)
    register.change(sa.delete(audit_log).where(audit_log.c.sequence > 3))
    await register.look(4)
    assert any("not the one that was signed" in fault for fault in register.verify().faults)


async def test_a_chain_that_was_computed_anew_is_seen(register: Register) -> None:
    await register.look(3)
    register.change(sa.delete(audit_log))
    await register.look(3, sign=False)
    assert register.verify().faults


def _drop_first(lines: list[str]) -> list[str]:
    return lines[1:]


def _drop_middle(lines: list[str]) -> list[str]:
    return [lines[0], *lines[2:]]


def _forge(lines: list[str]) -> list[str]:
    return [*lines[:-1], lines[-1].replace('"sequence":3', '"sequence":2')]


@pytest.mark.parametrize("tamper", [_drop_first, _drop_middle, _forge, lambda lines: []])
async def test_tampered_checkpoints_are_seen(
    register: Register, tamper: Callable[[list[str]], list[str]]
) -> None:
    for _ in range(3):
        await register.look()
    path = checkpoints_path(register.folder)
    path.write_text("".join(tamper(path.read_text().splitlines(keepends=True))))
    assert register.verify().faults


async def test_checkpoints_go_on_after_a_torn_line(register: Register) -> None:
    await register.look(2)
    path = checkpoints_path(register.folder)
    with path.open("a") as opened:
        opened.write('{"writer": "loc')
    again = CheckpointWriter(register.engine, register.folder, SECRET)
    again.open()
    await register.look(1, sign=False)
    again.write_if_moved()
    report = register.verify()
    assert (report.faults, report.checkpoints) == ((), 2)


@given(batches=st.lists(st.tuples(st.integers(1, 4), st.booleans()), min_size=1, max_size=6))
@hypothesis_settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
async def test_any_cut_below_a_checkpoint_is_seen(
    tmp_path_factory: pytest.TempPathFactory, batches: list[tuple[int, bool]]
) -> None:
    register = Register(tmp_path_factory.mktemp("register"))
    await register.look()
    for count, sign in batches:
        await register.look(count, sign=sign)
    report = register.verify()
    assert report.records == 1 + sum(count for count, _ in batches)
    for kept in range(report.records):
        register.change(
            sa.delete(audit_log).where(audit_log.c.sequence > report.records - kept - 1)
        )
        cut = register.verify()
        assert bool(cut.faults) == (report.records - kept - 1 < report.covered_sequence)
    register.rows.close()
    register.engine.dispose()
