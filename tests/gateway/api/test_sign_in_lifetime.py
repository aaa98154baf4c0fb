"""A sign-in ends when it is idle, goes on while it is used, and ends at last all the same."""

from __future__ import annotations

import httpx
import pytest
import sqlalchemy as sa

from gateway.api.sweep import sweep
from gateway.database.engine import create_writer_engine
from gateway.database.tables import sign_in_sessions
from gateway.identifiers import US_PER_S, now_us
from gateway.people.sign_in import Lifetime
from tests.gateway.api.conftest import County
from tests.gateway.api.test_sweep import MediaProcess, shard, watch  # noqa: F401

HOUR_US = 3600 * US_PER_S
DAY_US = 24 * HOUR_US
# An expiry is compared with one that was computed a moment earlier.
MOMENT_US = 60 * US_PER_S


@pytest.fixture
async def client(county: County) -> httpx.AsyncClient:
    """A wall, signed in; ``age()`` moves its sign-in into the past."""
    await county.user("wall", "operator", county.town)
    return await county.sign_in("wall")


async def age(county: County, *, begun_us: int, expires_us: int) -> str:
    """Make the one sign-in as if it had begun and would expire then; gives its token's hash."""
    engine = create_writer_engine(county.services.settings)
    with engine.begin() as connection:
        connection.execute(
            sa.update(sign_in_sessions).values(created_us=begun_us, expires_us=expires_us)
        )
        token_hash: str = connection.execute(sa.select(sign_in_sessions.c.token_hash)).scalar_one()
    engine.dispose()
    return token_hash


async def expiry(county: County) -> int:
    async with county.services.reader.connect() as connection:
        found: int = (
            await connection.execute(sa.select(sign_in_sessions.c.expires_us))
        ).scalar_one()
    return found


async def test_use_prolongs_it(county: County, client: httpx.AsyncClient) -> None:
    at_us = now_us()
    await age(county, begun_us=at_us - 11 * HOUR_US, expires_us=at_us + HOUR_US)
    assert (await client.get("/api/cameras")).status_code == 200
    await sweep(county.services)
    assert await expiry(county) >= at_us + 12 * HOUR_US
    assert not county.services.used_sign_ins


async def test_what_pages_ask_by_themselves_is_no_use(county: County) -> None:
    await county.user("admin", "system_admin")
    client = await county.sign_in("admin")
    at_us = now_us()
    await age(county, begun_us=at_us, expires_us=at_us + HOUR_US)
    assert (await client.get("/api/system")).status_code == 200
    await sweep(county.services)
    assert await expiry(county) == at_us + HOUR_US


async def test_an_idle_one_ends_and_is_not_called_back(
    county: County, client: httpx.AsyncClient
) -> None:
    at_us = now_us()
    token_hash = await age(county, begun_us=at_us - 13 * HOUR_US, expires_us=at_us - 1)
    assert (await client.get("/api/cameras")).status_code == 401
    county.services.used_sign_ins.add(token_hash)
    await sweep(county.services)
    assert await expiry(county) == at_us - 1
    assert (await client.get("/api/cameras")).status_code == 401


async def test_it_ends_at_last_however_much_it_is_used(
    county: County, client: httpx.AsyncClient
) -> None:
    at_us = now_us()
    begun_us = at_us - 30 * DAY_US + HOUR_US
    await age(county, begun_us=begun_us, expires_us=at_us + HOUR_US // 2)
    for _ in range(3):
        await client.get("/api/cameras")
        await sweep(county.services)
        assert await expiry(county) == begun_us + 30 * DAY_US


async def test_a_wall_that_plays_stays_signed_in_without_a_request(
    county: County,
    client: httpx.AsyncClient,
    shard: MediaProcess,  # noqa: F811
) -> None:
    at_us = now_us()
    token_hash = await age(county, begun_us=at_us - 11 * HOUR_US, expires_us=at_us + MOMENT_US)
    session_id = await watch(county, shard, "wall", token_hash=token_hash)
    await sweep(county.services)
    prolonged_us = await expiry(county)
    assert prolonged_us >= at_us + 12 * HOUR_US
    # Seen again a moment later: not worth another write.
    await sweep(county.services)
    assert await expiry(county) == prolonged_us
    # Once it is over it is no use any more.
    await county.write("viewing.ended", session_ids=[session_id])
    await age(county, begun_us=at_us, expires_us=at_us + MOMENT_US)
    await sweep(county.services)
    assert await expiry(county) == at_us + MOMENT_US


async def test_the_browser_keeps_the_cookie_over_a_power_cut(county: County) -> None:
    await county.user("wang", "viewer")
    client = await county.sign_in(None)
    body = {"name": "wang", "password": "correct horse 9"}
    response = await client.post("/api/session", json=body)
    await client.aclose()
    assert f"Max-Age={30 * 24 * 3600}" in response.headers["set-cookie"]
    assert await expiry(county) <= now_us() + 12 * HOUR_US


def test_a_limit_shorter_than_the_idle_time_wins(county: County) -> None:
    settings = county.services.settings.sign_in
    short = settings.model_copy(update={"session_days_limit": 0.25})
    assert Lifetime.of(short) == Lifetime(6 * HOUR_US, 6 * HOUR_US)
