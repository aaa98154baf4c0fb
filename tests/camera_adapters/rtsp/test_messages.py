"""RTSP messages (RFC 2326 §4–§7, §10.12): whole, cut, sloppy, hostile."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from camera_adapters.rtsp import messages
from camera_adapters.rtsp.messages import (
    Headers,
    InterleavedFrame,
    MessageError,
    MessageParser,
    Request,
    Response,
)

names = st.from_regex(r"[A-Za-z][A-Za-z-]{0,15}", fullmatch=True).filter(
    lambda name: name.lower() != "content-length"
)
values = st.from_regex(r"[!-~]([ -~]{0,30}[!-~])?", fullmatch=True)
headers = st.lists(st.tuples(names, values), max_size=5).map(Headers)
requests = st.builds(
    Request,
    st.sampled_from(["OPTIONS", "DESCRIBE", "GET_PARAMETER"]),
    st.from_regex(r"rtsp://[a-z.]{1,20}/[!-~]{0,20}", fullmatch=True),
    headers,
    st.binary(max_size=100),
)
responses = st.builds(
    Response,
    st.integers(100, 599),
    st.from_regex(r"[A-Za-z]{0,15}", fullmatch=True),
    headers,
    st.binary(max_size=100),
)
frames = st.builds(InterleavedFrame, st.integers(0, 255), st.binary(max_size=300))


def on_the_wire(one: Request | Response | InterleavedFrame) -> bytes:
    if isinstance(one, InterleavedFrame):
        return b"$" + bytes((one.channel,)) + len(one.payload).to_bytes(2, "big") + one.payload
    return one.to_bytes()


def plain(one: Request | Response | InterleavedFrame) -> tuple[object, ...]:
    if isinstance(one, InterleavedFrame):
        return one.channel, one.payload
    fields = [field for field in one.headers if field[0] != "Content-Length"]
    first = (one.method, one.url) if isinstance(one, Request) else (one.status, one.reason)
    return (*first, fields, one.body)


@given(st.lists(st.one_of(requests, responses, frames), max_size=5), st.integers(1, 200))
def test_any_cut_gives_the_same_messages(
    sent: list[Request | Response | InterleavedFrame], step: int
) -> None:
    data = b"".join(map(on_the_wire, sent))
    parser = MessageParser()
    found = []
    for start in range(0, len(data), step):
        found += parser.receive(data[start : start + step])
    assert [plain(one) for one in found] == [plain(one) for one in sent]
    assert parser.garbage_bytes == 0


def test_bare_line_feeds_and_folded_lines() -> None:
    data = b"\r\nRTSP/1.0 200 OK\nCSeq: 3\nPublic: OPTIONS,\n PLAY\ncontent-length: 2\n\nhi"
    (message,) = MessageParser().receive(data)
    assert isinstance(message, Response)
    assert message.headers.get("public") == "OPTIONS, PLAY"
    assert message.body == b"hi"


def test_garbage_between_messages_is_skipped() -> None:
    parser = MessageParser()
    good = Response(200, "OK", Headers([("CSeq", "1")])).to_bytes()
    frame = b"$\x00\x00\x0c\x80\x60" + bytes(10)
    found = parser.receive(good + b"\x00\xffgarbage $ and more" + frame + b"??" + good)
    assert [type(one) for one in found] == [Response, InterleavedFrame, Response]
    assert parser.garbage_bytes > 0


def test_a_header_injected_by_a_lone_carriage_return() -> None:
    data = b"RTSP/1.0 200 OK\r\nContent-Base: rtsp://a/\rEvil: 1\r\n\r\n"
    (message,) = MessageParser().receive(data)
    assert "\r" not in message.headers.get("Content-Base")  # type: ignore[union-attr]
    with pytest.raises(ValueError, match="line break"):
        Request("OPTIONS", "rtsp://a\r\nEvil: 1").to_bytes()


@pytest.mark.parametrize(
    "data",
    [
        b"RTSP/1.0 200 OK\r\n" + b"X: y\r\n" * 5000,
        b"RTSP/1.0 200 OK\r\nContent-Length: 99999999\r\n\r\n",
        b"RTSP/1.0 200 OK\r\nContent-Length: -1\r\n\r\n",
        b"RTSP/1.0 200 OK\r\nContent-Length: 1e3\r\n\r\n",
        b"OPTIONS rtsp://" + b"a" * 20000,
        b"\x00" * (messages.GARBAGE_BYTES_LIMIT + 100),
    ],
    ids=["endless header", "absurd body", "negative", "no number", "endless line", "noise"],
)
def test_what_passes_a_limit(data: bytes) -> None:
    parser = MessageParser()
    with pytest.raises(MessageError):
        for start in range(0, len(data), 1000):
            parser.receive(data[start : start + 1000])


def test_memory_stays_bounded_while_nothing_completes() -> None:
    parser = MessageParser()
    parser.receive(b"$\x07\xff\xff")
    for _ in range(60):
        parser.receive(bytes(1000))
    assert len(parser._buffer) <= 65539
