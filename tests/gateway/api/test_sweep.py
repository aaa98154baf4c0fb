"""Rows of what is over are closed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
import sqlalchemy as sa

from gateway.api.sweep import sweep
from gateway.control.channel import ControlServer, control_path
from gateway.database.engine import create_writer_engine
from gateway.database.tables import viewing_sessions
from tests.gateway.api.conftest import County


class MediaProcess:
    """What a shard or footage server holds, on a real control channel."""

    def __init__(self) -> None:
        self.held: set[str] = set()
        self.revoked: list[str] = []
        self.viewers: dict[str, str] = {}
        self.revocation = asyncio.Event()
        self.answering = asyncio.Event()
        self.answering.set()

    async def status(self) -> dict[str, Any]:
        return {"session_ids": sorted(self.held)}

    async def revoke(self, session_ids: list[str]) -> int:
        await self.answering.wait()
        self.revoked += session_ids
        self.revocation.set()
        self.held.difference_update(session_ids)
        return len(session_ids)

    async def hand_over(self, session_ids: list[str], user_id: str) -> None:
        self.viewers.update(dict.fromkeys(session_ids, user_id))


@pytest.fixture
async def shard(county: County) -> AsyncIterator[MediaProcess]:
    made = MediaProcess()
    handlers = {
        "shard.status": made.status,
        "live.revoke": made.revoke,
        "live.hand_over": made.hand_over,
        "playback.revoke": made.revoke,
    }
    path = control_path(county.services.settings, "shard-1")
    server = ControlServer(path, county.services.secret, handlers)
    await server.start()
    yield made
    await server.close()


async def watch(
    county: County,
    shard: MediaProcess,
    user: str,
    action: str = "live",
    token_hash: str | None = None,
) -> str:
    session_id = f"ses_{len(shard.held)}"
    await county.write(
        "viewing.open",
        records=[],
        id=session_id,
        user_id=county.users[user],
        token_hash=token_hash,
        process="shard-1",
        action=action,
        camera_ids=[county.camera],
    )
    shard.held.add(session_id)
    return session_id


async def test_rows_of_what_is_over_are_closed_but_not_while_the_shard_is_away(
    county: County, shard: MediaProcess
) -> None:
    await county.user("clerk", "operator", county.town)
    await watch(county, shard, "clerk")
    over = await watch(county, shard, "clerk")
    shard.held.discard(over)
    await sweep(county.services)
    assert await _open(county) == 2, "a ticket that was just handed out is not over"
    await county.write("viewing.ended", session_ids=[])
    await _age(county)
    await sweep(county.services)
    assert await _open(county) == 1


async def _open(county: County) -> int:
    statement = sa.select(sa.func.count()).where(viewing_sessions.c.ended_us.is_(None))
    async with county.services.reader.connect() as connection:
        return int(await connection.scalar(statement) or 0)


async def _age(county: County) -> None:
    """Have every session opened two minutes earlier."""
    engine = create_writer_engine(county.services.settings)
    with engine.begin() as connection:
        aged = viewing_sessions.c.opened_us - 120_000_000
        connection.execute(sa.update(viewing_sessions).values(opened_us=aged))
    engine.dispose()
