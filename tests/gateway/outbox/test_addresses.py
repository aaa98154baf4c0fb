"""Where messages may go."""

from __future__ import annotations

import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.outbox.addresses import AddressGuard, AddressRefused, GuardedResolver

GUARD = AddressGuard()
INSIDE = AddressGuard(["10.1.0.0/16", "127.0.0.0/8"])


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "10.0.0.1", "192.168.1.1", "172.16.3.4", "169.254.169.254", "0.0.0.0",
        "100.64.0.1", "224.0.0.1", "255.255.255.255", "::1", "::", "fe80::1", "fe80::1%eth0",
        "fd00::1", "ff02::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "64:ff9b::7f00:1",
        "2002:7f00:1::", "2001:0:7f00:1::", "no address",
    ],
)  # fmt: skip
def test_what_only_we_reach_is_refused(address: str) -> None:
    assert not GUARD.is_allowed(address)


@pytest.mark.parametrize("address", ["1.1.1.1", "223.5.5.5", "2400:3200::1"])
def test_what_is_public_is_allowed(address: str) -> None:
    assert GUARD.is_allowed(address)


def test_networks_may_be_allowed() -> None:
    assert INSIDE.is_allowed("10.1.2.3")
    assert INSIDE.is_allowed("::ffff:10.1.2.3")
    assert not INSIDE.is_allowed("10.2.0.1")


@pytest.mark.parametrize(
    "url",
    [
        "ftp://example.com/", "https://", "example.com/hook", "https://user:word@example.com/",
        "https://example.com/#part", "https://example.com:99999/", "https://example.com:0/",
        "http://example.com/", "https://127.0.0.1/", "https://[::1]/", "https://10.0.0.1/hook",
        "https://example.com/a b", "https://[nonsense/", "file:///etc/passwd",
    ],
)  # fmt: skip
def test_what_is_no_address_for_a_webhook_is_refused(url: str) -> None:
    with pytest.raises(AddressRefused):
        GUARD.check_url(url)


def test_an_ordinary_address_is_fine() -> None:
    GUARD.check_url("https://example.com/hook?from=gridsight")
    INSIDE.check_url("http://127.0.0.1:8080/hook")


@given(st.text())
def test_whatever_is_typed_is_judged_without_a_fault(url: str) -> None:
    for text in (url, f"https://{url}"):
        try:
            GUARD.check_url(text)
        except AddressRefused as refusal:
            assert str(refusal)


async def test_a_name_that_leads_inside_is_not_reached() -> None:
    with pytest.raises(AddressRefused, match=r"127\.0\.0\.1"):
        await GuardedResolver(GUARD, plain=False).resolve("localhost", 443, socket.AF_INET)
    inside = await GuardedResolver(INSIDE, plain=True).resolve("localhost", 80, socket.AF_INET)
    assert [one["host"] for one in inside] == ["127.0.0.1"]
