"""URIs, names with addresses, Via, CSeq: RFC 3261 §19, §20, §25."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from camera_adapters.sip.fields import (
    NameAddress,
    SipUri,
    parse_cseq,
    parse_name_address,
    parse_parameters,
    parse_uri,
    parse_via,
    split_values,
)
from camera_adapters.sip.messages import MessageError


@pytest.mark.parametrize(
    ("text", "uri"),
    [
        ("sip:34@10.0.0.1:5060", SipUri("34", "10.0.0.1", 5060)),
        ("sip:3402000000", SipUri("", "3402000000")),
        ("SIP:a@[::1]:5061;transport=tcp", SipUri("a", "[::1]", 5061, ";transport=tcp")),
        ("sips:a@b?x=y", SipUri("a", "b", None, "?x=y")),
    ],
)
def test_uri(text: str, uri: SipUri) -> None:
    assert parse_uri(text) == uri


@pytest.mark.parametrize("text", ["", "tel:110", "sip:", "sip:a@", "sip:a@b:0", "sip:a@b:99999"])
def test_no_uri(text: str) -> None:
    with pytest.raises(MessageError):
        parse_uri(text)


@pytest.mark.parametrize(
    "text",
    [
        "<sip:34@1.2.3.4>;tag=abc",
        '"Gate <1>; tag=x" <sip:34@1.2.3.4>;tag=abc',
        "sip:34@1.2.3.4;tag=abc",
        "Gate < sip:34@1.2.3.4 > ; TAG = abc",
    ],
)
def test_name_address(text: str) -> None:
    address = parse_name_address(text)
    assert (address.uri, address.tag) == (SipUri("34", "1.2.3.4"), "abc")


def test_parameters_inside_the_uri_are_the_uris() -> None:
    address = parse_name_address("<sip:a@b;tag=no>;expires=60")
    assert (address.tag, address.parameters) == ("", {"expires": "60"})


def test_via_with_blanks_and_without_value() -> None:
    via = parse_via("SIP / 2.0 / udp 10.0.0.1 : 5060 ;rport ; branch=z9hG4bKx;received=1.1.1.1")
    assert (via.transport, via.host, via.port, via.branch) == ("UDP", "10.0.0.1", 5060, "z9hG4bKx")
    assert via.parameters["rport"] == ""
    assert str(via) == "SIP/2.0/UDP 10.0.0.1:5060;rport;branch=z9hG4bKx;received=1.1.1.1"


def test_cseq() -> None:
    assert parse_cseq("  20   MESSAGE ") == (20, "MESSAGE")
    for wrong in ("", "MESSAGE", "1", "-1 BYE", "4294967296 BYE"):
        with pytest.raises(MessageError):
            parse_cseq(wrong)


def test_values_are_parted_outside_quotes_and_angles_alone() -> None:
    assert split_values(['"a, b" <sip:x,y@z>;q=1, <sip:2>', "<sip:3>"]) == [
        '"a, b" <sip:x,y@z>;q=1',
        "<sip:2>",
        "<sip:3>",
    ]
    assert split_values(["", " , "]) == []


@given(st.text("abc0123456789-_", min_size=1), st.text("abc0123.", min_size=1), st.text("xyz1"))
def test_written_addresses_read_the_same(user: str, host: str, tag: str) -> None:
    address = NameAddress(SipUri(user, host, 5060), {"tag": tag} if tag else {})
    assert parse_name_address(str(address)) == address


@given(st.text(max_size=200))
def test_nothing_but_message_errors(text: str) -> None:
    parse_parameters(text)
    split_values([text])
    for parse in (parse_uri, parse_name_address, parse_via, parse_cseq):
        try:
            parse(text)
        except MessageError:
            continue
