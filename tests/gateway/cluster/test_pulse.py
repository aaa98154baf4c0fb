"""Who lives: counters that go on, on nobody's clock but one's own."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gateway.cluster.pulse import BEAT_INTERVAL_S, LEASE_S, RESTART_GRACE_S, Pulse

ROUNDS = int(LEASE_S / BEAT_INTERVAL_S) + 2


def watch(pulse: Pulse, rounds: list[dict[str, int]], start_s: float = 0.0) -> set[str]:
    living: set[str] = set()
    for number, beats in enumerate(rounds):
        living = pulse.observe(beats, start_s + number * BEAT_INTERVAL_S)
    return living


def test_who_stands_still_while_another_goes_on_is_dead_until_it_beats_again() -> None:
    pulse = Pulse()
    assert watch(pulse, [{"a": n, "b": 7} for n in range(3)]) == {"a", "b"}
    assert watch(pulse, [{"a": 9 + n, "b": 7} for n in range(ROUNDS)], 3) == {"a"}
    assert pulse.observe({"a": 99, "b": 8}, 3 + ROUNDS) == {"a", "b"}


def test_when_all_stand_still_the_database_was_away_and_nobody_is_dead() -> None:
    pulse = Pulse()
    still = [{"a": 1, "b": 1}] * 60
    assert watch(pulse, still) == {"a", "b"}
    assert pulse.observe({"a": 2, "b": 1}, 61) == {"a", "b"}, "it has a lease before it again"


def test_a_pause_of_the_watcher_kills_nobody() -> None:
    pulse = Pulse()
    pulse.observe({"a": 1, "b": 1}, 0)
    assert pulse.observe({"a": 500, "b": 1}, 1000) == {"a", "b"}


def test_one_that_is_being_started_again_is_waited_for_longer_but_not_for_ever() -> None:
    pulse = Pulse()
    living: set[str] = set()
    for number in range(ROUNDS):
        living = pulse.observe({"a": number, "b": 1}, number, awaited={"b"})
    assert living == {"a", "b"}
    for number in range(ROUNDS, ROUNDS + int(RESTART_GRACE_S)):
        living = pulse.observe({"a": number, "b": 1}, number, awaited={"b"})
    assert living == {"a"}


@given(st.lists(st.sets(st.sampled_from("abc")), min_size=1, max_size=40))
def test_who_beats_lives_and_nobody_dies_within_its_lease(rounds: list[set[str]]) -> None:
    pulse, beats, silent = Pulse(), dict.fromkeys("abc", 0), dict.fromkeys("abc", 0)
    for number, beating in enumerate(rounds):
        for name in "abc":
            if name in beating:
                beats[name] += 1
            silent[name] = 0 if name in beating else silent[name] + 1
        living = pulse.observe(beats, number * BEAT_INTERVAL_S)
        assert beating <= living
        assert living >= {name for name in "abc" if silent[name] * BEAT_INTERVAL_S < LEASE_S}
