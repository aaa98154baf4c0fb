"""The server on the wire: players that others wrote, slow readers, readers that vanish."""

from __future__ import annotations

import asyncio
import json
import re
import shutil
import socket
from collections.abc import AsyncIterator
from itertools import pairwise
from pathlib import Path

import pytest

import gateway.demo
from camera_adapters.rtsp.messages import Headers, Request
from camera_adapters.rtsp.server import Access
from camera_adapters.rtsp.server_transport import RtspServer
from camera_adapters.stream import AccessUnit, Codec, GapCause, Interruption, Stream, Track, Variant
from gateway.demo.clip import Clip, load_clip
from gateway.demo.replay import ReplayServer
from gateway.demo.tone import TONE_TRACK, tone_units

needs_ffmpeg = pytest.mark.skipif(shutil.which("ffprobe") is None, reason="needs ffmpeg")
TRACK = Track("video", Codec.H264, 90000, (b"\x67\x4d\x40\x1f\x01", b"\x68\xe8\x01"))


async def run_tool(*command: str) -> tuple[int, str, str]:
    """Run a program to its end, at most 30 s."""
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    try:
        out, err = await asyncio.wait_for(process.communicate(), 30)
    except TimeoutError:
        process.kill()
        out, err = await process.communicate()
    assert process.returncode is not None
    return process.returncode, out.decode(), err.decode()


@pytest.fixture(scope="module")
def crossing() -> Clip:
    return load_clip(Path(gateway.demo.__file__).parent / "crossing.mp4")


@pytest.fixture
async def cameras(crossing: Clip) -> AsyncIterator[ReplayServer]:
    server = ReplayServer(replay_gop=True)
    sound = crossing.with_track(TONE_TRACK, tone_units(1, crossing.duration_90k))
    server.add("silent", crossing)
    server.add("sound", sound, start_s=5, passwords={"admin": "secret"})
    await server.start()
    yield server
    await server.close()


@needs_ffmpeg
@pytest.mark.parametrize("transport", ["tcp", "udp"])
async def test_ffprobe_reads_the_formats(cameras: ReplayServer, transport: str) -> None:
    url = cameras.url("sound").replace("rtsp://", "rtsp://admin:secret@")
    code, out, err = await run_tool(
        *("ffprobe", "-v", "error", "-rtsp_transport", transport, "-show_streams"),
        *("-of", "json", url),
    )
    assert code == 0, err
    streams = json.loads(out)["streams"]
    assert [stream["codec_name"] for stream in streams] == ["h264", "pcm_alaw"]
    assert (streams[0]["width"], streams[0]["height"]) == (768, 576)


@needs_ffmpeg
@pytest.mark.parametrize("transport", ["tcp", "udp"])
async def test_ffmpeg_decodes_without_an_error(cameras: ReplayServer, transport: str) -> None:
    code, _, err = await run_tool(
        *("ffmpeg", "-v", "warning", "-stats", "-rtsp_transport", transport),
        *("-i", cameras.url("silent"), "-frames:v", "30", "-f", "null", "-"),
    )
    assert code == 0, err
    assert re.findall(r"frame=\s*(\d+)", err)[-1] == "30"
    assert "error" not in err.lower()
    assert "missed" not in err


@needs_ffmpeg
async def test_a_wrong_password_is_refused(cameras: ReplayServer) -> None:
    url = cameras.url("sound").replace("rtsp://", "rtsp://admin:wrong@")
    code, _, err = await run_tool("ffprobe", "-v", "error", "-rtsp_transport", "tcp", url)
    assert code != 0
    assert "401" in err


@pytest.mark.gstreamer
@pytest.mark.skipif(shutil.which("gst-launch-1.0") is None, reason="needs GStreamer")
@pytest.mark.parametrize("transport", ["tcp", "udp"])
async def test_gstreamer_plays_it(cameras: ReplayServer, transport: str) -> None:
    code, out, err = await run_tool(
        *("gst-launch-1.0", "-v", "rtspsrc", f"location={cameras.url('silent')}"),
        *(f"protocols={transport}", "!", "rtph264depay", "!", "h264parse", "!"),
        *("avdec_h264", "!", "identity", "eos-after=20", "silent=false", "!", "fakesink"),
    )
    assert code == 0, err
    assert out.count("chain") >= 19


class RawReader:
    """A client that sets up one track over TCP and then reads only when told to."""

    def __init__(self, port: int, path: str) -> None:
        self._url = f"rtsp://127.0.0.1:{port}/{path}"
        self._port = port
        self.received = bytearray()

    async def play(self, *, receive_buffer: int = 4096, tracks: int = 1) -> None:
        self.socket = socket.socket()
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.setblocking(False)
        loop = asyncio.get_running_loop()
        await loop.sock_connect(self.socket, ("127.0.0.1", self._port))
        requests = b""
        for track in range(tracks):
            setup = Request("SETUP", f"{self._url}/trackID={track}", Headers([("CSeq", "1")]))
            channels = f"{2 * track}-{2 * track + 1}"
            setup.headers.add("Transport", f"RTP/AVP/TCP;unicast;interleaved={channels}")
            requests += setup.to_bytes()
        play = Request("PLAY", self._url, Headers([("CSeq", "2")]))
        await loop.sock_sendall(self.socket, requests + play.to_bytes())
        while self.received.count(b"200 OK") < tracks + 1:
            await self.read()

    async def read(self) -> int:
        data = await asyncio.get_running_loop().sock_recv(self.socket, 65536)
        self.received += data
        return len(data)

    def frames(self, channel: int = 0) -> list[bytes]:
        """Whole packets of a channel received so far."""
        return [packet for number, packet in self._interleaved() if number == channel]

    def channels(self) -> list[int]:
        """The channel of each packet received so far."""
        return [number for number, _ in self._interleaved()]

    def _interleaved(self) -> list[tuple[int, bytes]]:
        position = self.received.index(b"\r\n\r\n", self.received.index(b"CSeq: 2")) + 4
        found = []
        while position + 4 <= len(self.received):
            assert self.received[position] == 0x24
            size = int.from_bytes(self.received[position + 2 : position + 4], "big")
            end = position + 4 + size
            if end > len(self.received):
                break
            found.append((self.received[position + 1], bytes(self.received[position + 4 : end])))
            position = end
        return found


def picture(number: int, *, keyframe: bool, size: int = 50_000) -> AccessUnit:
    body = (b"\x65" if keyframe else b"\x41") + number.to_bytes(4, "big") + b"\xaa" * size
    payload = len(body).to_bytes(4, "big") + body
    return AccessUnit(0, payload, number * 3600, number * 3600, keyframe, 10**15 + number * 40_000)


@pytest.fixture
async def stream_server() -> AsyncIterator[tuple[Stream, RtspServer]]:
    stream = Stream("cam", Variant.MAIN)

    async def open_stream(access: Access) -> Stream:
        return stream

    server = RtspServer(
        lambda path, token, peer: Access(path), open_stream, reader_bytes_limit=400_000
    )
    await server.start("127.0.0.1", 0)
    yield stream, server
    await server.stop()


def numbers_of_whole_pictures(frames: list[bytes]) -> list[int]:
    """The numbers of the pictures whose first fragment came."""
    return [
        int.from_bytes(frame[14:18], "big")
        for frame in frames
        if frame[12] & 0x1F == 28 and frame[13] & 0x80
    ]


async def test_a_reader_that_does_not_read_is_bounded_and_resumes_at_a_keyframe(
    stream_server: tuple[Stream, RtspServer],
) -> None:
    stream, server = stream_server
    stream.start_run((TRACK,))
    reader = RawReader(server.port, "cam")
    await reader.play()
    for number in range(200):
        stream.publish(picture(number, keyframe=number % 10 == 0))
        await asyncio.sleep(0)
    (connection,) = server._connections
    assert connection._transport.get_write_buffer_size() < 600_000
    while connection._transport.get_write_buffer_size():
        await reader.read()
    for number in range(200, 225):
        stream.publish(picture(number, keyframe=number % 10 == 0))
        while connection._transport.get_write_buffer_size():
            await reader.read()
    stream.publish(picture(225, keyframe=False, size=3000))
    while 225 not in numbers_of_whole_pictures(reader.frames()):
        await reader.read()
    seen = numbers_of_whole_pictures(reader.frames())
    gaps = [after for before, after in pairwise(seen) if after != before + 1]
    assert gaps, "nothing was dropped"
    assert all(number % 10 == 0 for number in gaps)
    assert seen[-1] == 225
    reader.socket.close()


async def test_time_stamps_and_numbers_go_on_when_the_camera_comes_back(
    stream_server: tuple[Stream, RtspServer],
) -> None:
    stream, server = stream_server
    stream.start_run((TRACK,))
    reader = RawReader(server.port, "cam")
    await reader.play(receive_buffer=1 << 20)
    stream.publish(picture(0, keyframe=True, size=2000))
    stream.interrupt(Interruption(GapCause.CAMERA_OFFLINE, "it went away"))
    stream.start_run((TRACK,))
    later = picture(0, keyframe=True, size=2000)
    later.wall_us += 5_000_000
    stream.publish(later)
    while len(numbers_of_whole_pictures(reader.frames())) < 2:
        await reader.read()
    frames = reader.frames()
    numbers = [int.from_bytes(frame[2:4], "big") for frame in frames]
    assert numbers == [(numbers[0] + step) & 0xFFFF for step in range(len(numbers))]
    stamps = [int.from_bytes(frame[4:8], "big") for frame in frames]
    assert (stamps[-1] - stamps[0]) & 0xFFFFFFFF == 5 * 90000
    reader.socket.close()


async def test_another_codec_ends_the_reader_since_its_description_no_longer_holds(
    stream_server: tuple[Stream, RtspServer],
) -> None:
    stream, server = stream_server
    stream.start_run((TRACK,))
    reader = RawReader(server.port, "cam")
    await reader.play()
    stream.start_run((Track("video", Codec.H265, 90000, (b"\x40\x01", b"\x42\x01", b"\x44\x01")),))
    while await reader.read():
        pass
    assert server.session_count == 0
    reader.socket.close()


async def test_a_reader_that_vanishes_leaves_the_stream(
    stream_server: tuple[Stream, RtspServer],
) -> None:
    stream, server = stream_server
    stream.start_run((TRACK,))
    left = asyncio.Event()
    stream.on_sinks_changed = lambda stream: None if stream.sinks else left.set()
    reader = RawReader(server.port, "cam")
    await reader.play()
    assert len(stream.sinks) == 1
    reader.socket.close()
    await asyncio.wait_for(left.wait(), 10)
    assert server.session_count == 0


async def test_each_track_says_its_wall_clock_before_its_first_packet(
    stream_server: tuple[Stream, RtspServer],
) -> None:
    stream, server = stream_server
    stream.start_run((TRACK, TONE_TRACK))
    reader = RawReader(server.port, "cam")
    await reader.play(receive_buffer=1 << 20, tracks=2)
    stream.publish(picture(0, keyframe=True, size=2000))
    stream.publish(AccessUnit(1, bytes(160), 1800, 1800, True, 10**15 + 20_000))
    while reader.channels().count(2) < 1:
        await reader.read()
    channels = reader.channels()
    assert channels[0] == 1
    assert channels.index(3) < channels.index(2)
    reader.socket.close()


async def test_who_loses_the_access_while_the_camera_is_waited_for_gets_no_answer() -> None:
    stream, asked, comes = Stream("cam", Variant.MAIN), asyncio.Event(), asyncio.Event()

    async def open_stream(_: Access) -> Stream:
        asked.set()
        await comes.wait()
        stream.start_run((TRACK,))
        return stream

    server = RtspServer(lambda path, token, peer: Access(path), open_stream)
    await server.start("127.0.0.1", 0)
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    describe = Request("DESCRIBE", f"rtsp://127.0.0.1:{server.port}/cam", Headers([("CSeq", "1")]))
    writer.write(describe.to_bytes())
    async with asyncio.timeout(20):
        await asked.wait()
        assert server.close_sessions(lambda access: access.name == "cam") == 1
        comes.set()
        assert await reader.read() == b""
    writer.close()
    await server.stop()
