"""Whom which addresses are told: by the network from which it asks, the narrowest first."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from camera_adapters.webrtc.advertised import Advertised, NetworkAddresses


def network(name: str, *addresses: str) -> NetworkAddresses:
    return NetworkAddresses(ipaddress.ip_network(name), addresses)


COUNTY = Advertised(
    ["203.0.113.7", "2001:db8::7"],
    [
        network("10.0.0.0/8", "10.1.1.1"),
        network("10.7.0.0/16", "10.7.0.1", "10.1.1.1"),
        network("fd00:7::/32", "fd00:7::1"),
    ],
)


@pytest.mark.parametrize(
    ("peer", "told"),
    [
        ("10.9.9.9", ("10.1.1.1",)),
        ("10.7.3.4", ("10.7.0.1", "10.1.1.1")),
        ("::ffff:10.7.3.4", ("10.7.0.1", "10.1.1.1")),
        ("fd00:7::99", ("fd00:7::1",)),
        ("fd00:7::99%eth0", ("fd00:7::1",)),
        ("192.0.2.1", ("203.0.113.7", "2001:db8::7")),
        ("unknown", ("203.0.113.7", "2001:db8::7")),
        ("", ("203.0.113.7", "2001:db8::7")),
        (None, ("203.0.113.7", "2001:db8::7")),
    ],
)
def test_each_network_is_told_its_own_addresses(peer: str | None, told: tuple[str, ...]) -> None:
    assert COUNTY.to(peer) == told
    candidates = COUNTY.candidates(peer, 5000)
    assert tuple(one.address for one in candidates) == told
    preferences = [one.local_preference for one in candidates]
    assert preferences == sorted(preferences, reverse=True)


def test_all_that_anybody_is_told_is_listed_once() -> None:
    everything = ("203.0.113.7", "2001:db8::7", "10.1.1.1", "10.7.0.1", "fd00:7::1")
    assert COUNTY.addresses == everything


@pytest.mark.parametrize(
    ("elsewhere", "networks"),
    [
        ([], []),
        (["gateway.example"], []),
        (["10.1.1.1"], [network("10.0.0.0/8")]),
        (["10.1.1.1"], [network("10.0.0.0/8", "gateway.example")]),
    ],
)
def test_what_cannot_be_told_is_refused(
    elsewhere: list[str], networks: list[NetworkAddresses]
) -> None:
    with pytest.raises(ValueError, match=r"advertise|address"):
        Advertised(elsewhere, networks)


@given(st.text(max_size=40) | st.ip_addresses().map(str))
def test_whatever_a_proxy_says_gets_an_answer(peer: str) -> None:
    assert COUNTY.to(peer)
