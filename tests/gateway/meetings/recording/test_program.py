"""The program as it is recorded: whoever is on, and time never goes back."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from pathlib import Path

import av
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from camera_adapters.codecs.opus import SILENCE
from camera_adapters.stream import AccessUnit, Codec, GapCause, Interruption, Stream, Variant
from camera_adapters.stream_runs import track_of
from gateway.meetings.recording.card import PARAMETER_SETS, card
from gateway.meetings.recording.program import KEYFRAME_EVERY_US, SILENT_US, ProgramStream
from recorder.fmp4.writer import fragment, init_segment
from tests.gateway.meetings.recording.conftest import Film
from tests.gateway.meetings.recording.senders import (
    PICTURE_US,
    START_US,
    Camera,
    Microphone,
    Sink,
)
from tests.peers.media_file import decoded_frames

NOBODY = Interruption(GapCause.NOT_SCHEDULED, "nobody was on the program")
S = 1_000_000


class Recorded:
    """A program with a sink behind it, and a clock that tests move."""

    def __init__(self) -> None:
        self.stream = Stream("meet_1", Variant.MAIN)
        self.sink = Sink()
        self.stream.attach(self.sink)
        self.program = ProgramStream(self.stream)
        self.at_us = START_US

    def show(self, camera: Camera | None, why: Interruption = NOBODY) -> None:
        self.program.show(camera, why, self.at_us)

    def run(
        self,
        seconds: float,
        cameras: Iterable[Camera] = (),
        microphones: Iterable[Microphone] = (),
    ) -> None:
        """These send for so long; the program takes its turns."""
        for _ in range(round(seconds * S / PICTURE_US)):
            for camera in cameras:
                camera.send(self.at_us)
            for microphone in microphones:
                microphone.send(self.at_us)
                microphone.send(self.at_us + PICTURE_US // 2)
            self.at_us += PICTURE_US
            if self.at_us % 240_000 == 0:
                self.program.turn(self.at_us)

    def assert_in_order(self) -> None:
        """Time goes on, within runs and from run to run, and every run begins with a keyframe."""
        last_us: dict[str, int] = {}
        seen = 0
        for run, unit in self.sink.units:
            track = self.sink.runs[run - 1][unit.track_index]
            if run != seen:
                assert track.kind == "video"
                assert unit.keyframe
                seen = run
            if track.kind == "video":
                assert unit.wall_us > last_us.get("video", 0)
            last_us[track.kind] = unit.wall_us


def test_every_picture_that_was_sent_from_the_first_keyframe_on_is_recorded(
    cameras: tuple[Camera, Camera],
) -> None:
    recorded = Recorded()
    recorded.show(cameras[0])
    recorded.run(4, cameras[:1])
    assert len(recorded.sink.pictures()) == cameras[0].sent == 100
    assert recorded.sink.runs[0][0].width == 160
    recorded.assert_in_order()


def test_a_change_of_the_program_waits_for_a_keyframe_and_leaves_no_hole(
    cameras: tuple[Camera, Camera],
) -> None:
    small, large = cameras
    recorded = Recorded()
    recorded.show(small)
    recorded.run(2.2, cameras)
    assert large.taps == []
    large.answers = False
    recorded.show(large)
    recorded.run(0.4, cameras)
    assert recorded.program.showing is small
    large.answers = True
    recorded.run(2, cameras)
    assert recorded.program.showing is large
    assert small.taps == []
    assert [tracks[0].width for tracks in recorded.sink.runs] == [160, 320]
    walls = [unit.wall_us for unit in recorded.sink.pictures()]
    assert max(b - a for a, b in itertools.pairwise(walls)) <= 3 * PICTURE_US
    recorded.assert_in_order()


def test_two_senders_of_one_format_are_one_run(films: tuple[Film, Film]) -> None:
    (track, film), _ = films
    one = Camera(track=track, film=film)
    # Earlier than the first's by a network that is faster: its pictures must not overlap.
    other = Camera(track=track, film=film, delay_us=-200_000)
    recorded = Recorded()
    recorded.show(one)
    recorded.run(2, (one, other))
    recorded.show(other)
    recorded.run(2, (one, other))
    assert recorded.program.showing is other
    assert len(recorded.sink.runs) == 1
    recorded.assert_in_order()


def test_sound_is_switched_without_the_picture(cameras: tuple[Camera, Camera]) -> None:
    recorded = Recorded()
    voices = Microphone(name=b"one"), Microphone(name=b"two", ticks=999)
    recorded.show(cameras[0])
    recorded.program.hear(voices[0])
    recorded.run(1, cameras[:1], voices)
    recorded.program.hear(voices[1])
    recorded.run(1, cameras[:1], voices)
    heard = [unit.payload[1:4] for unit in recorded.sink.sounds() if unit.payload != SILENCE]
    assert heard == [b"one"] * heard.count(b"one") + [b"two"] * heard.count(b"two")
    assert heard.count(b"one") >= 49
    assert heard.count(b"two") == 50
    assert voices[0].taps == []
    assert len(recorded.sink.runs) == 1
    recorded.assert_in_order()


def test_sound_without_a_picture_is_recorded_under_a_card(cameras: tuple[Camera, Camera]) -> None:
    recorded = Recorded()
    voice = Microphone()
    recorded.show(None)
    recorded.program.hear(voice)
    recorded.run(3, (), [voice])
    assert [(t.codec, t.width) for t in recorded.sink.runs[0]] == [
        (Codec.H264, 640),
        (Codec.OPUS, 0),
    ]
    assert len([one for one in recorded.sink.sounds() if one.payload != SILENCE]) == voice.sent
    assert 3 <= len(recorded.sink.pictures()) <= 4
    recorded.show(cameras[0])
    recorded.run(1, cameras[:1], [voice])
    assert recorded.program.showing is cameras[0]
    recorded.assert_in_order()


def test_a_camera_that_falls_silent_gives_way_to_the_card_and_comes_back_by_a_keyframe(
    cameras: tuple[Camera, Camera],
) -> None:
    recorded = Recorded()
    voice = Microphone()
    recorded.show(cameras[0])
    recorded.program.hear(voice)
    recorded.run(1, cameras[:1], [voice])
    recorded.run(SILENT_US / S + 1, (), [voice])
    assert recorded.program.showing is None
    assert recorded.sink.runs[-1][0].width == 640
    recorded.run(1, cameras[:1], [voice])
    assert recorded.program.showing is cameras[0]
    assert recorded.sink.runs[-1][0].width == 160
    assert len([one for one in recorded.sink.sounds() if one.payload != SILENCE]) == voice.sent
    recorded.assert_in_order()


def test_where_nothing_comes_the_gap_has_the_cause_that_was_given(
    cameras: tuple[Camera, Camera],
) -> None:
    vp8 = Interruption(GapCause.BAD_MEDIA, "the site on the program sends VP8")
    recorded = Recorded()
    recorded.run(1)
    assert recorded.sink.interruptions[-1] == NOBODY
    recorded.show(cameras[0])
    recorded.run(1, cameras[:1])
    recorded.show(None, vp8)
    recorded.run(SILENT_US / S + 1)
    assert recorded.sink.interruptions[-1] == vp8
    recorded.show(cameras[0])
    recorded.run(1, cameras[:1])
    assert recorded.stream.running
    recorded.assert_in_order()


def test_a_source_whose_keyframe_never_comes_does_not_keep_the_former_on(
    cameras: tuple[Camera, Camera],
) -> None:
    small, large = cameras
    large.answers = False
    large.send(START_US)
    recorded = Recorded()
    voice = Microphone()
    recorded.program.hear(voice)
    recorded.show(small)
    recorded.run(1, cameras, [voice])
    large.film = [large.film[0][:1] + large.film[0][1:] * 20]
    recorded.show(large)
    recorded.run(0.5, cameras, [voice])
    recorded.run(5, (small,), [voice])
    assert recorded.program.showing is None
    assert small.taps == []


def test_keyframes_are_asked_for_so_that_the_recording_can_be_entered(
    films: tuple[Film, Film],
) -> None:
    (track, film), _ = films
    # An encoder that sends none by itself.
    camera = Camera(track=track, film=[film[0][:1] + film[0][1:] * 60])
    recorded = Recorded()
    recorded.show(camera)
    recorded.run(3 * KEYFRAME_EVERY_US / S + 2, (camera,))
    assert camera.keyframes == 4


def test_a_picture_with_a_hole_is_left_out_and_a_keyframe_asked_for(
    cameras: tuple[Camera, Camera],
) -> None:
    camera = cameras[0]
    recorded = Recorded()
    recorded.show(camera)
    recorded.run(0.4, (camera,))
    wishes = camera.wishes
    camera.send(recorded.at_us, hole=True)
    recorded.at_us += PICTURE_US
    assert camera.wishes == wishes + 1
    recorded.run(0.4, (camera,))
    assert len(recorded.sink.pictures()) == camera.sent - 1
    recorded.assert_in_order()


def test_where_nobody_says_anything_there_is_silence_without_a_hole(
    cameras: tuple[Camera, Camera],
) -> None:
    recorded = Recorded()
    voice = Microphone()
    recorded.program.hear(voice)
    recorded.show(cameras[0])
    recorded.run(2, cameras[:1])
    recorded.run(1, cameras[:1], [voice])
    recorded.run(2, cameras[:1])
    sounds = recorded.sink.sounds()
    assert len([one for one in sounds if one.payload != SILENCE]) == voice.sent
    steps = [b.wall_us - a.wall_us for a, b in itertools.pairwise(sounds)]
    assert max(steps) <= 40_000
    assert sounds[0].wall_us - recorded.sink.pictures()[0].wall_us <= 20_000
    assert recorded.at_us - sounds[-1].wall_us <= 1_000_000
    recorded.assert_in_order()


def test_closing_lets_go_of_every_source(cameras: tuple[Camera, Camera]) -> None:
    recorded = Recorded()
    voice = Microphone()
    recorded.show(cameras[0])
    recorded.program.hear(voice)
    recorded.run(1, cameras, [voice])
    recorded.show(cameras[1])
    recorded.program.close()
    assert cameras[0].taps == cameras[1].taps == voice.taps == []


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["none", "small", "large", "twin"]),
            st.sampled_from(["none", "one", "two"]),
            st.sets(st.sampled_from(["small", "large", "twin", "one", "two"])),
            st.integers(1, 100),
        ),
        max_size=12,
    )
)
def test_whatever_is_switched_to_whatever_time_goes_on_and_runs_begin_with_keyframes(
    films: tuple[Film, Film], turns: list[tuple[str, str, set[str], int]]
) -> None:
    (track, film), (other, larger) = films
    pictures = {
        "small": Camera(track=track, film=film),
        "twin": Camera(track=track, film=film, delay_us=-300_000, ticks=7),
        "large": Camera(track=other, film=larger, delay_us=90_000),
    }
    voices = {"one": Microphone(name=b"one"), "two": Microphone(name=b"two", delay_us=50_000)}
    recorded = Recorded()
    for picture, voice, sending, steps in turns:
        recorded.show(pictures.get(picture))
        recorded.program.hear(voices.get(voice))
        recorded.run(
            steps * PICTURE_US / S,
            [one for name, one in pictures.items() if name in sending],
            [one for name, one in voices.items() if name in sending],
        )
    recorded.assert_in_order()
    taps = sum(len(one.taps) for one in (*pictures.values(), *voices.values()))
    assert taps <= 3
    recorded.program.close()
    assert not any(one.taps for one in (*pictures.values(), *voices.values()))


@pytest.mark.parametrize("seconds", [1, 12])
def test_no_gop_lasts_much_longer_than_keyframes_are_asked_for(
    cameras: tuple[Camera, Camera], seconds: int
) -> None:
    recorded = Recorded()
    recorded.show(cameras[0])
    recorded.run(seconds, cameras[:1])
    keys = [unit.wall_us for unit in recorded.sink.pictures() if unit.keyframe]
    assert all(b - a <= KEYFRAME_EVERY_US + S for a, b in itertools.pairwise(keys))


def test_the_card_is_a_picture_that_decodes(tmp_path: Path) -> None:
    track = track_of(Codec.H264, PARAMETER_SETS)
    unit = AccessUnit(0, card().payload, 0, 0, True, START_US)
    path = tmp_path / "card.mp4"
    path.write_bytes(init_segment((track,)) + fragment(1, (track,), [[unit]], [3600]))
    assert decoded_frames(path) == {"h264": 1}
    with av.open(str(path)) as container:
        (frame,) = container.decode(video=0)
    shades = frame.to_ndarray(format="gray")
    assert (frame.width, frame.height) == (640, 360)
    assert shades.max() - shades.min() > 40
