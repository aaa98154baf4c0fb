"""The SDP dialect of INVITE."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from camera_adapters.gb28181 import session_description
from camera_adapters.gb28181.codes import CodeError
from camera_adapters.gb28181.session_description import (
    FORMATS,
    SessionDescription,
    SessionDescriptionError,
    VideoFacts,
    history_ssrc,
    live_ssrc,
)

DOMAIN = "34020000002000000001"
OFFER = b"""v=0\r
o=34020000002000000001 0 0 IN IP4 192.168.1.20\r
s=Download\r
u=34020000001320000001:255\r
c=IN IP4 192.168.1.21\r
t=1700000000 1700000600\r
m=video 6000 TCP/RTP/AVP 96 98 97\r
a=recvonly\r
a=rtpmap:96 PS/90000\r
a=rtpmap:98 H264/90000\r
a=rtpmap:97 MPEG4/90000\r
a=setup:passive\r
a=connection:new\r
a=downloadspeed:4\r
y=1402000001\r
f=v/2/5/25/1/4000a/1/8/1\r
"""


def test_as_a_platform_writes_it() -> None:
    found = session_description.parse(OFFER)
    assert (found.purpose, found.owner, found.address, found.port) == (
        "download", DOMAIN, "192.168.1.21", 6000,
    )  # fmt: skip
    assert (found.transport, found.setup, found.connection) == ("tcp", "passive", "new")
    assert (found.uri_code, found.uri_type) == ("34020000001320000001", "255")
    assert (found.start_s, found.end_s, found.download_speed) == (1_700_000_000, 1_700_000_600, 4)
    assert (found.ssrc, found.direction) == (1_402_000_001, "recvonly")
    assert found.formats == {96: "PS/90000", 98: "H264/90000", 97: "MPEG4/90000"}
    assert found.facts == VideoFacts("2", "5", "25", "1", "4000", "1", "8", "1")


def test_address_of_the_origin_counts_where_there_is_no_other() -> None:
    body = b"v=0\no=- 0 0 IN IP4 10.0.0.9\ns=Play\nm=video 5000 RTP/AVP 96\ny=0100000001\n"
    found = session_description.parse(body)
    assert (found.address, found.owner, found.ssrc, found.start_s) == ("10.0.0.9", "", 100000001, 0)


@pytest.mark.parametrize("address", ["camera.example", "localhost", "10.0.0", "10.0.0.9.1"])
def test_name_is_no_address(address: str) -> None:
    """It would be resolved where packets are sent from, and all that wait there with it."""
    body = f"c=IN IP4 {address}\nm=video 5000 RTP/AVP 96\n".encode()
    with pytest.raises(session_description.SessionDescriptionError, match="name"):
        session_description.parse(body)


def test_tcp_is_known_by_setup_too() -> None:
    body = b"c=IN IP4 10.0.0.9\nm=video 5000 RTP/AVP 96\na=setup:active\n"
    found = session_description.parse(body)
    assert (found.transport, found.setup) == ("tcp", "active")


@pytest.mark.parametrize(
    ("line", "stream"),
    [
        ("a=streamnumber:1", "sub"),
        ("a=streamnumber:0", "main"),
        ("a=streamMode:sub", "sub"),
        ("a=streamprofile:1", "sub"),
        ("a=x:1", ""),
    ],
)
def test_sub_stream_is_asked_for_in_many_ways(line: str, stream: str) -> None:
    body = f"c=IN IP4 10.0.0.9\nm=video 5000 RTP/AVP 96\n{line}\n"
    assert session_description.parse(body.encode()).stream == stream


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"v=0\ns=Play\n",
        b"c=IN IP4 10.0.0.9\nm=video\n",
        b"c=IN IP4 10.0.0.9\nm=video 99999 RTP/AVP 96\n",
        b"m=video 5000 RTP/AVP 96\n",
    ],
)
def test_what_cannot_be_served_is_refused(body: bytes) -> None:
    with pytest.raises(SessionDescriptionError):
        session_description.parse(body)


def test_ssrcs_of_a_domain() -> None:
    assert live_ssrc(DOMAIN, 7) == 200_000_007  # 0, digits 4–8 of the code, four of a serial
    assert f"{live_ssrc(DOMAIN, 7):010}" == "0200000007"
    assert history_ssrc(DOMAIN, 10_003) == 1_200_000_003
    with pytest.raises(CodeError):
        live_ssrc("3402", 1)


@given(
    purpose=st.sampled_from(["play", "playback", "download", "talk"]),
    port=st.integers(0, 65535),
    tcp=st.sampled_from([None, "active", "passive"]),
    ssrc=st.none() | st.integers(0, 2**32 - 1),
    formats=st.lists(st.sampled_from(sorted(FORMATS)), unique=True),
    start_s=st.integers(0, 2**33),
    speed=st.none() | st.sampled_from([1.0, 2.0, 16.0]),
    file_bytes=st.none() | st.integers(0, 10**15),
    stream=st.sampled_from(["", "main", "sub"]),
)
def test_what_is_written_is_read_again(
    purpose: session_description.Purpose,
    port: int,
    tcp: session_description.Setup | None,
    ssrc: int | None,
    formats: list[int],
    start_s: int,
    speed: float | None,
    file_bytes: int | None,
    stream: session_description.StreamVariant,
) -> None:
    written = SessionDescription(
        purpose,
        DOMAIN,
        "10.1.2.3",
        port,
        "tcp" if tcp else "udp",
        tcp or "",
        ssrc,
        direction="recvonly",
        formats={number: FORMATS[number] for number in formats},
        start_s=start_s,
        end_s=start_s,
        download_speed=speed,
        file_bytes=file_bytes,
        stream=stream,
        connection="new" if tcp else "",
    )
    assert session_description.parse(written.to_bytes()) == written
