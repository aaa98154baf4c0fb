"""Addresses of common makes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.sources.addresses import split_credentials
from gateway.sources.templates import MAKES, Make, addresses_of, find_make, parse_channels


@pytest.mark.parametrize(
    ("make", "channels", "main", "sub"),
    [
        ("海康", None, "/Streaming/Channels/101", "/Streaming/Channels/102"),
        ("hikvision", [12], "/Streaming/Channels/1201", "/Streaming/Channels/1202"),
        ("大华", [2], "/cam/realmonitor?channel=2&subtype=0",
         "/cam/realmonitor?channel=2&subtype=1"),
        ("宇视", None, "/media/video1", "/media/video2"),
        ("UNV", [3], "/unicast/c3/s0/live", "/unicast/c3/s1/live"),
        ("TP-Link", None, "/stream1", "/stream2"),
    ],
)  # fmt: skip
def test_paths(make: str, channels: list[int] | None, main: str, sub: str) -> None:
    (one,) = addresses_of(find_make(make), "10.20.1.15:8554", channels)
    assert one.main_url == f"rtsp://10.20.1.15:8554{main}"
    assert one.sub_url == f"rtsp://10.20.1.15:8554{sub}"


@pytest.mark.parametrize("make", MAKES, ids=lambda make: make.key)
def test_every_template_is_an_address_for_every_channel(make: Make) -> None:
    found = [one.main_url for one in addresses_of(make, "10.0.0.1", [*range(1, 65)])]
    assert len(set(found)) == 64
    for url in found:
        assert split_credentials(url) == (url, None, None)
    assert find_make(make.name) is make


@pytest.mark.parametrize(
    ("text", "channels"), [("3", [3]), ("1-4", [1, 2, 3, 4]), ("1-2;7、9", [1, 2, 7, 9])]
)
def test_channels(text: str, channels: list[int]) -> None:
    assert parse_channels(text) == channels


@given(st.text(max_size=12))
def test_channels_are_few_or_refused(text: str) -> None:
    try:
        assert 1 <= len(parse_channels(text)) <= 256
    except ValueError:
        return


def test_what_is_not_known_is_said() -> None:
    with pytest.raises(ValueError, match="海康威视"):
        find_make("acme")
    with pytest.raises(ValueError, match=r"10\.20\.1\.15"):
        list(addresses_of(MAKES[0], "10.0.0.1/evil@x", None))
