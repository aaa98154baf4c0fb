"""What is kept with footage goes when its days are over, reckoned by the database."""

from __future__ import annotations

from pathlib import Path

import pytest
import sqlalchemy as sa
from pydantic import SecretStr

from gateway.database.engine import create_reader_engine
from gateway.database.tables import areas, bookmarks, cameras, device_events, users
from gateway.retention import overdue_bookmarks, overdue_events
from gateway.settings import Settings
from recorder.retention import DAY_US
from tests.gateway.kept import new_database

pytestmark = pytest.mark.both_databases

AT_US = 1_795_000_000_000_000


@pytest.mark.parametrize(("own_days", "kept_days"), [(None, 30), (400, 400)])
async def test_a_bookmark_is_overdue_when_its_cameras_days_are_over(
    tmp_path: Path, database_url: SecretStr | None, own_days: int | None, kept_days: int
) -> None:
    settings = Settings(data_directory=tmp_path, database_url=database_url)
    writing = new_database(settings)
    with writing.begin() as connection:
        connection.execute(
            sa.insert(areas).values(id="area", name="a", path="area/", position=0, created_us=1)
        )
        connection.execute(
            sa.insert(cameras).values(
                id="cam", area_id="area", name="c", main_url="rtsp://192.0.2.1/1",
                transport="auto", record="continuous", enabled=True, created_us=1,
                changed_us=1, retention_days=own_days,
            )
        )  # fmt: skip
        connection.execute(
            sa.insert(users).values(
                id="usr", name="u", name_key="u", display_name="u", password_hash="-",
                must_change_password=False, enabled=True, created_us=1, password_changed_us=1,
            )
        )  # fmt: skip
        connection.execute(
            sa.insert(bookmarks).values(
                id="mark", camera_id="cam", at_us=AT_US, note="", author_id="usr",
                created_us=AT_US,
            )
        )  # fmt: skip
    reader = create_reader_engine(settings)
    joined = sa.select(bookmarks.c.id).join(cameras, cameras.c.id == bookmarks.c.camera_id)
    events = sa.select(device_events.c.id).outerjoin(
        cameras, cameras.c.id == device_events.c.camera_id
    )
    async with reader.connect() as connection:
        for after_us, found in ((-1_000_000, []), (1_000_000, ["mark"])):
            now_us = AT_US + kept_days * DAY_US + after_us
            rows = await connection.execute(joined.where(overdue_bookmarks(30, now_us)))
            assert list(rows.scalars()) == found
            rows = await connection.execute(events.where(overdue_events(30, now_us)))
            assert list(rows.scalars()) == []
    await reader.dispose()
    writing.dispose()
