"""A Stream hands every unit to every sink; no sink can harm another, nor keep a dead picture."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from camera_adapters.stream import (
    AccessUnit,
    Codec,
    GapCause,
    Interruption,
    Stream,
    Track,
    Variant,
)

VIDEO = Track("video", Codec.H264, 90_000, (b"sps", b"pps"), width=768, height=576)
AUDIO = Track("audio", Codec.PCMA, 8_000, channels=1)
OFFLINE = Interruption(GapCause.CAMERA_OFFLINE, "the camera does not answer")


def picture(number: int, *, keyframe: bool = False, size: int = 10) -> AccessUnit:
    return AccessUnit(0, bytes(size), number * 3600, number * 3600, keyframe, number * 40_000)


def sound(number: int) -> AccessUnit:
    return AccessUnit(1, bytes(160), number * 1800, number * 1800, True, number * 20_000)


@dataclass(slots=True)
class Recording:
    """A sink that notes what it was told."""

    fails_on_unit: bool = False
    runs: list[tuple[Track, ...]] = field(default_factory=list)
    units: list[AccessUnit] = field(default_factory=list)
    interruptions: list[Interruption] = field(default_factory=list)
    closed: int = 0

    def on_run_started(self, tracks: tuple[Track, ...]) -> None:
        self.runs.append(tracks)

    def on_access_unit(self, unit: AccessUnit) -> None:
        if self.fails_on_unit:
            raise RuntimeError("a broken sink")
        self.units.append(unit)

    def on_interrupted(self, interruption: Interruption) -> None:
        self.interruptions.append(interruption)

    def on_closed(self) -> None:
        self.closed += 1


def running_stream(**options: int) -> Stream:
    stream = Stream("cam_1", Variant.MAIN, **options)
    stream.start_run((VIDEO, AUDIO))
    return stream


def test_late_joiner_gets_the_run_and_the_gop_then_what_follows() -> None:
    stream = running_stream()
    units = [picture(0, keyframe=True), sound(0), picture(1)]
    for unit in units:
        stream.publish(unit)
    late = Recording()
    stream.attach(late)
    stream.publish(picture(2))
    assert late.runs == [(VIDEO, AUDIO)]
    assert late.units == [*units, picture(2)]


def test_a_sink_may_decline_the_gop() -> None:
    stream = running_stream()
    stream.publish(picture(0, keyframe=True))
    sink = Recording()
    stream.attach(sink, replay_gop=False)
    assert sink.units == []


def test_sound_is_a_keyframe_of_its_own_but_starts_no_gop() -> None:
    stream = running_stream()
    stream.publish(sound(0))
    assert stream.gop == []


def test_a_gop_that_outgrows_its_limit_is_not_kept_until_the_next_keyframe() -> None:
    stream = running_stream(gop_bytes_limit=100)
    stream.publish(picture(0, keyframe=True, size=60))
    stream.publish(picture(1, size=60))
    stream.publish(picture(2, size=10))
    assert (stream.gop, stream.gop_bytes) == ([], 0)
    stream.publish(picture(3, keyframe=True, size=60))
    assert stream.gop == [picture(3, keyframe=True, size=60)]


def test_viewers_stay_attached_across_a_reconnect() -> None:
    stream, sink = running_stream(), Recording()
    stream.attach(sink)
    stream.interrupt(OFFLINE)
    stream.publish(picture(0, keyframe=True))
    stream.start_run((VIDEO,))
    stream.publish(picture(1, keyframe=True))
    assert sink.interruptions == [OFFLINE]
    assert sink.runs == [(VIDEO, AUDIO), (VIDEO,)]
    assert sink.units == [picture(1, keyframe=True)]


def test_who_joins_while_the_camera_is_away_learns_why() -> None:
    stream, sink = running_stream(), Recording()
    stream.publish(picture(0, keyframe=True))
    stream.interrupt(OFFLINE)
    stream.attach(sink)
    assert sink.interruptions == [OFFLINE]
    assert sink.units == []


def test_a_failing_sink_is_detached_and_the_others_miss_nothing() -> None:
    stream, broken, healthy = running_stream(), Recording(fails_on_unit=True), Recording()
    stream.attach(broken)
    stream.attach(healthy)
    stream.publish(picture(0, keyframe=True))
    stream.publish(picture(1))
    assert stream.sinks == (healthy,)
    assert broken.closed == 1
    assert len(healthy.units) == 2


def test_a_sink_may_detach_itself_while_being_served() -> None:
    stream, other = running_stream(), Recording()

    class Once(Recording):
        def on_access_unit(self, unit: AccessUnit) -> None:
            super().on_access_unit(unit)
            stream.detach(self)

    once = Once()
    stream.attach(once)
    stream.attach(other)
    stream.publish(picture(0, keyframe=True))
    stream.publish(picture(1))
    assert len(once.units) == 1
    assert len(other.units) == 2


def test_closing_tells_every_sink_once_and_takes_no_more() -> None:
    stream, sink = running_stream(), Recording()
    stream.attach(sink)
    stream.close()
    stream.close()
    assert sink.closed == 1
    with pytest.raises(RuntimeError, match="closed"):
        stream.attach(Recording())


def test_owner_hears_of_every_arrival_and_departure() -> None:
    counts: list[int] = []
    stream = running_stream()
    stream.on_sinks_changed = lambda changed: counts.append(len(changed.sinks))
    first, second = Recording(), Recording()
    stream.attach(first)
    stream.attach(second)
    stream.detach(first)
    stream.detach(first)
    assert counts == [1, 2, 1]


@given(
    sizes=st.lists(st.tuples(st.booleans(), st.integers(1, 60)), max_size=60),
    limit=st.integers(1, 200),
)
def test_gop_is_bounded_and_starts_with_a_keyframe(
    sizes: list[tuple[bool, int]], limit: int
) -> None:
    stream = running_stream(gop_bytes_limit=limit)
    for number, (keyframe, size) in enumerate(sizes):
        stream.publish(picture(number, keyframe=keyframe, size=size))
        held = stream.gop
        assert stream.gop_bytes == sum(len(unit.payload) for unit in held)
        # One keyframe alone may exceed the limit: without it nobody could join at all.
        assert stream.gop_bytes <= limit or len(held) == 1
        assert [unit.keyframe for unit in held] == [True, *[False] * (len(held) - 1)][: len(held)]
