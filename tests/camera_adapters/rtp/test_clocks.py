"""Time: steady, slewed, and never following a step of more than a second."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from camera_adapters.rtp.clocks import CameraClock, SteadyClock, TrackClock

HOUR_US = 3_600_000_000
START_US = 1_700_000_000_000_000


class FakeTime:
    """A system clock that tests move."""

    def __init__(self) -> None:
        self.utc_us = START_US
        self.monotonic_us = 5_000_000
        self.clock = SteadyClock(lambda: self.utc_us, lambda: self.monotonic_us)

    def pass_s(self, seconds: float, step_us: int = 0) -> int:
        self.monotonic_us += int(seconds * 1e6)
        self.utc_us += int(seconds * 1e6) + step_us
        return self.clock.now_us()


@given(
    st.lists(
        st.tuples(st.floats(0.1, 30), st.sampled_from([0, HOUR_US, -HOUR_US, 70])), max_size=40
    )
)
def test_the_gateways_clock_never_runs_backwards(moves: list[tuple[float, int]]) -> None:
    time = FakeTime()
    seen = [time.clock.now_us()]
    seen += [time.pass_s(seconds, step_us) for seconds, step_us in moves]
    assert all(later > earlier for earlier, later in pairwise(seen))
    passed_us = sum(int(seconds * 1e6) for seconds, _ in moves)
    assert abs(seen[-1] - START_US - passed_us) <= 1000 + passed_us // 1000


def test_an_hours_step_is_an_offset_until_it_is_accepted() -> None:
    time = FakeTime()
    time.pass_s(2)
    before = time.pass_s(2, HOUR_US)
    assert abs(time.clock.offset_us - HOUR_US) < 1000
    assert before < START_US + 10_000_000
    time.clock.accept_step()
    assert time.clock.offset_us == 0
    assert abs(time.clock.now_us() - time.utc_us) < 1000


def test_a_small_difference_is_slewed() -> None:
    time = FakeTime()
    time.pass_s(2, 300_000)
    for _ in range(1200):
        time.pass_s(1)
    assert abs(time.clock.now_us() - time.utc_us) < 1000


def test_a_cameras_clock_near_ours_is_trusted() -> None:
    clock = CameraClock()
    assert clock.to_our_time(START_US - 300_000, START_US) == START_US - 300_000
    assert clock.trusted


def test_a_camera_ahead_of_us_files_nothing_in_the_future() -> None:
    clock = CameraClock()
    assert clock.to_our_time(START_US + 300_000, START_US) == START_US
    assert clock.to_our_time(START_US + 1_310_000, START_US + 1_000_000) == START_US + 1_000_000
    # One that came late, by way of a slow network, changes nothing.
    assert clock.to_our_time(START_US + 2_310_000, START_US + 2_200_000) == START_US + 2_000_000
    assert clock.trusted


def test_a_wrong_camera_clock_is_only_a_ruler() -> None:
    clock = CameraClock()
    eight_hours = 8 * HOUR_US
    assert clock.to_our_time(START_US + eight_hours, START_US) == START_US
    assert not clock.trusted and clock.offset_us == eight_hours
    # Sound reported 40 ms after the picture lies 40 ms after it.
    assert (
        clock.to_our_time(START_US + eight_hours + 40_000, START_US + 45_000) == START_US + 40_000
    )


def test_a_step_of_a_cameras_clock_is_counted_and_not_followed() -> None:
    clock = CameraClock()
    clock.to_our_time(START_US, START_US)
    later = START_US + 5_000_000
    assert abs(clock.to_our_time(later + HOUR_US, later) - later) <= 1
    assert (clock.steps, clock.trusted, clock.offset_us) == (1, False, HOUR_US)
    assert abs(clock.to_our_time(later, later) - later) <= 1
    assert (clock.steps, clock.trusted) == (2, True)


def test_a_clock_that_drifts_away_is_no_longer_trusted() -> None:
    clock = CameraClock()
    for second in range(400):
        now = START_US + second * 5_000_000
        clock.to_our_time(now + second * 4000, now)
    assert (clock.trusted, clock.steps) == (False, 0)


def test_reports_that_stop_give_way_to_arrival() -> None:
    clock = TrackClock(90000)
    # The camera's RTP clock runs 300 millionths slow.
    for n in range(30_000):
        arrival_us = START_US + n * 40_012
        line_us = clock.line_us(n * 3600, arrival_us)
        if n == 10:
            clock.note_report(n * 3600, arrival_us)
    assert abs(line_us - arrival_us) < 50_000


def line(clock: TrackClock, stamps: list[tuple[int, int]]) -> list[int]:
    return [clock.line_us(timestamp, START_US + arrival_us) for timestamp, arrival_us in stamps]


def test_pictures_keep_the_cameras_distances() -> None:
    times = line(TrackClock(90000), [(n * 3600, n * 40_000 + n % 3 * 500) for n in range(200)])
    gaps = [later - earlier for earlier, later in pairwise(times)]
    assert all(abs(gap - 40_000) <= 5_000 for gap in gaps)
    assert abs(times[-1] - START_US - 199 * 40_000) < 3_000


def test_a_leap_of_the_rtp_clock_is_taken_out() -> None:
    stamps = [(n * 3600, n * 40_000) for n in range(10)]
    stamps += [(n * 3600 + 900_000_000, n * 40_000) for n in range(10, 20)]
    stamps += [(n * 3600 + 1000, n * 40_000) for n in range(20, 30)]
    clock = TrackClock(90000)
    times = line(clock, stamps)
    assert all(abs(later - earlier - 40_000) < 5_000 for earlier, later in pairwise(times))
    assert clock.leaps == 2


def test_an_rtp_clock_that_stands_still_follows_arrival() -> None:
    times = line(TrackClock(90000), [(77, n * 40_000) for n in range(100)])
    assert all(later > earlier for earlier, later in pairwise(times))
    assert abs(times[-1] - START_US - 99 * 40_000) < 50_000


def test_a_stalled_network_is_no_leap() -> None:
    stamps = [(n * 3600, n * 40_000) for n in range(50)]
    # Three seconds late, then all at once.
    stamps += [(n * 3600, 5_000_000) for n in range(50, 125)]
    stamps += [(n * 3600, n * 40_000) for n in range(125, 200)]
    clock = TrackClock(90000)
    times = line(clock, stamps)
    assert clock.leaps == 0
    assert all(35_000 <= later - earlier <= 45_000 for earlier, later in pairwise(times))


def test_a_line_begins_with_the_packet_that_came_fastest() -> None:
    clock = TrackClock(90000)
    burst = [(n * 3600, START_US + n * 500) for n in range(35)]
    for timestamp, arrival_us in burst:
        clock.foresee(timestamp, arrival_us)
    times = [clock.line_us(*one) for one in burst]
    assert times[-1] == burst[-1][1]
    assert times[0] == burst[-1][1] - 34 * 40_000


def test_a_report_before_the_first_packet_says_where_the_line_begins() -> None:
    clock = TrackClock(90000)
    clock.note_report(25 * 3600, START_US - 30_000)
    assert clock.line_us(0, START_US) == START_US - 1_030_000
    assert clock.line_us(25 * 3600, START_US + 4_000) == START_US - 30_000


def test_a_first_report_of_another_clock_is_found_out() -> None:
    clock = TrackClock(90000)
    clock.note_report(10 * 90_000, START_US)
    times = line(clock, [(n * 3600, n * 40_000) for n in range(300)])
    assert abs(times[-1] - START_US - 299 * 40_000) < 1_000
    far = TrackClock(90000)
    far.note_report(1000 * 90_000, START_US)
    assert far.line_us(0, START_US) == START_US


def test_a_camera_whose_clock_paused_is_caught_up_with() -> None:
    stamps = [(n * 3600, n * 40_000) for n in range(100)]
    stamps += [(n * 3600, n * 40_000 + 3_000_000) for n in range(100, 500)]
    clock = TrackClock(90000)
    times = line(clock, stamps)
    assert clock.leaps == 1
    assert abs(times[-1] - (START_US + stamps[-1][1])) < 100_000


def test_reports_align_sound_with_picture() -> None:
    camera, video, audio = CameraClock(), TrackClock(90000), TrackClock(8000)
    # Both captured at the same instants; sound arrives 400 ms late, steadily.
    for n in range(500):
        now = START_US + n * 40_000
        seen = video.line_us(n * 3600, now)
        heard = audio.line_us(n * 320, now + 400_000)
        if n % 50 == 10:
            video.note_report(n * 3600, camera.to_our_time(now, now + 1000))
            audio.note_report(n * 320, camera.to_our_time(now, now + 1000))
    assert abs(heard - seen) < 2_000


@given(st.lists(st.tuples(st.integers(0, 1 << 40), st.integers(0, 200_000)), max_size=60))
def test_whatever_the_camera_says_the_line_stays_near_arrival(steps: list[tuple[int, int]]) -> None:
    clock, arrival_us = TrackClock(90000), START_US
    for timestamp, elapsed_us in steps:
        arrival_us += elapsed_us
        line_us = clock.line_us(timestamp, arrival_us)
        assert abs(line_us - arrival_us) < 120_000_000
