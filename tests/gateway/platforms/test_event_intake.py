"""Events on their way into rows: joined, grouped, bounded."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from camera_adapters.device_events import DeviceEvent, DeviceEventKind, DeviceEventState
from gateway.platforms import event_intake
from gateway.platforms.event_intake import GROUP_US, EventIntake, EventRow

BEGIN, END, PULSE = DeviceEventState.BEGIN, DeviceEventState.END, DeviceEventState.PULSE
S = 1_000_000


def event(
    state: DeviceEventState,
    at_us: int,
    *,
    channel: str = "1",
    source: str = "rule",
    initial: bool = False,
) -> DeviceEvent:
    return DeviceEvent(
        DeviceEventKind.MOTION, channel, at_us, state, source, initial, {"at": str(at_us)}
    )


def intake() -> EventIntake:
    numbers = itertools.count(1)
    return EventIntake(lambda: f"dev_{next(numbers)}")


def written(made: EventIntake) -> list[EventRow]:
    rows = made.take_waiting(1_000_000)
    for row in rows:
        row.is_new = False
    return rows


def test_a_begin_and_its_end_are_one_row() -> None:
    made = intake()
    made.take("plf", event(BEGIN, 5 * S))
    (row,) = written(made)
    assert (row.state, row.begin_us, row.end_us) == ("open", 5 * S, None)
    made.take("plf", event(BEGIN, 6 * S))  # told again: nothing new
    assert written(made) == []
    made.take("plf", event(END, 9 * S))
    (again,) = written(made)
    assert again.id == row.id
    assert (again.state, again.begin_us, again.end_us) == ("ended", 5 * S, 9 * S)


def test_what_began_before_a_restart_is_ended_after_it() -> None:
    made = intake()
    made.know([EventRow("dev_old", "plf", "1", "motion", "rule", "open", 1 * S, None)])
    made.take("plf", event(END, 9 * S, initial=True))
    (row,) = written(made)
    assert (row.id, row.state, row.end_us) == ("dev_old", "ended", 9 * S)


def test_an_end_at_the_beginning_of_a_subscription_says_nothing() -> None:
    made = intake()
    made.take("plf", event(END, 9 * S, initial=True))
    assert written(made) == []


def test_an_end_whose_begin_was_missed_is_kept() -> None:
    made = intake()
    made.take("plf", event(END, 9 * S))
    (row,) = written(made)
    assert (row.state, row.begin_us, row.end_us) == ("ended", 9 * S, 9 * S)


def test_a_storm_of_pulses_is_a_row_each_ten_seconds() -> None:
    made = intake()
    for at_us in range(0, 60 * S, S // 100):
        made.take("plf", event(PULSE, at_us))
    rows = written(made)
    assert len(rows) <= 6
    assert sum(row.count for row in rows) == 6000
    assert all((row.end_us or 0) - row.begin_us <= GROUP_US for row in rows)
    assert rows[-1].detail == {"at": str(60 * S - S // 100)}


def test_what_flutters_is_one_row_with_a_count() -> None:
    made = intake()
    for number in range(100):
        made.take("plf", event(BEGIN, number * S))
        made.take("plf", event(END, number * S + S // 2))
    (row,) = written(made)
    assert (row.count, row.begin_us, row.end_us) == (100, 0, 99 * S + S // 2)


def test_other_sources_and_platforms_are_others() -> None:
    made = intake()
    made.take("plf_a", event(BEGIN, 0))
    made.take("plf_b", event(BEGIN, 0))
    made.take("plf_a", event(BEGIN, 0, source="other"))
    made.take("plf_a", event(BEGIN, 0, channel="2"))
    assert len(written(made)) == 4


def test_while_nothing_can_be_written_memory_is_bounded_and_the_loss_counted(
    monkeypatch: object,
) -> None:
    made = intake()
    for number in range(event_intake.WAITING_LIMIT + 500):
        made.take("plf", event(BEGIN, 0, channel=str(number)))
    assert made.waiting == event_intake.WAITING_LIMIT
    assert made.dropped == 500
    # The end of what waits is not lost.
    made.take("plf", event(END, 5 * S, channel="7"))
    assert made.dropped == 500
    row = next(one for one in written(made) if one.channel == "7")
    assert row.state == "ended"


def test_what_could_not_be_written_goes_first_and_keeps_what_was_told_since() -> None:
    made = intake()
    made.take("plf", event(BEGIN, 0))
    some = made.take_waiting(10)
    made.take("plf", event(END, 5 * S))
    made.take("plf", event(BEGIN, 0, channel="2"))
    made.back(some)
    rows = made.take_waiting(10)
    assert [row.channel for row in rows] == ["1", "2"]
    assert rows[0].state == "ended"
    assert rows[0].is_new


@given(
    st.lists(
        st.tuples(
            st.sampled_from([BEGIN, END, PULSE]),
            st.integers(0, 100 * S),
            st.sampled_from(["1", "2"]),
            st.booleans(),
        ),
        max_size=80,
    )
)
def test_nothing_told_breaks_the_books(
    steps: list[tuple[DeviceEventState, int, str, bool]],
) -> None:
    made = intake()
    rows: dict[str, EventRow] = {}
    for state, at_us, channel, initial in steps:
        made.take("plf", event(state, at_us, channel=channel, initial=initial))
        for row in written(made):
            rows[row.id] = row
    for channel in ("1", "2"):
        assert sum(row.state == "open" and row.channel == channel for row in rows.values()) <= 1
    for row in rows.values():
        assert (row.end_us is None) == (row.state == "open")
        assert row.end_us is None or row.end_us >= row.begin_us
        assert row.count >= 1
