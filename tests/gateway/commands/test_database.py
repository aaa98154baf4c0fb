"""``gridsight db``: the schema, and rows moved from SQLite to a real PostgreSQL."""

from __future__ import annotations

import asyncio
import fcntl
import sqlite3
from pathlib import Path

import pytest
import sqlalchemy as sa
from pydantic import SecretStr

from gateway.audit import AuditRecord
from gateway.database.engine import create_sync_reader_engine, create_writer_engine
from gateway.database.migrate import upgrade
from gateway.database.tables import cameras, layouts
from gateway.database.writer_process import load_operations
from gateway.settings import Settings
from recorder.rows import LocalRowWriter
from recorder.tables import gaps, segments
from tests.gateway.commands.test_cli import call
from tests.gateway.database.test_partitions import NOON_US, RUN, SOURCE
from tests.gateway.kept import new_database
from tests.peers.postgresql import PASSWORD, PostgresqlServer

pytestmark = pytest.mark.sqlite


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A gateway's folder, with rows of many kinds in SQLite."""
    monkeypatch.chdir(tmp_path)
    load_operations()
    folder = tmp_path / "data"
    folder.mkdir()
    writing = new_database(Settings(data_directory=folder))
    rows = LocalRowWriter(writing)

    async def fill() -> str:
        area_id = await rows.write("areas.create", name="县城", parent_id=None)
        await rows.write("areas.create", name="西门", parent_id=area_id)
        camera = {
            "id": "cam_1", "area_id": area_id, "name": "南门 'a\\tb'", "main_url": "rtsp://x/1",
            "sub_url": None, "username": None, "password_sealed": None, "transport": "tcp",
            "record": "continuous", "retention_days": None, "retention_bytes": 1 << 50,
            "enabled": False,
        }  # fmt: skip
        await rows.write("cameras.create", cameras_columns=[camera])
        for number in range(20):
            start_us = NOON_US + number * 60_000_000 - (number % 3) * 86_400_000_000
            segment = {
                "id": f"seg_{number}", "source_id": "cam/main", "run_id": "run", "epoch": 1,
                "ordinal": 1, "start_us": start_us, "end_us": start_us + 60_000_000,
                "effective_start_us": None, "effective_end_us": None, "start_90k": 0,
                "store_key": f"k/{number}", "size_bytes": 10, "header_bytes": 1,
                "sha256": bytes(range(256)), "gop_index": b"\x00\\x\n", "state": "stored",
                "held": False,
            }  # fmt: skip
            await rows.write(
                "recorder.add_segment", source=SOURCE, run=RUN, segment=segment, now_us=NOON_US
            )
        await rows.write(
            "recorder.mark_deleting", segment_ids=["seg_1"], cause="retention", detail="第一"
        )
        record = AuditRecord("live.open", user_name="王警官", detail={"ж": [1.5, None, True]})
        await rows.write("audit.append", records=[record.to_message()])
        made: str = await rows.write(
            "accounts.create",
            name="li",
            display_name="李",
            password_hash="-",
            must_change_password=False,
            granted=[],
        )
        return made

    user_id = asyncio.run(fill())
    with writing.begin() as connection:
        connection.execute(
            sa.insert(layouts).values(
                id="lay_1", name="墙", shared=True, owner_id=user_id,
                document={"cells": [{"camera": "南门\\\t\n"}], "much": 1e300}, changed_us=1,
            )
        )  # fmt: skip
    rows.close()
    writing.dispose()
    return folder


@pytest.fixture
def empty(postgresql: PostgresqlServer) -> str:
    return postgresql.empty_database()


def everything(settings: Settings, *tables: sa.Table) -> list[list[tuple[object, ...]]]:
    engine = create_sync_reader_engine(settings)
    try:
        with engine.connect() as connection:
            return [
                sorted((tuple(row) for row in connection.execute(sa.select(table))), key=repr)
                for table in tables
            ]
    finally:
        engine.dispose()


def test_all_rows_are_copied_compared_and_go_on_counting(data: Path, empty: str) -> None:
    result = call(data, "db", "copy", "--to", empty)
    assert result.exit_code == 0, result.output
    assert "segments: 20 rows" in result.output
    assert "compared and equal" in result.output
    assert PASSWORD not in result.output
    there = Settings(data_directory=data, database_url=SecretStr(empty))
    tables = (cameras, segments, gaps, layouts)
    assert everything(there, *tables) == everything(Settings(data_directory=data), *tables)
    engine = create_writer_engine(there)
    with engine.begin() as connection:
        lying = set(
            connection.scalars(
                sa.text("SELECT CAST(CAST(tableoid AS regclass) AS text) FROM segments")
            )
        )
        assert lying == {"segments_20260525", "segments_20260526", "segments_20260527"}
        added = connection.execute(
            sa.insert(gaps).values(
                source_id="cam/main", start_us=1, end_us=2, cause="camera_offline", detail=""
            )
        )
        assert added.inserted_primary_key is not None
        assert added.inserted_primary_key[0] == 2
    engine.dispose()


def test_the_register_is_whole_after_the_move(
    data: Path, empty: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert call(data, "user", "add", "root", "--grant", "system_admin").exit_code == 0
    assert call(data, "db", "copy", "--to", empty).exit_code == 0
    monkeypatch.setenv("GRIDSIGHT_DATABASE_URL", empty)
    assert call(data, "user", "add", "second", "--grant", "system_admin").exit_code == 0
    assert "root" in call(data, "user", "list").output
    verified = call(data, "audit", "verify")
    assert verified.exit_code == 0, verified.output
    result = call(data, "db", "upgrade")
    assert (result.exit_code, "up to date" in result.output) == (0, True)


def test_a_filled_target_is_refused_and_left_alone(data: Path, empty: str) -> None:
    assert call(data, "db", "copy", "--to", empty).exit_code == 0
    again = call(data, "db", "copy", "--to", empty)
    assert again.exit_code == 1
    assert "not empty" in again.output


def test_what_cannot_be_copied_leaves_the_target_empty_for_another_try(
    data: Path, empty: str
) -> None:
    with sqlite3.connect(data / "gridsight.db") as source:
        source.execute("UPDATE gaps SET detail = 'a' || char(0) || 'b'")
    refused = call(data, "db", "copy", "--to", empty)
    assert refused.exit_code == 1
    assert "gaps, about row 1" in refused.output
    with sqlite3.connect(data / "gridsight.db") as source:
        source.execute("UPDATE gaps SET detail = ''")
    assert call(data, "db", "copy", "--to", empty).exit_code == 0


def test_wrong_addresses_are_refused_without_their_passwords(data: Path, empty: str) -> None:
    wrong = empty.replace("gridsight:", "nobody_here:")
    for url, why in (
        (wrong, "the database refused"),
        ("postgresql://u:se%zzcret@[::1/x", "URL"),
        (f"sqlite:///{data}/other.db", "--to"),
        ("mysql://u:secret@h/x", "--to"),
    ):
        result = call(data, "db", "copy", "--to", url)
        assert result.exit_code == 1, url
        assert why in result.output, (url, result.output)
        assert "cret" not in result.output
        assert PASSWORD not in result.output
        assert "pa55" not in result.output
    missing = call(data, "db", "copy", "--from", "sqlite:////nowhere/x.db", "--to", empty)
    assert missing.exit_code == 1
    assert "no file of SQLite" in missing.output


def test_a_running_gateway_is_not_copied(data: Path, empty: str) -> None:
    run = data / "run"
    run.mkdir(exist_ok=True)
    with (run / "supervisor.lock").open("wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for command in (("copy", "--to", empty), ("upgrade",)):
            result = call(data, "db", *command)
            assert result.exit_code == 1
            assert "stop the gateway first" in result.output


def test_an_old_database_is_brought_up_to_date(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    engine = create_writer_engine(Settings(data_directory=data))
    upgrade(engine, "0027")
    engine.dispose()
    assert "from 0027 to " in call(data, "db", "upgrade").output
    assert "up to date" in call(data, "db", "upgrade").output
