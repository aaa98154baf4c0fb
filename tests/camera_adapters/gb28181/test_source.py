"""GbSource against program streams of ffmpeg's and GStreamer's making, by UDP and by TCP.

Signalling is stood in for by a dialog that answers at once: what it does is tested with it.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import subprocess
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from camera_adapters import back_off
from camera_adapters.gb28181 import media_reception, source
from camera_adapters.gb28181.dialogs import (
    DialogEvent,
    SessionEnded,
    SessionRefused,
)
from camera_adapters.gb28181.media_ports import PortPool
from camera_adapters.gb28181.media_terms import MediaAnswer, MediaOffer, MediaTransport
from camera_adapters.gb28181.source import GbSource, MediaPlace
from camera_adapters.rtp import rtcp
from camera_adapters.rtp.packetise import TrackPacketiser
from camera_adapters.source import SourceState
from camera_adapters.stream import AccessUnit, Codec, GapCause, Interruption, Stream, Track, Variant
from tests.peers import program_streams
from tests.peers.media_file import read_media
from tests.peers.program_streams import RtpCutter, framed, packs_of, send_by_udp

SSRC = 100_000_001
HOST = "127.0.0.1"


class Dialog:
    """What signalling would give for one session."""

    def __init__(self, answer: MediaAnswer) -> None:
        self.answer = answer
        self.events: asyncio.Queue[DialogEvent] = asyncio.Queue()

    async def next_event(self) -> DialogEvent:
        return await self.events.get()

    async def control(self, action: str, **arguments: float | int) -> None:
        raise SessionRefused("unsupported", "live media are not steered")


class Device:
    """A GB source, with everything that came of it; the test plays its device."""

    def __init__(
        self,
        transport: MediaTransport = "udp",
        *,
        any_ssrc: bool = False,
        answer: MediaAnswer | None = None,
        pool: PortPool | None = None,
        refusals: list[SessionRefused] | None = None,
    ) -> None:
        self.units: list[AccessUnit] = []
        self.tracks: tuple[Track, ...] = ()
        self.interruptions: list[Interruption] = []
        self.states: list[SourceState] = []
        self.offers: list[MediaOffer] = []
        self.dialogs: list[Dialog] = []
        self.byes = 0
        self._answer = answer or MediaAnswer(HOST, 0, SSRC, {96: "PS/90000"}, any_ssrc)
        self._refusals = refusals or []
        self._news = asyncio.Event()
        self.pool = pool or PortPool()
        stream = Stream("cam_1", Variant.MAIN)
        stream.attach(self)

        async def choose() -> MediaTransport:
            return transport

        self.source = GbSource(
            "gb28181://plt_1/34020000001320000001",
            stream,
            self._open,
            choose,
            MediaPlace(self.pool, HOST, HOST),
            on_state=self._on_state,
            silence_s=1.0,
        )

    async def __aenter__(self) -> Device:
        self.source.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.source.stop()

    @contextlib.asynccontextmanager
    async def _open(self, offer: MediaOffer) -> AsyncIterator[Dialog]:
        self.offers.append(offer)
        self._news.set()
        if self._refusals:
            raise self._refusals.pop(0)
        dialog = Dialog(self._answer)
        self.dialogs.append(dialog)
        self._news.set()
        try:
            yield dialog
        finally:
            self.byes += 1
            self._news.set()

    def _on_state(self, state: SourceState) -> None:
        self.states.append(state)
        self._news.set()

    def on_run_started(self, tracks: tuple[Track, ...]) -> None:
        self.tracks = tracks
        self._news.set()

    def on_access_unit(self, unit: AccessUnit) -> None:
        self.units.append(unit)
        self._news.set()

    def on_interrupted(self, interruption: Interruption) -> None:
        self.interruptions.append(interruption)
        self._news.set()

    def on_closed(self) -> None:
        raise AssertionError("a sink failed")

    async def until(self, condition: Callable[[Device], object]) -> None:
        async with asyncio.timeout(20):
            while not condition(self):
                self._news.clear()
                await self._news.wait()

    async def target(self, session: int = 1) -> tuple[str, int]:
        """Where to send, once the session stands."""
        await self.until(lambda device: len(device.dialogs) >= session)
        await asyncio.sleep(0)
        return HOST, self.offers[-1].port

    @property
    def pictures(self) -> list[bytes]:
        return [unit.payload for unit in self.units if unit.track_index == 0]


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Seconds become tenths, so that a test takes milliseconds."""
    monkeypatch.setattr(back_off, "_FIRST_WAIT_S", 0.02)
    monkeypatch.setattr(source, "_CHECK_INTERVAL_S", 0.05)


@pytest.fixture(scope="module")
def short_h264(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _cut(shared / "footage" / "pedestrians_h264.mp4", tmp_path_factory)


@pytest.fixture(scope="module")
def short_h265(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _cut(shared / "footage" / "pedestrians_h265.mp4", tmp_path_factory)


def _cut(clip: Path, folders: pytest.TempPathFactory) -> Path:
    made = folders.mktemp("clips") / clip.name
    subprocess.run(
        ["ffmpeg", "-v", "error", "-i", str(clip), "-t", "6", "-c", "copy", str(made)], check=True
    )
    return made


def packets_of(clip: Path, maker: str, ssrc: int = SSRC) -> list[list[bytes]]:
    cutter = RtpCutter(ssrc)
    if maker == "gstreamer":
        pictures = program_streams.pictures_of(program_streams.by_gstreamer(clip))
        return [cutter.packets(data, time) for data, time in pictures]
    data = program_streams.by_ffmpeg(clip, "h265" if "h265" in clip.name else "h264", maker)
    return cutter.all_packets(packs_of(data))


def pictures_of(clip: Path) -> list[bytes]:
    return [unit.payload for unit in read_media(clip)[1]]


async def connected(target: tuple[str, int]) -> asyncio.StreamWriter:
    _, writer = await asyncio.open_connection(*target)
    return writer


@pytest.mark.parametrize("maker", ["gstreamer", "vob", "mpeg"])
@pytest.mark.parametrize("transport", ["udp", "tcp_passive", "tcp_active"])
async def test_pictures_come_out_byte_for_byte(
    short_h264: Path, maker: str, transport: MediaTransport
) -> None:
    groups = packets_of(short_h264, maker)
    wanted = pictures_of(short_h264)
    stream = b"".join(framed(packet) for group in groups for packet in group)
    served = asyncio.Event()

    async def serve(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(stream)
        await writer.drain()
        await served.wait()
        writer.close()

    server = await asyncio.start_server(serve, HOST, 0)
    port = server.sockets[0].getsockname()[1]
    answer = MediaAnswer(HOST, port, SSRC, {96: "PS/90000"})
    try:
        async with Device(transport, answer=answer) as device:
            target = await device.target()
            if transport == "udp":
                await send_by_udp(groups, target)
            elif transport == "tcp_passive":
                writer = await connected(target)
                writer.write(stream)
            # Which picture is the last is known by the next, or by the end of the session.
            await device.until(lambda one: len(one.pictures) >= len(wanted) - 1)
            if transport == "tcp_passive":
                writer.close()
        assert device.pictures[: len(wanted)] == wanted[: len(device.pictures)]
        assert device.tracks[0].codec is Codec.H264
        assert device.byes == 1
        times = [unit.pts_90k for unit in device.units]
        assert times == sorted(times)
    finally:
        served.set()
        server.close()


async def test_h265_is_told_from_its_bytes_where_no_map_comes(short_h265: Path) -> None:
    groups = packets_of(short_h265, "vob")
    wanted = pictures_of(short_h265)
    async with Device() as device:
        await send_by_udp(groups, await device.target())
        await device.until(lambda one: len(one.pictures) >= len(wanted) - 1)
        assert device.tracks[0].codec is Codec.H265
        assert device.pictures == wanted[: len(device.pictures)]
        await device.until(lambda one: "no stream map" in one.source.state.detail)
        assert device.source.state.state == "live"


async def test_frames_of_rtsp_are_understood_by_tcp(short_h264: Path) -> None:
    groups = packets_of(short_h264, "gstreamer")
    wanted = pictures_of(short_h264)
    async with Device("tcp_passive") as device:
        writer = await connected(await device.target())
        for group in groups:
            for packet in group:
                writer.write(framed(packet, interleaved=True))
        await device.until(lambda one: len(one.pictures) >= len(wanted) - 1)
        assert device.pictures == wanted[: len(device.pictures)]
        writer.close()


async def test_another_ssrc_is_a_fault_that_names_both(short_h264: Path) -> None:
    groups = packets_of(short_h264, "gstreamer", ssrc=77)
    async with Device() as device:
        await send_by_udp(groups[:20], await device.target())
        await device.until(lambda one: any(s.fault == "wrong_ssrc" for s in one.states))
        state = next(one for one in device.states if one.fault == "wrong_ssrc")
        assert "0000000077" in state.detail and "0100000001" in state.detail
        assert state.cause is GapCause.BAD_MEDIA
        assert not device.units
        await device.until(lambda one: one.byes == 1)


async def test_another_ssrc_is_taken_where_the_platform_says_so(short_h264: Path) -> None:
    groups = packets_of(short_h264, "gstreamer", ssrc=77)
    async with Device(any_ssrc=True) as device:
        await send_by_udp(groups[:20], await device.target())
        await device.until(lambda one: len(one.pictures) > 10)


async def test_a_new_port_of_the_same_sender_is_followed(short_h264: Path) -> None:
    groups = packets_of(short_h264, "gstreamer")
    wanted = pictures_of(short_h264)
    async with Device() as device:
        target = await device.target()
        await send_by_udp(groups[:20], target)
        await send_by_udp(groups[20:], target)
        await device.until(lambda one: len(one.pictures) >= len(wanted) - 1)
        assert device.pictures == wanted[: len(device.pictures)]


async def test_a_stranger_changes_nothing(short_h264: Path) -> None:
    groups = packets_of(short_h264, "gstreamer")
    forged = packets_of(short_h264, "gstreamer", ssrc=666)
    wanted = pictures_of(short_h264)
    async with Device() as device:
        target = await device.target()
        await send_by_udp(groups[:20], target)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
            stranger.bind(("127.0.0.2", 0))
            await send_by_udp(forged[20:40], target, sender=stranger)
            stranger.sendto(b"not even RTP", target)
        await send_by_udp(groups[20:], target)
        await device.until(lambda one: len(one.pictures) >= len(wanted) - 1)
        assert device.pictures == wanted[: len(device.pictures)]


async def test_a_device_behind_a_nat_is_known_by_its_ssrc(short_h264: Path) -> None:
    groups = packets_of(short_h264, "gstreamer")
    answer = MediaAnswer("192.168.1.64", 6000, SSRC, {96: "PS/90000"}, registered_host="127.0.0.1")
    async with Device(answer=answer) as device:
        await send_by_udp(groups[:20], await device.target())
        await device.until(lambda one: len(one.pictures) > 10)


async def test_packets_out_of_order_and_doubled_make_the_same_pictures(short_h264: Path) -> None:
    packets = [packet for group in packets_of(short_h264, "gstreamer") for packet in group]
    for at in range(5, len(packets) - 10, 7):
        packets[at], packets[at + 3] = packets[at + 3], packets[at]
        packets.insert(at, packets[at])
    wanted = pictures_of(short_h264)
    async with Device() as device:
        await send_by_udp([[one] for one in packets], await device.target())
        await device.until(lambda one: len(one.pictures) >= len(wanted) - 1)
        assert device.pictures == wanted[: len(device.pictures)]
        await device.until(lambda one: one.source.counters.reordered)
        assert device.source.counters.duplicates


async def test_a_lost_packet_costs_its_picture_alone(short_h264: Path) -> None:
    groups = packets_of(short_h264, "gstreamer")
    wanted = pictures_of(short_h264)
    hurt = next(at for at, group in enumerate(groups) if at > 8 and len(group) > 3)
    groups[hurt] = [*groups[hurt][:1], *groups[hurt][2:]]
    async with Device("tcp_passive") as device:
        writer = await connected(await device.target())
        for group in groups:
            writer.write(b"".join(framed(packet) for packet in group))
        await device.until(lambda one: len(one.pictures) >= len(wanted) - 2)
        missing = [at for at, one in enumerate(wanted[:-1]) if one not in device.pictures]
        assert len(missing) == 1
        assert all(one in wanted for one in device.pictures)
        writer.close()


async def test_a_keyframe_with_a_hole_interrupts_until_the_next(short_h264: Path) -> None:
    groups = packets_of(short_h264, "gstreamer")
    keyframes = [at for at, group in enumerate(groups) if b"\x00\x00\x01\x67" in group[0]]
    hurt = keyframes[1]
    groups[hurt] = [*groups[hurt][:2], *groups[hurt][3:]]
    async with Device("tcp_passive") as device:
        writer = await connected(await device.target())
        for group in groups:
            writer.write(b"".join(framed(packet) for packet in group))
        await device.until(lambda one: one.interruptions)
        await device.until(lambda one: one.units and one.source.state.state == "live")
        assert device.interruptions[0].cause is GapCause.BAD_MEDIA
        at = len(device.units)
        await device.until(lambda one: len(one.units) > at or at > 10)
        writer.close()


@pytest.mark.parametrize("codec", ["h264", "h265"])
@pytest.mark.parametrize("announced", ["H264/90000", "PS/90000"])
@pytest.mark.parametrize("transport", ["udp", "tcp_passive"])
async def test_plain_video_is_taken_however_it_was_announced(
    codec: str, announced: str, transport: MediaTransport, request: pytest.FixtureRequest
) -> None:
    clip: Path = request.getfixturevalue(f"short_{codec}")
    tracks, units = read_media(clip)
    packetiser = TrackPacketiser(tracks[0], 0, SSRC, 100, 0)
    groups = [[bytes(one) for one in packetiser.packetise(unit).datagrams()] for unit in units]
    # A device that announces PS is doubted after 256 KiB, and then taken from a keyframe on.
    doubted = announced.startswith("PS")
    name = announced.replace("H264", codec.upper())
    answer = MediaAnswer(HOST, 0, SSRC, {96: name})
    async with Device(transport, answer=answer) as device:
        target = await device.target()
        if transport == "udp":
            await send_by_udp(groups, target)
        else:
            writer = await connected(target)
            for group in groups:
                writer.write(b"".join(framed(packet) for packet in group))
        await device.until(lambda one: len(one.pictures) >= (15 if doubted else len(units)))
        wanted = [unit.payload for unit in units]
        assert device.pictures == wanted[-len(device.pictures) :]
        await device.until(lambda one: "plain video" in one.source.state.detail)


async def test_reports_go_out_and_a_goodbye_ends_the_session(
    short_h264: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(media_reception, "_REPORT_INTERVAL_S", 0.05)
    groups = packets_of(short_h264, "gstreamer")
    loop = asyncio.get_running_loop()
    with contextlib.ExitStack() as stack:
        sockets = [
            stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) for _ in range(2)
        ]
        media, control = _bound_pair(*sockets)
        async with Device() as device:
            host, port = await device.target()
            await send_by_udp(groups, (host, port), sender=media)
            async with asyncio.timeout(10):
                report = await loop.sock_recv(control, 2000)
            (told,) = [one for one in rtcp.parse(report) if isinstance(one, rtcp.ReceiverReport)]
            assert told.blocks[0].ssrc == SSRC and told.blocks[0].lost == 0
            control.sendto(b"\x81\xcb\x00\x01" + SSRC.to_bytes(4, "big"), (host, port + 1))
            await device.until(lambda one: any(s.fault == "ended" for s in one.states))


def _bound_pair(*pair: socket.socket) -> tuple[socket.socket, socket.socket]:
    media, control = pair
    for port in range(45_000, 46_000, 2):
        with contextlib.suppress(OSError):
            media.bind((HOST, port))
            control.bind((HOST, port + 1))
            for one in pair:
                one.setblocking(False)
            return media, control
    raise AssertionError("no pair of ports")


async def test_another_ssrc_by_tcp_is_a_fault_too(short_h264: Path) -> None:
    groups = packets_of(short_h264, "gstreamer", ssrc=77)
    async with Device("tcp_passive") as device:
        writer = await connected(await device.target())
        writer.write(b"".join(framed(packet) for group in groups[:5] for packet in group))
        await device.until(lambda one: any(s.fault == "wrong_ssrc" for s in one.states))
        writer.close()


async def test_what_is_no_rtp_by_tcp_is_a_fault() -> None:
    async with Device("tcp_passive") as device:
        writer = await connected(await device.target())
        writer.write(b"\x00\x08GET / HT" * 200)
        await device.until(lambda one: any(s.fault == "bad_framing" for s in one.states))
        writer.close()


async def test_a_stranger_by_tcp_does_not_take_the_devices_place(short_h264: Path) -> None:
    groups = packets_of(short_h264, "gstreamer")
    answer = MediaAnswer("127.0.0.9", 0, SSRC, {96: "PS/90000"})
    async with Device("tcp_passive", answer=answer) as device:
        target = await device.target()
        idle = [await connected(target) for _ in range(9)]
        stranger = await connected(target)
        stranger.write(b"\x00" * 200)
        # The SSRC proves the device, wherever a NAT lets it come from.
        writer = await connected(target)
        writer.write(b"".join(framed(packet) for group in groups[:20] for packet in group))
        await device.until(lambda one: len(one.pictures) > 10)
        for one in (*idle, stranger, writer):
            one.close()


async def test_svac_is_a_fault_that_says_what_to_do() -> None:
    pack = b"\x00\x00\x01\xba\x44\x00\x04\x00\x04\x01\x00\x10\x03\xf8"
    psm = b"\x00\x00\x01\xbc\x00\x0e\xe1\xff\x00\x00\x00\x04\x80\xe0\x00\x00\0\0\0\0"
    pes = b"\x00\x00\x01\xe0\x00\x0b\x80\x80\x05\x21\x00\x01\x00\x01abc"
    groups = RtpCutter(SSRC).all_packets([pack + psm + pes] * 10)
    async with Device() as device:
        await send_by_udp(groups, await device.target())
        await device.until(lambda one: any(s.fault == "unsupported_codec" for s in one.states))
        told = next(one for one in device.states if one.fault == "unsupported_codec")
        assert "SVAC" in told.detail and "H.264 or H.265" in told.detail


async def test_silence_ends_the_session_and_begins_another() -> None:
    async with Device() as device:
        await device.until(lambda one: len(one.dialogs) == 2)
        assert device.byes == 1
        assert any(one.fault == "silent" for one in device.states)
        assert device.states[-1].cause is GapCause.CAMERA_SILENT


async def test_a_refusal_is_told_and_tried_again() -> None:
    refusals = [SessionRefused("busy", "the device answers 486 Busy Here")]
    async with Device(refusals=refusals) as device:
        await device.until(lambda one: one.dialogs)
        told = next(one for one in device.states if one.fault == "busy")
        assert told.detail == "the device answers 486 Busy Here"
        assert told.retry_at_us is not None


async def test_the_devices_bye_is_told_and_followed_by_another_invite(short_h264: Path) -> None:
    groups = packets_of(short_h264, "gstreamer")
    async with Device() as device:
        await send_by_udp(groups[:20], await device.target())
        await device.until(lambda one: one.source.state.state == "live")
        ended = SessionEnded("device_ended", "the device ended the session")
        device.dialogs[0].events.put_nowait(ended)
        await device.until(lambda one: len(one.dialogs) == 2)
        assert any(one.fault == "device_ended" for one in device.states)
        assert device.interruptions


async def test_no_port_left_is_a_fault_of_its_own() -> None:
    pool = PortPool(41_000, 41_001)
    pool.take()
    async with Device(pool=pool) as device:
        await device.until(lambda one: any(s.fault == "no_port" for s in one.states))
        assert "gb28181.media_ports" in device.states[-1].detail
        assert not device.offers


async def test_ports_are_given_back_when_the_source_stops() -> None:
    pool = PortPool(41_100, 41_103)
    async with Device(pool=pool) as device:
        await device.target()
        assert pool.in_use == 1
    assert pool.in_use == 0
