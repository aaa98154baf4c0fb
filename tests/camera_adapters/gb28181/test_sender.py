"""PsSender: what we send, our own receiver takes; ffprobe reads it; a slow peer gets fewer GOPs."""

from __future__ import annotations

import asyncio
import itertools
import socket
import subprocess
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path

import pytest

from camera_adapters.gb28181.dialogs import DialogEvent
from camera_adapters.gb28181.media_ports import PortPool
from camera_adapters.gb28181.media_reception import MediaEnd
from camera_adapters.gb28181.media_sending import MediaSending, MediaTarget, open_sending
from camera_adapters.gb28181.media_terms import MediaAnswer, MediaOffer, MediaTransport
from camera_adapters.gb28181.sender import PsSender, TalkSender
from camera_adapters.gb28181.source import GbSource, MediaPlace
from camera_adapters.stream import AccessUnit, Codec, Interruption, Stream, Track, Variant
from tests.peers.media_file import make_media, read_media
from tests.peers.rtp_packets import pictures, video_track

HOST = "127.0.0.1"
SSRC = 100_000_009


class Kept:
    def __init__(self) -> None:
        self.tracks: tuple[Track, ...] = ()
        self.units: list[AccessUnit] = []
        self.news = asyncio.Event()

    def on_run_started(self, tracks: tuple[Track, ...]) -> None:
        self.tracks = tracks

    def on_access_unit(self, unit: AccessUnit) -> None:
        self.units.append(unit)
        self.news.set()

    def on_interrupted(self, interruption: Interruption) -> None:
        pass

    def on_closed(self) -> None:
        raise AssertionError("a sink failed")

    async def until(self, count: int, track_index: int = 0) -> list[AccessUnit]:
        async with asyncio.timeout(20):
            while True:
                found = [unit for unit in self.units if unit.track_index == track_index]
                if len(found) >= count:
                    return found
                self.news.clear()
                await self.news.wait()


class Dialog:
    def __init__(self, answer: MediaAnswer) -> None:
        self.answer = answer

    async def next_event(self) -> DialogEvent:
        await asyncio.Event().wait()
        raise AssertionError

    async def control(self, action: str, **arguments: float | int) -> None:
        raise AssertionError


@asynccontextmanager
async def joined(
    receiving: MediaTransport,
) -> AsyncIterator[tuple[MediaSending, MediaTarget, Kept]]:
    """A sender and a receiver that have agreed; the receiver's transport is given."""
    kept = Kept()
    stream = Stream("cam_1", Variant.MAIN)
    stream.attach(kept)
    agreed: asyncio.Future[tuple[MediaSending, MediaTarget]] = (
        asyncio.get_running_loop().create_future()
    )
    ours: dict[MediaTransport, MediaTransport] = {
        "udp": "udp",
        "tcp_passive": "tcp_active",
        "tcp_active": "tcp_passive",
    }

    @asynccontextmanager
    async def dialog(offer: MediaOffer) -> AsyncIterator[Dialog]:
        target = MediaTarget(HOST, offer.port, ours[receiving], SSRC)
        sending = open_sending(PortPool(), HOST, target)
        agreed.set_result((sending, target))
        sending.start()
        yield Dialog(MediaAnswer(HOST, sending.port, SSRC, {96: "PS/90000"}))

    async def choose() -> MediaTransport:
        return receiving

    source = GbSource("gb28181://a/b", stream, dialog, choose, MediaPlace(PortPool(), HOST, HOST))
    source.start()
    sending, target = await agreed
    async with asyncio.timeout(10):
        while not sending.ready:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    try:
        yield sending, target, kept
    finally:
        await source.stop()
        sending.close()


@pytest.mark.parametrize("receiving", ["udp", "tcp_passive", "tcp_active"])
@pytest.mark.parametrize("codec", ["h264", "h265"])
async def test_our_receiver_takes_what_we_send(
    receiving: MediaTransport, codec: str, request: pytest.FixtureRequest
) -> None:
    tracks, units = read_media(request.getfixturevalue(f"pedestrians_{codec}"))
    units = units[:80]
    async with joined(receiving) as (sending, target, kept):
        sender = PsSender(sending, target)
        sender.on_run_started(tracks)
        for unit in units:
            sender.on_access_unit(unit)
            await sending.drained()
            await asyncio.sleep(0)
        found = await kept.until(len(units) - 1)
        assert [one.payload for one in found] == [one.payload for one in units[: len(found)]]
        assert kept.tracks[0].parameter_sets == tracks[0].parameter_sets
        steps = [b.pts_90k - a.pts_90k for a, b in itertools.pairwise(found)]
        assert all(abs(step - 9000) <= 200 for step in steps[2:])


@pytest.mark.parametrize("sound", ["pcm_alaw", "aac"])
async def test_sound_goes_along(sound: str, tmp_path: Path, pedestrians_h264: Path) -> None:
    rate = ["-ar", "8000"] if sound == "pcm_alaw" else ["-ar", "16000"]
    clip = make_media(
        tmp_path / "sound.mkv",
        *("-i", str(pedestrians_h264), "-f", "lavfi", "-i", "sine=440", "-t", "6"),
        *("-map", "0:v", "-map", "1:a", "-c:v", "copy", "-c:a", sound, *rate, "-ac", "1"),
    )
    tracks, units = read_media(clip)
    async with joined("tcp_passive") as (sending, target, kept):
        sender = PsSender(sending, target)
        sender.on_run_started(tracks)
        for unit in units:
            sender.on_access_unit(unit)
        heard = await kept.until(20, track_index=1)
        sent = [unit.payload for unit in units if unit.track_index == 1]
        assert all(one.payload in sent for one in heard)
        assert kept.tracks[1].codec is (Codec.PCMA if sound == "pcm_alaw" else Codec.AAC)


class Wire:
    """A way that takes what it is given, or says that it is full."""

    def __init__(self) -> None:
        self.port = 1
        self.bytes_sent = 0
        self.ready = True
        self.congested = False
        self.ended: asyncio.Future[MediaEnd] | None = None
        self.packets: list[bytes] = []

    def start(self) -> None:
        pass

    def send(self, packets: Sequence[bytes]) -> None:
        self.packets += packets

    async def drained(self) -> None:
        pass

    def close(self) -> None:
        pass


TARGET = MediaTarget(HOST, 9, "udp", SSRC)


def test_ffprobe_reads_what_is_sent(tmp_path: Path, pedestrians_h264: Path) -> None:
    tracks, units = read_media(pedestrians_h264)
    wire = Wire()
    sender = PsSender(wire, TARGET)  # type: ignore[arg-type]
    sender.on_run_started(tracks)
    for unit in units[:100]:
        sender.on_access_unit(unit)
    path = tmp_path / "sent.ps"
    path.write_bytes(b"".join(packet[12:] for packet in wire.packets))
    probe = subprocess.run(
        ["ffprobe", "-v", "error", "-count_frames", "-of", "csv=p=0"]  # noqa: RUF005
        + ["-show_entries", "stream=codec_name,nb_read_frames", str(path)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert probe.stdout.strip().strip(",") == "h264,100"
    assert probe.stderr == ""


def test_a_full_way_costs_whole_gops() -> None:
    wire = Wire()
    sender = PsSender(wire, TARGET)  # type: ignore[arg-type]
    sender.on_run_started((video_track(),))
    for number, unit in enumerate(pictures(Codec.H264, 30, gop=10)):
        wire.congested = 12 <= number < 15
        sender.on_access_unit(unit)
    timestamps = [int.from_bytes(one[4:8], "big") for one in wire.packets]
    shown = sorted({(one - timestamps[0]) // 3600 for one in timestamps})
    assert shown == [*range(12), *range(20, 30)]
    assert sender.skipped == 8


def test_nothing_goes_out_once_it_may_not() -> None:
    wire = Wire()
    allowed = True
    sender = PsSender(wire, TARGET, may_send=lambda: allowed)  # type: ignore[arg-type]
    sender.on_run_started((video_track(),))
    units = pictures(Codec.H264, 10)
    for unit in units[:4]:
        sender.on_access_unit(unit)
    sent = len(wire.packets)
    allowed = False
    for unit in units[4:]:
        sender.on_access_unit(unit)
    assert len(wire.packets) == sent


def test_times_go_on_over_runs_as_the_clock_did() -> None:
    wire = Wire()
    sender = PsSender(wire, TARGET)  # type: ignore[arg-type]
    for start_us in (0, 10_000_000):
        sender.on_run_started((video_track(),))
        for unit in pictures(Codec.H264, 3):
            sender.on_access_unit(replace(unit, wall_us=start_us + unit.wall_us))
    marked = [one for one in wire.packets if one[1] & 0x80]
    times = [int.from_bytes(one[4:8], "big") for one in marked]
    assert times[3] - times[2] == 10_000_000 * 9 // 100 - 2 * 3600
    numbers = [int.from_bytes(one[2:4], "big") for one in wire.packets]
    assert all((b - a) & 0xFFFF == 1 for a, b in itertools.pairwise(numbers))


@pytest.mark.parametrize("in_program_stream", [False, True])
def test_voice_leaves_in_frames_of_twenty_milliseconds(in_program_stream: bool) -> None:
    wire = Wire()
    talk = TalkSender(wire, TARGET, in_program_stream=in_program_stream)  # type: ignore[arg-type]
    for _ in range(10):
        talk.send(bytes(range(100)))
    assert len(wire.packets) == 6
    assert wire.packets[0][1] & 0x7F == (96 if in_program_stream else 8)
    step = 1800 if in_program_stream else 160
    times = [int.from_bytes(one[4:8], "big") for one in wire.packets]
    assert times == [step * number for number in range(6)]
    if in_program_stream:
        assert b"\x00\x00\x01\xbc" in wire.packets[0] and b"\x90\xc0" in wire.packets[0]


async def test_a_stranger_is_not_sent_to() -> None:
    target = MediaTarget("127.0.0.3", 9, "tcp_passive", SSRC)
    sending = open_sending(PortPool(), HOST, target)
    sending.start()
    await asyncio.sleep(0.02)
    with socket.socket() as stranger:
        stranger.setblocking(False)
        loop = asyncio.get_running_loop()
        await loop.sock_connect(stranger, (HOST, sending.port))
        async with asyncio.timeout(5):
            with suppress(ConnectionResetError):
                assert await loop.sock_recv(stranger, 10) == b""
    assert not sending.ready
    sending.close()
