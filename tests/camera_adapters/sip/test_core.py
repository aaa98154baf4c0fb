"""What the user agent answers by itself, and where answers go (RFC 3261 §8.2, §18.2; RFC 3581)."""

from __future__ import annotations

import pytest

from camera_adapters.sip.core import Asked, Cancelled, DialogEnded, SipCore
from camera_adapters.sip.messages import SipRequest, SipResponse, parse_datagram
from camera_adapters.sip.peer import Peer

DEVICE = Peer("10.0.0.1", 40_000)


def core() -> SipCore:
    return SipCore(lambda peer: "10.0.0.9:5060")


def sent(side: SipCore, text: str, peer: Peer = DEVICE) -> list[tuple[SipResponse, Peer]]:
    """Give it a request, and take its answers."""
    message = parse_datagram(text.encode())
    assert message is not None
    side.receive(message, peer, 0.0)
    found = []
    for data, to in side.outgoing():
        answer = parse_datagram(data)
        assert isinstance(answer, SipResponse)
        found.append((answer, to))
    return found


def request(method: str, via: str = "10.0.0.1:40000;rport;branch=z9hG4bK1", more: str = "") -> str:
    return (
        f"{method} sip:us@10.0.0.9 SIP/2.0\r\nVia: SIP/2.0/UDP {via}\r\n"
        "From: <sip:a@b>;tag=1\r\nTo: <sip:us@b>\r\nCall-ID: 7\r\n"
        f"CSeq: 1 {method}\r\n{more}\r\n"
    )


@pytest.mark.parametrize(
    ("text", "status"),
    [
        (request("BYE"), 481),
        (request("INFO"), 481),
        (request("CANCEL"), 481),
        (request("PUBLISH"), 501),
        (request("MESSAGE", more="Require: 100rel\r\n"), 420),
        (request("MESSAGE").replace("CSeq: 1 MESSAGE", "CSeq: 1 NOTIFY"), 400),
        (request("MESSAGE").replace("From: <sip:a@b>", "From: nobody"), 400),
        (request("MESSAGE").replace("Call-ID: 7\r\n", ""), 400),
        (request("MESSAGE").replace("Call-ID: 7", "Call-ID: " + "7" * 300), 400),
    ],
)
def test_what_needs_no_thought_is_answered_at_once(text: str, status: int) -> None:
    side = core()
    ((answer, _),) = sent(side, text)
    assert answer.status == status
    assert side.events() == []
    if status == 420:
        assert answer.headers.get("unsupported") == "100rel"
    if status == 501:
        assert "INVITE" in answer.headers.get("allow")


@pytest.mark.parametrize(
    "text",
    [
        request("MESSAGE").replace("Via: ", "X: "),
        request("MESSAGE").replace("CSeq: 1 MESSAGE", "CSeq: x"),
        request("ACK"),
        "SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP x;branch=z9hG4bKno\r\nCSeq: 1 INVITE\r\n\r\n",
    ],
)
def test_what_cannot_be_answered_is_dropped(text: str) -> None:
    side = core()
    assert sent(side, text) == []
    assert side.events() == []


@pytest.mark.parametrize(
    ("via", "to", "received"),
    [
        # Behind a NAT, and asking for it: where it came from, and told so.
        ("192.168.1.2:5060;rport;branch=z9hG4bK1", DEVICE, "10.0.0.1"),
        # Behind a NAT without asking: nowhere else would reach it.
        ("192.168.1.2:5060;branch=z9hG4bK1", DEVICE, "10.0.0.1"),
        # Not behind a NAT: where it says that it listens.
        ("10.0.0.1:5061;branch=z9hG4bK1", Peer("10.0.0.1", 5061), ""),
        ("10.0.0.1;branch=z9hG4bK1", Peer("10.0.0.1", 5060), ""),
    ],
)
def test_answers_go_where_the_device_is_met(via: str, to: Peer, received: str) -> None:
    side = core()
    assert sent(side, request("MESSAGE", via)) == []
    (asked,) = side.events()
    assert isinstance(asked, Asked)
    side.respond(asked.transaction, asked.request, 200, 0.0)
    ((data, where),) = side.outgoing()
    answer = parse_datagram(data)
    assert answer is not None
    assert where == to == asked.transaction.reply_to
    marked = answer.headers.get("via")
    assert f"received={received}" in marked if received else "received" not in marked
    if "rport" in via:
        assert "rport=40000" in marked


def test_every_via_goes_back_in_order_however_it_was_written() -> None:
    side = core()
    text = request("MESSAGE", "10.0.0.1:1;rport;branch=z9hG4bK1, SIP/2.0/UDP p1;branch=2")
    text = text.replace("From:", "Via: SIP/2.0/TCP p2;branch=3\r\nFrom:")
    sent(side, text)
    (asked,) = side.events()
    assert isinstance(asked, Asked)
    side.respond(asked.transaction, asked.request, 200, 0.0)
    answer = parse_datagram(side.outgoing()[0][0])
    assert answer is not None
    first, second = answer.headers.get_all("via")
    assert first.endswith(", SIP/2.0/UDP p1;branch=2")
    assert second == "SIP/2.0/TCP p2;branch=3"


def test_cancel_is_answered_and_so_is_what_it_cancels() -> None:
    side = core()
    ((trying, _),) = sent(side, request("INVITE"))
    assert trying.status == 100
    (asked,) = side.events()
    assert isinstance(asked, Asked)
    answers = sent(side, request("CANCEL"))
    assert [(one.status, one.headers.get("cseq")) for one, _ in answers] == [
        (200, "1 CANCEL"),
        (487, "1 INVITE"),
    ]
    (cancelled,) = side.events()
    assert cancelled == Cancelled(asked.transaction)
    assert side.accept(asked.transaction, asked.request, DEVICE, "<sip:us@h>", 0.0) is None
    assert len(side.dialogs) == 0


def test_invitation_that_nobody_acknowledges_ends_with_bye() -> None:
    side = core()
    sent(side, request("INVITE"))
    (asked,) = side.events()
    assert isinstance(asked, Asked)
    assert side.accept(asked.transaction, asked.request, DEVICE, "<sip:us@h>", 0.0) is not None
    side.outgoing()
    now = 0.0
    while now < 33.0:
        side.poll(now)
        now += 0.5
    sent_last = parse_datagram(side.outgoing()[-1][0])
    assert isinstance(sent_last, SipRequest)
    assert sent_last.method == "BYE"
    assert len(side.dialogs) == 0


def standing(side: SipCore) -> str:
    """Their INVITE is accepted and acknowledged; gives the To of the dialog."""
    ((answer, _),) = sent(side, request("INVITE"))
    assert answer.status == 100
    (asked,) = side.events()
    assert isinstance(asked, Asked)
    dialog = side.accept(asked.transaction, asked.request, DEVICE, "<sip:us@10.0.0.9>", 0.0)
    assert dialog is not None
    side.outgoing()
    to = f"<sip:us@b>;tag={dialog.local_tag}"
    sent(side, request("ACK").replace("To: <sip:us@b>", f"To: {to}"))
    side.events()
    return to


def again(to: str, number: int, method: str = "INVITE") -> str:
    text = request(method, f"10.0.0.1:40000;rport;branch=z9hG4bKagain{number}{method}")
    text = text.replace("To: <sip:us@b>", f"To: {to}")
    return text.replace("CSeq: 1 ", f"CSeq: {number} ")


def test_a_session_that_is_not_to_be_changed_goes_on_as_it_was() -> None:
    side = core()
    to = standing(side)
    ((answer, _),) = sent(side, again(to, 2))
    assert answer.status == 488
    assert side.events() == []


def test_a_session_is_changed_once_at_a_time_and_goes_to_the_new_contact() -> None:
    side = SipCore(lambda peer: "10.0.0.9:5060", changes_sessions=True)
    to = standing(side)
    text = again(to, 2).replace("CSeq", "Contact: <sip:a@10.0.0.2:5090>\r\nCSeq")
    ((trying, _),) = sent(side, text)
    assert trying.status == 100
    (asked,) = side.events()
    assert isinstance(asked, Asked) and asked.dialog is not None
    changed = side.change(
        asked.transaction, asked.request, asked.dialog, "<sip:us@10.0.0.9>", 1.0, body=b"v=0"
    )
    assert changed
    assert asked.dialog.remote_target == "sip:a@10.0.0.2:5090"
    (found,) = side.outgoing()
    answer = parse_datagram(found[0])
    assert isinstance(answer, SipResponse)
    assert (answer.status, answer.body) == (200, b"v=0")
    ((refused, _),) = sent(side, again(to, 3))
    assert refused.status == 491
    sent(side, again(to, 2, "ACK").replace("CSeq: 2 INVITE", "CSeq: 2 ACK"))
    ((trying, _),) = sent(side, again(to, 4))
    assert trying.status == 100


def test_a_change_that_nobody_acknowledges_ends_the_session() -> None:
    side = SipCore(lambda peer: "10.0.0.9:5060", changes_sessions=True)
    sent(side, again(standing(side), 2))
    (asked,) = side.events()
    assert isinstance(asked, Asked) and asked.dialog is not None
    side.change(asked.transaction, asked.request, asked.dialog, "<sip:us@10.0.0.9>", 0.0)
    side.outgoing()
    for at_s in range(70):
        side.poll(float(at_s))
    assert any(data.startswith(b"BYE") for data, _ in side.outgoing())
    assert any(isinstance(one, DialogEnded) for one in side.events())
