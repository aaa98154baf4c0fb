"""What devices tell, read bit by bit: always the same as if all were read each time."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy.ext.asyncio import create_async_engine

from gateway.alarms import device_conditions
from gateway.alarms.device_conditions import DeviceConditions
from gateway.database.operating_tables import device_events
from gateway.identifiers import US_PER_S
from gateway.settings import AlarmSettings

# So long stands what happened at an instant.
_STANDS_S = 70
# So long may a row that came late go unseen.
_ALL_EVERY_S = 30


def _row(number: int, camera: str, kind: str, state: str, begin_s: int) -> dict[str, Any]:
    return {
        "id": f"dev_{number}", "platform_id": "plf_1", "camera_id": camera, "channel": "1",
        "kind": kind, "source": "", "state": state, "begin_us": begin_s * US_PER_S,
        "end_us": None, "count": 1, "detail": {},
    }  # fmt: skip


_steps = st.lists(
    st.tuples(
        st.integers(0, 20),
        st.lists(
            st.tuples(
                st.sampled_from(["cam_1", "cam_2"]),
                st.sampled_from(["tamper", "motion"]),
                st.sampled_from(["open", "pulse"]),
                st.sampled_from([0, 0, 0, 1, 15]),
            ),
            max_size=4,
        ),
        st.booleans(),
    ),
    min_size=1,
    max_size=25,
)


@given(_steps, st.sampled_from([0, 3, 500]))
@settings(max_examples=60, deadline=None)
def test_however_rows_come_the_conditions_are_those_of_all_rows(
    steps: list[tuple[int, list[tuple[str, str, str, int]], bool]], many_rows: int
) -> None:
    async def walk() -> None:
        engine = create_async_engine("sqlite+aiosqlite://")
        async with engine.begin() as connection:
            await connection.run_sync(lambda sync: device_events.create(sync))
        conditions, at_s, number = DeviceConditions(AlarmSettings().device_kinds), 1_000_000, 0
        rows: list[dict[str, Any]] = []
        late_until_s = 0
        for waits_s, new, closes in steps:
            at_s += waits_s
            async with engine.begin() as connection:
                for camera, kind, state, late_s in new:
                    number += 1
                    row = _row(number, camera, kind, state, at_s - late_s)
                    rows.append(row)
                    if late_s > 1 and state == "pulse":
                        late_until_s = at_s + _ALL_EVERY_S
                    await connection.execute(sa.insert(device_events).values(row))
                if closes:
                    await connection.execute(
                        sa.update(device_events)
                        .where(device_events.c.state == "open")
                        .values(state="ended")
                    )
                    rows = [one for one in rows if one["state"] == "pulse"]
            before = conditions.all().keys()
            async with engine.connect() as connection:
                is_other = await conditions.read(connection, at_s * US_PER_S)
            assert is_other or conditions.all().keys() == before
            stands_us = (at_s - _STANDS_S) * US_PER_S
            right = {
                (one["kind"], f"camera:{one['camera_id']}")
                for one in rows
                if one["kind"] == "tamper"
                and (one["state"] == "open" or one["begin_us"] >= stands_us)
            }
            found = set(conditions.all())
            if at_s >= late_until_s or many_rows == 500:
                assert found == right
            else:
                assert found <= right
        await engine.dispose()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(device_conditions, "_MANY_ROWS", many_rows)
        asyncio.run(walk())


async def test_of_what_lasts_several_times_the_earliest_counts() -> None:
    engine = create_async_engine("sqlite+aiosqlite://")
    async with engine.begin() as connection:
        await connection.run_sync(lambda sync: device_events.create(sync))
        rows = [_row(n, "cam_1", "tamper", "open", begin_s) for n, begin_s in ((1, 90), (2, 50))]
        rows.append(_row(3, "cam_1", "tamper", "pulse", 70))
        await connection.execute(sa.insert(device_events), rows)
    conditions = DeviceConditions(AlarmSettings().device_kinds)
    async with engine.connect() as connection:
        await conditions.read(connection, 100 * US_PER_S)
    (condition,) = conditions.all().values()
    assert condition.since_us == 50 * US_PER_S
    await engine.dispose()
