"""RtspSource against cameras with habits and faults: it delivers, or says why not, and goes on."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
import structlog.testing

from camera_adapters import back_off
from camera_adapters.rtp.clocks import CameraClock, SteadyClock
from camera_adapters.rtsp import client_transport, datagrams
from camera_adapters.rtsp.client import RtspClient
from camera_adapters.rtsp.source import RtspSource
from camera_adapters.rtsp.url import parse_camera_url
from camera_adapters.source import SourceState
from camera_adapters.stream import (
    AccessUnit,
    GapCause,
    Interruption,
    Stream,
    Track,
    Variant,
)
from tests.peers.misbehaving_camera import Habits, MisbehavingCamera

OK = b"RTSP/1.0 200 OK\r\n"


class Watched:
    """A source with a Sink; :meth:`until` waits for something to become true."""

    def __init__(self, url: str, **options: object) -> None:
        self.units: list[AccessUnit] = []
        self.runs = 0
        self.interruptions: list[Interruption] = []
        self.states: list[SourceState] = []
        self._news = asyncio.Event()
        self.stream = Stream("cam_1", Variant.MAIN)
        self.stream.attach(self)
        self.source = RtspSource(url, self.stream, on_state=self._on_state, **options)  # type: ignore[arg-type]

    async def __aenter__(self) -> Watched:
        self.source.start()
        return self

    async def __aexit__(self, *details: object) -> None:
        await self.source.stop()

    def _on_state(self, state: SourceState) -> None:
        self.states.append(state)
        self._news.set()

    def on_run_started(self, tracks: tuple[Track, ...]) -> None:
        self.runs += 1
        self._news.set()

    def on_access_unit(self, unit: AccessUnit) -> None:
        self.units.append(unit)
        self._news.set()

    def on_interrupted(self, interruption: Interruption) -> None:
        self.interruptions.append(interruption)
        self._news.set()

    def on_closed(self) -> None:
        raise AssertionError("a sink failed")

    async def until(self, condition: Callable[[Watched], object]) -> None:
        async with asyncio.timeout(20):
            while not condition(self):
                self._news.clear()
                await self._news.wait()


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Seconds become tenths, so that a test takes milliseconds."""
    monkeypatch.setattr(back_off, "_FIRST_WAIT_S", 0.02)
    monkeypatch.setattr(client_transport, "SILENCE_TIMEOUT_S", 1.0)
    monkeypatch.setattr(client_transport, "NEGOTIATION_TIMEOUT_S", 1.0)


@pytest.mark.parametrize(
    "habits",
    [
        Habits(),
        Habits(control=None),
        Habits(control="rtsp://other.example/x"),
        Habits(content_base=False),
        Habits(channels=(5, 9)),
        Habits(channels=(2, 3)),
        Habits(answers_cseq=False),
        Habits(line_end="\n"),
        Habits(garbage=b"\r\n\x00garbage$$"),
        Habits(statuses={"OPTIONS": 405}),
        Habits(statuses={"OPTIONS": 404}),
    ],
    ids=lambda habits: repr(habits)[:60],
)
async def test_habits_of_the_field(habits: Habits) -> None:
    async with MisbehavingCamera(habits) as camera, Watched(camera.url) as watched:
        await watched.until(lambda w: len(w.units) >= 12)
        assert watched.source.state.state == "live"
        assert watched.runs == 1
        assert watched.source.counters.damaged == 0


@pytest.mark.parametrize("transport", ["auto", "udp"])
async def test_udp_with_packets_out_of_order(transport: str) -> None:
    habits = Habits(tcp=False, swaps=True)
    async with MisbehavingCamera(habits) as camera, Watched(camera.url, transport=transport) as w:
        await w.until(lambda w: len(w.units) >= 12)
        counters = w.source.counters
        assert counters.reordered > 0
        assert (counters.lost, counters.damaged) == (0, 0)


async def test_a_camera_that_sends_nothing_by_tcp_is_tried_by_udp() -> None:
    async with MisbehavingCamera(Habits(silent_by_tcp=True)) as camera, Watched(camera.url) as w:
        await w.until(lambda w: len(w.units) >= 5)
        assert w.interruptions[0].cause is GapCause.CAMERA_SILENT


async def test_udp_where_the_kernel_grants_no_room_for_rounds(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(datagrams, "ENOUGH_FOR_ROUNDS_BYTES", 1 << 40)
    async with MisbehavingCamera(Habits()) as camera, Watched(camera.url, transport="udp") as w:
        await w.until(lambda w: len(w.units) >= 12)
        assert (w.source.counters.lost, w.source.counters.damaged) == (0, 0)


async def test_udp_with_a_lost_packet() -> None:
    habits = Habits(drops=frozenset({10}))
    async with MisbehavingCamera(habits) as camera, Watched(camera.url, transport="udp") as w:
        await w.until(lambda w: len(w.units) >= 20)
        assert w.source.counters.lost == 1
        assert w.source.counters.damaged == 1


@pytest.mark.parametrize("algorithm", ["MD5", "SHA-256"])
async def test_digest_with_a_nonce_that_goes_stale(algorithm: str) -> None:
    habits = Habits(password="secret", algorithm=algorithm, stale_after=2)
    async with MisbehavingCamera(habits) as camera:
        url = camera.url.replace("//", "//user:secret@")
        async with Watched(url) as watched:
            await watched.until(lambda w: len(w.units) >= 3)


@pytest.mark.parametrize("password", ["secret", "p:ss wörd"])
async def test_a_camera_that_knows_only_basic(password: str) -> None:
    habits = Habits(password=password, algorithm="Basic")
    async with MisbehavingCamera(habits) as camera:
        async with Watched(camera.url, username="user", password=password) as watched:
            await watched.until(lambda w: len(w.units) >= 3)
        async with Watched(camera.url, username="user", password="wrong") as watched:
            await watched.until(lambda w: w.states[-1].state == "refused")


async def test_after_two_refusals_it_stops_and_says_so() -> None:
    async with MisbehavingCamera(Habits(password="secret")) as camera:
        with structlog.testing.capture_logs() as logs:
            async with Watched(camera.url, username="user", password="wrong") as watched:
                await watched.until(lambda w: w.states[-1].state == "refused")
                state = watched.source.state
                assert state.cause is GapCause.CAMERA_REFUSED
                assert state.retry_at_us is not None
                wait_s = (state.retry_at_us - state.since_us) / 1e6
                assert 29 * 60 < wait_s < 31 * 60
                assert "30 minutes" in state.detail
                assert camera.authorizations == 2
                assert watched.interruptions[-1].cause is GapCause.CAMERA_REFUSED
    assert "wrong" not in repr(logs)


async def test_a_refusal_between_successes_is_no_lock_out() -> None:
    async with MisbehavingCamera(Habits(password="secret")) as camera:
        async with Watched(camera.url, username="user", password="secret") as watched:
            await watched.until(lambda w: w.units)
        assert all(state.state != "refused" for state in watched.states)


async def test_redirects_are_followed_without_a_clear_password() -> None:
    async with MisbehavingCamera() as target:
        async with (
            MisbehavingCamera(Habits(redirect_to=target.url)) as camera,
            Watched(camera.url) as watched,
        ):
            await watched.until(lambda w: w.units)
        circle = MisbehavingCamera()
        async with circle:
            circle.habits.redirect_to = circle.url
            async with Watched(circle.url) as watched:
                await watched.until(lambda w: w.states[-1].state == "offline")
                assert "circle" in watched.source.state.detail


async def test_a_camera_switched_off_and_on_again() -> None:
    async with MisbehavingCamera() as camera, Watched(camera.url) as watched:
        with structlog.testing.capture_logs() as logs:
            await watched.until(lambda w: len(w.units) > 3)
            await camera.stop()
            await watched.until(lambda w: w.interruptions)
            assert watched.interruptions[0].cause is GapCause.CAMERA_OFFLINE
            before = len(watched.units)
            await watched.until(lambda w: "closed" in w.source.state.detail)
            await camera.start()
            await watched.until(lambda w: len(w.units) > before + 3 and w.runs == 2)
        walls = [unit.wall_us for unit in watched.units]
        assert walls == sorted(set(walls))
        assert watched.source.counters.reconnects >= 1
        states = [entry["event"] for entry in logs if "camera is" in entry["event"]]
        assert 2 <= len(states) <= 5


@pytest.mark.parametrize(
    ("habits", "cause", "line", "fault"),
    [
        (Habits(pictures=3), GapCause.CAMERA_SILENT, "no video", "silent"),
        (Habits(pictures=0), GapCause.CAMERA_SILENT, "no video", "silent"),
        (
            Habits(pictures=3, then="close"),
            GapCause.CAMERA_OFFLINE,
            "closed the connection",
            "lost",
        ),
        (Habits(pictures=3, then="bye"), GapCause.CAMERA_OFFLINE, "BYE", "ended"),
        (Habits(statuses={"DESCRIBE": 404}), GapCause.CAMERA_OFFLINE, "404", "not_found"),
        (Habits(statuses={"DESCRIBE": 403}), GapCause.CAMERA_REFUSED, "403", "forbidden"),
        (Habits(statuses={"SETUP": 503}), GapCause.CAMERA_OFFLINE, "503", "server_error"),
        (Habits(statuses={"PLAY": 455}), GapCause.CAMERA_OFFLINE, "455", "server_error"),
        (Habits(description=b"\xff\xfe<html>"), GapCause.BAD_MEDIA, "unreadable", "protocol"),
        (
            Habits(description=b"v=0\r\nm=video 0 RTP/AVP 26\r\n"),
            GapCause.BAD_MEDIA,
            "JPEG",
            "no_video",
        ),
        (
            Habits(raw_describe=b"RTSP/1.0 200 OK\r\n" + b"X: y\r\n" * 9999),
            GapCause.BAD_MEDIA,
            "RTSP",
            "protocol",
        ),
        (
            Habits(raw_describe=b"RTSP/1.0 200 OK\r\nContent-Length: 1e9\r\n\r\n"),
            GapCause.BAD_MEDIA,
            "RTSP",
            "protocol",
        ),
        (Habits(raw_describe=bytes(100_000)), GapCause.BAD_MEDIA, "garbage", "protocol"),
        (Habits(raw_describe=b""), GapCause.CAMERA_OFFLINE, "does not answer", "timed_out"),
        (
            Habits(raw_describe=b"$\x77\xff\xff\x80"),
            GapCause.CAMERA_OFFLINE,
            "does not answer",
            "timed_out",
        ),
    ],
    ids=lambda value: value[:20] if isinstance(value, str) else "",
)
async def test_faults_have_a_cause_a_line_and_a_code(
    habits: Habits, cause: GapCause, line: str, fault: str
) -> None:
    async with MisbehavingCamera(habits) as camera, Watched(camera.url) as watched:
        await watched.until(lambda w: w.interruptions)
        assert watched.interruptions[0].cause is cause
        assert line in watched.interruptions[0].detail
        await watched.until(lambda w: w.source.state.fault == fault)
        # It has not given up.
        await watched.until(lambda w: camera.connections >= 2 or w.source.state.retry_at_us)


async def test_a_closed_port_and_a_wrong_address(free_port: int) -> None:
    for url, line in ((f"rtsp://127.0.0.1:{free_port}/", "closed"), ("http://x/", "rtsp://")):
        async with Watched(url) as watched:
            await watched.until(lambda w: w.interruptions)
            assert line in watched.interruptions[0].detail


async def test_keepalive_and_receiver_reports() -> None:
    habits = Habits(session_timeout_s=3)
    async with MisbehavingCamera(habits) as camera, Watched(camera.url) as watched:
        await watched.until(
            lambda w: "GET_PARAMETER" in camera.requests and camera.receiver_reports
        )


async def test_stop_interrupts_and_hangs_up() -> None:
    async with MisbehavingCamera() as camera:
        async with Watched(camera.url) as watched:
            await watched.until(lambda w: w.units)
        assert watched.interruptions[-1].cause is GapCause.GATEWAY_STOPPED
        assert watched.source.state.state == "idle"
        await watched.source.stop()


async def test_a_sink_that_fails_does_not_harm_the_source() -> None:
    class Failing(Watched):
        def on_access_unit(self, unit: AccessUnit) -> None:
            raise RuntimeError("sink")

        def on_closed(self) -> None:
            pass

    async with MisbehavingCamera() as camera, Watched(camera.url) as watched:
        watched.stream.attach(Failing(camera.url))
        await watched.until(lambda w: len(w.units) > 5)
        assert watched.runs == 1


async def test_a_session_that_is_given_up_while_it_is_being_connected_has_ended() -> None:
    """Its socket is closed, and the next one gets its number."""

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    class Given(client_transport.CameraSession):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            super().connection_made(transport)
            connecting.cancel()

    sessions: list[Given] = []

    def make() -> Given:
        url = parse_camera_url("rtsp://127.0.0.1/1")
        client = RtspClient(url.request_url, None, True)
        stream = Stream("cam_1", Variant.MAIN)
        sessions.append(Given(client, stream, SteadyClock(), CameraClock(), lambda: None))
        return sessions[-1]

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        url = parse_camera_url(f"rtsp://127.0.0.1:{port}/1")
        connecting = asyncio.create_task(client_transport.connect(url, make))
        with pytest.raises(asyncio.CancelledError):
            await connecting
        assert [session.ended.done() for session in sessions] == [True]
