"""``gb28181://`` sources over a real control channel: answers, refusals, restarts of signalling."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from camera_adapters import back_off
from camera_adapters.gb28181 import source as gb_source
from camera_adapters.gb28181.media_terms import MediaTransport
from camera_adapters.gb28181.source import GbSource, MediaPlace
from camera_adapters.mpeg_ps.multiplex import PsMultiplexer
from camera_adapters.source import SourceState
from camera_adapters.stream import AccessUnit, Codec, Interruption, Stream, Track, Variant
from gateway.control.channel import ControlClient, ControlError, ControlServer
from gateway.settings import Settings
from gateway.sources.gb28181 import (
    GbAddress,
    dialogs,
    media_place,
    parse_address,
    read_answer,
)
from tests.peers.program_streams import RtpCutter, framed
from tests.peers.rtp_packets import pictures, video_track

SECRET = b"s" * 32
HOST = "127.0.0.1"
SSRC = 100_000_001


class Signalling:
    """The signalling process's control socket; what a device would do is the test's."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.asked: list[dict[str, Any]] = []
        self.events: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.refusals: list[ControlError] = []
        self.controls: list[dict[str, Any]] = []
        self.left = 0
        self._server: ControlServer | None = None

    async def start(self) -> None:
        self._server = ControlServer(self.path, SECRET, {"media.session": self.session})
        await self._server.start()

    async def stop(self) -> None:
        assert self._server is not None
        await self._server.close()

    async def session(
        self, incoming: AsyncIterator[dict[str, Any]], **arguments: Any
    ) -> AsyncIterator[dict[str, Any]]:
        self.asked.append(arguments)
        if self.refusals:
            raise self.refusals.pop(0)

        async def listen() -> None:
            async for item in incoming:
                self.controls.append(item)

        listening = asyncio.create_task(listen())
        try:
            yield {
                "type": "answer",
                "ssrc": SSRC,
                "address": HOST,
                "port": 5000,
                "transport": arguments["transport"],
                "formats": {"96": "PS/90000"},
                "file_bytes": None,
                "any_ssrc": False,
                "dialog": "call-7",
            }
            while True:
                yield await self.events.get()
        finally:
            listening.cancel()
            self.left += 1


class Watched:
    """A GB source and all that comes of it."""

    def __init__(self, client: ControlClient) -> None:
        self.units: list[AccessUnit] = []
        self.interruptions: list[Interruption] = []
        self.states: list[SourceState] = []
        self._news = asyncio.Event()
        stream = Stream("cam_1", Variant.MAIN)
        stream.attach(self)

        async def choose() -> MediaTransport:
            return "tcp_passive"

        self.source = GbSource(
            "gb28181://plt_1/34020000001320000001",
            stream,
            dialogs(client, GbAddress("plt_1", "34020000001320000001"), "play"),
            choose,
            media_place(Settings(), "shard-1"),
            on_state=self._on_state,
            silence_s=5.0,
        )

    def _on_state(self, state: SourceState) -> None:
        self.states.append(state)
        self._news.set()

    def on_run_started(self, tracks: tuple[Track, ...]) -> None:
        pass

    def on_access_unit(self, unit: AccessUnit) -> None:
        self.units.append(unit)
        self._news.set()

    def on_interrupted(self, interruption: Interruption) -> None:
        self.interruptions.append(interruption)

    def on_closed(self) -> None:
        raise AssertionError("a sink failed")

    async def until(self, condition: Callable[[], object]) -> None:
        async with asyncio.timeout(20):
            while not condition():
                self._news.clear()
                try:
                    await asyncio.wait_for(self._news.wait(), 0.1)
                except TimeoutError:
                    continue


class Camera:
    """Sends made pictures by TCP, one each time it is told to."""

    def __init__(self) -> None:
        self._multiplexer = PsMultiplexer([video_track()])
        self._cutter = RtpCutter(SSRC)
        self._units = pictures(Codec.H264, 200)
        self._sent = 0
        self._writer: asyncio.StreamWriter | None = None

    async def connect(self, port: int) -> None:
        _, self._writer = await asyncio.open_connection(HOST, port)

    def send(self, count: int) -> None:
        assert self._writer is not None
        for unit in self._units[self._sent : self._sent + count]:
            data = self._multiplexer.multiplex(unit)
            for packet in self._cutter.packets(data, unit.pts_90k):
                self._writer.write(framed(packet))
        self._sent += count

    def close(self) -> None:
        if self._writer is not None:
            self._writer.close()


@pytest.fixture
async def signalling(tmp_path: Path) -> AsyncIterator[Signalling]:
    made = Signalling(tmp_path / "signalling.sock")
    await made.start()
    yield made
    await made.stop()


@pytest.fixture
async def watched(signalling: Signalling) -> AsyncIterator[Watched]:
    client = ControlClient(signalling.path, SECRET)
    made = Watched(client)
    yield made
    await made.source.stop()
    await client.close()


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(back_off, "_FIRST_WAIT_S", 0.02)
    monkeypatch.setattr(gb_source, "_CHECK_INTERVAL_S", 0.05)
    monkeypatch.setattr("gateway.sources.gb28181._RESUME_EVERY_S", 0.05)


async def test_media_go_on_while_signalling_is_restarted(
    signalling: Signalling, watched: Watched
) -> None:
    watched.source.start()
    await watched.until(lambda: signalling.asked)
    first = signalling.asked[0]
    assert (first["purpose"], first["transport"], first["address"]) == ("play", "tcp_passive", HOST)
    camera = Camera()
    await watched.until(lambda: watched.source.state.state == "connecting")
    await camera.connect(first["port"])
    camera.send(20)
    await watched.until(lambda: len(watched.units) >= 15)
    await signalling.stop()
    camera.send(20)
    await watched.until(lambda: len(watched.units) >= 35)
    await signalling.start()
    await watched.until(lambda: len(signalling.asked) == 2)
    assert signalling.asked[1]["resume"] == "call-7"
    camera.send(20)
    await watched.until(lambda: len(watched.units) >= 55)
    assert not watched.interruptions
    assert watched.source.counters.reconnects == 0
    camera.close()


async def test_a_dialog_that_is_over_behind_a_restart_is_opened_anew(
    signalling: Signalling, watched: Watched
) -> None:
    watched.source.start()
    await watched.until(lambda: signalling.asked)
    await asyncio.sleep(0.1)
    await signalling.stop()
    signalling.refusals = [ControlError("not_found", "this session has ended: open another")]
    await signalling.start()
    await watched.until(lambda: len(signalling.asked) == 3)
    assert "resume" in signalling.asked[1] and "resume" not in signalling.asked[2]
    assert any(state.fault == "session_lost" for state in watched.states)


@pytest.mark.parametrize(
    ("code", "fault"),
    [
        ("offline", "platform_offline"),
        ("refused", "declined"),
        ("not_found", "channel_not_found"),
        ("timed_out", "no_answer"),
        ("busy", "busy"),
        ("unknown_call", "signalling_away"),
    ],
)
async def test_a_refusal_is_a_state_with_a_fault(
    signalling: Signalling, watched: Watched, code: str, fault: str
) -> None:
    signalling.refusals = [ControlError(code, "in words")]
    watched.source.start()
    await watched.until(lambda: any(state.fault == fault for state in watched.states))
    told = next(state for state in watched.states if state.fault == fault)
    assert told.detail == "in words" and told.state == "offline"
    await watched.until(lambda: len(signalling.asked) == 2)


async def test_a_bye_of_the_device_is_followed_by_another_invite(
    signalling: Signalling, watched: Watched
) -> None:
    watched.source.start()
    await watched.until(lambda: signalling.asked)
    signalling.events.put_nowait({"type": "ended", "cause": "bye", "detail": "it ended it"})
    await watched.until(lambda: len(signalling.asked) == 2)
    assert any(state.fault == "device_ended" for state in watched.states)
    assert signalling.left == 1


async def test_stopping_leaves_the_session(signalling: Signalling, watched: Watched) -> None:
    watched.source.start()
    await watched.until(lambda: signalling.asked)
    await asyncio.sleep(0.05)
    await watched.source.stop()
    await watched.until(lambda: signalling.left == 1)


def test_addresses_name_platform_channel_and_stream() -> None:
    assert parse_address("gb28181://plt_a/3402") == GbAddress("plt_a", "3402", "main")
    assert parse_address("gb28181://plt_a/3402?stream=sub").stream == "sub"
    with pytest.raises(ValueError, match="gb28181://"):
        parse_address("gb28181://plt_a")


def test_an_answer_with_the_least_in_it_is_read() -> None:
    answer = read_answer({"address": "10.0.0.1", "port": 6000, "formats": {"x": 1}})
    assert (answer.ssrc, answer.formats, answer.any_ssrc) == (None, {}, False)


def test_each_media_process_has_its_part_of_the_range() -> None:
    settings = Settings.model_validate(
        {
            "gb28181": {"media_ports": "30000-30099", "media_address": "10.1.2.3"},
            "shards": {"count": 3},
            "footage": {"count": 1},
        }
    )
    places = [media_place(settings, name) for name in ("shard-1", "shard-3", "footage-1")]
    assert [place.advertised for place in places] == ["10.1.2.3"] * 3
    ports = [[place.pool.take() for _ in range(12)] for place in places]
    assert [(one[0], one[-1]) for one in ports] == [(30000, 30022), (30048, 30070), (30072, 30094)]


def test_behind_a_wildcard_the_route_to_the_device_says_our_address() -> None:
    settings = Settings.model_validate({"gb28181": {"media_address": "0.0.0.0"}})
    place: MediaPlace = media_place(settings, "shard-1")
    assert (place.address, place.advertised) == ("0.0.0.0", "")
