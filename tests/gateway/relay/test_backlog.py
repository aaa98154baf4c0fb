"""What waits for another shard: never more than a bound, always decodable, all of it counted."""

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
from gateway.relay import backlog
from gateway.relay.backlog import BEHIND_LIMIT_S, BYTES_LIMIT, Backlog, Event

VIDEO = Track("video", Codec.H264, 90000, (b"\x67", b"\x68"))
SOUND = Track("audio", Codec.PCMA, 8000)
AWAY = Interruption(GapCause.CAMERA_OFFLINE, "no route")


@dataclass
class World:
    """A backlog, what it said, and a clock."""

    at_s: float = 0.0
    woken: int = 0
    keyframes_wanted: int = 0
    units: int = 0
    backlog: Backlog = field(init=False)

    def __post_init__(self) -> None:
        self.backlog = Backlog(self._wake, self._want, lambda: self.at_s)

    def _wake(self) -> None:
        self.woken += 1

    def _want(self) -> None:
        self.keyframes_wanted += 1

    def put(self, *, keyframe: bool = False, sound: bool = False, size: int = 10) -> int:
        self.units += 1
        self.backlog.on_access_unit(
            AccessUnit(int(sound), bytes(size), self.units, self.units, keyframe, self.units)
        )
        return self.units

    def taken(self) -> list[int]:
        """The numbers of the units that were taken."""
        return numbers(self.backlog.take())


def numbers(events: list[Event]) -> list[int]:
    return [unit[5] for name, *rest in events if name == "units" for unit in rest[0]]


def kinds(events: list[Event]) -> list[str]:
    return [event[0] for event in events]


@pytest.fixture
def world() -> World:
    made = World()
    made.backlog.on_run_started((VIDEO, SOUND))
    return made


def test_a_run_is_told_before_its_units_and_both_in_one_message(world: World) -> None:
    first, second = world.put(keyframe=True), world.put()
    events = world.backlog.take()
    assert kinds(events) == ["run", "units"]
    assert numbers(events) == [first, second]
    assert world.backlog.take() == []


def test_a_relay_begins_with_the_gop_that_its_stream_keeps() -> None:
    stream = Stream("cam_1", Variant.MAIN)
    stream.start_run((VIDEO,))
    for number in range(3):
        stream.publish(AccessUnit(0, b"x", number, number, number == 0, number))
    world = World()
    stream.attach(world.backlog)
    assert numbers(world.backlog.take()) == [0, 1, 2]


def test_attached_between_keyframes_without_a_gop_it_waits_for_the_next(world: World) -> None:
    world.put()
    world.put(sound=True)
    keyframe = world.put(keyframe=True)
    assert world.taken() == [keyframe]


def test_who_is_behind_goes_on_with_the_newest_keyframe_that_waits(world: World) -> None:
    world.put(keyframe=True)
    world.at_s = BEHIND_LIMIT_S - 0.1
    keyframe = world.put(keyframe=True)
    world.at_s = BEHIND_LIMIT_S + 0.1
    last = world.put()
    events = world.backlog.take()
    assert kinds(events) == ["run", "skipped", "units"]
    assert numbers(events) == [keyframe, last]
    assert world.backlog.units_dropped == 1
    assert world.keyframes_wanted == 0


def test_where_none_waits_one_is_asked_for_and_nothing_goes_out_before_it(world: World) -> None:
    world.put(keyframe=True)
    world.at_s = BEHIND_LIMIT_S + 0.1
    world.put()
    world.put()
    assert world.taken() == []
    assert world.keyframes_wanted == 1
    keyframe = world.put(keyframe=True)
    assert world.taken() == [keyframe]
    assert world.backlog.units_dropped == 3


def test_sound_alone_needs_no_keyframe() -> None:
    world = World()
    world.backlog.on_run_started((SOUND,))
    world.backlog.on_access_unit(AccessUnit(0, b"a", 0, 0, True, 1))
    world.at_s = BEHIND_LIMIT_S + 0.1
    world.backlog.on_access_unit(AccessUnit(0, b"b", 0, 0, True, 2))
    assert world.taken() == [2]


def test_what_is_interrupted_is_not_sent_any_more(world: World) -> None:
    world.put(keyframe=True)
    world.backlog.on_interrupted(AWAY)
    events = world.backlog.take()
    assert kinds(events) == ["run", "interrupted", "skipped"]
    assert events[1][1:] == ["camera_offline", "no route"]


def test_closed_it_gives_nothing_not_even_what_waits(world: World) -> None:
    world.put(keyframe=True)
    world.backlog.close()
    assert numbers(world.backlog.take()) == []
    assert world.backlog.closed


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("key"), st.integers(1, BYTES_LIMIT // 3)),
        st.tuples(st.just("delta"), st.integers(1, BYTES_LIMIT // 3)),
        st.tuples(st.just("sound"), st.integers(1, 400)),
        st.tuples(st.just("wait"), st.integers(1, 25)),
        st.tuples(st.just("take"), st.just(0)),
        st.tuples(st.just("run"), st.just(0)),
    ),
    max_size=60,
)


class Sized(bytes):
    """A payload that says a length it need not have."""

    length: int

    def __len__(self) -> int:
        return self.length


def sized(length: int) -> bytes:
    made = Sized()
    made.length = length
    return made


@given(STEPS)
def test_whatever_is_dropped_what_goes_out_can_be_decoded_and_all_is_counted(
    steps: list[tuple[str, int]],
) -> None:
    world = World()
    world.backlog.on_run_started((VIDEO, SOUND))
    made: dict[int, str] = {}
    runs: dict[int, int] = {}
    run, number = 0, 0
    sent: list[int] = []

    def take() -> None:
        while events := world.backlog.take():
            sent.extend(numbers(events))

    for what, amount in steps:
        if what == "take":
            take()
        elif what == "wait":
            world.at_s += amount / 10
        elif what == "run":
            run += 1
            world.backlog.on_run_started((VIDEO, SOUND))
        else:
            number += 1
            made[number], runs[number] = what, run
            track = 1 if what == "sound" else 0
            world.backlog.on_access_unit(
                AccessUnit(track, sized(amount), number, number, what == "key", number)
            )
        assert world.backlog.bytes_waiting <= BYTES_LIMIT
    waiting = world.backlog.waiting
    assert len(sent) + waiting + world.backlog.units_dropped == len(made)
    assert len(sent) == world.backlog.units_sent
    take()
    assert sent == sorted(set(sent)), "in order, none twice"
    pictures = [one for one in made if made[one] != "sound"]
    before: int | None = None
    for one in (one for one in sent if made[one] != "sound"):
        follows = before is not None and pictures.index(one) == pictures.index(before) + 1
        assert made[one] == "key" or (follows and runs[one] == runs[before or 0])
        before = one


def test_a_burst_is_sent_in_more_than_one_message(world: World) -> None:
    world.put(keyframe=True, size=backlog.BATCH_BYTES)
    world.put()
    assert [len(world.taken()), len(world.taken())] == [1, 1]
