"""News of rows: each change once, to those who listen, and not at every one of hundreds."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from gateway import news
from gateway.news import NewsWatch, VersionedRows

_metadata = sa.MetaData()
_doors = sa.Table(
    "doors",
    _metadata,
    sa.Column("id", sa.String, primary_key=True),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("is_open", sa.Boolean, nullable=False),
)


def _recent() -> sa.Select[tuple[str, int]]:
    return sa.select(_doors.c.id, _doors.c.version).where(_doors.c.is_open)


async def _read(connection: AsyncConnection, ids: list[str]) -> dict[str, str]:
    rows = await connection.execute(sa.select(_doors).where(_doors.c.id.in_(ids)))
    return {row.id: f"{row.id}@{row.version}" for row in rows}


@pytest.fixture
async def engine() -> AsyncIterator[AsyncEngine]:
    made = create_async_engine("sqlite+aiosqlite://")
    async with made.begin() as connection:
        await connection.run_sync(_metadata.create_all)
    yield made
    await made.dispose()


async def _put(engine: AsyncEngine, door: str, version: int, is_open: bool = True) -> None:
    async with engine.begin() as connection:
        await connection.execute(_doors.delete().where(_doors.c.id == door))
        await connection.execute(_doors.insert().values(id=door, version=version, is_open=is_open))


async def test_a_change_is_told_once(engine: AsyncEngine) -> None:
    rows = VersionedRows(engine, _recent, _read)
    watch = NewsWatch("doors", rows.changed, rows.known)
    heard: list[str] = []
    with watch.listening(heard.append):
        await _put(engine, "front", 1)
        await watch.look_once()
        await watch.look_once()
        await _put(engine, "front", 2)
        await _put(engine, "back", 1)
        await watch.look_once()
    assert (heard[0], sorted(heard[1:])) == ("front@1", ["back@1", "front@2"])
    await _put(engine, "back", 2)
    await watch.look_once()
    assert len(heard) == 3


async def test_who_comes_later_hears_what_is_still_recent(engine: AsyncEngine) -> None:
    rows = VersionedRows(engine, _recent, _read)
    watch = NewsWatch("doors", rows.changed, rows.known)
    await _put(engine, "front", 1)
    await _put(engine, "back", 1)
    await watch.look_once()
    await _put(engine, "back", 2, is_open=False)
    await watch.look_once()
    heard: list[str] = []
    with watch.listening(heard.append):
        assert heard == ["front@1"]


@given(
    st.lists(
        st.tuples(st.sampled_from("abc"), st.booleans(), st.booleans()), min_size=1, max_size=20
    )
)
def test_whatever_happens_the_last_version_of_what_is_recent_was_told(
    steps: list[tuple[str, bool, bool]],
) -> None:
    async def walk() -> None:
        engine = create_async_engine("sqlite+aiosqlite://")
        async with engine.begin() as connection:
            await connection.run_sync(_metadata.create_all)
        rows = VersionedRows(engine, _recent, _read)
        watch = NewsWatch("doors", rows.changed, rows.known)
        now: dict[str, tuple[int, bool]] = {}
        heard: list[str] = []
        with watch.listening(heard.append):
            for version, (door, is_open, looks) in enumerate(steps):
                now[door] = (version, is_open)
                await _put(engine, door, version, is_open)
                if looks:
                    await watch.look_once()
            await watch.look_once()
        recent = {f"{door}@{version}" for door, (version, is_open) in now.items() if is_open}
        assert recent <= set(heard)
        assert set(rows.known()) == recent
        assert len(heard) == len(set(heard))
        await engine.dispose()

    asyncio.run(walk())


async def test_hundreds_of_changes_have_it_look_a_few_times_a_second(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    looks = 0
    looked = asyncio.Event()

    async def changed() -> tuple[str, ...]:
        nonlocal looks
        looks += 1
        looked.set()
        return ()

    watch = NewsWatch("doors", changed)
    # Nobody waits for it here.
    monkeypatch.setattr(news, "LOOKS_AT_MOST_EVERY_S", 3600.0)
    task = asyncio.create_task(watch.run())
    await looked.wait()
    for _ in range(100):
        watch.look()
        await asyncio.sleep(0)
    assert looks == 1
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_a_change_that_comes_while_it_looks_is_looked_for_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(news, "LOOKS_EVERY_S", 3600.0)
    monkeypatch.setattr(news, "LOOKS_AT_MOST_EVERY_S", 0.0)
    looks: list[int] = []
    again = asyncio.Event()

    async def changed() -> tuple[str, ...]:
        looks.append(len(looks))
        if len(looks) == 1:
            watch.look()
        else:
            again.set()
        return ()

    watch = NewsWatch("doors", changed)
    task = asyncio.create_task(watch.run())
    async with asyncio.timeout(10):
        await again.wait()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert looks == [0, 1]


async def test_rows_that_cannot_be_read_are_looked_for_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(news, "LOOKS_EVERY_S", 0.0)
    looks: list[int] = []
    again = asyncio.Event()

    async def changed() -> tuple[str, ...]:
        looks.append(len(looks))
        if len(looks) == 1:
            raise sa.exc.OperationalError("SELECT", {}, Exception("gone"))
        again.set()
        return ()

    watch = NewsWatch("doors", changed)
    task = asyncio.create_task(watch.run())
    async with asyncio.timeout(10):
        await again.wait()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
