"""Sources that nobody has are placed together, as those that somebody has are one by one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from gateway.cluster.rows import place
from gateway.settings import Settings
from recorder.tables import assignments, sources
from tests.gateway.kept import new_database

COUNT = 1_200  # more than are asked about at once


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[sa.Connection]:
    engine = new_database(Settings(data_directory=tmp_path))
    with engine.begin() as opened:
        yield opened
    engine.dispose()


def owned(connection: sa.Connection) -> dict[str, tuple[str, int]]:
    rows = connection.execute(sa.select(assignments))
    return {row.source_id: (row.owner, row.epoch) for row in rows}


def test_new_ones_get_a_source_and_their_first_epoch(connection: sa.Connection) -> None:
    wanted: dict[str, str | None] = {
        f"cam_{number}/{variant}": f"shard-{number % 2 + 1}"
        for number in range(COUNT)
        for variant in ("main", "backfill")
    }
    assert sorted(place(connection, wanted)) == sorted(wanted)
    assert owned(connection) == {one: (owner, 1) for one, owner in wanted.items()}
    rows = connection.execute(sa.select(sources).where(sources.c.camera_id == "cam_7")).all()
    assert {(row.id, row.kind, row.variant) for row in rows} == {
        ("cam_7/main", "camera", "main"),
        ("cam_7/backfill", "backfill", "main"),
    }
    assert place(connection, wanted) == []


def test_each_change_of_owner_raises_the_epoch_whoever_had_it(connection: sa.Connection) -> None:
    for epoch, owner in enumerate(("shard-1", None, "shard-1", "shard-2"), start=1):
        changed = place(connection, {"cam_1/main": owner, "cam_2/main": "shard-2"})
        assert "cam_1/main" in changed
        assert owned(connection)["cam_1/main"] == (owner or "", epoch)
    assert owned(connection)["cam_2/main"] == ("shard-2", 1)


def test_what_nobody_shall_have_and_nobody_had_is_left_alone(connection: sa.Connection) -> None:
    assert place(connection, {"cam_1/main": None}) == []
    assert owned(connection) == {}
