"""SIP messages as bytes: RFC 3261 §7, torture cases of RFC 4475, and what devices really send."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from camera_adapters.sip import messages
from camera_adapters.sip.messages import (
    Headers,
    MessageError,
    SipRequest,
    SipResponse,
    StreamParser,
    parse_datagram,
)

REGISTER = (
    b"REGISTER sip:34020000002000000001@3402000000 SIP/2.0\r\n"
    b"Via: SIP/2.0/UDP 10.0.0.7:5060;rport;branch=z9hG4bK1\r\n"
    b"From: <sip:34020000001320000001@3402000000>;tag=1\r\n"
    b"To: <sip:34020000001320000001@3402000000>\r\n"
    b"Call-ID: 1\r\nCSeq: 1 REGISTER\r\nExpires: 3600\r\nContent-Length: 0\r\n\r\n"
)


def test_request() -> None:
    message = parse_datagram(REGISTER)
    assert isinstance(message, SipRequest)
    assert (message.method, message.uri) == ("REGISTER", "sip:34020000002000000001@3402000000")
    assert message.headers.get("expires") == "3600"
    assert message.headers.get("Call-ID") == message.headers.get("i") == "1"


def test_response_with_words_and_without() -> None:
    trying = parse_datagram(b"SIP/2.0 100 Trying hard\r\nVia: x\r\n\r\n")
    bare = parse_datagram(b"SIP/2.0 200\r\n\r\n")
    assert isinstance(trying, SipResponse) and isinstance(bare, SipResponse)
    assert (trying.status, trying.reason) == (100, "Trying hard")
    assert (bare.status, bare.reason) == (200, "")


def test_compact_names_folded_lines_and_bare_line_feeds() -> None:
    message = parse_datagram(
        b"MESSAGE sip:a@b SIP/2.0\nv: SIP/2.0/UDP x;branch=1\nVIA: SIP/2.0/UDP y\n"
        b"s: one\n  and\n\ttwo\nl: 3\n\nabcdef"
    )
    assert message is not None
    assert message.headers.get_all("Via") == ["SIP/2.0/UDP x;branch=1", "SIP/2.0/UDP y"]
    assert message.headers.get("Subject") == "one and two"
    assert message.body == b"abc"


def test_body_of_gb18030_stays_bytes() -> None:
    body = "<名/>".encode("gb18030")
    message = parse_datagram(SipRequest("MESSAGE", "sip:a@b", Headers(), body).to_bytes())
    assert message is not None
    assert message.body == body


def test_header_that_is_no_utf8_harms_nothing() -> None:
    message = parse_datagram(b"OPTIONS sip:a SIP/2.0\r\nSubject: \xb0\xa1\r\n\r\n")
    assert message is not None
    assert message.to_bytes()


def test_keepalives_of_a_nat_are_no_message() -> None:
    assert parse_datagram(b"\r\n\r\n") is None
    assert parse_datagram(b"\x00\x00\x00\x00") is None
    assert parse_datagram(b"\r\n\r\n" + REGISTER) is not None


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"HELLO\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\n\r\n", 400),
        (b"REGISTER sip:a SIP/2.0\r\nCall-ID: 1\r\n", 400),
        (b"REGISTER sip:a SIP/2.0\r\nContent-Length: 9\r\n\r\nabc", 400),
        (b"REGISTER sip:a SIP/2.0\r\nContent-Length: -1\r\n\r\n", 400),
        (b"REGISTER sip:a SIP/2.0\r\nContent-Length: \xd9\xa1\r\n\r\n", 400),
        (b"REGISTER sip:a SIP/2.0\r\nContent-Length: 999999999999\r\n\r\n", 413),
        (b"REGISTER sip:a SIP/2.0\r\n" + b"A: b\r\n" * 200 + b"\r\n", 400),
        (b"REGISTER sip:a SIP/2.0\r\nA: " + b"b" * 5000 + b"\r\n\r\n", 400),
        (b"REGISTER sip:" + b"a" * 5000 + b" SIP/2.0\r\n\r\n", 414),
        (b"REGISTER sip:a SIP/2.0\r\n" + b"A: b\r\n" * 9000, 513),
    ],
)
def test_what_passes_a_limit_is_refused(data: bytes, status: int) -> None:
    with pytest.raises(MessageError) as error:
        parse_datagram(data)
    assert error.value.status == status


def test_line_break_in_a_value_is_never_written() -> None:
    with pytest.raises(ValueError, match="line break"):
        SipRequest("INVITE", "sip:a", Headers([("Subject", "x\r\nVia: y")])).to_bytes()
    # A lone carriage return that came in goes out as a blank.
    message = parse_datagram(b"OPTIONS sip:a SIP/2.0\r\nSubject: a\rb\r\n\r\n")
    assert message is not None
    assert message.headers.get("subject") == "a b"


def test_names_are_spelt_as_devices_expect() -> None:
    headers = Headers([("call-id", "1"), ("cseq", "1 X"), ("x-gb-ver", "3.0"), ("a-b", "c")])
    text = SipRequest("X", "sip:a", headers).to_bytes()
    assert b"\r\nCall-ID: 1\r\nCSeq: 1 X\r\nX-GB-Ver: 3.0\r\nA-B: c\r\n" in text


_NAMES = st.sampled_from(["Via", "From", "To", "Call-ID", "Subject", "X-Other", "Contact"])
_VALUES = st.text(
    st.characters(blacklist_categories=("Cs", "Cc"), blacklist_characters="\u2028\u2029\x85"),
    max_size=40,
).map(str.strip)


@given(
    st.lists(st.tuples(_NAMES, _VALUES), max_size=20),
    st.binary(max_size=300),
    st.lists(st.integers(1, 50), min_size=1, max_size=8),
)
def test_stream_gives_back_what_was_written_however_it_is_cut(
    fields: list[tuple[str, str]], body: bytes, cuts: list[int]
) -> None:
    request = SipRequest("MESSAGE", "sip:a@b", Headers(fields), body)
    response = SipResponse(200, "OK", Headers(fields), body[::-1])
    stream = request.to_bytes() + b"\r\n\r\n" + response.to_bytes()
    parser, found, position, turn = StreamParser(), [], 0, 0
    while position < len(stream):
        step = cuts[turn % len(cuts)]
        found += parser.receive(stream[position : position + step])
        position, turn = position + step, turn + 1
    assert [one.body for one in found] == [body, body[::-1]]
    for message in found:
        for name in {name for name, _ in fields}:
            written = [value for key, value in fields if key == name]
            assert message.headers.get_all(name) == written


def test_stream_without_content_length_has_no_body() -> None:
    parser = StreamParser()
    (message,) = parser.receive(b"OPTIONS sip:a SIP/2.0\r\nCall-ID: 1\r\n\r\n")
    assert message.body == b""


def test_stream_of_garbage_is_given_up_at_its_limit() -> None:
    parser = StreamParser()
    with pytest.raises(MessageError):
        for _ in range(100):
            parser.receive(b"x" * 1024)
    assert len(parser._buffer) <= messages.HEADER_BYTES_LIMIT + 2048


@given(st.binary(max_size=600))
def test_whatever_comes_is_a_message_or_an_error(data: bytes) -> None:
    for piece in (data, REGISTER[: len(data)] + data):
        try:
            message = parse_datagram(piece)
        except MessageError:
            continue
        if message is not None:
            assert parse_datagram(message.to_bytes()) is not None
