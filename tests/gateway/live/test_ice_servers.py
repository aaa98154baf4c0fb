"""Accounts for TURN servers: made of a shared secret, good for a while, named after the session."""

from __future__ import annotations

import subprocess
from typing import Any

import pytest
from pydantic import SecretStr, ValidationError
from starlette.responses import Response

from gateway.identifiers import US_PER_S, now_us
from gateway.live.ice_servers import IceAccess, ice_access, name_ice_servers
from gateway.settings import IceServer, Settings

TURNS = "turns:turn.example:443?transport=tcp"


def test_an_account_is_of_this_session_and_ends(tmp_path: Any) -> None:
    server = IceServer(urls=[TURNS], secret=SecretStr("north wind"), lifetime_s=600)
    before_s = now_us() // US_PER_S
    [access] = ice_access([server], "ses_7")
    until, _, session = (access.username or "").partition(":")
    assert session == "ses_7"
    assert before_s + 600 <= int(until) <= now_us() // US_PER_S + 600
    # What OpenSSL makes of the same: base64(HMAC-SHA1(secret, username)).
    mac = subprocess.run(
        ["sh", "-c", "openssl dgst -sha1 -hmac 'north wind' -binary | base64"],
        input=(access.username or "").encode(),
        capture_output=True,
        check=True,
    )
    assert access.credential == mac.stdout.decode().strip()


def test_fixed_accounts_and_none_are_told_as_they_are() -> None:
    fixed = IceServer(urls=[TURNS], username="county", credential=SecretStr("word"))
    stun = IceServer(urls=["stun:stun.example"])
    assert ice_access([fixed, stun], "ses_7") == [
        IceAccess([TURNS], "county", "word"),
        IceAccess(["stun:stun.example"]),
    ]


def test_links_bear_the_same_account() -> None:
    server = IceServer(urls=[TURNS, "turn:[2001:db8::1]:3478"], secret=SecretStr("north wind"))
    response = Response()
    name_ice_servers(response, [server], "ses_7")
    links = response.headers.getlist("link")
    assert [one.partition(";")[0] for one in links] == [f"<{url}>" for url in server.urls]
    for link in links:
        assert ':ses_7"; credential="' in link
        assert "north wind" not in link


@pytest.mark.parametrize(
    ("server", "said"),
    [
        ({"urls": [TURNS]}, "needs secret"),
        ({"urls": [TURNS], "secret": "a", "username": "b", "credential": "c"}, "not both"),
        ({"urls": [TURNS], "username": "b"}, "belong together"),
        ({"urls": ["https://turn.example"]}, "not the URL"),
        ({"urls": [TURNS + "&x=1"], "secret": "a"}, "not the URL"),
        ({"urls": []}, "at least 1"),
        ({"urls": [TURNS], "secret": "a", "lifetime_s": 5}, "greater than or equal to 60"),
    ],
)
def test_mistakes_in_the_settings_are_named(server: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        Settings.model_validate({"webrtc": {"ice_servers": [server]}})
