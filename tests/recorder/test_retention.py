"""Deleting by days, bytes and space; what is held never goes; a crash in between is finished."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from recorder.forecast import forecast
from recorder.index import source_message
from recorder.retention import DAY_US, Breach, Retention, RetentionPolicy
from recorder.rows import LocalRowWriter
from recorder.segments import Segment
from recorder.spool_header import RecordedSource
from recorder.stores import DeletionError, DirectoryStoreConfig, StoreError
from recorder.stores.directory import DirectoryStore
from recorder.tables import gaps, segments

pytestmark = pytest.mark.both_databases

NOW = 20_000 * DAY_US
SIZE = 1000


@pytest.fixture
async def footage(
    rows: LocalRowWriter, store: DirectoryStore, tmp_path: Any
) -> dict[str, list[str]]:
    """Two cameras with one segment a day for ten days; ids, oldest first."""
    blob = tmp_path / "blob"
    blob.write_bytes(bytes(SIZE))
    ids: dict[str, list[str]] = {}
    for camera in ("a", "b"):
        source = RecordedSource(f"{camera}/main", "camera", camera, "main")
        run = {
            "id": f"run-{camera}", "source_id": source.id, "epoch": 0, "ordinal": 1,
            "start_us": 0, "mime": "m", "video_codec": "h264", "audio_codec": None, "width": 1,
            "height": 1, "timescales": (90000,), "init_segment": b"x",
        }  # fmt: skip
        for day in range(10):
            start = NOW - (10 - day) * DAY_US
            segment = Segment(
                f"{camera}{day}", source.id, run["id"], 0, 1, start, start + DAY_US, start,
                start + DAY_US, 0, f"{source.id}/{day}.mp4", SIZE, 1, b"s", b"", "pending", False,
            )  # fmt: skip
            await store.put(segment.store_key, blob)
            await rows.write(
                "recorder.add_segment", source=source_message(source), run=run,
                segment=segment.to_message(), now_us=NOW,
            )  # fmt: skip
            ids.setdefault(camera, []).append(segment.id)
    return ids


def left(database: sa.Engine) -> list[str]:
    with database.connect() as connection:
        return sorted(connection.execute(sa.select(segments.c.id)).scalars())


async def objects(store: DirectoryStore) -> int:
    return len([item async for item in store.list("")])


def told_gaps(database: sa.Engine) -> list[tuple[str, float, float, str]]:
    with database.connect() as connection:
        return sorted(
            (row.source_id, (row.start_us - NOW) / DAY_US, (row.end_us - NOW) / DAY_US, row.cause)
            for row in connection.execute(sa.select(gaps))
        )


async def test_days_by_source(
    engine: AsyncEngine, rows: LocalRowWriter, store: DirectoryStore, database: sa.Engine,
    footage: dict[str, list[str]],
) -> None:  # fmt: skip
    retention = Retention(
        engine, rows, store,
        default=RetentionPolicy(days=7), policies={"b/main": RetentionPolicy(days=2)},
    )  # fmt: skip
    report = await retention.run(NOW)
    assert left(database) == footage["a"][3:] + footage["b"][8:]
    assert await objects(store) == 9
    assert report.deleted_segments == 11
    assert report.deleted_bytes == 11 * SIZE
    assert report.breaches == []
    assert (await retention.run(NOW)).deleted_segments == 0
    assert told_gaps(database) == [
        ("a/main", -10, -7, "retention"),
        ("b/main", -10, -2, "retention"),
    ]
    # Once the history begins later, that gap is forgotten too.
    await retention.run(NOW + DAY_US)
    assert told_gaps(database)[0] == ("a/main", -10, -6, "retention")


async def test_bytes_by_source(
    engine: AsyncEngine, rows: LocalRowWriter, store: DirectoryStore, database: sa.Engine,
    footage: dict[str, list[str]],
) -> None:  # fmt: skip
    policies = {"a/main": RetentionPolicy(days=None, size_bytes=3 * SIZE + 1)}
    await Retention(engine, rows, store, default=RetentionPolicy(days=None), policies=policies).run(
        NOW
    )
    assert left(database) == footage["a"][7:] + footage["b"]


async def test_held_footage_stays_whatever_the_policy(
    engine: AsyncEngine, rows: LocalRowWriter, store: DirectoryStore, database: sa.Engine,
    footage: dict[str, list[str]],
) -> None:  # fmt: skip
    start = NOW - 9 * DAY_US
    await rows.write(
        "recorder.add_hold", hold_id="h", source_id="a/main", start_us=start, end_us=start + 5
    )
    retention = Retention(
        engine, rows, store, default=RetentionPolicy(days=1, size_bytes=1), capacity_bytes=1
    )
    report = await retention.run(NOW)
    assert left(database) == ["a1"]
    assert report.space_short_bytes == SIZE - 1
    await rows.write("recorder.drop_hold", hold_id="h")
    await retention.run(NOW)
    assert left(database) == []
    assert await objects(store) == 0


async def test_space_takes_the_oldest_of_all_and_reports_the_breach(
    engine: AsyncEngine, rows: LocalRowWriter, store: DirectoryStore, database: sa.Engine,
    footage: dict[str, list[str]],
) -> None:  # fmt: skip
    retention = Retention(
        engine, rows, store, default=RetentionPolicy(days=30), capacity_bytes=16 * SIZE
    )
    report = await retention.run(NOW)
    assert left(database) == footage["a"][2:] + footage["b"][2:]
    assert report.breaches == [Breach("a/main", 8.0, 30.0), Breach("b/main", 8.0, 30.0)]
    assert {gap[3] for gap in told_gaps(database)} == {"space"}


async def test_a_deletion_that_broke_off_is_finished(
    engine: AsyncEngine, rows: LocalRowWriter, store: DirectoryStore, database: sa.Engine,
    footage: dict[str, list[str]], monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    retention = Retention(engine, rows, store, default=RetentionPolicy(days=7))

    async def fail(keys: object) -> None:
        raise StoreError("unreachable", "away")

    with monkeypatch.context() as away:
        away.setattr(store, "delete", fail)
        with pytest.raises(StoreError):
            await retention.run(NOW)
    assert len(left(database)) == 20  # marked, but not gone
    await retention.run(NOW)
    assert left(database) == footage["a"][3:] + footage["b"][3:]
    assert await objects(store) == 14


# The forecast


async def look(
    engine: AsyncEngine,
    free_bytes: int | None,
    policy: RetentionPolicy,
    capacity_bytes: int | None = None,
) -> Any:
    async with engine.connect() as connection:
        return await forecast(
            connection,
            now_us=NOW,
            free_bytes=free_bytes,
            default=policy,
            capacity_bytes=capacity_bytes,
        )


async def test_a_storage_that_suffices_is_never_full(
    engine: AsyncEngine, footage: dict[str, list[str]]
) -> None:
    found = await look(engine, 41 * SIZE, RetentionPolicy(days=30))
    assert found.bytes_per_day == 2 * SIZE
    assert found.real_days == 10
    assert found.full_at_us is None
    assert found.breaches == []


async def test_a_storage_that_does_not_suffice_tells_when_and_whose_days_are_short(
    engine: AsyncEngine, footage: dict[str, list[str]]
) -> None:
    found = await look(engine, 20 * SIZE, RetentionPolicy(days=30))
    assert found.full_at_us == NOW + 10 * DAY_US
    assert [(b.source_id, b.kept_days) for b in found.breaches] == [
        ("a/main", 20.0),
        ("b/main", 20.0),
    ]


async def test_a_limit_in_bytes_that_is_too_small_is_a_breach(
    engine: AsyncEngine, footage: dict[str, list[str]]
) -> None:
    found = await look(engine, 1 << 40, RetentionPolicy(days=None, size_bytes=12 * SIZE))
    assert found.full_at_us is None
    assert [b.kept_days for b in found.breaches] == [12.0, 12.0]


async def test_without_limits_any_storage_is_full_one_day(
    engine: AsyncEngine, footage: dict[str, list[str]]
) -> None:
    found = await look(engine, 200 * SIZE, RetentionPolicy(days=None, least_days=0))
    assert found.full_at_us == NOW + 100 * DAY_US


async def test_unknown_space_is_not_guessed(
    engine: AsyncEngine, footage: dict[str, list[str]]
) -> None:
    assert (await look(engine, None, RetentionPolicy(days=30))).full_at_us is None


@pytest.mark.parametrize("free_bytes", [None, 1 << 40], ids=["S3", "a large disk"])
async def test_what_all_footage_may_take_is_a_storage_that_can_be_full(
    engine: AsyncEngine, footage: dict[str, list[str]], free_bytes: int | None
) -> None:
    # 20 are kept already; by that limit 20 more may be.
    found = await look(engine, free_bytes, RetentionPolicy(days=30), capacity_bytes=40 * SIZE)
    assert found.free_bytes == 20 * SIZE
    assert found.full_at_us == NOW + 10 * DAY_US
    assert [breach.kept_days for breach in found.breaches] == [20.0, 20.0]


class KeepingStore(DirectoryStore):
    """Refuses to delete what ends with ``kept``."""

    kept = ""

    async def delete(self, keys: Sequence[str]) -> None:
        refused = {key: "a lock of another is on it" for key in keys if key.endswith(self.kept)}
        await super().delete([key for key in keys if key not in refused])
        if refused:
            raise DeletionError("denied", "bucket footage keeps", refused)


async def test_an_object_that_the_store_keeps_stops_no_other_and_is_tried_again(
    engine: AsyncEngine, rows: LocalRowWriter, database: sa.Engine, tmp_path: Path,
    footage: dict[str, list[str]],
) -> None:  # fmt: skip
    keeping = KeepingStore(DirectoryStoreConfig(tmp_path / "store"))
    keeping.kept = "a/main/0.mp4"
    retention = Retention(engine, rows, keeping, default=RetentionPolicy(days=7))
    report = await retention.run(NOW)
    assert report.deleted_segments == 5
    assert left(database) == footage["a"][:1] + footage["a"][3:] + footage["b"][3:]
    assert next(gap[:3] for gap in told_gaps(database)) == ("a/main", -10, -7), "out of sight"
    keeping.kept = "/"
    await retention.run(NOW)
    assert left(database) == footage["a"][3:] + footage["b"][3:]
    assert await objects(keeping) == 14
    await keeping.close()
