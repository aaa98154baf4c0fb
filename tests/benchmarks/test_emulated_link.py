"""The emulated network: the same seed is the same fate, and its figures are what it was told."""

from __future__ import annotations

import asyncio
import itertools
import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks._emulated_link import Direction, EmulatedLink, Path

COUNT = 20_000
sizes = st.lists(st.tuples(st.integers(1, 1500), st.floats(0, 0.1)), max_size=80)
paths = st.builds(
    Path,
    loss=st.floats(0, 0.5),
    burst=st.none() | st.floats(1, 10),
    delay_s=st.floats(0, 1),
    jitter_s=st.floats(0, 0.2),
    rate_bps=st.none() | st.integers(10_000, 10**7),
)


def run(path: Path, seed: int, count: int = COUNT) -> list[float | None]:
    direction = Direction(path, seed)
    return [direction.carry(1000, number / 1000) for number in range(count)]


@pytest.mark.parametrize("burst", [None, 1.0, 4.0])
def test_as_much_is_lost_as_was_told_and_as_many_in_a_row(burst: float | None) -> None:
    fate = [one is None for one in run(Path(loss=0.05, burst=burst), 7)]
    assert 0.04 < sum(fate) / COUNT < 0.06
    rows = [len(list(row)) for lost, row in itertools.groupby(fate) if lost]
    assert sum(rows) / len(rows) == pytest.approx(burst or 1 / 0.95, rel=0.15)


def test_the_seed_decides() -> None:
    path = Path(loss=0.1, burst=3, delay_s=0.1, jitter_s=0.03)
    assert run(path, 1, 500) == run(path, 1, 500) != run(path, 2, 500)


@given(paths, sizes, st.integers(0, 99))
def test_what_arrives_is_late_as_told_in_order_and_accounted_for(
    path: Path, sent: list[tuple[int, float]], seed: int
) -> None:
    direction = Direction(path, seed)
    now_s, before_s = 100.0, 0.0
    for size, pause_s in sent:
        now_s += pause_s
        arrival_s = direction.carry(size, now_s)
        if arrival_s is not None:
            assert arrival_s >= max(before_s, now_s + path.delay_s - 1e-9)
            if path.rate_bps is None:
                assert arrival_s <= max(before_s, now_s + path.delay_s + path.jitter_s + 1e-9)
            before_s = arrival_s
    assert direction.carried + direction.lost + direction.overflowed == len(sent)


def test_a_rate_holds_and_a_full_queue_overflows() -> None:
    direction = Direction(Path(rate_bps=1_000_000, queue_bytes=10_000), 1)
    arrivals = [direction.carry(972, number / 1000) for number in range(1000)]  # 8 Mbit/s
    arrived = [one for one in arrivals if one is not None]
    assert len(arrived) * 8000 == pytest.approx(1_000_000, rel=0.1)
    assert direction.overflowed == 1000 - len(arrived)
    # Who arrives has waited for the queue before it, and no longer.
    assert max(arrived) < 1.0 + 10_000 * 8 / 1e6 + 0.02


def test_a_cut_lets_nothing_through_and_changes_nothing_after_it() -> None:
    path = Path(loss=0.1, delay_s=0.05)
    cut = Direction(path, 3)
    fate = []
    for number in range(1000):
        if number == 200:
            cut.cut(0.3)
        fate.append(cut.carry(1000, number / 1000))
    assert all(one is None for one in fate[200:300])
    assert fate[300:] == run(path, 3, 1000)[300:]


async def test_datagrams_go_both_ways_and_clients_are_told_apart() -> None:
    loop = asyncio.get_running_loop()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        server.setblocking(False)
        target = server.getsockname()
        async with EmulatedLink(5, target, down=Path(delay_s=0.05)) as link:
            clients = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2)]
            seen = {}
            for number, client in enumerate(clients):
                client.bind(("127.0.0.1", 0))
                client.setblocking(False)
                await loop.sock_sendto(client, b"from %d" % number, link.address)
                datagram, address = await asyncio.wait_for(loop.sock_recvfrom(server, 99), 10)
                assert datagram == b"from %d" % number
                seen[address] = client
            assert len(seen) == 2
            for number, (address, client) in enumerate(seen.items()):
                sent_s = loop.time()
                await loop.sock_sendto(server, b"to %d" % number, address)
                assert await asyncio.wait_for(loop.sock_recv(client, 99), 10) == b"to %d" % number
                assert loop.time() - sent_s >= 0.05
                client.close()


def test_an_answer_is_led_through_it() -> None:
    link = EmulatedLink(1, ("127.0.0.1", 5000))
    link.address = ("127.0.0.1", 6000)
    answer = "a=mid:0\r\na=candidate:1 1 udp 2130706431 10.1.1.1 5000 typ host\r\n"
    assert "2130706431 127.0.0.1 6000 typ host\r\n" in link.through(answer)
