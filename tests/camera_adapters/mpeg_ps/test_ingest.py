"""PsFeed: program streams in RTP into a Stream, with sound, losses, and what devices get wrong."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field

import pytest

from camera_adapters.media_ingest import MediaIngest
from camera_adapters.mpeg_ps.ingest import PsFeed
from camera_adapters.mpeg_ps.multiplex import PsMultiplexer
from camera_adapters.rtp.clocks import CameraClock
from camera_adapters.stream import AccessUnit, Codec, Interruption, Stream, Track, Variant
from tests.camera_adapters.mpeg_ps.test_demultiplex import PACK, pes, program_map
from tests.peers.program_streams import RtpCutter, framed
from tests.peers.rtp_packets import pictures, video_track

SOUND = Track("audio", Codec.PCMA, 8000, channels=1)
NOW_US = 1_700_000_000_000_000
PTS_LIMIT = 1 << 33


@dataclass
class Received:
    """A feed and all that comes of it."""

    framing: int = 2
    units: list[AccessUnit] = field(default_factory=list)
    runs: list[tuple[Track, ...]] = field(default_factory=list)
    interruptions: list[Interruption] = field(default_factory=list)

    def __post_init__(self) -> None:
        stream = Stream("cam_1", Variant.MAIN)
        stream.attach(self)
        self.ingest = MediaIngest(stream, CameraClock())
        self.feed = PsFeed(self.ingest, reordering=False, framing=self.framing)
        self.cutter = RtpCutter(7)
        self.now_us = NOW_US
        self._rest = b"\0\0" if self.framing == 2 else b""

    def on_run_started(self, tracks: tuple[Track, ...]) -> None:
        self.runs.append(tracks)

    def on_access_unit(self, unit: AccessUnit) -> None:
        self.units.append(unit)

    def on_interrupted(self, interruption: Interruption) -> None:
        self.interruptions.append(interruption)

    def on_closed(self) -> None:
        raise AssertionError("a sink failed")

    def take(self, data: bytes, timestamp: int, *, without: tuple[int, ...] = ()) -> None:
        """One picture's bytes, less some packets, and a picture's time later."""
        packets = self.cutter.packets(data, timestamp)
        kept = [one for number, one in enumerate(packets) if number not in without]
        if self.framing == 2:
            self._rest += b"".join(map(framed, kept))
            at = self.feed.receiver.receive_framed(self._rest, self.now_us)
        else:
            self._rest += b"".join(framed(one, interleaved=True) for one in kept)
            at = self.feed.receiver.receive_interleaved(self._rest, 0, len(self._rest), self.now_us)
        self._rest = self._rest[at:]
        self.now_us += 40_000

    def end(self) -> Received:
        self.feed.close()
        self.ingest.close()
        return self

    @property
    def payloads(self) -> list[bytes]:
        return [unit.payload for unit in self.units if unit.track_index == 0]


def played(count: int = 20, *, framing: int = 2, base_90k: int = 0) -> Received:
    received = Received(framing)
    multiplexer = PsMultiplexer([video_track()], base_90k=base_90k)
    for unit in pictures(Codec.H264, count):
        received.take(multiplexer.multiplex(unit), unit.pts_90k)
    return received.end()


@pytest.mark.parametrize("framing", [2, 4])
def test_pictures_come_out_as_they_went_in(framing: int) -> None:
    received = played(framing=framing)
    assert received.payloads == [unit.payload for unit in pictures(Codec.H264, 20)]
    assert received.runs[0][0].parameter_sets == video_track().parameter_sets
    assert [unit.pts_90k for unit in received.units] == [3600 * n for n in range(20)]
    assert received.feed.facts.has_map and not received.feed.facts.codec_guessed


def test_times_go_on_over_the_wrap_at_thirty_three_bits() -> None:
    received = played(base_90k=PTS_LIMIT - 10 * 3600)
    assert [unit.pts_90k for unit in received.units] == [3600 * n for n in range(20)]


def test_a_picture_with_a_hole_is_dropped_and_the_others_go_on() -> None:
    received = Received()
    multiplexer = PsMultiplexer([video_track()])
    units = pictures(Codec.H264, 20)
    for number, unit in enumerate(units):
        received.take(
            multiplexer.multiplex(unit), unit.pts_90k, without=(1,) if number == 8 else ()
        )
    received.end()
    assert received.payloads == [one.payload for n, one in enumerate(units) if n != 8]
    assert received.ingest.counters.damaged == 1
    assert not received.interruptions


@pytest.mark.parametrize("lost", [0, 1, 2])
def test_a_keyframe_with_a_hole_interrupts_until_the_next(lost: int) -> None:
    received = Received()
    multiplexer = PsMultiplexer([video_track()])
    units = pictures(Codec.H264, 30, gop=10)
    for number, unit in enumerate(units):
        received.take(
            multiplexer.multiplex(unit), unit.pts_90k, without=(lost,) if number == 10 else ()
        )
    received.end()
    if lost == 0:
        # The head of it, with map and parameter sets, is gone: what is left does not say so.
        assert units[10].payload not in received.payloads
    else:
        assert len(received.interruptions) == 1
        assert received.payloads == [one.payload for one in (*units[:10], *units[20:])]


def test_whole_pictures_that_are_lost_cost_nothing_else() -> None:
    received = Received()
    multiplexer = PsMultiplexer([video_track()])
    units = pictures(Codec.H264, 20)
    for number, unit in enumerate(units):
        gone = (0, 1, 2, 3) if number in (7, 8) else ()
        received.take(multiplexer.multiplex(unit), unit.pts_90k, without=gone)
    received.end()
    assert received.payloads == [one.payload for n, one in enumerate(units) if n not in (7, 8)]


def with_sound(codec: Codec = Codec.PCMA) -> Received:
    received = Received()
    multiplexer = PsMultiplexer([video_track(), Track("audio", codec, 8000, channels=1)])
    for number, unit in enumerate(pictures(Codec.H264, 20)):
        data = multiplexer.multiplex(unit)
        sound = AccessUnit(1, bytes([number]) * 320, unit.pts_90k, unit.pts_90k, True, 0)
        received.take(data + multiplexer.multiplex(sound), unit.pts_90k)
    return received.end()


@pytest.mark.parametrize("codec", [Codec.PCMA, Codec.PCMU])
def test_sound_stands_beside_its_picture(codec: Codec) -> None:
    received = with_sound(codec)
    assert received.runs[-1][1].codec is codec
    heard = {unit.payload[0]: unit.pts_90k for unit in received.units if unit.track_index == 1}
    shown = [unit.pts_90k for unit in received.units if unit.track_index == 0]
    assert len(heard) >= 12
    first = min(heard)
    steps = {heard[n + 1] - heard[n] for n in range(first, max(heard))}
    assert all(abs(step - 3600) <= 1 for step in steps)
    assert shown[-1] >= max(heard.values()) - 3600


def test_unsupported_sound_is_named_and_left_out() -> None:
    received = Received()
    for unit in pictures(Codec.H264, 6):
        picture = PsMultiplexer([video_track()]).multiplex(unit)
        picture = picture.replace(b"\x00\x00\x01\xbc", b"\x00\x00\x01\xbe")
        data = PACK + program_map((0xE0, 0x1B), (0xC0, 0x92)) + picture
        received.take(data + pes(b"\x12" * 40, unit.pts_90k, stream_id=0xC0), unit.pts_90k)
    received.end()
    assert received.feed.facts.unsupported_sound == "G.722.1"
    assert len(received.payloads) == 6 and len(received.runs[-1]) == 1


def test_unsupported_video_is_named() -> None:
    received = Received()
    for number in range(5):
        data = PACK + program_map((0xE0, 0x80)) + pes(b"\x00\x00\x01\x65abc", number * 3600)
        received.take(data, number * 3600)
    assert received.end().feed.facts.unsupported_video == "SVAC"
    assert not received.units


def test_a_codec_that_changes_begins_a_new_run() -> None:
    received = Received()
    for codec in (Codec.H264, Codec.H265):
        multiplexer = PsMultiplexer([video_track(codec)])
        offset = 10 * 3600 if codec is Codec.H265 else 0
        for unit in pictures(codec, 10):
            unit.pts_90k += offset
            unit.dts_90k += offset
            received.take(multiplexer.multiplex(unit), unit.pts_90k)
    received.end()
    assert [run[0].codec for run in received.runs] == [Codec.H264, Codec.H265]
    assert len(received.payloads) == 20


def test_times_that_stand_still_give_way_to_those_of_rtp() -> None:
    received = Received()
    multiplexer = PsMultiplexer([video_track()])
    for unit in pictures(Codec.H264, 30):
        at_90k = unit.pts_90k
        unit.pts_90k = unit.dts_90k = 12_345
        received.take(multiplexer.multiplex(unit), at_90k)
    received.end()
    assert received.feed.facts.times_by_rtp
    times = [unit.pts_90k for unit in received.units]
    steps = [b - a for a, b in itertools.pairwise(times)]
    assert all(abs(step - 3600) <= 40 for step in steps)


def test_a_marker_on_every_packet_is_seen_through() -> None:
    received = Received()
    multiplexer = PsMultiplexer([video_track()])
    units = pictures(Codec.H264, 30)
    for unit in units:
        for packet in received.cutter.packets(multiplexer.multiplex(unit), unit.pts_90k):
            marked = packet[:1] + bytes((packet[1] | 0x80,)) + packet[2:]
            received._rest += framed(marked)
        at = received.feed.receiver.receive_framed(received._rest, received.now_us)
        received._rest = received._rest[at:]
        received.now_us += 40_000
    received.end()
    wanted = [unit.payload for unit in units]
    assert all(one in wanted for one in received.payloads)
    assert len(received.payloads) >= 28


def test_a_report_says_when_a_picture_was_taken() -> None:
    received = Received()
    multiplexer = PsMultiplexer([video_track()], base_90k=500_000)
    for number, unit in enumerate(pictures(Codec.H264, 20)):
        if number == 1:
            received.feed.note_report(0, NOW_US - 200_000)
        received.take(multiplexer.multiplex(unit), unit.pts_90k)
    received.end()
    assert received.units[0].wall_us == pytest.approx(NOW_US - 200_000, abs=2000)
