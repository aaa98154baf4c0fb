"""Statistics are what one counts by hand, of whatever incidents there are."""

from __future__ import annotations

import asyncio
from statistics import fmean
from typing import Any

import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy.ext.asyncio import create_async_engine

from gateway.database.incident_tables import incidents, units
from gateway.incidents.reading import Scope
from gateway.incidents.statistics import count_by

START_US, END_US, NOW_US = 1000, 2000, 2500
UNITS = ("unt_a", "unt_b")
EVERYTHING = Scope(("",), (), "usr_chief")
AT_US = st.integers(500, 2400)

CASE = st.fixed_dictionaries(
    {
        "unit_id": st.sampled_from([None, *UNITS]),
        "opened_us": AT_US,
        "arrive_us": st.none() | st.integers(1, 300),
        "answer_us": st.none() | st.integers(1, 300),
        "close_us": st.none() | st.integers(1, 600),
        "state": st.sampled_from(["closed", "merged"]),
        "rating": st.none() | st.integers(1, 5),
        "arrived_late": st.none() | st.booleans(),
        "resolved_late": st.none() | st.booleans(),
        "red_us": st.none() | AT_US,
    }
)


def row_of(number: int, case: dict[str, Any]) -> dict[str, Any]:
    """A row; lengths are told since it was opened."""

    def after(name: str) -> int | None:
        return None if case[name] is None else case["opened_us"] + case[name]

    names = ("unit_id", "opened_us", "rating", "arrived_late", "resolved_late", "red_us")
    required = {
        column.name: [] if isinstance(column.type, sa.JSON) else 0
        if isinstance(column.type, sa.Integer) else ""
        for column in incidents.c
        if not column.nullable
    }  # fmt: skip
    return {
        **required,
        **{name: case[name] for name in names},
        "id": f"inc_{number}", "number": str(number), "area_path": "/are_1/", "origin": "call",
        "origin_id": str(number), "priority": "normal", "told_light": "green",
        "state": case["state"] if case["close_us"] is not None else "accepted",
        "arrived_us": after("arrive_us"), "answered_us": after("answer_us"),
        "closed_us": after("close_us"),
    }  # fmt: skip


def by_hand(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Of one unit."""
    within = [one for one in rows if one["closed_us"] and START_US <= one["closed_us"] < END_US]
    settled = [one for one in within if one["state"] == "closed"]
    under_way = [one for one in rows if one["closed_us"] is None]

    def average(name: str) -> float | None:
        known = [one[name] - one["opened_us"] for one in settled if one[name] is not None]
        return fmean(known) if known else None

    ratings = [one["rating"] for one in settled if one["rating"] is not None]
    return {
        "opened": sum(START_US <= one["opened_us"] < END_US for one in rows),
        "closed": len(settled),
        "on_time": sum(not one["arrived_late"] and not one["resolved_late"] for one in settled),
        "average_arrive_us": average("arrived_us"),
        "average_resolve_us": average("answered_us"),
        "average_rating": fmean(ratings) if ratings else None,
        "under_way": len(under_way),
        "red": sum(one["red_us"] is not None and one["red_us"] <= NOW_US for one in under_way),
    }


async def counted(rows: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    engine = create_async_engine("sqlite+aiosqlite://")
    async with engine.begin() as connection:
        await connection.run_sync(lambda sync: units.create(sync))
        await connection.run_sync(lambda sync: incidents.create(sync))
        if rows:
            await connection.execute(sa.insert(incidents), rows)
        found = await count_by(connection, EVERYTHING, "unit", START_US, END_US, NOW_US, None)
    await engine.dispose()
    return {one["id"]: one for one in found}


@settings(max_examples=50, deadline=None)
@given(st.lists(CASE, max_size=12))
def test_statistics_are_what_one_counts_by_hand(cases: list[dict[str, Any]]) -> None:
    rows = [row_of(number, case) for number, case in enumerate(cases)]
    found = asyncio.run(counted(rows))
    for unit_id in ("", *UNITS):
        wanted = by_hand([one for one in rows if (one["unit_id"] or "") == unit_id])
        # A unit that had nothing to do has no line.
        line = found.get(unit_id, dict.fromkeys(wanted, 0) | {
            "average_arrive_us": None, "average_resolve_us": None, "average_rating": None,
        })  # fmt: skip
        for name, value in wanted.items():
            got = line[name]
            if isinstance(value, float):
                assert got is not None
                assert abs(got - value) <= 0.5, name
            else:
                assert got == value, name
