"""What was deleted is on record by day and cause, and the store itself says that it is gone."""

from __future__ import annotations

import json
from pathlib import Path

import sqlalchemy as sa

import gateway.camera_rows
import gateway.keepsake_rows
import gateway.retention_rows  # noqa: F401 - they declare row operations
from gateway.cameras import find_cameras
from gateway.database.tables import audit_log, bookmarks, cameras
from gateway.identifiers import now_us
from gateway.retention_report import (
    CameraReport,
    deleted_by_day,
    derived_overdue,
    prove_deletion,
    report_cameras,
)
from gateway.shard.housekeeping import Housekeeping
from recorder.retention import DAY_US, Retention, RetentionPolicy
from recorder.stores import ObjectStat
from tests.gateway.footage.conftest import CAMERA, START_US, World

HOUR_US = 3_600_000_000


async def report(world: World, at_us: int) -> CameraReport:
    async with world.engine.connect() as connection:
        camera = (await find_cameras(connection, [CAMERA]))[CAMERA]
        [found] = await report_cameras(
            connection, [camera], default_days=1, since_day=0, at_us=at_us
        )
    return found


async def stat(world: World, key: str) -> ObjectStat:
    found = await world.store.stat(key)
    assert found is not None
    return found


async def test_deleted_footage_is_counted_and_proven_to_be_gone(
    world: World, h264, tmp_path: Path
) -> None:
    await world.record(h264.tracks, h264.units[:300], start_us=START_US)
    await world.record(h264.tracks, h264.units[:100], start_us=START_US + 2 * DAY_US)
    objects = [found.key async for found in world.store.list(f"{CAMERA}/")]
    at_us = START_US + 2 * DAY_US + HOUR_US

    # Its time is over, and nobody has deleted it.
    before = await report(world, at_us)
    assert before.overdue_segments == 3
    proof = await prove_deletion(world.engine, world.store, [before], at_us)
    assert (proof.looked_at, len(proof.remaining)) == (3, 3)
    assert {one["reason"] for one in proof.remaining} == {"its time is over"}

    policy = RetentionPolicy(days=1, least_days=1)
    retention = Retention(world.engine, world.rows, world.store, default=policy)
    kept = await world.store.read(objects[0], 0, (await stat(world, objects[0])).size_bytes)
    assert (await retention.run(at_us)).deleted_segments == 3
    after = await report(world, at_us)
    assert (after.overdue_segments, after.deleted_segments) == (0, 3)
    assert after.deleted_bytes > 0
    assert 0 < after.kept_days(at_us) < 1
    async with world.engine.connect() as connection:
        own = sa.select(cameras.c.id)
        [day] = await deleted_by_day(connection, own, now_us() // DAY_US - 1)
    assert (day["cause"], day["segments"]) == ("retention", 3)
    assert (day["first_us"], day["bytes"]) == (START_US, after.deleted_bytes)
    proof = await prove_deletion(world.engine, world.store, [after], at_us)
    assert proof.remaining == []
    # Once the day is over, and once only, the register says so too.
    today = now_us() // DAY_US
    for day, records in ((today, 0), (today + 1, 1), (today + 1, 0), (today + 2, 0)):
        assert await world.rows.write("retention.record_deletions", today=day) == records
    async with world.engine.connect() as connection:
        [written] = (await connection.execute(sa.select(audit_log))).all()
    assert json.loads(written.detail)["bytes"] == after.deleted_bytes
    assert written.start_us == today * DAY_US

    # Somebody has put an object back: no row knows of it, and yet it is found.
    again = tmp_path / "again"
    again.write_bytes(kept)
    await world.store.put(objects[0], again)
    proof = await prove_deletion(world.engine, world.store, [after], at_us)
    assert proof.remaining == [{"key": objects[0], "reason": "it has no row"}]


async def test_held_footage_is_neither_deleted_nor_overdue(world: World, h264) -> None:
    await world.record(h264.tracks, h264.units[:300], start_us=START_US)
    held = {"hold_id": "hold_1", "camera_id": CAMERA}
    await world.rows.write(
        "recorder.add_hold", **held, start_us=START_US, end_us=START_US + HOUR_US
    )
    at_us = START_US + 3 * DAY_US
    found = await report(world, at_us)
    assert (found.overdue_segments, found.holds) == (0, 1)
    proof = await prove_deletion(world.engine, world.store, [found], at_us)
    assert (proof.looked_at, proof.remaining) == (3, [])


async def overdue(world: World) -> dict[str, int]:
    async with world.engine.connect() as connection:
        found = await derived_overdue(connection, world.settings.retention.days, now_us())
    return {one["kind"]: one["overdue"] for one in found}


async def test_bookmarks_go_with_their_footage_but_stay_on_what_is_held(world: World, h264) -> None:
    old_us = now_us() - (world.settings.retention.days + 10) * DAY_US
    await world.record(h264.tracks, h264.units[:100], start_us=old_us)
    await world.record(h264.tracks, h264.units[:100], start_us=old_us + DAY_US)
    held = {"hold_id": "hold_1", "camera_id": CAMERA}
    await world.rows.write(
        "recorder.add_hold", **held, start_us=old_us + DAY_US, end_us=old_us + DAY_US + HOUR_US
    )
    kept_longer = {"camera_id": "cam_two", "columns": {"retention_days": 90}}
    await world.rows.write("cameras.change", **kept_longer)

    async def note(at_us: int, camera_id: str = CAMERA, end_us: int | None = None) -> str:
        made: str = await world.rows.write(
            "bookmarks.create",
            camera_id=camera_id,
            at_us=at_us,
            end_us=end_us,
            note="white van",
            author_id="usr_1",
        )
        return made

    gone = {
        await note(old_us + 1_000_000),
        await note(old_us + 2_000_000, end_us=old_us + 5_000_000),
        await note(old_us - DAY_US),  # nothing was ever recorded there
    }
    kept = {
        await note(old_us + DAY_US + 1_000_000),
        # Its beginning is gone; what is held of it is not.
        await note(old_us, end_us=old_us + DAY_US + 1_000_000),
        await note(now_us() - DAY_US),
        await note(old_us, "cam_two"),
    }
    assert (await overdue(world))["bookmarks_without_footage"] == 1
    keeping = Housekeeping(world.settings, world.engine, world.rows, world.store)
    assert (await keeping.turn()).deleted_segments > 0
    async with world.engine.connect() as connection:
        left = set((await connection.execute(sa.select(bookmarks.c.id))).scalars())
        told = (
            await connection.execute(
                sa.select(audit_log).where(audit_log.c.action == "bookmark.expire")
            )
        ).all()
    assert left == kept
    assert {json.loads(one.detail)["id"] for one in told} == gone
    assert {(one.camera_id, one.area_path) for one in told} == {(CAMERA, "area/")}
    assert not [one for one in told if "white van" in one.detail]
    assert (await overdue(world))["bookmarks_without_footage"] == 0
