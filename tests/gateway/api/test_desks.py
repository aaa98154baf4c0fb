"""Duty desks: nobody shares an account, and nobody waits for a wall."""

from __future__ import annotations

import hashlib
from typing import Any

import httpx
import pytest
import sqlalchemy as sa

from gateway.api.access import SESSION_COOKIE
from gateway.database.account_tables import desk_people, handovers
from gateway.database.tables import viewing_sessions
from gateway.identifiers import US_PER_S, now_us
from gateway.people.sign_in import token_hash
from gateway.settings import AccountabilitySettings
from tests.gateway.api.accounts import alter, audited, configure, stranger
from tests.gateway.api.conftest import PASSWORD, County
from tests.gateway.api.test_sweep import MediaProcess, shard  # noqa: F401

PINS = {"wang": "493817", "li": "802491"}


async def at_desk(county: County, *names: str) -> httpx.AsyncClient:
    """The browser of a desk of the town, at which these have signed in once, with a PIN each; the
    last is signed in.
    """
    if "boss" not in county.users:
        await county.user("boss", "system_admin")
    browser = stranger(county)
    await browser.post("/api/session", json={"name": "boss", "password": PASSWORD})
    answer = await browser.post("/api/desks", json={"name": "值班一席", "area_id": county.town})
    assert answer.status_code == 201, answer.text
    for name in names:
        form = {"name": name, "password": PASSWORD}
        assert (await browser.post("/api/session", json=form)).status_code == 200
        pin = {"password": PASSWORD, "pin": PINS[name]}
        answer = await browser.put("/api/account/pin", json=pin)
        assert answer.status_code == 204, answer.text
    return browser


async def switch(
    county: County, browser: httpx.AsyncClient, name: str, pin: str | None = None, **form: Any
) -> httpx.Response:
    body = {"user_id": county.users[name], "pin": pin or PINS[name], **form}
    return await browser.post("/api/desk/switch", json=body)


async def play(
    county: County,
    shard: MediaProcess,  # noqa: F811
    browser: httpx.AsyncClient,
    camera_id: str,
    action: str = "live",
    **columns: Any,
) -> str:
    """Have the browser watch something."""
    session = (await browser.get("/api/session")).json()
    cookie = [one.value for one in browser.cookies.jar if one.name == SESSION_COOKIE]
    session_id = f"ses_{len(shard.held) + len(shard.revoked)}"
    await county.write(
        "viewing.open",
        records=[],
        id=session_id,
        user_id=session["user"]["id"],
        token_hash=token_hash(str(cookie[0])),
        process="shard-1",
        action=action,
        camera_ids=[camera_id],
        **columns,
    )
    shard.held.add(session_id)
    return session_id


async def viewer_of(county: County, session_id: str) -> str:
    async with county.services.reader.connect() as connection:
        found: str = (
            await connection.execute(
                sa.select(viewing_sessions.c.user_id).where(viewing_sessions.c.id == session_id)
            )
        ).scalar_one()
    return found


@pytest.fixture
async def people(county: County) -> None:
    await county.user("wang", "operator", county.root)
    await county.user("li", "operator", county.town)


async def test_the_wall_plays_on_and_each_look_becomes_the_new_persons(
    county: County,
    shard: MediaProcess,  # noqa: F811
    people: None,
) -> None:
    browser = await at_desk(county, "li", "wang")
    seen = await play(county, shard, browser, county.camera)
    foreign = await play(county, shard, browser, county.other_camera)
    footage = await play(county, shard, browser, county.camera, "playback")
    unmasked = await play(county, shard, browser, county.camera, may_lift_masks=True)
    page = (await browser.get("/api/sign-in")).json()
    assert page["desk"]["name"] == "值班一席"
    assert [one["name"] for one in page["desk"]["people"]] == ["li", "wang"]
    answer = await switch(county, browser, "li")
    assert answer.status_code == 200, answer.text
    assert answer.json()["kept"] == [seen]
    assert sorted(answer.json()["ended"]) == sorted([foreign, footage, unmasked])
    assert sorted(shard.revoked) == sorted([foreign, footage, unmasked])
    assert await viewer_of(county, seen) == county.users["li"]
    assert shard.viewers == {seen: county.users["li"]}
    session = (await browser.get("/api/session")).json()
    assert (session["user"]["name"], session["method"]) == ("li", "pin")
    assert session["desk"]["name"] == "值班一席"
    opened = (await audited(county, "live.open"))[-1]
    assert (opened["user_id"], opened["camera_id"]) == (county.users["li"], county.camera)
    assert opened["detail"]["taken_over_from"] == county.users["wang"]
    # Signing out ends it now as hers.
    await browser.delete("/api/session")
    assert seen in shard.revoked
    await browser.aclose()


async def test_the_new_person_says_why_where_that_is_asked(
    county: County,
    shard: MediaProcess,  # noqa: F811
    people: None,
) -> None:
    browser = await at_desk(county, "li", "wang")
    seen = await play(county, shard, browser, county.camera)
    configure(county, accountability=AccountabilitySettings())
    asked = await switch(county, browser, "li")
    assert asked.status_code == 422
    assert asked.json()["error"]["code"] == "purpose_required"
    # Nothing has happened yet.
    assert (await browser.get("/api/session")).json()["user"]["name"] == "wang"
    answer = await switch(county, browser, "li", purpose={"code": "patrol"})
    assert answer.json()["kept"] == [seen]
    assert (await audited(county, "live.open"))[-1]["reason_code"] == "patrol"
    await browser.aclose()


async def test_a_pin_carries_what_the_desk_needs_and_no_more(county: County, people: None) -> None:
    await county.write("grants.add", user_id=county.users["li"], role="area_admin", area_id="*")
    browser = await at_desk(county, "wang", "li")
    assert (await browser.get("/api/users")).status_code == 200
    await switch(county, browser, "li")
    session = (await browser.get("/api/session")).json()
    assert session["rights"] == [
        "bookmark", "dispatch", "handle", "incidents", "live", "meet", "playback", "ptz", "search",
        "talk",
    ]  # fmt: skip
    assert (await browser.get("/api/cameras")).status_code == 200
    refused = await browser.patch(f"/api/cameras/{county.camera}", json={"name": "x"})
    assert refused.json()["error"]["code"] == "full_sign_in_required"
    pin = {"password": PASSWORD, "pin": "739164"}
    assert (await browser.put("/api/account/pin", json=pin)).status_code == 403
    assert (await browser.post("/api/sign-in/oidc", json={"link": True})).status_code in (403, 404)
    form = {"name": "li", "password": PASSWORD}
    assert (await browser.post("/api/session", json=form)).status_code == 200
    changed = await browser.patch(f"/api/cameras/{county.camera}", json={"name": "x"})
    assert changed.status_code == 200
    await browser.aclose()


async def test_a_pin_is_good_at_a_desk_where_one_has_signed_in_in_full(
    county: County, people: None
) -> None:
    browser = await at_desk(county, "li", "wang")
    async with stranger(county) as elsewhere:
        answer = await switch(county, elsewhere, "li")
        assert answer.json()["error"]["code"] == "no_desk"
        forged = {"gridsight_desk": "A" * 43}
        answer = await elsewhere.post(
            "/api/desk/switch",
            json={"user_id": county.users["li"], "pin": PINS["li"]},
            headers={"Cookie": f"gridsight_desk={forged['gridsight_desk']}"},
        )
        assert answer.json()["error"]["code"] == "no_desk"
    await county.user("zhao", "operator", county.town)
    for name in ("zhao", "boss"):
        answer = await switch(county, browser, name, "000000")
        assert answer.json()["error"]["code"] == "full_sign_in_required"
    # A week later the password is asked for once.
    week_us = 8 * 24 * 3600 * US_PER_S
    alter(county, sa.update(desk_people).values(full_sign_in_us=now_us() - week_us))
    answer = await switch(county, browser, "li")
    assert answer.status_code == 403
    assert answer.json()["error"]["code"] == "full_sign_in_required"
    assert (await browser.get("/api/sign-in")).json()["desk"]["people"] == []
    await browser.aclose()


async def test_wrong_pins_lead_back_to_the_password(county: County, people: None) -> None:
    browser = await at_desk(county, "li", "wang")
    left = []
    for _ in range(4):
        answer = await switch(county, browser, "li", "111111")
        assert answer.json()["error"]["code"] == "wrong_pin"
        left.append(answer.json()["error"]["detail"]["attempts_left"])
    assert left == [4, 3, 2, 1]
    assert (await switch(county, browser, "li")).status_code == 200
    await switch(county, browser, "wang")
    for _ in range(5):
        await switch(county, browser, "li", "111111")
    # Not even with the right one.
    answer = await switch(county, browser, "li")
    assert answer.json()["error"]["code"] == "full_sign_in_required"
    assert (await browser.get("/api/session")).json()["user"]["name"] == "wang"
    form = {"name": "li", "password": PASSWORD}
    assert (await browser.post("/api/session", json=form)).status_code == 200
    await switch(county, browser, "wang")
    assert (await switch(county, browser, "li")).status_code == 200
    why = [one["detail"]["why"] for one in await audited(county, "session.refused")]
    assert why.count("wrong_pin") == 9
    await browser.aclose()


async def test_a_disabled_account_and_a_removed_desk_have_no_pin(
    county: County, people: None
) -> None:
    browser = await at_desk(county, "li", "wang")
    await county.write("accounts.change", user_id=county.users["li"], enabled=False)
    assert (await switch(county, browser, "li")).status_code == 403
    await county.write("accounts.change", user_id=county.users["li"], enabled=True)
    boss = await county.sign_in("boss")
    desk = (await boss.get("/api/desks")).json()["items"][0]
    gone = await boss.delete(f"/api/desks/{desk['id']}/people/{county.users['li']}")
    assert gone.status_code == 204
    assert (await switch(county, browser, "li")).status_code == 403
    assert (await boss.delete(f"/api/desks/{desk['id']}")).status_code == 204
    assert (await switch(county, browser, "wang")).json()["error"]["code"] == "no_desk"
    assert (await browser.get("/api/sign-in")).json()["desk"] is None
    for one in (browser, boss):
        await one.aclose()


async def test_desks_are_kept_by_who_manages_the_accounts_there(
    county: County, people: None
) -> None:
    await county.user("local", "area_admin", county.town)
    await county.user("foreign", "area_admin", county.other_town)
    browser = await at_desk(county, "li")
    local, foreign = await county.sign_in("local"), await county.sign_in("foreign")
    desk = (await local.get("/api/desks")).json()["items"][0]
    assert (await foreign.get("/api/desks")).json()["items"] == []
    # Who sits there sees their own.
    assert [one["id"] for one in (await browser.get("/api/desks")).json()["items"]] == [desk["id"]]
    change = {"name": "值班二席"}
    assert (await foreign.patch(f"/api/desks/{desk['id']}", json=change)).status_code == 404
    assert (await browser.patch(f"/api/desks/{desk['id']}", json=change)).status_code == 403
    renamed = await local.patch(f"/api/desks/{desk['id']}", json=change)
    assert renamed.json()["name"] == "值班二席"
    away = {"area_id": county.other_town}
    assert (await local.patch(f"/api/desks/{desk['id']}", json=away)).status_code == 404
    for client in (local, foreign, browser):
        await client.aclose()


async def test_a_shift_is_handed_over_with_what_is_open_and_both_sign(
    county: County, people: None
) -> None:
    browser = await at_desk(county, "li", "wang")
    await browser.post("/api/purposes/shift", json={"code": "patrol"})
    desk_id = (await browser.get("/api/session")).json()["desk"]["id"]
    items = f"/api/desks/{desk_id}/items"
    note = {"text": "村口摄像头时常掉线", "camera_id": county.camera, "at_us": 5}
    first = (await browser.post(items, json=note)).json()
    second = (await browser.post(items, json={"text": "桥头围栏破损"})).json()
    done = await browser.post(f"{items}/{second['id']}/close", json={"resolution": "已修复"})
    assert done.status_code == 204
    assert (
        await browser.post(f"{items}/{second['id']}/close", json={"resolution": "x"})
    ).status_code == 409
    give = {"to_user_id": county.users["li"], "summary": "夜间平安"}
    handovers_at = f"/api/desks/{desk_id}/handovers"
    wrong = await browser.post(handovers_at, json={**give, "password": "wrong"})
    assert wrong.status_code == 422
    assert (await browser.post(handovers_at, json=give)).status_code == 422
    given = (await browser.post(handovers_at, json={**give, "password": PASSWORD})).json()
    assert (given["state"], given["taken_us"]) == ("given", None)
    assert [one["id"] for one in given["items"]] == [first["id"]]
    again = await browser.post(handovers_at, json={**give, "pin": PINS["wang"]})
    assert again.json()["error"]["code"] == "handover_waiting"
    take = f"/api/handovers/{given['id']}/take"
    # Nobody signs for somebody else.
    assert (await browser.post(take, json={"pin": PINS["wang"]})).status_code == 404
    await switch(county, browser, "li")
    assert (await browser.post(take, json={"pin": "111111"})).status_code == 422
    taken = (await browser.post(take, json={"pin": PINS["li"], "remark": "收到"})).json()
    assert (taken["state"], taken["remark"]) == ("taken", "收到")
    assert taken["document_sha256"] == given["document_sha256"]
    assert (await browser.post(take, json={"pin": PINS["li"]})).status_code == 409
    signatures = [
        one for one in await audited(county) if one["action"] in ("handover.give", "handover.take")
    ]
    assert [one["user_id"] for one in signatures] == [county.users["wang"], county.users["li"]]
    assert signatures[0]["detail"]["handover"]["document_sha256"] == given["document_sha256"]
    assert signatures[1]["detail"]["document_sha256"] == given["document_sha256"]
    async with county.services.reader.connect() as connection:
        document = await connection.scalar(sa.select(handovers.c.document))
    assert hashlib.sha256(str(document).encode()).hexdigest() == given["document_sha256"]
    listed = (await browser.get(handovers_at)).json()["items"]
    assert [one["id"] for one in listed] == [given["id"]]
    # The next one begins where this one was taken over.
    back = {"to_user_id": county.users["wang"], "summary": "无事", "pin": PINS["li"]}
    following = (await browser.post(handovers_at, json=back)).json()
    assert following["shift_start_us"] == taken["taken_us"]
    withdraw = f"/api/handovers/{following['id']}/withdraw"
    assert (await browser.post(withdraw)).json()["state"] == "withdrawn"
    await browser.aclose()


async def test_a_hand_over_is_no_business_of_another_town(county: County, people: None) -> None:
    await county.user("foreign", "operator", county.other_town)
    browser = await at_desk(county, "wang")
    desk_id = (await browser.get("/api/session")).json()["desk"]["id"]
    note = {"text": "x", "camera_id": county.other_camera}
    items = f"/api/desks/{desk_id}/items"
    item = (await browser.post(items, json=note)).json()
    give = {"to_user_id": county.users["li"], "summary": "x", "password": PASSWORD}
    given = (await browser.post(f"/api/desks/{desk_id}/handovers", json=give)).json()
    foreign = await county.sign_in("foreign")
    for method, path, body in (
        ("GET", items, None),
        ("POST", items, {"text": "x"}),
        ("POST", f"{items}/{item['id']}/close", {"resolution": "x"}),
        ("GET", f"/api/desks/{desk_id}/handovers", None),
        ("POST", f"/api/desks/{desk_id}/handovers", give),
        ("POST", f"/api/handovers/{given['id']}/take", {"password": PASSWORD}),
        ("POST", f"/api/handovers/{given['id']}/withdraw", None),
    ):
        answer = await foreign.request(method, path, json=body)
        assert answer.status_code == 404, (path, answer.text)
    # Nor is a foreign camera to be named.
    li = await county.sign_in("li")
    assert (await li.post(items, json=note)).status_code == 404
    for client in (browser, foreign, li):
        await client.aclose()
