"""Signing in over HTTP, and what guards every write."""

from __future__ import annotations

import httpx
import pytest

from tests.gateway.api.accounts import audited
from tests.gateway.api.accounts import stranger as strangers_browser
from tests.gateway.api.conftest import PASSWORD, County


def stranger(county: County, **headers: str) -> httpx.AsyncClient:
    return httpx.AsyncClient(
        transport=httpx.ASGITransport(county.app, raise_app_exceptions=False),
        base_url="http://gridsight.test",
        headers=headers,
    )


async def test_the_first_sign_in_leads_to_a_new_password(county: County) -> None:
    await county.user("wang", "operator", county.town, must_change=True)
    async with stranger(county, **{"X-Gridsight": "1"}) as client:
        response = await client.post("/api/session", json={"name": "wang", "password": PASSWORD})
        assert response.status_code == 200
        assert response.json()["must_change_password"] is True
        assert (await client.get("/api/cameras")).status_code == 403
        weak = {"old_password": PASSWORD, "new_password": "short"}
        response = await client.post("/api/session/password", json=weak)
        assert "new_password" in response.json()["error"]["detail"]["fields"]
        change = {"old_password": PASSWORD, "new_password": "another horse 7"}
        assert (await client.post("/api/session/password", json=change)).status_code == 204
        assert (await client.get("/api/cameras")).status_code == 200
        session = (await client.get("/api/session")).json()
        assert session["rights"] == [
            "bookmark",
            "handle",
            "incidents",
            "live",
            "meet",
            "playback",
            "ptz",
            "search",
            "talk",
        ]
        assert session["system_admin"] is False
        assert (await client.delete("/api/session")).status_code == 204
        assert (await client.get("/api/session")).status_code == 401


async def test_an_unlocked_screen_is_no_place_to_guess_the_password(county: County) -> None:
    await county.user("wang", "viewer")
    client = await county.sign_in("wang")
    guess = {"old_password": "a guess", "new_password": "another horse 7"}
    statuses = [
        (await client.post("/api/session/password", json=guess)).status_code for _ in range(6)
    ]
    assert statuses == [422] * 5 + [429]
    refused = await audited(county, "session.refused")
    assert [(one["user_name"], one["detail"]["why"]) for one in refused] == [
        ("wang", "wrong_password")
    ] * 5
    # Not even the right one, for a while.
    right = {**guess, "old_password": PASSWORD}
    response = await client.post("/api/session/password", json=right)
    assert response.headers["Retry-After"]
    assert response.json()["error"]["code"] == "too_many_attempts"
    await client.aclose()


async def test_a_made_up_session_is_on_record_once_a_minute(county: County) -> None:
    for token in ("made up", "another", "token-wang-1"):
        async with strangers_browser(county, gridsight_session=token) as client:
            assert (await client.get("/api/session")).status_code == 401
    async with strangers_browser(county) as client:
        assert (await client.get("/api/session")).status_code == 401
    (record,) = await audited(county, "token.refused")
    assert record["address"] == "127.0.0.1"
    assert record["detail"]["why"] == "a sign-in that has ended or never was"


async def test_the_cookie_is_kept_from_scripts_and_other_sites(county: County) -> None:
    await county.user("wang", "viewer")
    async with stranger(county) as client:
        response = await client.post("/api/session", json={"name": "wang", "password": PASSWORD})
    cookie = response.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie


async def test_guessing_is_stopped_and_says_for_how_long(county: County) -> None:
    await county.user("wang", "viewer")
    async with stranger(county) as client:
        wrong = {"name": "wang", "password": "wrong"}
        codes = [(await client.post("/api/session", json=wrong)).status_code for _ in range(6)]
        assert codes == [401] * 5 + [429]
        response = await client.post("/api/session", json={"name": "wang", "password": PASSWORD})
        assert response.status_code == 429
        assert int(response.headers["retry-after"]) > 0
        assert response.json()["error"]["detail"]["retry_after_s"] > 0


@pytest.mark.parametrize(
    ("headers", "content"),
    [
        ({"Content-Type": "application/x-www-form-urlencoded"}, b"name=x"),
        ({"Content-Type": "text/plain"}, b'{"name": "x", "password": "y"}'),
        ({"Content-Type": "multipart/form-data; boundary=x"}, b""),
        ({}, b""),
    ],
)
async def test_what_a_foreign_form_can_send_is_refused(
    county: County, headers: dict[str, str], content: bytes
) -> None:
    async with stranger(county) as client:
        response = await client.post("/api/session", headers=headers, content=content)
    assert response.status_code == 403


async def test_bodies_are_bounded(county: County) -> None:
    async with stranger(county) as client:
        response = await client.post(
            "/api/session", json={"name": "x", "password": "y" * 3_000_000}
        )
    assert response.status_code == 413


async def test_faults_in_a_body_are_named_by_field(county: County) -> None:
    await county.user("admin", "system_admin")
    client = await county.sign_in("admin")
    form = {"name": "", "area_id": county.village, "main_url": "gopher://x", "colour": "red"}
    response = await client.post("/api/cameras", json=form)
    assert response.status_code == 422
    fields = response.json()["error"]["detail"]["fields"]
    assert set(fields) == {"name", "main_url", "colour"}
    assert fields["main_url"].startswith("the address begins with rtsp://, http://")
    await client.aclose()


async def test_every_answer_carries_the_strict_headers(county: County) -> None:
    async with stranger(county) as client:
        for path in ("/", "/api/session", "/docs", "/healthz", "/s/shard-1/x", "/none.js"):
            headers = (await client.get(path)).headers
            assert "script-src 'self'" in headers["content-security-policy"]
            assert "unsafe-inline'; img" not in headers["content-security-policy"].split("attr")[0]
            assert headers["x-content-type-options"] == "nosniff"


async def test_the_reference_needs_no_foreign_host(county: County) -> None:
    async with stranger(county) as client:
        page = (await client.get("/docs")).text
        assert "/api/cameras/{camera_id}" in page
        assert "<script" not in page
        assert "https://" not in page
        assert (await client.get("/openapi.json")).json()["openapi"]
