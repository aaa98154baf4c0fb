"""A path's limit shows when a receiver's estimate falls, and is tried anew with patience."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from camera_adapters.webrtc.conference.downlink import Downlink, LossWindow
from camera_adapters.webrtc.feedback import ReceptionReport


def test_an_estimate_that_only_follows_what_is_sent_is_no_limit() -> None:
    downlink = Downlink()
    for second, bps in enumerate((300_000, 320_000, 345_000, 345_000, 372_000)):
        downlink.note_estimate(bps, second)
        downlink.note_loss(0.02, 1_500_000, second)
    assert downlink.estimate_bps is None


def test_an_estimate_that_falls_is_a_limit_that_stays_for_a_while() -> None:
    downlink = Downlink()
    downlink.note_estimate(2_000_000, 0)
    downlink.note_estimate(1_200_000, 1)
    assert downlink.estimate_bps == 1_200_000
    downlink.note_estimate(1_250_000, 3)
    assert downlink.estimate_bps == 1_200_000
    downlink.note_estimate(1_300_000, 10)
    assert 1_300_000 < (downlink.estimate_bps or 0) < 2_000_000


def test_each_congestion_makes_it_more_patient() -> None:
    downlink = Downlink()
    rests = []
    now_s = 0.0
    for _ in range(6):
        downlink.note_estimate(1_000_000, now_s)
        downlink.note_estimate(500_000, now_s + 2)
        begin_s = now_s = now_s + 2
        before = downlink.estimate_bps or 0
        while (downlink.estimate_bps or 0) <= before:
            now_s += 1
            downlink.note_estimate(500_000, now_s)
        rests.append(now_s - begin_s)
    assert rests == sorted(rests)
    assert rests[0] < 6
    assert 50 < rests[-1] <= 61


def test_losses_count_when_they_last() -> None:
    downlink = Downlink()
    downlink.note_loss(0.4, 1_000_000, 1)
    downlink.note_loss(0.0, 1_000_000, 2)
    assert downlink.estimate_bps is None
    downlink.note_loss(0.4, 1_000_000, 3)
    downlink.note_loss(0.4, 1_000_000, 4)
    assert downlink.estimate_bps == 800_000


def test_what_has_been_calm_for_long_is_free_again() -> None:
    downlink = Downlink()
    downlink.note_estimate(1_000_000, 0)
    downlink.note_estimate(400_000, 1)
    for second in range(2, 90):
        downlink.note_estimate(400_000, second)
    assert downlink.estimate_bps is None


def reported(ssrc: int, highest: int, lost: int) -> ReceptionReport:
    return ReceptionReport(ssrc, 0.5, lost, highest, 0, 0, 0)


def test_losses_are_of_all_streams_together_and_of_enough_packets() -> None:
    losses = LossWindow()
    assert losses.note([reported(1, 1000, 0), reported(2, 65530, 0)]) is None
    # One of four in a stream that hardly sends is no quarter of everything.
    assert losses.note([reported(1, 1004, 1)]) is None
    assert losses.note([reported(1, 1010, 1), reported(2, 65536 + 84, 4)]) == 5 / 100
    assert losses.note([reported(2, 65536 + 184, 2)]) == 0.0  # repeats came
    assert losses.note([reported(2, 5, 0)]) is None  # begun anew: not four thousand million
    assert losses.note([reported(2, 105, 100)]) == 1.0


events = st.lists(
    st.tuples(st.booleans(), st.integers(0, 1 << 40), st.floats(0, 1), st.floats(0, 30)),
    max_size=60,
)


@given(events)
def test_whatever_a_receiver_says_the_estimate_is_none_or_something_to_work_with(
    said: list[tuple[bool, int, float, float]],
) -> None:
    downlink, now_s = Downlink(), 0.0
    for is_estimate, bps, fraction, passed_s in said:
        now_s += passed_s
        if is_estimate:
            downlink.note_estimate(bps, now_s)
        else:
            downlink.note_loss(fraction, bps, now_s)
        assert downlink.estimate_bps is None or downlink.estimate_bps >= 64_000
