"""A terminal's packets at the worker: whose are taken, how many, and where the others go."""

from __future__ import annotations

import select
import socket
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from gateway.meetings.telephone import wire
from gateway.meetings.telephone.picture_relay import PictureRelay

_RTP = b"\x80\x60" + bytes(10)
_RTCP = b"\x81\xc9\x00\x01" + bytes(4)


def bound() -> socket.socket:
    made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    made.bind(("127.0.0.1", 0))
    made.setblocking(False)
    return made


@dataclass
class Desk:
    """A relay with its two sockets, a terminal and a stranger."""

    relay: PictureRelay
    terminal: socket.socket
    terminal_reports: socket.socket
    stranger: socket.socket
    taken: list[tuple[bytes, bytes]] = field(default_factory=list)

    def aim(self, *, kbps: int = 1000, muxed: bool = False) -> None:
        remote, reports = (
            list(one.getsockname()) for one in (self.terminal, self.terminal_reports)
        )
        agreed = {"remote": remote, "reports": reports, "muxed": muxed, "kbps": kbps}
        self.relay.aim(["127.0.0.1"], agreed)

    def sends(self, who: socket.socket, packet: bytes, *, to_reports: bool = False) -> None:
        one, read = self.relay.sockets[to_reports]
        who.sendto(packet, one.getsockname())
        select.select([one], [], [], 5)
        read()


@pytest.fixture
def desk() -> Iterator[Desk]:
    taken: list[tuple[bytes, bytes]] = []
    relay = PictureRelay(bound(), bound(), lambda kind, packet: taken.append((kind, packet)))
    made = Desk(relay, bound(), bound(), bound(), taken)
    yield made
    relay.close()
    for one in (made.terminal, made.terminal_reports, made.stranger):
        one.close()


def received(one: socket.socket) -> bytes | None:
    try:
        return one.recv(2048)
    except BlockingIOError:
        return None


def test_before_it_is_known_where_the_terminal_is_nothing_goes_either_way(desk: Desk) -> None:
    desk.sends(desk.terminal, _RTP)
    desk.relay.send(wire.PICTURE, _RTP)
    assert desk.taken == []
    assert received(desk.terminal) is None


def test_pictures_and_reports_go_both_ways(desk: Desk) -> None:
    desk.aim()
    desk.sends(desk.terminal, _RTP)
    desk.sends(desk.terminal_reports, _RTCP, to_reports=True)
    assert desk.taken == [(wire.PICTURE, _RTP), (wire.REPORT, _RTCP)]
    desk.relay.send(wire.PICTURE, b"picture")
    desk.relay.send(wire.REPORT, b"report")
    assert received(desk.terminal) == b"picture"
    assert received(desk.terminal_reports) == b"report"


def test_on_one_port_for_both_they_are_told_apart(desk: Desk) -> None:
    desk.aim(muxed=True)
    desk.sends(desk.terminal, _RTP)
    desk.sends(desk.terminal, _RTCP)
    assert desk.taken == [(wire.PICTURE, _RTP), (wire.REPORT, _RTCP)]
    desk.relay.send(wire.REPORT, b"report")
    assert received(desk.terminal) == b"report"


def test_who_sends_from_elsewhere_than_it_said_is_sent_there_and_nobody_else_is(desk: Desk) -> None:
    desk.aim()
    desk.sends(desk.stranger, _RTP)  # behind a NAT, the terminal itself
    desk.sends(desk.terminal, _RTP)
    assert len(desk.taken) == 1
    desk.relay.send(wire.PICTURE, b"picture")
    assert received(desk.stranger) == b"picture"


def test_nobody_of_another_host_is_listened_to(desk: Desk) -> None:
    desk.relay.aim(
        ["10.9.9.9"],
        {"remote": ["10.9.9.9", 4000], "reports": ["10.9.9.9", 4001], "muxed": False, "kbps": 1000},
    )
    desk.sends(desk.terminal, _RTP)
    desk.sends(desk.terminal_reports, _RTCP, to_reports=True)
    assert desk.taken == []


def test_pictures_go_elsewhere_than_where_the_call_comes_from_only_after_something_came(
    desk: Desk,
) -> None:
    remote, reports = (list(one.getsockname()) for one in (desk.terminal, desk.terminal_reports))
    agreed = {"remote": remote, "reports": reports, "muxed": False, "kbps": 1000}
    desk.relay.aim(["127.0.0.1", "10.9.9.9"], agreed)
    desk.relay.send(wire.PICTURE, b"picture")
    assert received(desk.terminal) is None
    desk.sends(desk.terminal_reports, _RTCP, to_reports=True)
    desk.relay.send(wire.PICTURE, b"picture")
    assert received(desk.terminal) == b"picture"


def test_a_flood_is_dropped_where_it_comes_in(desk: Desk) -> None:
    desk.aim(kbps=100)
    for _ in range(2000):
        desk.sends(desk.terminal, _RTP + bytes(1000))
    taken = sum(len(packet) for _, packet in desk.taken)
    # What may come at once, and what a few seconds bring at twice the rate.
    assert 256 * 1024 - 2000 < taken < 256 * 1024 + 30 * 25_000
    assert desk.relay.dropped > 500
    for _ in range(200):
        desk.sends(desk.terminal_reports, _RTCP, to_reports=True)
    assert sum(kind == wire.REPORT for kind, _ in desk.taken) < 190


def test_what_is_no_rtp_or_larger_than_a_packet_may_be_is_dropped(desk: Desk) -> None:
    desk.aim()
    for packet in (b"", b"\x80", b"\x00" * 20, _RTP + bytes(2040), b"\x80\xc9"):
        desk.sends(desk.terminal, packet)
    assert desk.taken == []


def test_pictures_that_are_dropped_from_the_call_are_taken_no_more(desk: Desk) -> None:
    desk.aim()
    desk.relay.aim(["127.0.0.1"], None)
    desk.sends(desk.terminal, _RTP)
    desk.relay.send(wire.PICTURE, b"picture")
    assert desk.taken == []
    assert received(desk.terminal) is None
