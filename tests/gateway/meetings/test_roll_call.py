"""What a roll call says of a site: never more than a person said."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gateway.meetings.roll_call import (
    EARLY_AFTER_US,
    Called,
    Presence,
    Sitting,
    Span,
    connected_us,
    presence,
    tally,
)

MINUTE_US = 60_000_000
NOW = Sitting(0, None, None, 5 * MINUTE_US)
OVER = Sitting(0, 60 * MINUTE_US, 20 * MINUTE_US, 5 * MINUTE_US)
FROM_THE_START = [Span(0, None)]
ANSWERED = Called(1, 2, None)

moments = st.integers(0, 200 * MINUTE_US)
maybe = st.none() | moments


@st.composite
def spans(draw: st.DrawFn) -> list[Span]:
    found = []
    for _ in range(draw(st.integers(0, 4))):
        begin = draw(moments)
        end = draw(st.none() | st.integers(begin, begin + 90 * MINUTE_US))
        found.append(Span(begin, end))
    return found


called = st.builds(Called, maybe, maybe, st.sampled_from([None, "present", "absent"]))
sittings = st.builds(Sitting, moments, maybe, maybe, st.integers(0, 60 * MINUTE_US))


def test_connected_is_not_present() -> None:
    assert presence(Called(1, None, None), FROM_THE_START, NOW) is Presence.CALLED
    assert presence(Called(1, None, None), FROM_THE_START, OVER) is Presence.ABSENT
    assert presence(Called(None, None, None), FROM_THE_START, NOW) is Presence.WAITING


def test_an_answer_or_a_tick_makes_it_so() -> None:
    assert presence(ANSWERED, FROM_THE_START, NOW) is Presence.PRESENT
    assert presence(Called(None, None, "present"), [], NOW) is Presence.PRESENT


def test_the_chairs_absent_stands_above_the_sites_own_answer() -> None:
    assert presence(Called(1, 2, "absent"), FROM_THE_START, NOW) is Presence.ABSENT


def test_late_is_who_came_after_the_grace() -> None:
    assert presence(ANSWERED, [Span(5 * MINUTE_US, None)], NOW) is Presence.PRESENT
    assert presence(ANSWERED, [Span(5 * MINUTE_US + 1, None)], NOW) is Presence.LATE
    # There from the start, though the line broke.
    broken = [Span(0, 1), Span(30 * MINUTE_US, None)]
    assert presence(ANSWERED, broken, NOW) is Presence.PRESENT


def test_left_early_is_said_when_the_meeting_is_over_and_of_who_did_not_come_back() -> None:
    gone = [Span(0, 30 * MINUTE_US)]
    assert presence(ANSWERED, gone, NOW) is Presence.PRESENT
    assert presence(ANSWERED, gone, OVER) is Presence.LEFT_EARLY
    back = [*gone, Span(31 * MINUTE_US, 60 * MINUTE_US)]
    assert presence(ANSWERED, back, OVER) is Presence.PRESENT
    with_the_last_words = [Span(0, 60 * MINUTE_US - EARLY_AFTER_US)]
    assert presence(ANSWERED, with_the_last_words, OVER) is Presence.PRESENT


@given(called, spans(), sittings)
def test_no_machine_makes_anybody_present(one: Called, there: list[Span], when: Sitting) -> None:
    state = presence(one, there, when)
    said = one.tick == "present" or (one.tick is None and one.answered_us is not None)
    assert (state in (Presence.PRESENT, Presence.LATE, Presence.LEFT_EARLY)) == said


@given(called, spans(), sittings)
def test_after_the_roll_call_nobody_is_left_open(
    one: Called, there: list[Span], when: Sitting
) -> None:
    over = Sitting(when.started_us, when.ended_us, 1, when.late_after_us)
    assert presence(one, there, over) not in (Presence.WAITING, Presence.CALLED)


@given(spans(), moments)
def test_time_connected_is_counted_once_and_is_no_longer_than_the_meeting(
    there: list[Span], until_us: int
) -> None:
    total = connected_us(there, until_us)
    begun = min((span.connected_us for span in there), default=until_us)
    assert 0 <= total <= max(0, until_us - begun)
    assert connected_us([*there, *there], until_us) == total
    for span in there:
        end_us = until_us if span.left_us is None else min(span.left_us, until_us)
        assert total >= end_us - span.connected_us


@given(st.lists(st.sampled_from(Presence)))
def test_a_tally_counts_everybody(states: list[Presence]) -> None:
    counted = tally(states)
    assert sum(counted.values()) == len(states)
    assert set(counted) == {str(state) for state in Presence}
