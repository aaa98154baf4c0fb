"""Transactions on a lossy wire: RFC 3261 §17, figures 5 to 8, with time as an argument."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from camera_adapters.sip.messages import Headers, SipRequest, SipResponse, parse_datagram
from camera_adapters.sip.peer import Peer, Transport
from camera_adapters.sip.transactions import (
    LIFETIME_S,
    AckCame,
    NotAcknowledged,
    RequestCame,
    RequestFailed,
    ResponseCame,
    ServerTransaction,
    Transactions,
)

PEER = Peer("10.0.0.1", 5060)


def request(method: str = "MESSAGE", branch: str = "z9hG4bK1", number: int = 1) -> SipRequest:
    return SipRequest(
        method,
        "sip:a@b",
        Headers(
            [
                ("Via", f"SIP/2.0/UDP 10.0.0.2:5060;branch={branch}"),
                ("From", "<sip:c@d>;tag=1"),
                ("To", "<sip:a@b>"),
                ("Call-ID", "7"),
                ("CSeq", f"{number} {method}"),
            ]
        ),
    )


def answer(to: SipRequest, status: int) -> SipResponse:
    headers = to.headers.copy()
    if status > 100:
        headers.set("To", "<sip:a@b>;tag=2")
    return SipResponse(status, "", headers)


def sent_at(transactions: Transactions, until: float, step: float = 0.125) -> list[float]:
    """When something goes out, polled every eighth of a second."""
    times = []
    now = 0.0
    while now <= until:
        transactions.poll(now)
        times += [now] * len(transactions.outgoing)
        transactions.outgoing.clear()
        now += step
    return times


def test_message_is_repeated_up_to_every_four_seconds_and_then_fails() -> None:
    side = Transactions()
    side.send(request(), "z9hG4bK1", PEER, 0.0)
    times = sent_at(side, 40.0)
    assert times[:6] == [0.0, 0.5, 1.5, 3.5, 7.5, 11.5]
    assert times[-1] < LIFETIME_S
    assert [type(event) for event in side.events] == [RequestFailed]
    assert len(side) == 0


def test_invite_doubles_without_limit_and_waits_after_a_provisional_answer() -> None:
    side = Transactions()
    invite = request("INVITE")
    side.send(invite, "z9hG4bK1", PEER, 0.0)
    assert sent_at(side, 4.0) == [0.0, 0.5, 1.5, 3.5]
    side.receive_response(answer(invite, 100), PEER, 4.0)
    side.poll(100.0)
    assert side.outgoing == []
    assert [type(event) for event in side.events] == [ResponseCame]
    assert len(side) == 1


def test_nothing_is_repeated_over_tcp() -> None:
    side = Transactions()
    side.send(request(), "z9hG4bK1", Peer("10.0.0.1", 5060, "tcp"), 0.0)
    assert sent_at(side, 40.0) == [0.0]
    assert isinstance(side.events[-1], RequestFailed)


def test_refusal_of_an_invite_is_acknowledged_each_time_it_comes() -> None:
    side = Transactions()
    invite = request("INVITE")
    side.send(invite, "z9hG4bK1", PEER, 0.0)
    side.outgoing.clear()
    for _ in range(3):
        side.receive_response(answer(invite, 486), PEER, 1.0)
    acks = [parse_datagram(data) for data, _ in side.outgoing]
    assert [ack.method for ack in acks if isinstance(ack, SipRequest)] == ["ACK"] * 3
    for ack in acks:
        assert ack is not None
        assert ack.headers.get("via") == invite.headers.get("via")
        assert ack.headers.get("to") == "<sip:a@b>;tag=2"
        assert ack.headers.get("cseq") == "1 ACK"
    assert len(side.events) == 1


def test_200_that_comes_again_is_acknowledged_again_and_told_once() -> None:
    side = Transactions()
    invite = request("INVITE")
    transaction = side.send(invite, "z9hG4bK1", PEER, 0.0)
    side.receive_response(answer(invite, 200), PEER, 1.0)
    side.acknowledge(transaction, request("ACK", "z9hG4bK2"), PEER)
    side.outgoing.clear()
    side.receive_response(answer(invite, 200), PEER, 1.5)
    assert len(side.outgoing) == 1
    assert len(side.events) == 1


def test_answer_to_nothing_is_dropped() -> None:
    side = Transactions()
    side.receive_response(answer(request(), 200), PEER, 0.0)
    assert side.events == [] and side.outgoing == []


def asked(side: Transactions) -> ServerTransaction:
    event = side.events.pop()
    assert isinstance(event, RequestCame)
    return event.transaction


def test_repeated_request_is_answered_as_before_and_told_once() -> None:
    side = Transactions()
    side.receive_request(request(), PEER, PEER, 0.0)
    transaction = asked(side)
    side.receive_request(request(), PEER, PEER, 0.1)
    assert side.events == [] and side.outgoing == []
    assert side.respond(transaction, answer(request(), 200), 0.2)
    assert not side.respond(transaction, answer(request(), 500), 0.3)
    side.receive_request(request(), PEER, PEER, 10.0)
    assert [data for data, _ in side.outgoing] == [answer(request(), 200).to_bytes()] * 2
    side.poll(40.0)
    assert len(side) == 0


def test_200_to_an_invite_is_repeated_until_its_ack() -> None:
    side = Transactions()
    side.receive_request(request("INVITE"), PEER, PEER, 0.0)
    transaction = asked(side)
    side.respond(transaction, answer(request("INVITE"), 200), 0.0)
    assert sent_at(side, 8.0) == [0.0, 0.5, 1.5, 3.5, 7.5]
    side.receive_request(request("ACK", "z9hG4bK9"), PEER, PEER, 8.0)
    assert isinstance(side.events.pop(), AckCame)
    side.acknowledged(transaction, 8.0)
    assert sent_at(side, 60.0) == []
    assert side.events == []
    assert len(side) == 0


def test_200_that_nobody_acknowledges_is_told() -> None:
    side = Transactions()
    side.receive_request(request("INVITE"), PEER, PEER, 0.0)
    side.respond(asked(side), answer(request("INVITE"), 200), 0.0)
    sent_at(side, 40.0)
    assert [type(event) for event in side.events] == [NotAcknowledged]


def test_refusal_to_an_invite_stops_at_its_ack() -> None:
    side = Transactions()
    side.receive_request(request("INVITE"), PEER, PEER, 0.0)
    side.respond(asked(side), answer(request("INVITE"), 486), 0.0)
    assert sent_at(side, 1.6) == [0.0, 0.5, 1.5]
    side.receive_request(request("ACK"), PEER, PEER, 1.7)
    assert sent_at(side, 60.0) == []
    assert side.events == []


def test_flood_is_bounded_and_counted() -> None:
    side = Transactions(server_limit=10)
    for number in range(50):
        side.receive_request(request(branch=f"z9hG4bK{number}"), PEER, PEER, 0.0)
    assert (len(side), side.refused) == (10, 40)
    side.poll(40.0)
    assert len(side) == 0


@given(
    st.integers(0, 2**32),
    st.sampled_from(["udp", "tcp"]),
    st.sampled_from(["MESSAGE", "INVITE"]),
    st.sampled_from([200, 486]),
)
def test_over_a_lossy_wire_both_sides_agree_and_forget(
    seed: int, transport: Transport, method: str, status: int
) -> None:
    """Half of all datagrams are lost: either both agree, or the asking side is told."""
    chance = random.Random(seed)
    peer = Peer("10.0.0.1", 5060, transport)
    ours, theirs = Transactions(), Transactions()
    sent = request(method)
    transaction = ours.send(sent, "z9hG4bK1", peer, 0.0)
    told: list[object] = []
    served = 0
    now = 0.0
    while now < 250.0:
        ours.poll(now)
        theirs.poll(now)
        for side, other in ((ours, theirs), (theirs, ours)):
            outgoing, side.outgoing = side.outgoing, []
            for data, _ in outgoing:
                if transport == "udp" and chance.random() < 0.5:
                    continue
                message = parse_datagram(data)
                if isinstance(message, SipRequest):
                    other.receive_request(message, peer, peer, now)
                elif message is not None:
                    other.receive_response(message, peer, now)
        for event in theirs.events:
            if isinstance(event, RequestCame):
                served += 1
                theirs.respond(event.transaction, answer(event.request, status), now)
                accepted = event.transaction
            elif isinstance(event, AckCame):
                theirs.acknowledged(accepted, now)
        theirs.events.clear()
        for event in ours.events:
            told.append(event)
            if method == "INVITE" and isinstance(event, ResponseCame) and status == 200:
                ours.acknowledge(transaction, request("ACK", "z9hG4bK2"), peer)
        ours.events.clear()
        now += 0.25
    assert len(told) == 1
    assert served <= 1 or transport == "udp"
    if isinstance(told[0], ResponseCame):
        assert told[0].response.status == status
    assert len(ours) == len(theirs) == 0
