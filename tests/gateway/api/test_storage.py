"""The storage forecast as the console is given it."""

from __future__ import annotations

import asyncio

import sqlalchemy as sa

from gateway.database.engine import create_writer_engine
from gateway.identifiers import now_us
from recorder.retention import DAY_US
from recorder.tables import daily_usage
from tests.gateway.api.conftest import County


def _recorded_yesterday(county: County, size_bytes: int) -> None:
    engine = create_writer_engine(county.services.settings)
    with engine.begin() as connection:
        connection.execute(
            sa.insert(daily_usage).values(
                source_id=f"{county.camera}/main",
                day=now_us() // DAY_US - 1,
                size_bytes=size_bytes,
                segments=1,
            )
        )
    engine.dispose()


async def test_whose_days_are_short_is_told_by_name(county: County) -> None:
    county.services.settings.store_directory.mkdir()
    # A petabyte a day fits no disk for thirty days.
    await asyncio.to_thread(_recorded_yesterday, county, 1 << 50)
    document = await county.services.storage.look()
    [breach] = document["forecast"]["breaches"]
    assert (breach["camera_id"], breach["camera_name"]) == (county.camera, "村口")
    assert breach["kept_days"] < breach["required_days"] == 30
