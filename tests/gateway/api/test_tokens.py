"""Tokens of other platforms: an account's rights, cut down, for a time, from known addresses."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
import sqlalchemy as sa

from gateway.database.account_tables import service_tokens
from gateway.people.service_tokens import is_within
from tests.gateway.api.accounts import alter, audited, stranger
from tests.gateway.api.conftest import County
from tests.gateway.api.test_sweep import MediaProcess, shard, watch  # noqa: F401


def bearing(county: County, token: str, address: str = "127.0.0.1") -> httpx.AsyncClient:
    return httpx.AsyncClient(
        transport=httpx.ASGITransport(
            county.app, raise_app_exceptions=False, client=(address, 40000)
        ),
        base_url="http://gridsight.test",
        headers={"Authorization": f"Bearer {token}", "X-Gridsight": "1"},
    )


async def make(county: County, client: httpx.AsyncClient, **form: Any) -> dict[str, Any]:
    body = {
        "user_id": county.users["platform"],
        "name": "市综治平台",
        "scopes": ["live"],
        "expires_in_days": 30,
        **form,
    }
    answer = await client.post("/api/tokens", json=body)
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


@pytest.fixture
async def admin(county: County) -> httpx.AsyncClient:
    await county.user("platform", "integrator", county.town)
    await county.user("admin", "system_admin")
    return await county.sign_in("admin")


async def test_it_may_what_its_account_may_cut_down_to_its_scopes(
    county: County, admin: httpx.AsyncClient
) -> None:
    made = await make(county, admin, scopes=["live", "playback", "system"])
    assert made["token"].startswith("gst_")
    async with bearing(county, made["token"]) as client:
        session = (await client.get("/api/session")).json()
        # The account is no system administrator, whatever the scopes say.
        assert session["rights"] == ["live", "playback"]
        assert (session["kind"], session["method"]) == ("service", "token")
        listed = (await client.get("/api/cameras")).json()["items"]
        assert [one["id"] for one in listed] == [county.camera]
        assert (await client.get(f"/api/cameras/{county.other_camera}")).status_code == 404
        restream = {"camera_id": county.camera, "expires_in_s": 60, "addresses": ["10.0.0.0/8"]}
        assert (await client.post("/api/restreams", json=restream)).status_code == 403
        # A cookie beside it does not count.
        cookie = admin.cookies["gridsight_session"]
        beside = {"Cookie": f"gridsight_session={cookie}"}
        assert (await client.get("/api/users", headers=beside)).status_code == 403
    listed = (await admin.get("/api/tokens")).json()["items"]
    assert [one["name"] for one in listed] == ["市综治平台"]
    assert "token" not in listed[0]
    assert listed[0]["used_address"] == "127.0.0.1"
    await admin.aclose()


async def test_it_has_no_account_of_its_own(county: County, admin: httpx.AsyncClient) -> None:
    await county.user("chief", "system_admin")
    made = await make(
        county, admin, user_id=county.users["chief"], scopes=["system", "users", "grant", "live"]
    )
    async with bearing(county, made["token"]) as client:
        assert (await client.get("/api/users")).status_code == 200
        for method, path, body in (
            ("GET", "/api/account", None),
            ("GET", "/api/sessions", None),
            ("DELETE", "/api/session", None),
            ("POST", "/api/account/totp", {"password": "x"}),
            ("POST", "/api/session/password", {"old_password": "x", "new_password": "y"}),
            ("GET", "/api/tokens", None),
            ("POST", "/api/tokens", {}),
            ("POST", "/api/desks", {"name": "x", "area_id": county.town}),
        ):
            answer = await client.request(method, path, json=body)
            assert answer.status_code == 403, (path, answer.text)
    await admin.aclose()


async def test_it_opens_nothing_once_withdrawn_expired_or_elsewhere(
    county: County, admin: httpx.AsyncClient
) -> None:
    made = await make(county, admin, addresses=["10.1.2.7/24", "fd00::/8"])
    assert made["addresses"] == ["10.1.2.0/24", "fd00::/8"]
    token = made["token"]

    async def refused(token: str, address: str = "10.1.2.9") -> bool:
        async with bearing(county, token, address) as client:
            answer = await client.get("/api/cameras")
            if answer.status_code == 200:
                return False
            assert answer.status_code == 401
            assert answer.json()["error"]["code"] == "token_refused"
            return True

    assert not await refused(token)
    assert await refused(token, "10.1.3.9")
    assert await refused(token[:-2] + "xx")
    assert await refused("gst_" + "A" * 43)
    assert await refused("gst_" + "A" * 100_000)
    assert await refused("")
    await county.write("accounts.change", user_id=county.users["platform"], enabled=False)
    assert await refused(token)
    await county.write("accounts.change", user_id=county.users["platform"], enabled=True)
    assert not await refused(token)
    alter(county, sa.update(service_tokens).values(expires_us=1))
    assert await refused(token)
    alter(county, sa.update(service_tokens).values(expires_us=2**60))
    assert (await admin.delete(f"/api/tokens/{made['id']}")).status_code == 204
    assert await refused(token)
    assert (await admin.delete(f"/api/tokens/{made['id']}")).status_code == 404
    why = [one["detail"]["why"] for one in await audited(county, "token.refused")]
    # Many forged ones from one address are one record a minute, not as many.
    assert sorted(why) == [
        "expired",
        "from an address that it is not for",
        "its account is disabled",
        "not a token of this gateway",
        "unknown or forged",
        "withdrawn",
    ]
    await admin.aclose()


async def test_withdrawing_it_ends_what_it_watches(
    county: County,
    admin: httpx.AsyncClient,
    shard: MediaProcess,  # noqa: F811
) -> None:
    made = await make(county, admin)
    async with county.services.reader.connect() as connection:
        digest = await connection.scalar(sa.select(service_tokens.c.token_hash))
    watched = await watch(county, shard, "platform", token_hash=digest)
    await admin.delete(f"/api/tokens/{made['id']}")
    assert shard.revoked == [watched]
    await admin.aclose()


async def test_only_who_manages_the_account_makes_one(
    county: County, admin: httpx.AsyncClient
) -> None:
    platform = county.users["platform"]
    for name, role, area in (
        ("local", "area_admin", county.town),
        ("foreign", "area_admin", county.other_town),
        ("peer", "operator", county.town),
    ):
        await county.user(name, role, area)
    form = {"user_id": platform, "name": "x", "scopes": ["live"], "expires_in_days": 1}
    made = await make(county, admin)
    for name, status in (("local", 404), ("foreign", 404), ("peer", 403)):
        client = await county.sign_in(name)
        assert (await client.post("/api/tokens", json=form)).status_code == status
        assert (await client.delete(f"/api/tokens/{made['id']}")).status_code == status
        await client.aclose()
    home = {"area_id": county.village}
    await county.write("accounts.change", user_id=platform, home=home)
    local = await county.sign_in("local")
    assert (await local.post("/api/tokens", json=form)).status_code == 201
    assert len((await local.get("/api/tokens")).json()["items"]) == 2
    # An account that holds more than they do is no way around that.
    boss = await county.user("boss", "investigator", county.town)
    await county.write("accounts.change", user_id=boss, home=home)
    answer = await local.post("/api/tokens", json={**form, "user_id": boss})
    assert answer.json()["error"]["code"] == "more_than_held"
    for one in (admin, local):
        await one.aclose()


WRONG: list[dict[str, Any]] = [
    {"scopes": []},
    {"scopes": ["everything"]},
    {"expires_in_days": 0},
    {"expires_in_days": 4000},
    {"addresses": ["10.0.0.0/99"]},
    {"addresses": ["everywhere"]},
    {"user_id": "usr_nobody"},
]


async def test_a_wrong_form_makes_none(county: County, admin: httpx.AsyncClient) -> None:
    right = {
        "user_id": county.users["platform"],
        "name": "x",
        "scopes": ["live"],
        "expires_in_days": 1,
    }
    for wrong in WRONG:
        answer = await admin.post("/api/tokens", json={**right, **wrong})
        assert answer.status_code == (404 if "user_id" in wrong else 422), wrong
    assert (await admin.get("/api/tokens")).json()["items"] == []
    await admin.aclose()


def test_an_address_lies_in_its_network_however_it_is_written() -> None:
    assert is_within("::ffff:10.1.2.9", ["10.1.2.0/24"])
    assert not is_within("10.1.3.9", ["10.1.2.0/24"])
    assert not is_within("unknown", ["10.1.2.0/24"])
    assert is_within("unknown", [])


async def test_the_cookie_of_a_person_is_no_token(county: County) -> None:
    await county.user("wang", "viewer")
    client = await county.sign_in("wang")
    cookie = client.cookies["gridsight_session"]
    async with bearing(county, cookie) as other:
        assert (await other.get("/api/cameras")).status_code == 401
    async with stranger(county) as other:
        answer = await other.get("/api/cameras", headers={"Authorization": "Basic d2FuZzp4"})
        assert answer.json()["error"]["code"] == "sign_in_required"
    await client.aclose()
