"""Deciding who may see what, in the reference county: 585 areas, 8,757 cameras, 600 accounts.

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
from gateway.cameras import read_cameras, select_cameras, select_page
from gateway.database.engine import create_reader_engine, create_writer_engine
from gateway.database.migrate import load_tables
from gateway.database.tables import areas, cameras, grants, sign_in_sessions, users
from gateway.identifiers import now_us
from gateway.people.areas import within
from gateway.people.authorize import AreaPlace, authorize
from gateway.people.roles import Right
from gateway.people.sign_in import find_principal, token_hash
from gateway.settings import Settings

TOWNS, VILLAGES, CAMERAS, USERS = 23, 561, 8757, 600
PAGE = 100

_WALK_UP = sa.text(
    "WITH RECURSIVE up(id, parent_id) AS (SELECT id, parent_id FROM areas WHERE id = :area "
    "UNION ALL SELECT areas.id, areas.parent_id FROM areas JOIN up ON areas.id = up.parent_id) "
    "SELECT 1 FROM grants JOIN up ON grants.area_id = up.id "
    "WHERE grants.user_id = :user AND grants.role = 'operator'"
)


def recursive_subtree(area_id: str) -> sa.Select[tuple[object, ...]]:
    """The same page by a recursive query over parents."""
    below = sa.select(sa.literal(area_id).label("id")).cte("below", recursive=True)
    below = below.union_all(sa.select(areas.c.id).join(below, areas.c.parent_id == below.c.id))
    statement = select_cameras().where(
        cameras.c.deleted_us.is_(None), cameras.c.area_id.in_(sa.select(below.c.id))
    )
    return statement.order_by(cameras.c.name, cameras.c.id).limit(PAGE)


def populate(engine: sa.Engine) -> dict[str, str]:
    """Make the county; gives area id → path."""
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
    at_us = now_us()
    with engine.begin() as connection:
        connection.execute(
            sa.insert(areas),
            [
                {"id": one, "parent_id": parents[one], "name": one, "path": path,
                 "position": 0, "created_us": at_us}
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
        for number in range(USERS):
            name = f"user{number}"
            connection.execute(
                sa.insert(users).values(
                    id=name, name=name, name_key=name, display_name=name, password_hash="",
                    must_change_password=False, enabled=True, created_us=at_us,
                    password_changed_us=at_us,
                )
            )  # fmt: skip
            connection.execute(
                sa.insert(grants).values(
                    user_id=name, role="operator", area_id=f"t{number % TOWNS}"
                )
            )
            connection.execute(
                sa.insert(sign_in_sessions).values(
                    token_hash=token_hash(name), user_id=name, created_us=at_us,
                    expires_us=at_us + 10**12, address="", user_agent="",
                )
            )  # fmt: skip
    return paths


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


async def measure(reader: AsyncEngine, paths: dict[str, str], count: int) -> None:
    """Report every figure."""
    names = list(paths)
    chosen = [random.choice(names) for _ in range(count)]

    async def look_up(number: int) -> None:
        assert await find_principal(reader, f"user{number % USERS}") is not None

    async def walk_up(number: int) -> None:
        async with reader.connect() as connection:
            user = f"user{number % USERS}"
            await connection.execute(_WALK_UP, {"area": chosen[number], "user": user})

    async def read_page(path: str) -> None:
        chosen = select_page([within(areas.c.path, [path])], PAGE - 1)
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

    principal = await find_principal(reader, "user0")
    assert principal is not None
    places = [AreaPlace(paths[name]) for name in chosen]
    at_us = now_us()
    before = time.perf_counter()
    allowed = sum(authorize(principal, Right.LIVE, place, at_us).allowed for place in places)
    decision_us = (time.perf_counter() - before) / count * 1e6
    assert 0 < allowed < count
    await timed(20, walk_up)
    walks = await timed(min(count, 2000), walk_up)
    report(
        "permission_decision", decision_us, "µs", n=count, target=10,
        peer="recursive walk up the tree in the same database",
        peer_value=percentile(walks, 50) * 1000,
    )  # fmt: skip
    lookups = await timed(min(count, 2000), look_up)
    report("permission_principal_p95", percentile(lookups, 95), "ms", n=len(lookups), target=5)
    for metric, own, peer in (
        ("permission_camera_page_p95", first_page, recursive_page),
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
        paths = populate(engine)
        reader = create_reader_engine(settings)
        await measure(reader, paths, 2_000 if quick else 20_000)
        await reader.dispose()
        engine.dispose()


if __name__ == "__main__":
    asyncio.run(run(quick_requested(__doc__)))
