"""A finding is said when it was seen often and long enough, and taken back when it is over."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gateway.health.findings import FINDINGS, Finding, Measured
from gateway.health.standing import (
    ENDS_AFTER_LOOKS,
    OPENS_AFTER_LOOKS,
    OPENS_AFTER_US,
    Standing,
    bits_of,
    from_rows,
    is_undecided,
    names_of,
    open_of,
    stand,
    to_rows,
)

MINUTE_US = 60_000_000
BLUR: dict[Finding, Measured] = {"blurred": Measured(0.2, 0.3)}
STEPS = st.lists(st.tuples(st.integers(1, 40), st.sets(st.sampled_from(FINDINGS))), max_size=40)


def after(*looks: tuple[int, dict[Finding, Measured]]) -> dict[Finding, Standing]:
    state: dict[Finding, Standing] = {}
    for minute, found in looks:
        state = stand(state, found, minute * MINUTE_US)
    return state


def test_three_looks_within_two_minutes_are_a_lorry() -> None:
    state = after((0, BLUR), (1, BLUR), (2, BLUR))
    assert open_of(state) == []
    assert is_undecided(state)


def test_three_looks_over_minutes_are_a_finding_since_the_first() -> None:
    state = after((10, BLUR), (13, BLUR), (16, BLUR))
    assert open_of(state) == ["blurred"]
    assert state["blurred"].since_us == 10 * MINUTE_US
    assert not is_undecided(state)


def test_one_look_without_it_does_not_end_it_and_two_do() -> None:
    seen = [(0, BLUR), (5, BLUR), (10, BLUR)]
    assert open_of(after(*seen, (15, {}))) == ["blurred"]
    assert open_of(after(*seen, (15, {}), (20, BLUR), (25, {}))) == ["blurred"]
    assert after(*seen, (15, {}), (20, {})) == {}


def test_what_is_not_open_begins_anew_after_a_look_without_it() -> None:
    assert open_of(after((0, BLUR), (5, BLUR), (10, {}), (15, BLUR), (20, BLUR))) == []


@given(STEPS)
def test_whatever_is_seen_is_open_only_when_proven_and_ends_when_it_is_over(
    steps: list[tuple[int, set[Finding]]],
) -> None:
    state: dict[Finding, Standing] = {}
    runs: dict[Finding, list[int]] = {name: [] for name in FINDINGS}
    unseen = dict.fromkeys(FINDINGS, 0)
    at_us = 0
    for minutes, names in steps:
        at_us += minutes * MINUTE_US
        was_open = set(open_of(state))
        state = stand(state, {name: Measured(1, 1) for name in names}, at_us)
        assert from_rows(to_rows(state)) == state
        for name in FINDINGS:
            unseen[name] = 0 if name in names else unseen[name] + 1
            if name in names:
                runs[name].append(at_us)
            elif name not in state:
                runs[name] = []
            proven = (
                len(runs[name]) >= OPENS_AFTER_LOOKS and at_us - runs[name][0] >= OPENS_AFTER_US
                if runs[name]
                else False
            )
            if name in open_of(state):
                assert proven
                assert unseen[name] < ENDS_AFTER_LOOKS
            elif name in names:
                assert not proven
                assert name not in was_open


@given(st.sets(st.sampled_from(FINDINGS)))
def test_bits_are_the_names_in_order(names: set[Finding]) -> None:
    assert names_of(bits_of(names)) == [name for name in FINDINGS if name in names]
