"""How often somebody may do something: within any minute, each person for themselves."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gateway.rate import PerMinute

S = 1_000_000_000


class Clock:
    now = 1000 * S

    def __call__(self) -> int:
        return self.now


def test_one_too_many_waits_until_the_oldest_is_a_minute_ago() -> None:
    clock = Clock()
    rate = PerMinute(2, clock=clock)
    assert rate.take("li") == 0
    clock.now += 20 * S
    assert rate.take("li") == 0
    assert rate.take("li") == 40
    assert rate.take("wang") == 0
    clock.now += 40 * S
    assert rate.take("li") == 0
    assert rate.take("li") == 20


def test_what_is_given_back_was_not_taken() -> None:
    rate = PerMinute(1, clock=Clock())
    rate.give_back("li")
    assert rate.take("li") == 0
    rate.give_back("li")
    rate.give_back("li")
    assert rate.take("li") == 0
    assert rate.take("li") == 60


@given(st.lists(st.integers(0, 90 * S), max_size=60), st.integers(1, 5))
def test_no_minute_has_more_and_who_waits_as_told_may_go_on(pauses: list[int], limit: int) -> None:
    clock = Clock()
    rate = PerMinute(limit, clock=clock)
    taken: list[int] = []
    for pause in pauses:
        clock.now += pause
        wait_s = rate.take("li")
        if wait_s:
            clock.now += wait_s * S
            assert rate.take("li") == 0
        taken.append(clock.now)
        assert sum(clock.now - one < 60 * S for one in taken) <= limit
