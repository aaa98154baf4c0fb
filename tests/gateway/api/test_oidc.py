"""Signing in at an identity provider: a real one answers on loopback."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
import sqlalchemy as sa

from gateway.database.tables import sign_in_sessions
from gateway.identifiers import US_PER_S, now_us
from gateway.settings import OidcSettings
from tests.gateway.api.accounts import alter, audited, configure, stranger
from tests.gateway.api.conftest import County
from tests.peers.openid_provider import CLIENT_SECRET, OpenIdProvider, running_provider

CALLBACK = "/api/sign-in/oidc/callback"


@pytest.fixture
async def provider(county: County, free_port: int) -> AsyncIterator[OpenIdProvider]:
    async with running_provider(free_port) as running:
        use(county, running)
        yield running


def use(county: County, provider: OpenIdProvider, **settings: Any) -> None:
    county.services.identity_provider = None
    configure(
        county,
        oidc=OidcSettings(
            issuer=provider.issuer, client_secret=CLIENT_SECRET, name="县统一认证", **settings
        ),
    )


async def leave(client: httpx.AsyncClient, **form: Any) -> str:
    """Go to the provider and be sent back: the address that the browser is sent back to."""
    begun = await client.post("/api/sign-in/oidc", json=form)
    assert begun.status_code == 200, begun.text
    async with httpx.AsyncClient() as outside:
        answer = await outside.get(begun.json()["url"])
    assert answer.status_code == 302, answer.text
    return answer.headers["location"].removeprefix("http://gridsight.test")


async def go_and_return(client: httpx.AsyncClient, **form: Any) -> httpx.Response:
    return await client.get(await leave(client, **form))


def refusal(response: httpx.Response) -> str | None:
    assert response.status_code == 303, response.text
    found = parse_qs(urlsplit(response.headers["location"]).query).get("error")
    return found[0] if found else None


async def test_the_page_says_what_it_is_called(county: County, provider: OpenIdProvider) -> None:
    async with stranger(county) as client:
        page = (await client.get("/api/sign-in")).json()
    assert page == {"oidc": {"name": "县统一认证"}, "desk": None}


async def test_an_identity_that_was_joined_to_an_account_opens_it(
    county: County, provider: OpenIdProvider
) -> None:
    await county.user("wang", "operator", county.town)
    client = await county.sign_in("wang")
    joined = await go_and_return(client, link=True, return_to="/account")
    assert refusal(joined) is None
    assert joined.headers["location"] == "/account"
    identity = (await client.get("/api/account")).json()["identities"][0]
    assert identity["issuer"] == provider.issuer
    async with stranger(county) as other:
        opened = await go_and_return(other, return_to="/wall?screen=2")
        assert opened.headers["location"] == "/wall?screen=2"
        cookie = opened.headers["set-cookie"].lower()
        assert "gridsight_session=" in cookie
        session = (await other.get("/api/session")).json()
        assert (session["user"]["name"], session["method"]) == ("wang", "oidc")
        # PKCE, state and nonce went out with the browser.
        asked = provider.asked[-1]
        assert {"state", "nonce", "code_challenge"} <= asked.keys()
        assert asked["code_challenge_method"] == "S256"
        assert (await client.delete(f"/api/account/identities/{identity['id']}")).status_code == 204
    async with stranger(county) as other:
        assert refusal(await go_and_return(other)) == "oidc_unknown_account"
    actions = [one["action"] for one in await audited(county)]
    assert {"account.identity", "account.identity_removed", "session.refused"} <= set(actions)
    await client.aclose()


async def test_who_is_let_in_is_the_counties_choice(
    county: County, provider: OpenIdProvider
) -> None:
    wang = await county.user("Wang", "operator", county.town)
    async with stranger(county) as client:
        assert refusal(await go_and_return(client)) == "oidc_unknown_account"
        use(county, provider, accounts="by_name")
        assert refusal(await go_and_return(client)) is None
        assert (await client.get("/api/session")).json()["user"]["id"] == wang
    # Whoever takes over that name at the provider later is somebody else.
    provider.subject = "another person"
    async with stranger(county) as client:
        assert refusal(await go_and_return(client)) == "oidc_unknown_account"
        provider.claims = {"preferred_username": "li", "name": "李四"}
        assert refusal(await go_and_return(client)) == "oidc_unknown_account"
        use(county, provider, accounts="created")
        assert refusal(await go_and_return(client)) is None
        session = (await client.get("/api/session")).json()
        assert session["user"]["display_name"] == "李四"
        # Somebody, with no right to anything.
        assert session["rights"] == []
        # Nobody gets into an account that is there already by calling themselves like it.
        provider.subject, provider.claims = "a third", {"preferred_username": "wang"}
        assert refusal(await go_and_return(client)) == "oidc_unknown_account"


async def test_what_comes_back_is_good_once_and_in_its_own_browser(
    county: County, provider: OpenIdProvider
) -> None:
    await county.user("wang", "operator", county.town)
    use(county, provider, accounts="by_name")
    async with stranger(county) as victim, stranger(county) as attacker:
        # An attacker's own answer, pushed upon somebody else's browser (login CSRF).
        pushed = await leave(attacker)
        assert refusal(await victim.get(pushed)) == "oidc_expired"
        await victim.post("/api/sign-in/oidc", json={})
        assert refusal(await victim.get(pushed)) == "oidc_refused"
        back = await leave(victim)
        assert refusal(await victim.get(back)) is None
        assert refusal(await victim.get(back)) == "oidc_expired"
        # Not even with the cookie that a browser was told to forget.
        kept = await leave(attacker)
        cookie = attacker.cookies.get("gridsight_oidc")
        assert refusal(await attacker.get(kept)) is None
        attacker.cookies.set("gridsight_oidc", str(cookie), domain="gridsight.test")
        assert refusal(await attacker.get(kept)) == "oidc_refused"


SPOILT: list[dict[str, Any]] = [
    {"nonce": "another"},
    {"nonce": None},
    {"aud": "another client"},
    {"aud": ["gridsight", "another"], "azp": "another"},
    {"iss": "http://127.0.0.1:1/"},
    {"exp": 1},
    {"sub": None},
]


async def test_an_id_token_that_is_not_for_us_opens_nothing(
    county: County, provider: OpenIdProvider
) -> None:
    await county.user("wang", "operator", county.town)
    use(county, provider, accounts="by_name")
    async with stranger(county) as client:
        for spoil in SPOILT:
            provider.spoil = spoil
            assert refusal(await go_and_return(client)) == "oidc_refused", spoil
            assert (await client.get("/api/session")).status_code == 401
        provider.spoil = {}
        assert refusal(await go_and_return(client)) is None


async def test_keys_may_change_but_not_be_forged(county: County, provider: OpenIdProvider) -> None:
    await county.user("wang", "operator", county.town)
    use(county, provider, accounts="by_name")
    provider.published = provider.key
    provider.replace_key()
    async with stranger(county) as client:
        assert refusal(await go_and_return(client)) == "oidc_refused"
    provider.published = None
    use(county, provider, accounts="by_name")
    async with stranger(county) as client:
        assert refusal(await go_and_return(client)) is None


async def test_a_provider_that_refuses_or_is_away_says_so(
    county: County, provider: OpenIdProvider
) -> None:
    provider.denies = True
    async with stranger(county) as client:
        assert refusal(await go_and_return(client)) == "oidc_refused"
        back = await leave(client)
        other = back.replace("iss=", "iss=http%3A%2F%2Felsewhere&was=")
        assert refusal(await client.get(other)) == "oidc_refused"
        county.services.identity_provider = None
        configure(county, oidc=OidcSettings(issuer="http://127.0.0.1:1/realms/county"))
        answer = await client.post("/api/sign-in/oidc", json={})
        assert answer.status_code == 503
        configure(county, oidc=OidcSettings(issuer="http://sso.example/"))
        county.services.identity_provider = None
        answer = await client.post("/api/sign-in/oidc", json={})
        assert "without TLS" in answer.json()["error"]["message"]
        configure(county, oidc=OidcSettings())
        assert (await client.post("/api/sign-in/oidc", json={})).status_code == 404


async def test_it_comes_back_to_this_console_only(county: County, provider: OpenIdProvider) -> None:
    async with stranger(county) as client:
        for elsewhere in (
            "https://evil.example/", "//evil.example", "/\\evil.example", "wall", "/a\nb",
        ):  # fmt: skip
            answer = await client.post("/api/sign-in/oidc", json={"return_to": elsewhere})
            assert answer.status_code == 422, elsewhere


async def test_a_disabled_account_stays_closed(county: County, provider: OpenIdProvider) -> None:
    wang = await county.user("wang", "operator", county.town)
    await county.user("admin", "system_admin")
    use(county, provider, accounts="by_name")
    async with stranger(county) as client:
        assert refusal(await go_and_return(client)) is None
        await county.write("accounts.change", user_id=wang, enabled=False)
        assert refusal(await go_and_return(client)) == "account_disabled"


async def test_a_stranger_joins_nothing_to_an_account(
    county: County, provider: OpenIdProvider
) -> None:
    await county.user("wang", "operator", county.town)
    await county.user("li", "operator", county.town)
    async with stranger(county) as client:
        assert (await client.post("/api/sign-in/oidc", json={"link": True})).status_code == 401
    first, second = await county.sign_in("wang"), await county.sign_in("li")
    assert refusal(await go_and_return(first, link=True)) is None
    assert refusal(await go_and_return(second, link=True)) == "identity_taken"
    # The sign-in that began it has ended meanwhile.
    back = await leave(second, link=True)
    await second.delete("/api/session")
    assert refusal(await second.get(back)) == "oidc_expired"
    for one in (first, second):
        await one.aclose()


async def test_who_has_no_password_shows_that_they_have_just_signed_in(
    county: County, provider: OpenIdProvider
) -> None:
    use(county, provider, accounts="created")
    async with stranger(county) as client:
        assert refusal(await go_and_return(client)) is None
        pin = {"pin": "802491"}
        # Where there is nothing to guess, nobody is locked out for having guessed.
        for _ in range(county.services.settings.sign_in.attempts + 2):
            assert (await client.put("/api/account/pin", json=pin)).status_code == 204
        alter(county, sa.update(sign_in_sessions).values(created_us=now_us() - 3600 * US_PER_S))
        late = await client.put("/api/account/pin", json=pin)
        assert late.json()["error"]["code"] == "full_sign_in_required"
        # The name opens nothing by an empty password.
        form = {"name": "wang", "password": " "}
        assert (await client.post("/api/session", json=form)).status_code == 401
