"""Thinned out, a camera's pictures can still be decoded."""

from __future__ import annotations

import gc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from camera_adapters.stream import AccessUnit, Codec, Track
from search.sampling import gop_gate
from search.sampling.gop_gate import GopGate

TRACKS = (Track("audio", Codec.PCMA, 8000), Track("video", Codec.H264, 90_000))
STEP_US = 40_000


def unit(number: int, size: int, keyframe: bool = False, track_index: int = 1) -> AccessUnit:
    at_90k = number * 3600
    return AccessUnit(track_index, b"x" * size, at_90k, at_90k, keyframe, number * STEP_US)


def started() -> GopGate:
    gate = GopGate()
    gate.start(TRACKS)
    return gate


def test_what_was_kept_back_since_the_keyframe_comes_with_what_opens_it() -> None:
    gate = started()
    for number in range(500):
        gate.push(unit(number, 500, keyframe=number % 100 == 0))
    handed_on: list[int] = []
    for number in range(500, 560):
        size = 500 if number < 530 else 4000
        handed_on += [
            one.wall_us // STEP_US for one in gate.push(unit(number, size, number % 100 == 0))
        ]
    assert handed_on == list(range(500, 560))


def test_sound_is_left_out_and_keyframes_always_pass() -> None:
    gate = started()
    assert gate.push(unit(0, 10, track_index=0)) == ()
    assert [one.keyframe for one in gate.push(unit(1, 5000, keyframe=True))] == [True]


def test_held_open_it_hands_everything_on() -> None:
    gate = started()
    for number in range(200):
        gate.push(unit(number, 500, keyframe=number == 0))
    gate.hold_open(210 * STEP_US)
    counts = [len(gate.push(unit(number, 500))) for number in range(200, 220)]
    assert counts[0] > 100 and counts[1:10] == [1] * 9 and sum(counts[10:]) == 0


def test_a_group_too_long_is_given_up_until_the_next_keyframe(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(gop_gate, "PENDING_BYTES_LIMIT", 50_000)
    gate = started()
    for number in range(400):
        gate.push(unit(number, 500, keyframe=number == 0))
    assert gate.outgrown == 1
    gate.hold_open(1 << 62)
    assert gate.push(unit(400, 500)) == ()
    assert len(gate.push(unit(401, 9000, keyframe=True))) == 1
    assert len(gate.push(unit(402, 500))) == 1


def test_a_sender_without_keyframes_costs_no_memory_and_is_told_once() -> None:
    gate = started()
    gate.hold_open(1 << 62)
    gate.push(unit(20_000, 500))
    held = things_held_by(gate)
    for number in (*range(20_001, 30_000), 12_345):
        assert gate.push(unit(number, 500)) == ()
    assert things_held_by(gate) == held
    assert gate.take_left_out() == (10_001, 12_345 * STEP_US, 29_999 * STEP_US + 1)
    assert gate.take_left_out() is None
    gate.push(unit(30_000, 500))
    assert gate.take_left_out() == (1, 30_000 * STEP_US, 30_000 * STEP_US + 1)


def things_held_by(gate: GopGate) -> int:
    return sum(len(one) for one in gc.get_referents(gate) if isinstance(one, list | dict | set))


@given(
    st.lists(
        st.tuples(st.integers(0, 5000), st.integers(0, 20), st.sampled_from(["", "hold", "settle"]))
    )
)
def test_every_picture_comes_after_all_that_it_refers_to(
    pictures: list[tuple[int, int, str]],
) -> None:
    gate = started()
    expected = None
    for number, (size, keyframe, wish) in enumerate(pictures):
        if wish == "hold":
            gate.hold_open((number + 10) * STEP_US)
        elif wish == "settle":
            gate.settle()
        for one in gate.push(unit(number, size, keyframe == 0)):
            at = one.wall_us // STEP_US
            assert one.keyframe or at == expected
            expected = at + 1
