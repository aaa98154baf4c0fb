"""Deciding who may see what, in the reference county: 600 areas on four axes, 8,757 cameras that
stand in three places each, 5,000 accounts with grants of their own, all loaded.

    python -m benchmarks.permissions [--quick]

A decision is a pure function of a few grants; the peer asks the database to walk up the tree. A
list of cameras is a range over area paths; the peer collects the subtree with a recursive query.
"""

from __future__ import annotations

import asyncio
import random
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from benchmarks.measure import percentile, quick_requested, report
from gateway.cameras import find_cameras, read_cameras, select_cameras, select_page
from gateway.database.engine import create_reader_engine, create_writer_engine
from gateway.database.migrate import load_tables
from gateway.database.tables import (
    areas,
    camera_places,
    cameras,
    grants,
    sign_in_sessions,
    users,
)
from gateway.identifiers import now_us
from gateway.people.areas import cameras_within
from gateway.people.authorize import authorize
from gateway.people.roles import Right
from gateway.people.sign_in import find_principal, token_hash
from gateway.settings import Settings

TOWNS, VILLAGES, CAMERAS, USERS = 23, 561, 8757, 5000
# Beside the 585 of the axis 'area': a root, and offices or stations below it.
FURTHER = {"department": 6, "police": 6}
PAGE = 100

_WALK_UP = sa.text(
    "WITH RECURSIVE up(id, parent_id) AS (SELECT areas.id, areas.parent_id FROM areas "
    "JOIN (SELECT area_id FROM cameras WHERE id = :camera UNION "
    "SELECT area_id FROM camera_places WHERE camera_id = :camera) ON area_id = areas.id "
    "UNION ALL SELECT areas.id, areas.parent_id FROM areas JOIN up ON areas.id = up.parent_id) "
    "SELECT 1 FROM grants JOIN up ON grants.area_id = up.id "
    "WHERE grants.user_id = :user AND grants.role = 'operator' LIMIT 1"
)


def recursive_subtree(area_id: str) -> sa.Select[tuple[object, ...]]:
    """The same page by a recursive query over parents."""
    below = sa.select(sa.literal(area_id).label("id")).cte("below", recursive=True)
    below = below.union_all(sa.select(areas.c.id).join(below, areas.c.parent_id == below.c.id))
    inside = sa.select(below.c.id)
    placed = sa.select(camera_places.c.camera_id).where(camera_places.c.area_id.in_(inside))
    statement = select_cameras().where(
        cameras.c.deleted_us.is_(None), cameras.c.area_id.in_(inside) | cameras.c.id.in_(placed)
    )
    return statement.order_by(cameras.c.name, cameras.c.id).limit(PAGE)


def _held(number: int) -> list[tuple[str, str]]:
    """What an account holds: its town; every tenth also a police station, every hundredth more."""
    held = [("operator", f"t{number % TOWNS}")]
    if number % 10 == 0:
        held.append(("viewer", f"police{1 + number % 6}"))
    if number % 100 == 0:
        held += [("investigator", f"v{(number + step) % VILLAGES}") for step in range(8)]
    return held


def populate(engine: sa.Engine) -> None:
    """Make the county."""
    load_tables().create_all(engine)
    paths = {"county": "county/"}
    parents: dict[str, str | None] = {"county": None}
    for town in range(TOWNS):
        paths[f"t{town}"] = f"county/t{town}/"
        parents[f"t{town}"] = "county"
    for village in range(VILLAGES):
        town_id = f"t{village % TOWNS}"
        paths[f"v{village}"] = f"county/{town_id}/v{village}/"
        parents[f"v{village}"] = town_id
    axes = dict.fromkeys(paths, "area")
    places: list[str] = []
    for axis, count in FURTHER.items():
        for number in range(count + 1):
            one = f"{axis}{number}"
            parents[one] = f"{axis}0" if number else None
            paths[one] = f"{axis}0/{one}/" if number else f"{one}/"
            axes[one] = axis
            places += [one] if number else []
    at_us = now_us()
    with engine.begin() as connection:
        connection.execute(
            sa.insert(areas),
            [
                {"id": one, "parent_id": parents[one], "axis": axes[one], "name": one,
                 "path": path, "position": 0, "created_us": at_us}
                for one, path in paths.items()
            ],
        )  # fmt: skip
        connection.execute(
            sa.insert(cameras),
            [
                {"id": f"cam{number}", "area_id": f"v{number % VILLAGES}",
                 "name": f"camera {number}", "main_url": f"rtsp://10.0.0.1/{number}",
                 "transport": "tcp", "record": "continuous", "enabled": True,
                 "created_us": at_us, "changed_us": at_us}
                for number in range(CAMERAS)
            ],
        )  # fmt: skip
        connection.execute(
            sa.insert(camera_places),
            [
                {"camera_id": f"cam{number}", "area_id": area_id}
                for number in range(CAMERAS)
                for area_id in (f"department{1 + number % 6}", f"police{1 + number // 7 % 6}")
            ],
        )
        connection.execute(
            sa.insert(users),
            [
                {"id": name, "name": name, "name_key": name, "display_name": name,
                 "password_hash": "", "must_change_password": False, "enabled": True,
                 "created_us": at_us, "password_changed_us": at_us,
                 "area_id": f"t{number % TOWNS}"}
                for number, name in enumerate(f"user{number}" for number in range(USERS))
            ],
        )  # fmt: skip
        connection.execute(
            sa.insert(grants),
            [
                {"id": f"grant{number}_{which}", "user_id": f"user{number}", "role": role,
                 "area_id": area_id, "valid_until_us": at_us + 10**12, "created_us": at_us}
                for number in range(USERS)
                for which, (role, area_id) in enumerate(_held(number))
            ],
        )  # fmt: skip
        connection.execute(
            sa.insert(sign_in_sessions),
            [
                {"token_hash": token_hash(f"user{number}"), "id": f"in{number}",
                 "user_id": f"user{number}", "method": "password", "created_us": at_us,
                 "used_us": at_us, "expires_us": at_us + 10**12, "address": "", "user_agent": ""}
                for number in range(USERS)
            ],
        )  # fmt: skip


async def timed(count: int, action: Callable[[int], Awaitable[Any]]) -> list[float]:
    """Milliseconds of each of ``count`` runs, one after the other."""
    found = []
    for number in range(count):
        before = time.perf_counter()
        await action(number)
        found.append((time.perf_counter() - before) * 1000)
    return found


async def timed_by_turns(
    count: int, *actions: Callable[[int], Awaitable[Any]]
) -> list[list[float]]:
    """As :func:`timed` for each action, by turns: what else the machine does slows all alike."""
    found: list[list[float]] = [[] for _ in actions]
    for number in range(count):
        for times, action in zip(found, actions, strict=True):
            before = time.perf_counter()
            await action(number)
            times.append((time.perf_counter() - before) * 1000)
    return found


async def measure(reader: AsyncEngine, count: int) -> None:
    """Report every figure."""
    identifiers = [f"cam{number}" for number in range(CAMERAS)]
    chosen = [random.choice(identifiers) for _ in range(count)]

    async def look_up(number: int) -> None:
        assert await find_principal(reader, f"user{number % USERS}") is not None

    async def walk_up(number: int) -> None:
        async with reader.connect() as connection:
            user = f"user{number % USERS}"
            await connection.execute(_WALK_UP, {"camera": chosen[number], "user": user})

    async def read_page(path: str) -> None:
        chosen = select_page([cameras_within([path])], PAGE - 1)
        async with reader.connect() as connection:
            assert len(await read_cameras(connection, chosen.rows)) == PAGE

    async def read_recursively(area_id: str) -> None:
        async with reader.connect() as connection:
            assert len(await read_cameras(connection, recursive_subtree(area_id))) == PAGE

    async def first_page(number: int) -> None:
        await read_page(f"county/t{number % TOWNS}/")

    async def recursive_page(number: int) -> None:
        await read_recursively(f"t{number % TOWNS}")

    async def county_page(_: int) -> None:
        await read_page("county/")

    async def recursive_county_page(_: int) -> None:
        await read_recursively("county")

    async def station_page(number: int) -> None:
        await read_page(f"police0/police{1 + number % 6}/")

    async def recursive_station_page(number: int) -> None:
        await read_recursively(f"police{1 + number % 6}")

    # Everybody's grants and every camera, as a gateway in use has them.
    principals = [await find_principal(reader, f"user{number}") for number in range(USERS)]
    async with reader.connect() as connection:
        places = await find_cameras(connection, identifiers)
    asked = [(random.choice(principals), places[one]) for one in chosen]
    at_us = now_us()
    before = time.perf_counter()
    allowed = sum(authorize(who, Right.LIVE, place, at_us).allowed for who, place in asked)
    decision_us = (time.perf_counter() - before) / count * 1e6
    assert 0 < allowed < count
    widest, somewhere = principals[0], list(places.values())
    assert widest is not None and len(widest.grants) == 10
    before = time.perf_counter()
    for place in somewhere:
        authorize(widest, Right.EXPORT, place, at_us)
    widest_us = (time.perf_counter() - before) / len(somewhere) * 1e6
    await timed(20, walk_up)
    walks = await timed(min(count, 2000), walk_up)
    report(
        "permission_decision", decision_us, "µs", n=count, target=50,
        peer="recursive walk up the tree in the same database",
        peer_value=percentile(walks, 50) * 1000,
    )  # fmt: skip
    report("permission_decision_of_ten_grants", widest_us, "µs", n=len(somewhere), target=50)
    lookups = await timed(min(count, 2000), look_up)
    report("permission_principal_p95", percentile(lookups, 95), "ms", n=len(lookups), target=5)
    for metric, own, peer in (
        ("permission_camera_page_p95", first_page, recursive_page),
        ("permission_station_page_p95", station_page, recursive_station_page),
        ("permission_county_page_p95", county_page, recursive_county_page),
    ):
        pages, peers = await timed_by_turns(300, own, peer)
        report(
            metric, percentile(pages, 95), "ms", n=len(pages), target=20,
            peer="recursive subtree in the same database", peer_value=percentile(peers, 95),
        )  # fmt: skip


async def run(quick: bool) -> None:
    """Populate and measure."""
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(data_directory=Path(folder))
        engine = create_writer_engine(settings)
        populate(engine)
        reader = create_reader_engine(settings)
        await measure(reader, 2_000 if quick else 20_000)
        await reader.dispose()
        engine.dispose()


if __name__ == "__main__":
    asyncio.run(run(quick_requested(__doc__)))
