"""A right that goes ends what it allowed, whichever way it went."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Awaitable, Callable

import aiohttp
import httpx
import pytest
import sqlalchemy as sa

from gateway.api import withdrawal
from gateway.api.access import SESSION_COOKIE
from gateway.api.process import bind, serve_http
from gateway.api.withdrawal import Withdrawal, withdraw_for_ever
from gateway.database.tables import audit_log, restreams
from gateway.identifiers import now_us
from gateway.people import grant_rows
from gateway.people.sign_in import token_hash
from gateway.settings import ListenSettings
from tests.gateway.api.conftest import County
from tests.gateway.api.test_sweep import MediaProcess, shard, watch  # noqa: F401

HOUR_US = 3600 * 1_000_000


async def _no_grants(county: County) -> None:
    await county.write("accounts.change", user_id=county.users["clerk"], granted=[])


async def _disabled(county: County) -> None:
    await county.write("accounts.change", user_id=county.users["clerk"], enabled=False)


async def _deleted(county: County) -> None:
    await county.write("accounts.delete", user_id=county.users["clerk"])


async def _camera_moved(county: County) -> None:
    columns = {"area_id": county.other_town}
    await county.write("cameras.change", camera_id=county.camera, columns=columns)


async def _area_moved(county: County) -> None:
    await county.write("areas.move", area_id=county.village, parent_id=county.other_town)


async def _withdrawn(county: County) -> None:
    async with county.services.reader.connect() as connection:
        statement = sa.select(grant_rows.grants.c.id).where(
            grant_rows.grants.c.user_id == county.users["clerk"]
        )
        grant_id = await connection.scalar(statement)
    await county.write("grants.withdraw", grant_id=grant_id)


@pytest.mark.parametrize(
    "withdraw", [_no_grants, _withdrawn, _disabled, _deleted, _camera_moved, _area_moved]
)
@pytest.mark.parametrize("action", ["live", "playback"])
async def test_a_withdrawn_right_ends_what_it_allowed(
    county: County,
    shard: MediaProcess,  # noqa: F811
    withdraw: Callable[[County], Awaitable[None]],
    action: str,
) -> None:
    await county.user("admin", "system_admin")
    await county.user("clerk", "operator", county.town)
    look = Withdrawal(county.services).look
    kept = await watch(county, shard, "admin", action)
    ended = await watch(county, shard, "clerk", action)
    assert await look() == []
    await withdraw(county)
    assert await look() == [ended]
    assert shard.revoked == [ended]
    assert shard.held == {kept}
    assert await look() == []
    async with county.services.reader.connect() as connection:
        columns = (audit_log.c.user_id, audit_log.c.camera_id, audit_log.c.detail)
        noted = sa.select(*columns).where(audit_log.c.action == "session.withdrawn")
        (record,) = (await connection.execute(noted)).all()
    assert (record.user_id, record.camera_id) == (county.users["clerk"], county.camera)
    assert json.loads(record.detail) == {"session_id": ended, "action": action}


async def test_a_grant_that_runs_out_ends_what_it_allowed(
    county: County,
    shard: MediaProcess,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clerk = await county.user("clerk", None)
    until_us = now_us() + HOUR_US
    await county.write(
        "grants.add",
        user_id=clerk,
        role="operator",
        area_id=county.town,
        valid_until_us=until_us,
    )
    ended = await watch(county, shard, "clerk")
    look = Withdrawal(county.services).look
    monkeypatch.setattr(withdrawal, "now_us", lambda: until_us - 1)
    assert await look() == []
    monkeypatch.setattr(withdrawal, "now_us", lambda: until_us)
    assert await look() == [ended]
    assert shard.revoked == [ended]


async def test_a_view_of_a_token_that_does_not_reach_so_far_ends(
    county: County,
    shard: MediaProcess,  # noqa: F811
) -> None:
    clerk = await county.user("clerk", "operator", county.town)
    await county.write(
        "tokens.create",
        user_id=clerk,
        token_hash="f" * 64,
        name="video wall",
        scopes=["live"],
        addresses=[],
        expires_us=now_us() + HOUR_US,
        created_by=clerk,
    )
    await watch(county, shard, "clerk", "live", "f" * 64)
    ended = await watch(county, shard, "clerk", "playback", "f" * 64)
    assert await Withdrawal(county.services).look() == [ended]


async def test_a_camera_taken_out_of_a_jurisdiction_is_not_watched_from_there(
    county: County,
    shard: MediaProcess,  # noqa: F811
) -> None:
    station = await county.write("areas.create", parent_id=None, name="派出所", axis="police")
    await county.write("cameras.place", camera_id=county.camera, area_ids=[station])
    await county.user("officer", "operator", station)
    ended = await watch(county, shard, "officer")
    look = Withdrawal(county.services).look
    assert await look() == []
    await county.write("cameras.place", camera_id=county.camera, area_ids=[])
    assert await look() == [ended]


async def test_the_end_of_a_sign_in_ends_its_views_unless_another_takes_them_over(
    county: County,
    shard: MediaProcess,  # noqa: F811
) -> None:
    await county.user("clerk", "operator", county.town)
    clients = [await county.sign_in("clerk") for _ in range(2)]
    first, second = (token_hash(one.cookies[SESSION_COOKIE]) for one in clients)
    for client in clients:
        await client.aclose()
    taken_over = await watch(county, shard, "clerk", token_hash=first)
    ended = await watch(county, shard, "clerk", token_hash=first)
    look = Withdrawal(county.services).look
    assert await look() == []
    await county.write("sign_in.close", token_hash=first)
    # Whether another takes its place shows in the next moment.
    assert await look() == []
    await county.write(
        "viewing.take_over",
        session_ids=[taken_over],
        user_id=county.users["clerk"],
        token_hash=second,
    )
    assert await look() == [ended]
    assert await look() == []
    assert shard.held == {taken_over}


async def test_an_address_handed_out_ends_with_the_right_to_hand_out(
    county: County,
    shard: MediaProcess,  # noqa: F811
) -> None:
    await county.user("admin", "system_admin")
    clerk = await county.user("clerk", "area_admin", county.town)
    identifiers = [
        await county.write(
            "restreams.create",
            camera_id=county.camera,
            variant="main",
            token_hash=str(number) * 64,
            addresses=[],
            user_id=user_id,
            user_name="x",
            expires_us=now_us() + HOUR_US,
        )
        for number, user_id in enumerate((clerk, county.users["admin"]))
    ]
    look = Withdrawal(county.services).look
    assert await look() == []
    await county.write(
        "accounts.change", user_id=clerk, granted=[{"role": "operator", "area_id": county.town}]
    )
    assert await look() == [identifiers[0]]
    assert await look() == []
    async with county.services.reader.connect() as connection:
        valid = sa.select(restreams.c.id).where(restreams.c.revoked_us.is_(None))
        assert list(await connection.scalars(valid)) == [identifiers[1]]
        noted = sa.select(audit_log.c.camera_id).where(audit_log.c.action == "restream.withdrawn")
        assert list(await connection.scalars(noted)) == [county.camera]


async def test_a_process_that_hangs_is_told_again(
    county: County,
    shard: MediaProcess,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    await county.user("admin", "system_admin")
    await county.user("clerk", "operator", county.town)
    ended = await watch(county, shard, "clerk")
    monkeypatch.setattr("gateway.api.viewing._ANSWER_S", 0.2)
    answering = shard.answering
    answering.clear()
    await _no_grants(county)
    look = Withdrawal(county.services).look
    assert await look() == [ended]
    assert shard.held == {ended}
    monkeypatch.setattr("gateway.api.viewing._ANSWER_S", 60)
    answering.set()
    assert await look() == []
    assert shard.held == set()


async def test_events_stop_for_who_may_see_nothing_and_end_for_who_is_signed_out(
    county: County,
) -> None:
    await county.user("admin", "system_admin")
    clerk = await county.user("clerk", "viewer", county.town)
    client = await county.sign_in("clerk")
    cookie = client.cookies[SESSION_COOKIE]
    listening = bind(ListenSettings(port=0))
    origin = f"http://127.0.0.1:{listening.getsockname()[1]}"
    look = Withdrawal(county.services).look
    async with (
        serve_http(county.app, listening),
        aiohttp.ClientSession(cookies={SESSION_COOKIE: cookie}) as session,
        session.ws_connect(f"{origin}/api/events") as socket,
    ):
        async with asyncio.timeout(60):
            while not county.services.audience:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        (listener,) = county.services.audience
        assert len(listener.principal.grants) == 1
        await county.write("accounts.change", user_id=clerk, granted=[])
        await look()
        assert listener.principal.grants == ()
        await county.write("sign_in.close", token_hash=token_hash(cookie))
        await look()
        message = await socket.receive(timeout=60)
        assert message.type == aiohttp.WSMsgType.CLOSE
        assert message.data == 4401
    await client.aclose()


async def test_withdrawing_by_the_api_is_looked_after_at_once(
    county: County,
    shard: MediaProcess,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    await county.user("admin", "system_admin")
    clerk = await county.user("clerk", "operator", county.town)
    ended = await watch(county, shard, "clerk")
    # Nothing but the withdrawal itself wakes it.
    monkeypatch.setattr(withdrawal, "INTERVAL_S", 3600)
    looking = asyncio.create_task(withdraw_for_ever(county.services))
    client: httpx.AsyncClient
    async with await county.sign_in("admin") as client:
        held = (await client.get("/api/grants", params={"user_id": clerk})).json()["items"]
        assert (await client.delete(f"/api/grants/{held[0]['id']}")).status_code == 204
    async with asyncio.timeout(60):
        await shard.revocation.wait()
    assert shard.revoked == [ended]
    looking.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await looking
