"""The server's core, without a socket: requests in, replies and events out."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from camera_adapters.http_authentication import Credentials, parse_challenges
from camera_adapters.rtsp.messages import Headers, MessageParser, Request, Response
from camera_adapters.rtsp.server import (
    Access,
    DatagramTransport,
    DescribeRequested,
    Ended,
    InterleavedTransport,
    PauseRequested,
    PlayRequested,
    ServerConnection,
    SessionEnded,
    SetupRequested,
)
from camera_adapters.stream import Codec, Track

URL = "rtsp://127.0.0.1/gate"
TRACKS = (
    Track("video", Codec.H264, 90000, (b"\x67\x4d\x40\x1f\x01", b"\x68\xe8\x01")),
    Track("audio", Codec.PCMA, 8000, channels=1),
)


class Client:
    """Sends requests to a core and reads its replies."""

    def __init__(self, passwords: dict[str, str] | None = None) -> None:
        self.asked: list[tuple[str, str | None, str]] = []
        self._passwords = passwords
        self.core = ServerConnection(self._find, "192.0.2.7")
        self._parser = MessageParser()
        self._sequence = 0

    def _find(self, path: str, token: str | None, peer: str) -> Access | None:
        self.asked.append((path, token, peer))
        return Access("gate", self._passwords) if path in ("gate", "") else None

    def ask(self, method: str, url: str = URL, **headers: str) -> list[object]:
        self._sequence += 1
        fields = [("CSeq", str(self._sequence))]
        fields += [(name.replace("_", "-"), value) for name, value in headers.items()]
        return list(self.core.receive(Request(method, url, Headers(fields)).to_bytes()))

    def replies(self) -> list[Response]:
        return [
            message
            for message in self._parser.receive(self.core.data_to_send())
            if isinstance(message, Response)
        ]

    def reply(self) -> Response:
        (only,) = self.replies()
        return only

    def set_up(self, transport: str = "RTP/AVP/TCP;unicast;interleaved=0-1") -> Response:
        self.ask("SETUP", f"{URL}/trackID=0", Transport=transport)
        self.core.answer_setup(0x1234, (7000, 7001))
        return self.reply()


def test_options_needs_nothing_and_names_the_methods() -> None:
    client = Client(passwords={"u": "p"})
    assert client.ask("OPTIONS", "*") == []
    assert "GET_PARAMETER" in client.reply().headers.get("Public")


def test_describe_is_answered_with_a_description_and_its_base() -> None:
    client = Client()
    assert client.ask("DESCRIBE") == [DescribeRequested(Access("gate"))]
    assert client.replies() == []
    client.core.answer_describe(TRACKS)
    reply = client.reply()
    assert reply.headers.get("Content-Base") == f"{URL}/"
    assert b"a=rtpmap:96 H264/90000" in reply.body
    assert b"m=audio 0 RTP/AVP 8" in reply.body


def test_an_unknown_path_is_not_found() -> None:
    client = Client()
    assert client.ask("DESCRIBE", "rtsp://127.0.0.1/other") == []
    assert client.reply().status == 404


def test_the_token_is_found_in_the_query_with_or_without_the_track_behind_it() -> None:
    client = Client()
    client.ask("DESCRIBE", f"{URL}?token=abc")
    client.core.refuse(503)
    client.ask("SETUP", f"{URL}?token=abc/trackID=0", Transport="RTP/AVP/TCP")
    client.core.refuse(503)
    client.ask("SETUP", f"{URL}/trackID=0?token=abc", Transport="RTP/AVP/TCP")
    assert client.asked == [("gate", "abc", "192.0.2.7")] * 3


@pytest.mark.parametrize("algorithm", ["SHA-256", "MD5"])
def test_digest_lets_in_who_knows_the_password(algorithm: str) -> None:
    client = Client(passwords={"admin": "secret"})
    client.ask("DESCRIBE")
    refused = client.reply()
    assert refused.status == 401
    challenges = parse_challenges(refused.headers.get_all("WWW-Authenticate"))
    for password, let_in in (("wrong", False), ("secret", True)):
        credentials = Credentials("admin", password)
        assert credentials.accept([one for one in challenges if one.algorithm == algorithm])
        header = credentials.authorization("DESCRIBE", URL)
        assert header is not None
        assert bool(client.ask("DESCRIBE", Authorization=header)) is let_in


def test_a_digest_of_another_connection_is_worthless() -> None:
    first, second = Client(passwords={"u": "p"}), Client(passwords={"u": "p"})
    first.ask("DESCRIBE")
    credentials = Credentials("u", "p")
    credentials.accept(parse_challenges(first.reply().headers.get_all("WWW-Authenticate")))
    header = credentials.authorization("DESCRIBE", URL) or ""
    assert first.ask("DESCRIBE", Authorization=header) != []
    assert second.ask("DESCRIBE", Authorization=header) == []


def test_setup_play_pause_teardown_over_the_connection() -> None:
    client = Client()
    reply = client.set_up("RTP/AVP/TCP;unicast;interleaved=4-5")
    assert "interleaved=4-5" in reply.headers.get("Transport")
    session = reply.headers.get("Session").partition(";")[0]
    assert client.ask("PLAY", Session=session) == [
        PlayRequested(Access("gate"), {0: InterleavedTransport(4)})
    ]
    assert client.core.playing
    assert client.ask("PAUSE", Session=session) == [PauseRequested()]
    assert client.ask("TEARDOWN", Session=session) == [SessionEnded()]
    assert [reply.status for reply in client.replies()] == [200, 200, 200]


def test_after_a_teardown_the_connection_sets_up_another_session() -> None:
    client = Client()
    client.set_up()
    client.ask("TEARDOWN")
    client.replies()
    assert client.set_up().status == 200


def test_udp_ports_of_the_client_are_taken_and_the_servers_are_told() -> None:
    client = Client()
    (event,) = client.ask(
        "SETUP", f"{URL}/trackID=1", Transport="RTP/AVP/UDP;unicast;client_port=5000-5001"
    )
    assert event == SetupRequested(Access("gate"), 1, DatagramTransport(5000, 5001))
    client.core.answer_setup(7, (7000, 7001))
    assert "server_port=7000-7001" in client.reply().headers.get("Transport")
    assert client.core.uses_datagrams


def test_the_first_transport_that_can_be_served_is_taken() -> None:
    client = Client()
    events = client.ask(
        "SETUP",
        f"{URL}/trackID=0",
        Transport="RTP/AVP;multicast;port=1-2, RTP/AVP/TCP;interleaved=2-3",
    )
    assert events == [SetupRequested(Access("gate"), 0, InterleavedTransport(2))]


@pytest.mark.parametrize(
    "transport",
    ["", "RTP/AVP;multicast", "RTP/AVP;unicast;client_port=0-1", "RTP/AVP/TCP;interleaved=900-901"],
)
def test_a_transport_that_cannot_be_served_is_461(transport: str) -> None:
    client = Client()
    assert client.ask("SETUP", f"{URL}/trackID=0", Transport=transport) == []
    assert client.reply().status == 461


def test_play_before_setup_and_a_foreign_session_are_refused() -> None:
    client = Client()
    client.ask("PLAY")
    assert client.reply().status == 455
    client.set_up()
    client.ask("PLAY", Session="someone-elses")
    assert client.reply().status == 454


def test_channels_that_overlap_are_refused() -> None:
    client = Client()
    client.set_up("RTP/AVP/TCP;interleaved=0-1")
    client.ask("SETUP", f"{URL}/trackID=1", Transport="RTP/AVP/TCP;interleaved=1-2")
    assert client.reply().status == 400


def test_requests_sent_ahead_wait_for_the_answer_before_them() -> None:
    client = Client()
    client.ask("DESCRIBE")
    assert client.ask("OPTIONS") == []
    assert client.replies() == []
    client.core.answer_describe(TRACKS)
    assert [reply.headers.get("CSeq") for reply in client.replies()] == ["1", "2"]


def test_requests_without_end_end_the_connection() -> None:
    client = Client()
    client.ask("DESCRIBE")
    events: list[object] = []
    for _ in range(100):
        events += client.ask("OPTIONS")
    assert len(events) == 1
    assert isinstance(events[0], Ended)


def test_interleaved_reports_of_the_client_are_swallowed() -> None:
    client = Client()
    client.set_up()
    assert client.core.receive(b"$\x01\x00\x04\x81\xc9\x00\x01") == []
    assert client.core.data_to_send() == b""


def test_a_sequence_number_cannot_break_out_of_its_line() -> None:
    client = Client()
    client.core.receive(b"OPTIONS * RTSP/1.0\r\nCSeq: 1\rX: y\r\n\r\n")
    assert client.reply().headers.get("CSeq") == "0"


@given(st.lists(st.binary(max_size=300), max_size=20))
def test_garbage_is_answered_or_ended_and_never_raises(chunks: list[bytes]) -> None:
    core = ServerConnection(lambda *_: None, "192.0.2.7")
    for chunk in chunks:
        core.receive(chunk)
        core.data_to_send()
