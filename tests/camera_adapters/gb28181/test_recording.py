"""GbRecording: the recording's own time, its end, and its controls."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from camera_adapters.gb28181 import recording
from camera_adapters.gb28181.dialogs import DialogEvent, FileEnd, SessionEnded, SessionRefused
from camera_adapters.gb28181.media_ports import PortPool
from camera_adapters.gb28181.media_terms import MediaAnswer, MediaOffer
from camera_adapters.gb28181.recorded_line import RecordedLine
from camera_adapters.gb28181.recording import GbRecording
from camera_adapters.gb28181.source import MediaPlace
from camera_adapters.mpeg_ps.multiplex import PsMultiplexer
from camera_adapters.rtp.pictures import Picture
from camera_adapters.stream import AccessUnit, Codec, Interruption, Stream, Track, Variant
from tests.peers.media_file import read_media
from tests.peers.program_streams import RtpCutter, framed
from tests.peers.rtp_packets import pictures, video_track

START_US = 1_700_000_000_000_000
SSRC = 1_100_000_007
HOST = "127.0.0.1"


class Kept:
    """A Sink that keeps everything."""

    def __init__(self) -> None:
        self.units: list[AccessUnit] = []
        self.runs = 0

    def on_run_started(self, tracks: tuple[Track, ...]) -> None:
        self.runs += 1

    def on_access_unit(self, unit: AccessUnit) -> None:
        self.units.append(unit)

    def on_interrupted(self, interruption: Interruption) -> None:
        pass

    def on_closed(self) -> None:
        raise AssertionError("a sink failed")


class Dialog:
    def __init__(self) -> None:
        self.answer = MediaAnswer(HOST, 0, SSRC, {96: "PS/90000"}, file_bytes=12_345)
        self.events: asyncio.Queue[DialogEvent] = asyncio.Queue()
        self.controls: list[tuple[str, dict[str, float]]] = []

    async def next_event(self) -> DialogEvent:
        return await self.events.get()

    async def control(self, action: str, **arguments: float) -> None:
        self.controls.append((action, arguments))


class Device:
    """The other side of one playback by TCP."""

    def __init__(self, end_us: int) -> None:
        self.sink = Kept()
        stream = Stream("cam_1", Variant.MAIN)
        stream.attach(self.sink)
        self.dialog = Dialog()
        self.opened: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        place = MediaPlace(PortPool(), HOST, HOST)
        self.recording = GbRecording(
            stream, self._open, "tcp_passive", place, start_us=START_US, end_us=end_us
        )

    @contextlib.asynccontextmanager
    async def _open(self, offer: MediaOffer) -> AsyncIterator[Dialog]:
        self.opened.set_result(offer.port)
        yield self.dialog

    async def connect(self) -> asyncio.StreamWriter:
        port = await self.opened
        await asyncio.sleep(0)
        _, writer = await asyncio.open_connection(HOST, port)
        return writer


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recording, "_CHECK_INTERVAL_S", 0.02)
    monkeypatch.setattr(recording, "_DRAIN_S", 0.1)
    monkeypatch.setattr(recording, "SILENCE_S", 0.5)


def packed(clip: Path, seconds: float, ssrc: int = SSRC) -> tuple[list[AccessUnit], bytes]:
    tracks, units = read_media(clip)
    units = [unit for unit in units if unit.dts_90k < seconds * 90_000]
    multiplexer, cutter = PsMultiplexer(tracks, base_90k=777_777), RtpCutter(ssrc)
    made = b"".join(
        framed(packet)
        for unit in units
        for packet in cutter.packets(multiplexer.multiplex(unit), unit.pts_90k)
    )
    return units, made


async def test_a_download_has_the_time_of_its_recording(pedestrians_h264: Path) -> None:
    units, data = packed(pedestrians_h264, 20)
    device = Device(START_US + 20_000_000)
    running = asyncio.create_task(device.recording.run())
    writer = await device.connect()
    writer.write(data)
    await writer.drain()
    device.dialog.events.put_nowait(FileEnd())
    end = await asyncio.wait_for(running, 20)
    writer.close()
    assert end.outcome == "whole" and end.file_bytes == 12_345
    assert [one.payload for one in device.sink.units] == [one.payload for one in units]
    for ours, theirs in zip(device.sink.units, units, strict=True):
        assert abs(ours.wall_us - START_US - theirs.pts_90k * 100 // 9) <= 12


async def test_a_bye_near_the_end_is_the_end_and_before_it_is_not(pedestrians_h264: Path) -> None:
    _, data = packed(pedestrians_h264, 20)
    for length_s, outcome in ((21, "whole"), (60, "broken")):
        device = Device(START_US + length_s * 1_000_000)
        running = asyncio.create_task(device.recording.run())
        writer = await device.connect()
        writer.write(data)
        await writer.drain()
        while device.recording.position_us < START_US + 19_500_000:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        device.dialog.events.put_nowait(SessionEnded("device_ended", "the device ended it"))
        end = await asyncio.wait_for(running, 20)
        assert end.outcome == outcome
        assert end.code == ("" if outcome == "whole" else "device_ended")
        writer.close()


async def test_silence_is_no_fault_while_paused() -> None:
    device = Device(START_US + 10_000_000)
    running = asyncio.create_task(device.recording.run())
    await device.opened
    await asyncio.sleep(0)
    await device.recording.pause()
    done, _ = await asyncio.wait([running], timeout=0.8)
    assert not done
    await device.recording.resume()
    end = await asyncio.wait_for(running, 20)
    assert (end.outcome, end.code) == ("broken", "silent")
    assert [one[0] for one in device.dialog.controls] == ["pause", "resume"]


async def test_controls_without_a_session_are_refused() -> None:
    device = Device(START_US + 10_000_000)
    with pytest.raises(SessionRefused):
        await device.recording.pause()
    with pytest.raises(ValueError, match="forwards"):
        await device.recording.scale(-1)


class Line:
    """A RecordedLine fed with made pictures."""

    def __init__(self) -> None:
        self.sink = Kept()
        stream = Stream("cam_1", Variant.MAIN)
        stream.attach(self.sink)
        self.line = RecordedLine(stream, START_US)
        self.arrival_us = 5_000_000

    def play(self, count: int, start_90k: int, *, step: int = 3600, pace: float = 1.0) -> None:
        for number, unit in enumerate(pictures(Codec.H264, count, step=step)):
            sets = list(video_track().parameter_sets) if unit.keyframe else []
            picture = Picture(unit.payload, unit.keyframe, sets, False)
            self.line.coded(Codec.H264, picture, start_90k + number * step, self.arrival_us)
            self.arrival_us += round(step * 100 / 9 / pace)

    @property
    def seconds(self) -> list[float]:
        return [(unit.wall_us - START_US) / 1e6 for unit in self.sink.units]


def test_a_seek_is_where_the_times_leap() -> None:
    line = Line()
    line.play(10, 1000)
    line.line.seek(START_US + 60_000_000)
    line.play(5, 1000 + 10 * 3600)  # still on their way
    line.play(10, 9_000_000)
    assert line.seconds[:10] == pytest.approx([n / 25 for n in range(10)], abs=1e-4)
    assert line.seconds[10:] == pytest.approx([60 + n / 25 for n in range(10)], abs=1e-4)
    assert line.sink.runs == 2


def test_a_seek_backwards_goes_backwards() -> None:
    line = Line()
    line.play(50, 900_000)
    line.line.seek(START_US)
    line.play(10, 0)
    assert line.seconds[50:] == pytest.approx([n / 25 for n in range(10)], abs=1e-4)


def test_a_device_that_counts_on_behind_a_seek_is_waited_for() -> None:
    line = Line()
    line.play(10, 0)
    line.line.seek(START_US + 30_000_000)
    line.play(100, 10 * 3600)
    assert line.seconds[10] == pytest.approx(30, abs=1e-4)


def test_a_gap_in_the_recording_is_a_gap_in_time() -> None:
    line = Line()
    line.play(10, 0)
    line.play(10, 9_000_000)
    assert line.seconds[10] == pytest.approx(100, abs=1e-4)
    assert line.sink.runs == 2


def test_a_count_that_begins_anew_goes_on_behind_the_last_picture() -> None:
    line = Line()
    line.play(10, 9_000_000)
    line.play(10, 0)
    assert line.seconds[10] == pytest.approx(0.4, abs=1e-4)


def test_times_that_keep_the_recordings_pace_are_taken_as_they_are() -> None:
    line = Line()
    line.play(25, 0)
    line.line.scale(4)
    line.play(400, 25 * 3600, pace=4)
    assert line.seconds[-1] == pytest.approx(424 / 25, abs=1e-3)


def test_times_that_a_device_stretches_with_the_speed_are_stretched_back() -> None:
    line = Line()
    line.play(25, 0)
    line.line.scale(4)
    line.play(400, 25 * 3600, pace=1)
    assert line.seconds[-1] == pytest.approx(1 + 4 * 399 / 25, abs=0.5)
