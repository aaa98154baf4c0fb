"""Runs made of pictures and sound that no RTP brought."""

from __future__ import annotations

from dataclasses import dataclass, field

from camera_adapters.rtp.clocks import CameraClock
from camera_adapters.rtp.pictures import Picture
from camera_adapters.stream import AccessUnit, Codec, Interruption, Stream, Track, Variant
from camera_adapters.stream_runs import StreamRuns
from tests.peers.parameter_sets import H264_PPS, H264_SPS

START_US = 1_700_000_000_000_000
PCMA = Track("audio", Codec.PCMA, 8000, channels=1)


@dataclass
class Recorded:
    """A Sink that keeps what it is told."""

    runs: list[tuple[Track, ...]] = field(default_factory=list)
    units: list[AccessUnit] = field(default_factory=list)

    def on_run_started(self, tracks: tuple[Track, ...]) -> None:
        self.runs.append(tracks)

    def on_access_unit(self, unit: AccessUnit) -> None:
        self.units.append(unit)

    def on_interrupted(self, interruption: Interruption) -> None:
        pass

    def on_closed(self) -> None:
        raise AssertionError("nobody closes it")


def made() -> tuple[StreamRuns, Recorded]:
    sink = Recorded()
    stream = Stream("cam", Variant.MAIN)
    stream.attach(sink)
    return StreamRuns(stream, Codec.H264, CameraClock()), sink


def keyframe(*sets: bytes) -> Picture:
    return Picture(b"\x00\x00\x00\x02\x65\x88", True, list(sets), False)


def test_sound_that_shows_up_later_begins_a_run_at_the_next_keyframe() -> None:
    runs, sink = made()
    runs.picture(keyframe(H264_SPS, H264_PPS), START_US)
    runs.change_audio((PCMA,))
    runs.sound(b"\xd5" * 160, START_US + 10_000)
    runs.picture(keyframe(), START_US + 40_000)
    runs.sound(b"\xd5" * 160, START_US + 50_000)
    assert [len(tracks) for tracks in sink.runs] == [1, 2]
    assert [unit.track_index for unit in sink.units] == [0, 0, 1]
    assert sink.units[2].wall_us == START_US + 50_000


def test_the_same_sound_again_changes_nothing() -> None:
    runs, sink = made()
    runs.change_audio((PCMA,))
    runs.picture(keyframe(H264_SPS, H264_PPS), START_US)
    runs.change_audio((PCMA,))
    runs.picture(keyframe(), START_US + 40_000)
    assert len(sink.runs) == 1


def test_another_codec_waits_for_its_own_parameter_sets() -> None:
    runs, sink = made()
    runs.picture(keyframe(H264_SPS, H264_PPS), START_US)
    runs.change_codec(Codec.H265)
    runs.picture(keyframe(), START_US + 40_000)
    assert len(sink.units) == 1
    assert runs.counters.undecodable == 1
