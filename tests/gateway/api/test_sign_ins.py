"""Sign-ins: begun safely, counted fairly, listed and ended."""

from __future__ import annotations

import httpx
import pytest
import sqlalchemy as sa

from gateway.api.access import SESSION_COOKIE
from gateway.database.tables import sign_in_failures, users
from gateway.identifiers import US_PER_S, now_us
from gateway.people.sign_in import token_hash
from gateway.settings import SignInSettings
from tests.gateway.api.accounts import alter, audited, configure, stranger
from tests.gateway.api.conftest import PASSWORD, County
from tests.gateway.api.test_sweep import MediaProcess, shard, watch  # noqa: F401

FORM = {"name": "wang", "password": PASSWORD}


def only_cookie(client: httpx.AsyncClient) -> str:
    found = [one.value for one in client.cookies.jar if one.name == SESSION_COOKIE]
    assert len(found) == 1
    return str(found[0])


async def test_a_session_that_was_slipped_in_is_not_the_one_that_opens(county: County) -> None:
    await county.user("wang", "viewer")
    await county.user("mallory", "viewer")
    made_up = "A" * 43
    async with stranger(county) as victim:
        victim.cookies.set(SESSION_COOKIE, made_up, domain="gridsight.test", path="/")
        assert (await victim.post("/api/session", json=FORM)).status_code == 200
        opened = only_cookie(victim)
        assert opened != made_up
        assert (await victim.get("/api/session")).json()["user"]["name"] == "wang"
    async with stranger(county) as attacker:
        attacker.cookies.set(SESSION_COOKIE, made_up, domain="gridsight.test", path="/")
        assert (await attacker.get("/api/session")).status_code == 401
    # A real session of the attacker's own, put into the victim's browser, ends at the sign-in.
    planted = await county.sign_in("mallory")
    async with stranger(county) as victim:
        known = planted.cookies[SESSION_COOKIE]
        victim.cookies.set(SESSION_COOKIE, known, domain="gridsight.test", path="/")
        assert (await victim.post("/api/session", json=FORM)).status_code == 200
        assert (await planted.get("/api/session")).status_code == 401
        assert (await victim.get("/api/session")).json()["user"]["name"] == "wang"
    await planted.aclose()


async def test_a_new_password_gives_the_session_a_new_token(county: County) -> None:
    await county.user("wang", "viewer", must_change=True)
    async with stranger(county) as client, stranger(county) as looker_on:
        await client.post("/api/session", json=FORM)
        seen = only_cookie(client)
        change = {"old_password": PASSWORD, "new_password": "another horse 7"}
        assert (await client.post("/api/session/password", json=change)).status_code == 204
        assert only_cookie(client) != seen
        assert (await client.get("/api/cameras")).status_code == 200
        looker_on.cookies.set(SESSION_COOKIE, seen, domain="gridsight.test", path="/")
        assert (await looker_on.get("/api/session")).status_code == 401
        back = {"old_password": "another horse 7", "new_password": PASSWORD}
        refused = await client.post("/api/session/password", json=back)
        fields = refused.json()["error"]["detail"]["fields"]
        assert fields == {"new_password": "this password was in use before: choose another"}


async def test_guessing_elsewhere_does_not_lock_the_owner_out_of_a_known_browser(
    county: County,
) -> None:
    await county.user("wang", "viewer")
    configure(county, sign_in=SignInSettings(attempts=1))
    async with stranger(county) as own, stranger(county) as other:
        assert (await own.post("/api/session", json=FORM)).status_code == 200
        await own.delete("/api/session")
        # More wrong ones than the name has, from everywhere.
        for _ in range(12):
            await county.write("sign_in.attempt", limits={"name:wang": 10}, lock_s=300)
        assert (await other.post("/api/session", json=FORM)).status_code == 429
        assert (await own.post("/api/session", json=FORM)).status_code == 200
        # It is known for that name only, and its own attempts count.
        await county.user("li", "viewer")
        wrong = {"name": "li", "password": "wrong"}
        codes = [(await own.post("/api/session", json=wrong)).status_code for _ in range(3)]
        assert codes == [401, 429, 429]
        wrong = {"name": "wang", "password": "wrong"}
        codes = [(await own.post("/api/session", json=wrong)).status_code for _ in range(3)]
        assert codes == [401, 429, 429]


async def test_each_lock_lasts_longer_and_an_administrator_opens_it(county: County) -> None:
    wang = await county.user("wang", "viewer", county.town)
    await county.user("root", "system_admin")
    await county.user("admin", "area_admin", county.town)
    await county.user("foreign", "area_admin", county.other_town)
    limits = {"name:wang": 1}

    async def locked_for() -> int:
        waits = [
            await county.write("sign_in.attempt", limits=limits, lock_s=60, lock_s_limit=180)
            for _ in range(2)
        ]
        assert waits[0] == 0
        return int(waits[1])

    lasting = []
    for _ in range(4):
        lasting.append(await locked_for())
        # As if it had passed.
        alter(county, sa.update(sign_in_failures).values(locked_until_us=1))
    assert lasting == [60, 120, 180, 180]
    await county.write("sign_in.attempt", limits={"name:wang": 0}, lock_s=300)
    admin, foreign = await county.sign_in("admin"), await county.sign_in("foreign")
    # Accounts of the county are not a town's to manage.
    assert (await admin.post(f"/api/users/{wang}/unlock")).status_code == 404
    await county.write("accounts.change", user_id=wang, home={"area_id": county.town})
    security = (await admin.get(f"/api/users/{wang}/security")).json()
    assert security["locked_until_us"] is not None
    assert (await foreign.get(f"/api/users/{wang}/security")).status_code == 404
    assert (await foreign.post(f"/api/users/{wang}/unlock")).status_code == 404
    assert (await admin.post(f"/api/users/{wang}/unlock")).status_code == 204
    async with stranger(county) as client:
        assert (await client.post("/api/session", json=FORM)).status_code == 200
    assert [one["detail"]["name"] for one in await audited(county, "user.unlock")] == ["wang"]
    for one in (admin, foreign):
        await one.aclose()


async def test_a_right_password_does_not_pay_for_guesses_at_others(county: County) -> None:
    await county.user("mallory", "viewer")
    await county.user("wang", "viewer")
    configure(county, sign_in=SignInSettings(attempts=1))
    # Ten attempts an address; a success gives back its own attempt and no other.
    codes = []
    for number in range(8):
        async with stranger(county) as client:
            own = {"name": "mallory", "password": PASSWORD}
            codes.append((await client.post("/api/session", json=own)).status_code)
            guess = {"name": f"name{number}", "password": "guess"}
            codes.append((await client.post("/api/session", json=guess)).status_code)
    async with stranger(county) as client:
        for number in range(3):
            guess = {"name": f"more{number}", "password": "guess"}
            codes.append((await client.post("/api/session", json=guess)).status_code)
    assert codes == [200, 401] * 8 + [401, 401, 429]


async def test_sign_ins_are_listed_and_ended_with_what_they_watch(
    county: County,
    shard: MediaProcess,  # noqa: F811
) -> None:
    await county.user("wang", "operator", county.town)
    here, there = await county.sign_in("wang"), await county.sign_in("wang")
    watched = await watch(
        county, shard, "wang", token_hash=token_hash(there.cookies[SESSION_COOKIE])
    )
    items = (await here.get("/api/sessions")).json()["items"]
    assert sorted((one["current"], one["views"]) for one in items) == [(False, 1), (True, 0)]
    assert all("token" not in name for one in items for name in one)
    other = next(one for one in items if not one["current"])
    assert other["address"] == "127.0.0.1"
    assert other["method"] == "password"
    assert (await here.delete(f"/api/sessions/{other['id']}")).status_code == 204
    assert (await there.get("/api/session")).status_code == 401
    assert shard.revoked == [watched]
    assert (await here.delete(f"/api/sessions/{other['id']}")).status_code == 404
    third = await county.sign_in("wang")
    assert (await here.post("/api/sessions/close", json={})).status_code == 204
    assert (await third.get("/api/session")).status_code == 401
    assert (await here.get("/api/session")).status_code == 200
    actions = [one["action"] for one in await audited(county)]
    assert actions.count("session.revoke") == 1
    assert actions.count("session.revoke_all") == 1
    for one in (here, there, third):
        await one.aclose()


async def test_other_peoples_sign_ins_are_their_administrators_business(county: County) -> None:
    wang = await county.user("wang", "operator", county.town)
    boss = await county.user("boss", "system_admin")
    await county.write("accounts.change", user_id=wang, home={"area_id": county.village})
    await county.write("accounts.change", user_id=boss, home={"area_id": county.village})
    for name, role, area in (
        ("admin", "area_admin", county.town),
        ("foreign", "area_admin", county.other_town),
        ("peer", "operator", county.town),
    ):
        await county.user(name, role, area)
    victim = await county.sign_in("wang")
    session_id = (await victim.get("/api/session")).json()["id"]
    for name, status in (("foreign", 404), ("peer", 403)):
        client = await county.sign_in(name)
        assert (await client.get(f"/api/sessions?user_id={wang}")).status_code == status
        assert (await client.delete(f"/api/sessions/{session_id}")).status_code == status
        close = await client.post("/api/sessions/close", json={"user_id": wang})
        assert close.status_code == status
        await client.aclose()
    admin = await county.sign_in("admin")
    # Whoever holds more than the administrator does is not theirs to sign out.
    refused = await admin.get(f"/api/sessions?user_id={boss}")
    assert refused.json()["error"]["code"] == "more_than_held"
    listed = (await admin.get(f"/api/sessions?user_id={wang}")).json()["items"]
    assert [one["id"] for one in listed] == [session_id]
    close = await admin.post("/api/sessions/close", json={"user_id": wang})
    assert close.status_code == 204
    assert (await victim.get("/api/session")).status_code == 401
    for one in (admin, victim):
        await one.aclose()


@pytest.mark.parametrize("days_limit", [None, 90])
async def test_a_password_may_grow_too_old(county: County, days_limit: int | None) -> None:
    await county.user("wang", "viewer")
    long_ago_us = now_us() - 91 * 24 * 3600 * US_PER_S
    alter(county, sa.update(users).values(password_changed_us=long_ago_us))
    rules = county.services.settings.passwords.model_copy(update={"days_limit": days_limit})
    configure(county, passwords=rules)
    async with stranger(county) as client:
        session = (await client.post("/api/session", json=FORM)).json()
        assert session["must_change_password"] is (days_limit is not None)
