"""Offers, answers and SSRCs of our invitations."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from camera_adapters.gb28181.invitation import (
    SsrcPool,
    SsrcsExhausted,
    Wanted,
    offer,
    read_answer,
    require_credible,
    subject,
)
from camera_adapters.gb28181.session_description import SessionDescriptionError, parse

OURS = "34020000002000000001"
GATE = "34020000001310000001"
LIVE = Wanted(GATE, "play", "10.0.0.9", 30_000, "udp")


def test_offer_of_live_reads_as_annex_c_writes_it() -> None:
    text = offer(LIVE, 20_000_001, OURS).to_bytes().decode()
    assert text.splitlines() == [
        "v=0",
        f"o={OURS} 0 0 IN IP4 10.0.0.9",
        "s=Play",
        "c=IN IP4 10.0.0.9",
        "t=0 0",
        "m=video 30000 RTP/AVP 96",
        "a=recvonly",
        "a=rtpmap:96 PS/90000",
        "y=0020000001",
    ]
    assert subject(LIVE, 20_000_001, OURS) == f"{GATE}:0020000001,{OURS}:0"


def test_offer_of_a_download_names_times_and_speed() -> None:
    wanted = Wanted(GATE, "download", "10.0.0.9", 9, "tcp_active", 1_700_000_000, 1_700_000_600)
    described = offer(wanted, 1_020_000_001, OURS)
    assert (described.transport, described.setup) == ("tcp", "active")
    assert (described.start_s, described.end_s) == (1_700_000_000, 1_700_000_600)
    assert described.uri_code == GATE
    assert described.download_speed == 4.0


def answered(*lines: str) -> bytes:
    return "\r\n".join(("v=0", "o=- 0 0 IN IP4 10.0.0.1", "s=Play", "t=0 0", *lines)).encode()


def test_answer_with_an_ssrc_of_its_own_counts() -> None:
    body = answered("c=IN IP4 10.0.0.1", "m=video 15060 RTP/AVP 96", "y=0000000009")
    agreed = read_answer(LIVE, 1, body)
    assert (agreed.ssrc, agreed.address, agreed.port) == (9, "10.0.0.1", 15_060)
    assert read_answer(LIVE, 1, answered("m=video 15060 RTP/AVP 96")).ssrc == 1


@pytest.mark.parametrize(
    ("transport", "lines", "why"),
    [
        ("udp", ("m=video 0 RTP/AVP 96",), "port 0"),
        ("udp", ("m=video 5 TCP/RTP/AVP 96", "a=setup:active"), "choose TCP"),
        ("tcp_passive", ("m=video 5 RTP/AVP 96",), "choose UDP"),
        ("tcp_passive", ("m=video 5 TCP/RTP/AVP 96", "a=setup:passive"), "nobody would connect"),
        ("udp", (), "m="),
    ],
)
def test_answers_of_no_use(transport: str, lines: tuple[str, ...], why: str) -> None:
    wanted = Wanted(GATE, "play", "10.0.0.9", 30_000, transport)  # type: ignore[arg-type]
    with pytest.raises(SessionDescriptionError, match=why):
        read_answer(wanted, 1, answered(*lines))


def test_ssrcs_run_out_rather_than_be_shared() -> None:
    pool = SsrcPool(OURS)
    taken = {pool.take("play") for _ in range(9_999)}
    assert len(taken) == 9_999
    with pytest.raises(SsrcsExhausted):
        pool.take("talk")
    assert pool.take("playback") not in taken
    given_back = taken.pop()
    pool.release(given_back)
    assert pool.take("play") == given_back


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 200)), max_size=200))
def test_no_ssrc_is_in_use_twice(steps: list[tuple[bool, int]]) -> None:
    pool = SsrcPool(OURS)
    used: list[int] = []
    for take, choice in steps:
        if take or not used:
            made = pool.take("play" if choice % 2 else "download")
            assert made not in used
            assert f"{made:010}"[0] == ("0" if choice % 2 else "1")
            assert f"{made:010}"[1:6] == "20000"
            used.append(made)
        else:
            pool.release(used.pop(choice % len(used)))


def test_offer_reads_back() -> None:
    described = offer(LIVE, 20_000_001, OURS)
    again = parse(described.to_bytes())
    assert (again.ssrc, again.port, again.formats) == (20_000_001, 30_000, {96: "PS/90000"})


@pytest.mark.parametrize(
    "address",
    ["127.0.0.1", "127.8.0.1", "0.0.0.0", "224.0.0.1", "::1", "::", "ff02::1", "::ffff:127.0.0.1"],
)
def test_no_device_has_media_at_ourselves_or_at_many(address: str) -> None:
    with pytest.raises(SessionDescriptionError, match="set its own address"):
        require_credible(address, "10.0.0.9")


@pytest.mark.parametrize("address", ["10.0.0.9", "192.168.1.64", "2001:db8::1"])
def test_a_device_may_have_another_address_than_it_registered_from(address: str) -> None:
    require_credible(address, "10.0.0.9")


def test_a_device_of_this_machine_may_have_its_loopback() -> None:
    require_credible("127.0.0.1", "127.0.0.2")
    with pytest.raises(SessionDescriptionError):
        require_credible("0.0.0.0", "127.0.0.1")
