"""Dialogs: who may speak in one, and what is said there (RFC 3261 §12)."""

from __future__ import annotations

import pytest

from camera_adapters.sip.dialogs import (
    Dialog,
    DialogRefused,
    Dialogs,
    callee_dialog,
    caller_dialog,
)
from camera_adapters.sip.messages import Headers, SipRequest, SipResponse
from camera_adapters.sip.peer import Peer

PEER = Peer("10.0.0.1", 5060)


def invite() -> SipRequest:
    return SipRequest(
        "INVITE",
        "sip:a@10.0.0.1",
        Headers(
            [
                ("From", "<sip:us@d>;tag=ours"),
                ("To", "<sip:a@d>"),
                ("Call-ID", "7"),
                ("CSeq", "3 INVITE"),
                ("Contact", "<sip:us@10.0.0.9:5060>"),
            ]
        ),
    )


def accepted(contact: str = "<sip:a@192.168.1.2:5060>") -> SipResponse:
    headers = invite().headers
    headers.set("To", "<sip:a@d>;tag=theirs")
    headers.set("Contact", contact)
    headers.add("Record-Route", "<sip:p1;lr>, <sip:p2;lr>")
    return SipResponse(200, "OK", headers)


def theirs(method: str, number: int, tags: tuple[str, str] = ("theirs", "ours")) -> SipRequest:
    return SipRequest(
        method,
        "sip:us@10.0.0.9",
        Headers(
            [
                ("From", f"<sip:a@d>;tag={tags[0]}"),
                ("To", f"<sip:us@d>;tag={tags[1]}"),
                ("Call-ID", "7"),
                ("CSeq", f"{number} {method}"),
            ]
        ),
    )


def test_callers_requests_go_to_the_contact_by_the_reversed_route() -> None:
    dialog = caller_dialog(invite(), accepted(), PEER)
    bye = dialog.make_request("BYE")
    assert bye.uri == "sip:a@192.168.1.2:5060"
    assert bye.headers.get_all("route") == ["<sip:p2;lr>", "<sip:p1;lr>"]
    assert bye.headers.get("from") == "<sip:us@d>;tag=ours"
    assert bye.headers.get("to") == "<sip:a@d>;tag=theirs"
    assert bye.headers.get("cseq") == "4 BYE"
    assert dialog.make_request("ACK", cseq=3).headers.get("cseq") == "3 ACK"


@pytest.mark.parametrize("contact", ["", "nonsense", "<tel:110>"])
def test_device_without_usable_contact_is_met_where_it_was_asked(contact: str) -> None:
    assert caller_dialog(invite(), accepted(contact), PEER).remote_target == "sip:a@10.0.0.1"


def test_both_sides_find_the_same_dialog() -> None:
    ours = caller_dialog(invite(), accepted(), PEER)
    other = callee_dialog(invite(), "theirs", PEER)
    assert ours.id == ("7", "ours", "theirs")
    assert other.id == ("7", "theirs", "ours")
    dialogs = Dialogs()
    dialogs.add(ours)
    assert dialogs.find(theirs("BYE", 1)) is ours
    assert dialogs.find(theirs("BYE", 1, ("theirs", "x"))) is None
    assert dialogs.find(theirs("BYE", 1, ("x", "ours"))) is None
    dialogs.remove(ours)
    dialogs.remove(ours)
    assert len(dialogs) == 0


def test_numbers_must_not_go_back() -> None:
    dialog = caller_dialog(invite(), accepted(), PEER)
    dialog.check(theirs("INFO", 10), PEER)
    dialog.check(theirs("INFO", 11), Peer("10.0.0.1", 60_000))
    with pytest.raises(DialogRefused) as refused:
        dialog.check(theirs("INFO", 9), PEER)
    assert refused.value.status == 500


def test_another_host_is_refused_and_counts_for_nothing() -> None:
    dialog = caller_dialog(invite(), accepted(), PEER)
    with pytest.raises(DialogRefused) as refused:
        dialog.check(theirs("BYE", 1000), Peer("10.0.0.66", 5060))
    assert refused.value.status == 403
    dialog.check(theirs("INFO", 1), PEER)


def test_journal_goes_on_where_it_was() -> None:
    dialog = caller_dialog(invite(), accepted(), Peer("10.0.0.1", 5060, "tcp"))
    dialog.check(theirs("INFO", 10), PEER)
    again = Dialog.from_journal(dialog.to_journal())
    assert again.id == dialog.id
    assert (again.peer, again.route_set) == (dialog.peer, dialog.route_set)
    assert again.remote_cseq == 10
    # Requests may have gone out after the entry was written.
    assert again.local_cseq > dialog.local_cseq + 50
