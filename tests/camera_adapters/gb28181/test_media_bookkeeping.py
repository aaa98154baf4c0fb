"""Ports, senders and times of media sessions: the bookkeeping."""

from __future__ import annotations

import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from camera_adapters.gb28181.media_ports import NoPortLeft, PortPool, bind_listener, bind_pair
from camera_adapters.gb28181.source_lock import STRANGERS_WAIT_S, SourceLock
from camera_adapters.mpeg_ps.times import PictureTimes

SSRC = 100_000_001
LATER_S = 60.0
HOST = "127.0.0.1"


def head(ssrc: int = SSRC) -> bytes:
    return b"\x80\x60\x00\x01\x00\x00\x00\x00" + ssrc.to_bytes(4, "big")


@given(st.lists(st.integers(0, 12) | st.none(), max_size=60))
def test_no_port_is_given_twice_and_none_is_lost(steps: list[int | None]) -> None:
    """None takes one; a number gives the n-th of those taken back."""
    pool = PortPool(30_001, 30_020)
    taken: list[int] = []
    for step in steps:
        if step is None:
            if len(taken) == 9:
                with pytest.raises(NoPortLeft):
                    pool.take()
                continue
            port = pool.take()
            assert port not in taken and port % 2 == 0 and 30_002 <= port <= 30_018
            taken.append(port)
        elif taken:
            pool.give_back(taken.pop(step % len(taken)))
        assert pool.in_use == len(taken)


def test_a_port_given_back_is_the_last_to_come_again() -> None:
    pool = PortPool(30_000, 30_009)
    first = pool.take()
    pool.give_back(first)
    assert [pool.take() for _ in range(5)][-1] == first


def test_a_port_that_somebody_else_has_is_passed_over() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind((HOST, 0))
        port = other.getsockname()[1] & ~1
        other.close()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as blocker:
            blocker.bind((HOST, port))
            pool = PortPool(port, port + 5)
            bound = bind_pair(pool, HOST)
            assert bound.port in (port + 2, port + 4)
            bound.close()
            assert pool.in_use == 0


def test_an_address_that_is_not_ours_is_an_error_and_keeps_no_port() -> None:
    pool = PortPool(30_100, 30_109)
    with pytest.raises(OSError, match="assign"):
        bind_listener(pool, "192.0.2.1")
    assert pool.in_use == 0


def test_the_first_valid_sender_is_locked_and_its_port_followed() -> None:
    lock = SourceLock("10.0.0.1", SSRC, 0.0)
    assert lock.admit(("10.0.0.1", 5000), head(), 100, LATER_S)
    assert lock.source == ("10.0.0.1", 5000)
    assert not lock.admit(("10.0.0.1", 5002), head(99), 100, LATER_S)
    assert lock.admit(("10.0.0.1", 5002), head(), 100, LATER_S)
    assert (lock.source, lock.moved, lock.foreign) == (("10.0.0.1", 5002), 1, 1)


def test_a_device_with_an_ssrc_of_its_own_may_change_its_port_too() -> None:
    lock = SourceLock("10.0.0.1", SSRC, 0.0)
    assert lock.admit(("10.0.0.1", 5000), head(4711), 100, LATER_S)
    assert lock.admit(("10.0.0.1", 5002), head(4711), 100, LATER_S)


def test_another_host_never_takes_over() -> None:
    lock = SourceLock("10.0.0.1", SSRC, 0.0)
    lock.admit(("10.0.0.1", 5000), head(), 100, LATER_S)
    assert not lock.admit(("10.0.0.2", 5000), head(), 100, LATER_S)
    assert lock.source == ("10.0.0.1", 5000)


def test_behind_a_nat_the_ssrc_proves_the_sender_and_nothing_else_does() -> None:
    lock = SourceLock("192.168.1.64", SSRC, 0.0)
    assert not lock.admit(("203.0.113.5", 4000), head(7), 100, LATER_S)
    assert not lock.admit(("203.0.113.5", 4000), b"\x00" * 12, 100, LATER_S)
    assert not lock.admit(("203.0.113.5", 4000), head(), 8, LATER_S)
    assert lock.admit(("203.0.113.5", 4000), head(), 100, LATER_S)


def test_without_an_agreed_ssrc_only_the_answered_host_counts() -> None:
    lock = SourceLock("10.0.0.1", None, 0.0)
    assert not lock.admit(("10.0.0.2", 5000), head(), 100, LATER_S)
    assert lock.admit(("10.0.0.1", 5000), head(4711), 100, LATER_S)


def test_at_first_only_hosts_count_that_the_device_named_or_registered_from() -> None:
    lock = SourceLock("192.168.1.64", SSRC, 10.0, "203.0.113.5")
    assert not lock.admit(("198.51.100.7", 4000), head(), 100, 10.1), "it has guessed"
    assert lock.admit(("203.0.113.5", 4000), head(), 100, 10.2)
    unknown = SourceLock("192.168.1.64", SSRC, 10.0)
    assert not unknown.admit(("203.0.113.5", 4000), head(), 100, 11.9)
    assert unknown.admit(("203.0.113.5", 4000), head(), 100, 10.0 + STRANGERS_WAIT_S)


@given(
    st.integers(0, 2**33 - 1),
    st.lists(st.tuples(st.integers(1, 90_000), st.booleans()), max_size=40),
)
def test_times_never_jump_and_missing_ones_are_bridged(
    start: int, steps: list[tuple[int, bool]]
) -> None:
    times = PictureTimes()
    true_90k = start
    first = times.timestamp(start, 1000)
    for step, has_pts in steps:
        true_90k += step
        pts = true_90k % 2**33 if has_pts else None
        found = times.timestamp(pts, 1000 + true_90k - start)
        assert found - first == true_90k - start
    assert not times.by_rtp


def test_b_frames_go_back_and_forth() -> None:
    times = PictureTimes()
    shown = [times.timestamp(pts, 0) for pts in (0, 10_800, 3600, 7200, 21_600)]
    assert shown == [0, 10_800, 3600, 7200, 21_600]
