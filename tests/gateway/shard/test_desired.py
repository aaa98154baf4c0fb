"""What the database says a shard should hold, read cheaply and never stale."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from camera_adapters.stream import Variant
from gateway.database.tables import areas, cameras, restreams, users
from gateway.secrets import seal
from gateway.shard.desired import DesiredReader
from recorder.tables import assignments, sources
from tests.gateway.kept import reader_beside

SECRET = bytes(range(32))


@pytest.fixture
async def reader(engine: sa.Engine) -> AsyncIterator[AsyncEngine]:
    made = reader_beside(engine)
    yield made
    await made.dispose()


def insert(engine: sa.Engine, table: sa.Table, **values: Any) -> None:
    with engine.begin() as connection:
        connection.execute(sa.insert(table).values(**values))


def add_camera(engine: sa.Engine, camera_id: str, *, owner: str = "shard-1", **values: Any) -> None:
    columns = {
        "id": camera_id,
        "area_id": "area_1",
        "name": camera_id,
        "main_url": f"rtsp://192.0.2.1/{camera_id}",
        "sub_url": f"rtsp://192.0.2.1/{camera_id}/sub",
        "transport": "auto",
        "record": "continuous",
        "enabled": True,
        "created_us": 1,
        "changed_us": 1,
        **values,
    }
    insert(engine, cameras, **columns)
    for variant in ("main", "sub"):
        source_id = f"{camera_id}/{variant}"
        insert(
            engine, sources, id=source_id, kind="camera", camera_id=camera_id, variant=variant,
            created_us=1,
        )  # fmt: skip
        insert(engine, assignments, source_id=source_id, owner=owner, epoch=1, since_us=1)


@pytest.fixture(autouse=True)
def area(engine: sa.Engine) -> None:
    insert(engine, areas, id="area_1", name="a", path="area_1/", position=0, created_us=1)


async def test_a_shard_reads_its_own_cameras_with_their_passwords(
    engine: sa.Engine, reader: AsyncEngine
) -> None:
    add_camera(engine, "cam_1", username="admin", password_sealed=seal(SECRET, "geheim", "cam_1"))
    add_camera(engine, "cam_2", owner="shard-2")
    add_camera(engine, "cam_3", enabled=False)
    desired = await DesiredReader(reader, SECRET, "shard-1").read()
    assert set(desired.sources) == {"cam_1/main", "cam_1/sub"}
    main, sub = desired.sources["cam_1/main"], desired.sources["cam_1/sub"]
    assert (main.username, main.password, main.recorded) == ("admin", "geheim", True)
    assert (sub.variant, sub.url, sub.recorded) == (
        Variant.SUB,
        "rtsp://192.0.2.1/cam_1/sub",
        False,
    )
    assert "geheim" not in repr(desired)


async def test_every_change_is_seen(engine: sa.Engine, reader: AsyncEngine) -> None:
    add_camera(engine, "cam_1")
    desired = DesiredReader(reader, SECRET, "shard-1")
    first = (await desired.read()).sources
    assert (await desired.read()).sources is first
    steps: list[tuple[sa.Update, int]] = [
        (sa.update(cameras).values(record="off", changed_us=2), 2),
        (sa.update(assignments).values(epoch=2), 2),
        (sa.update(assignments).values(owner="shard-2"), 0),
        (sa.update(assignments).values(owner="shard-1"), 2),
        (sa.update(cameras).values(deleted_us=9), 0),
    ]
    before = first
    for statement, count in steps:
        with engine.begin() as connection:
            connection.execute(statement)
        now = (await desired.read()).sources
        assert now != before
        assert len(now) == count
        before = now
    add_camera(engine, "cam_2")
    assert set((await desired.read()).sources) == {"cam_2/main", "cam_2/sub"}


async def test_what_did_not_change_is_not_made_anew(engine: sa.Engine, reader: AsyncEngine) -> None:
    for name in ("cam_1", "cam_2"):
        add_camera(engine, name, password_sealed=seal(SECRET, "geheim", name))
    desired = DesiredReader(reader, SECRET, "shard-1")
    before = (await desired.read()).sources
    anew = seal(SECRET, "neues", "cam_1")
    change = sa.update(cameras).values(password_sealed=anew, changed_us=2)
    with engine.begin() as connection:
        connection.execute(change.where(cameras.c.id == "cam_1"))
    now = (await desired.read()).sources
    assert now["cam_1/main"].password == "neues"
    assert now["cam_2/main"] is before["cam_2/main"]
    assert now["cam_2/sub"] is before["cam_2/sub"]


async def test_a_change_is_seen_though_the_clock_was_set_back(
    engine: sa.Engine, reader: AsyncEngine
) -> None:
    add_camera(engine, "cam_1", changed_us=9_000_000_000)
    add_camera(engine, "cam_2", changed_us=5_000_000_000)
    desired = DesiredReader(reader, SECRET, "shard-1")
    await desired.read()
    with engine.begin() as connection:
        connection.execute(
            sa.update(cameras)
            .where(cameras.c.id == "cam_2")
            .values(main_url="rtsp://192.0.2.9/new", changed_us=5_400_000_000)
        )
    assert (await desired.read()).sources["cam_2/main"].url == "rtsp://192.0.2.9/new"


async def test_a_password_that_cannot_be_opened_costs_its_camera_only(
    engine: sa.Engine, reader: AsyncEngine
) -> None:
    add_camera(engine, "cam_1", password_sealed=seal(SECRET, "geheim", "cam_other"))
    add_camera(engine, "cam_2")
    desired = await DesiredReader(reader, SECRET, "shard-1").read()
    assert len(desired.sources) == 4
    assert desired.sources["cam_1/main"].password is None


async def test_restreams_are_read_anew_each_time(engine: sa.Engine, reader: AsyncEngine) -> None:
    add_camera(engine, "cam_1")
    insert(
        engine, users, id="usr_1", name="chen", name_key="chen", display_name="", password_hash="",
        must_change_password=False, enabled=True, created_us=1, password_changed_us=1,
    )  # fmt: skip
    desired = DesiredReader(reader, SECRET, "shard-1")
    assert (await desired.read()).restreams == {}
    insert(
        engine, restreams, id="rst_1", camera_id="cam_1", variant="sub", token_hash="ab",
        addresses=["10.0.0.0/8"], user_id="usr_1", user_name="chen", created_us=1, expires_us=5,
    )  # fmt: skip
    permitted = (await desired.read()).restreams
    assert permitted["ab"].addresses == ("10.0.0.0/8",)
    with engine.begin() as connection:
        connection.execute(sa.update(restreams).values(revoked_us=3))
    assert (await desired.read()).restreams == {}
