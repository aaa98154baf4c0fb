"""The register: whatever is done to it behind its back is seen, and named."""

from __future__ import annotations

import asyncio
import json
import resource
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from gateway.audit.checkpoints import (
    Checkpoint,
    CheckpointWriter,
    append_line,
    checkpoints_path,
    public_key_path,
    read_checkpoints,
    read_public_key,
    tip_path,
)
from gateway.audit.outside import OutsideDirectory
from gateway.audit.records import record_hash
from gateway.audit.verify import verify
from gateway.database.audit_tables import audit_log
from tests.gateway.audit.register import SECRET, Register

pytestmark = pytest.mark.both_databases

HASHED_LATER = ("reason_code", "case_id")


def _one_fault(register: Register) -> str:
    faults = register.verify().faults
    assert len(faults) == 1, faults
    return faults[0]


def _rehash_from(register: Register, first: int) -> None:
    """Compute the chain anew, as somebody would who knows how it is made."""
    with register.engine.begin() as connection:
        rows = connection.execute(sa.select(audit_log).order_by(audit_log.c.sequence)).mappings()
        previous = "0" * 64
        for row in list(rows):
            if row["sequence"] >= first:
                made = {**row, "previous_hash": previous}
                made["hash"] = record_hash(made)
                connection.execute(
                    sa.update(audit_log)
                    .where(audit_log.c.sequence == row["sequence"])
                    .values(previous_hash=previous, hash=made["hash"])
                )
                previous = made["hash"]
            else:
                previous = row["hash"]


async def test_an_untouched_register_is_whole(register: Register) -> None:
    await register.look(5)
    await register.look(3, sign=False)
    report = register.verify()
    assert report.faults == ()
    assert (report.records, report.covered_sequence) == (8, 5)
    assert report.notes == ("records 6 to 8 are younger than the last signature",)


async def test_the_gateway_itself_can_neither_change_nor_delete(register: Register) -> None:
    await register.look(2)
    for statement in (sa.delete(audit_log), sa.update(audit_log).values(action="x")):
        with (
            pytest.raises(sa.exc.IntegrityError, match="append-only"),
            register.engine.begin() as connection,
        ):
            connection.execute(statement)
    assert register.verify().faults == ()


@pytest.mark.parametrize(
    "column",
    [
        column.name
        for column in audit_log.c
        if column.name not in ("writer", "sequence", "hash", "previous_hash")
    ],
)
async def test_an_edit_of_any_column_is_named(register: Register, column: str) -> None:
    await register.look(5)
    value = 7 if isinstance(audit_log.c[column].type, sa.BigInteger) else "x"
    register.change(sa.update(audit_log).where(audit_log.c.sequence == 3).values({column: value}))
    assert _one_fault(register) == "record 3 was altered"


async def test_an_edit_that_was_hashed_anew_is_named(register: Register) -> None:
    await register.look(5)
    register.change(sa.update(audit_log).where(audit_log.c.sequence == 3).values(user_id="usr_2"))
    with register.engine.begin() as connection:
        row = connection.execute(sa.select(audit_log).where(audit_log.c.sequence == 3)).mappings()
        connection.execute(
            sa.update(audit_log)
            .where(audit_log.c.sequence == 3)
            .values(hash=record_hash(dict(row.one())))
        )
    assert "record 4 was chained to another record than 3, which was altered" in _one_fault(
        register
    )


@pytest.mark.parametrize(
    ("missing", "named"),
    [
        ((3,), "record 3 is missing"),
        ((2, 3), "records 2 to 3 are missing"),
        ((1,), "record 1 is missing"),
        ((4, 5), "records 4 to 5 were cut off the end: record 5 was signed at "),
        ((1, 2, 3, 4, 5), "records 1 to 5 were cut off the end: record 5 was signed at "),
    ],
)
async def test_what_was_taken_out_is_named(
    register: Register, missing: tuple[int, ...], named: str
) -> None:
    await register.look(5)
    register.change(sa.delete(audit_log).where(audit_log.c.sequence.in_(missing)))
    assert _one_fault(register).startswith(named)


async def test_reordered_records_are_named(register: Register) -> None:
    await register.look(5)
    place = audit_log.c.sequence
    register.change(
        sa.update(audit_log).where(place == 2).values(sequence=99),
        sa.update(audit_log).where(place == 4).values(sequence=2),
        sa.update(audit_log).where(place == 99).values(sequence=4),
    )
    faults = register.verify().faults
    assert "record 2 is in truth record 4: records were reordered" in faults
    assert "record 4 is in truth record 2: records were reordered" in faults


async def test_a_cut_tail_that_was_written_over_is_named(register: Register) -> None:
    await register.look(5)
    register.change(sa.delete(audit_log).where(audit_log.c.sequence > 3))
    await register.look(4, sign=False)
    assert "record 5 is not the one that was signed at " in _one_fault(register)
    register.checkpoints.write_line()
    assert "record 5 is not the one that was signed at " in _one_fault(register)


async def test_a_record_taken_out_and_all_others_chained_anew_is_narrowed_down(
    register: Register,
) -> None:
    for _ in range(4):
        await register.look(3)
    register.change(
        sa.delete(audit_log).where(audit_log.c.sequence == 5),
    )
    for sequence in range(6, 13):
        register.change(
            sa.update(audit_log)
            .where(audit_log.c.sequence == sequence)
            .values(sequence=sequence - 1)
        )
    _rehash_from(register, 5)
    faults = register.verify().faults
    assert "of records 4 to 6 some were altered, taken out or put in" in faults[0]
    assert "(and 1 later signatures differ too)" in faults[0]
    assert faults[1].startswith("record 12 was cut off the end")


async def test_a_cut_that_goes_on_unnoticed_by_the_writer_stays_named(register: Register) -> None:
    await register.look(5)
    register.change(sa.delete(audit_log).where(audit_log.c.sequence > 3))
    register.checkpoints.write_if_moved()
    register.checkpoints.write_line()
    assert "records 4 to 5 were cut off the end" in _one_fault(register)


# ---- signatures


def _drop_first(lines: list[str]) -> list[str]:
    return lines[1:]


def _drop_middle(lines: list[str]) -> list[str]:
    return [lines[0], *lines[2:]]


def _swap(lines: list[str]) -> list[str]:
    return [lines[1], lines[0], *lines[2:]]


def _forge(lines: list[str]) -> list[str]:
    return [*lines[:-1], lines[-1].replace('"sequence":3', '"sequence":2')]


def _no_json(lines: list[str]) -> list[str]:
    return [*lines[:-1], '{"writer": 7}\n']


@pytest.mark.parametrize(
    ("tamper", "named"),
    [
        (_drop_first, "checkpoints are missing before number 1"),
        (_drop_middle, "checkpoints are missing before number 2"),
        (_swap, "checkpoints are missing before number 1"),
        (_forge, "checkpoint 3 has a wrong signature"),
        (_no_json, "line 3 is no checkpoint"),
        (lambda lines: [], "there are records, but no signatures of them"),
    ],
)
async def test_tampered_checkpoints_are_named(
    register: Register, tamper: Callable[[list[str]], list[str]], named: str
) -> None:
    for _ in range(3):
        await register.look()
    path = checkpoints_path(register.folder)
    path.write_text("".join(tamper(path.read_text().splitlines(keepends=True))))
    assert named in register.verify().faults[0]


async def test_the_newest_second_is_signed_too(register: Register) -> None:
    await register.look(3)
    await register.look(2, sign=False)
    register.checkpoints.write_if_moved()
    assert register.verify().covered_sequence == 5
    register.change(sa.delete(audit_log).where(audit_log.c.sequence > 4))
    assert _one_fault(register).startswith("record 5 was cut off the end")
    tip_path(register.folder).unlink()
    report = register.verify()
    assert (report.faults, report.covered_sequence) == ((), 3), "what only outside copies can tell"


async def test_a_forged_tip_is_named(register: Register) -> None:
    await register.look(3)
    forged = Checkpoint("local", 2, "0" * 64, 1, "")
    tip_path(register.folder).write_text(forged.to_line())
    assert "the newest checkpoint has a wrong signature" in register.verify().faults


async def test_another_key_signs_for_nobody(register: Register) -> None:
    await register.look(3)
    foreign = Ed25519PrivateKey.generate().public_key()
    with register.engine.connect() as connection:
        faults = verify(connection, register.folder, foreign).faults
    assert "checkpoint 1 has a wrong signature" in faults


async def test_the_public_key_lies_beside_the_signatures(register: Register) -> None:
    await register.look(1)
    key = read_public_key(public_key_path(register.folder).read_bytes())
    with register.engine.connect() as connection:
        assert verify(connection, register.folder, key).faults == ()


async def test_a_minute_without_a_record_is_signed_too(register: Register) -> None:
    await register.look(1)
    register.checkpoints.write_line()
    register.checkpoints.write_line()
    assert register.verify().checkpoints == 3


async def test_a_long_silence_is_noted(register: Register, monkeypatch: pytest.MonkeyPatch) -> None:
    await register.look(1)
    line = json.loads(checkpoints_path(register.folder).read_text())
    monkeypatch.setattr("gateway.audit.checkpoints.now_us", lambda: line["at_us"] + 3_600_000_000)
    register.checkpoints.write_line()
    report = register.verify()
    assert report.faults == ()
    assert "nothing was signed from " in report.notes[0]


async def test_checkpoints_go_on_after_a_torn_line(register: Register) -> None:
    await register.look(2)
    path = checkpoints_path(register.folder)
    with path.open("a") as opened:
        opened.write('{"writer": "loc')
    again = CheckpointWriter(register.engine, register.folder, SECRET)
    again.open()
    await register.look(1, sign=False)
    again.write_line()
    report = register.verify()
    assert (report.faults, report.checkpoints) == ((), 2)


async def test_signing_goes_on_from_the_tip_after_a_crash(register: Register) -> None:
    await register.look(2)
    await register.look(1, sign=False)
    register.checkpoints.write_if_moved()
    again = CheckpointWriter(register.engine, register.folder, SECRET)
    again.open()
    again.write_if_moved()
    again.write_line()
    assert register.verify().faults == ()


@pytest.mark.parametrize("why", [OSError, sa.exc.TimeoutError, RuntimeError])
async def test_no_failure_ends_the_signing(
    why: type[Exception], register: Register, monkeypatch: pytest.MonkeyPatch
) -> None:
    sign, failures = CheckpointWriter.write_line, iter(range(3))

    def fail_at_first(writer: CheckpointWriter) -> None:
        if next(failures, None) is not None:
            raise why("it cannot be now")
        sign(writer)

    monkeypatch.setattr("gateway.audit.checkpoints.TIP_INTERVAL_S", 0.001)
    monkeypatch.setattr(CheckpointWriter, "write_line", fail_at_first)
    await register.look(1, sign=False)
    running = asyncio.create_task(register.checkpoints.run())
    async with asyncio.timeout(30):
        while register.checkpoints.newest_line is None:  # noqa: ASYNC110 - told by nobody
            await asyncio.sleep(0.01)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert register.verify().faults == ()


async def test_a_line_that_the_disk_cut_short_leaves_nothing_behind(register: Register) -> None:
    await register.look(2)
    path = checkpoints_path(register.folder)
    whole = path.read_bytes()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(whole) + 100, limits[1]))
    try:
        with pytest.raises(OSError, match="too large"):
            register.checkpoints.write_line()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert path.read_bytes() == whole
    register.checkpoints.write_line()
    report = register.verify()
    assert (report.faults, report.checkpoints) == ((), 2)


async def test_the_last_line_waits_for_the_one_that_is_being_signed(
    register: Register, monkeypatch: pytest.MonkeyPatch
) -> None:
    await register.look(1, sign=False)
    begun, goes_on = threading.Event(), threading.Event()

    def slow_disk(path: Path, line: str) -> None:
        begun.set()
        goes_on.wait(60)
        append_line(path, line)

    monkeypatch.setattr("gateway.audit.checkpoints.append_line", slow_disk)
    signing = asyncio.create_task(register.checkpoints.run())
    await asyncio.to_thread(begun.wait, 60)
    signing.cancel()
    await asyncio.gather(signing, return_exceptions=True)
    last = asyncio.create_task(asyncio.to_thread(register.checkpoints.write_line))
    asyncio.get_running_loop().call_later(0.2, goes_on.set)
    await last
    report = register.verify()
    assert (report.faults, report.checkpoints) == ((), 2)


async def test_signatures_that_come_while_the_register_is_checked_are_no_fault(
    register: Register, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A gateway that runs goes on signing, and a long file takes its time."""
    await register.look(2)

    def signed_meanwhile(path: Path) -> Iterator[Checkpoint]:
        yield from read_checkpoints(path)
        register.checkpoints.write_line()
        rows = register.rows.submit("audit.append", records=[{"action": "live.open"}])
        rows.result()
        register.checkpoints.write_if_moved()

    monkeypatch.setattr("gateway.audit.verify.read_checkpoints", signed_meanwhile)
    assert register.verify().faults == ()


# ---- what lies elsewhere


class Growing(OutsideDirectory):
    """A place to which the gateway copies a checkpoint while it is being read."""

    def __init__(self, register: Register, directory: Path) -> None:
        super().__init__(directory, "gw")
        self._register = register

    def read(self) -> Iterator[Checkpoint]:
        self._register.checkpoints.write_line()
        assert self._register.checkpoints.newest_line is not None
        self.keep(self._register.checkpoints.newest_line)
        yield from super().read()


async def test_a_copy_that_comes_while_the_register_is_checked_is_no_fault(
    register: Register, tmp_path: Path
) -> None:
    await register.look(2)
    report = register.verify([Growing(register, tmp_path)])
    assert (report.faults, report.outside_checkpoints) == ((), 1)


async def test_a_cut_of_records_and_signatures_alike_is_told_by_the_copy(
    register: Register, tmp_path: Path
) -> None:
    elsewhere = tmp_path / "other host"
    elsewhere.mkdir()
    outside = OutsideDirectory(elsewhere, "gw")
    for _ in range(3):
        await register.look(2)
        assert register.checkpoints.newest_line is not None
        outside.keep(register.checkpoints.newest_line)
    assert register.verify([outside]).faults == ()
    assert register.verify([outside]).outside_checkpoints == 3

    register.change(sa.delete(audit_log).where(audit_log.c.sequence > 4))
    path = checkpoints_path(register.folder)
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:2]))
    assert register.verify().faults == ()
    faults = register.verify([outside]).faults
    assert "but not on this machine: its file was cut or replaced" in faults[0]
    assert faults[1].startswith("records 5 to 6 were cut off the end")
    assert str(elsewhere) in faults[1]


@given(batches=st.lists(st.tuples(st.integers(1, 4), st.booleans()), min_size=1, max_size=6))
@hypothesis_settings(
    max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
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
    register.close()


def test_a_record_of_before_reasons_had_columns_keeps_its_hash() -> None:
    row = {"writer": "local", "sequence": 1, "at_us": 5, "action": "live.open", "detail": "{}"}
    assert record_hash(row) == record_hash({**row, **dict.fromkeys(HASHED_LATER)})
    assert len({record_hash({**row, name: "x"}) for name in HASHED_LATER}) == 2
    # As the first release wrote it.
    assert record_hash({**row, "previous_hash": "0" * 64}) == (
        "1de78f30343826f7ede9b6af3217488b1005ffc4bcb0ed6770ca31e204075b8a"
    )
