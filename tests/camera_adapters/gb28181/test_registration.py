"""How a lower platform keeps itself registered."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from camera_adapters.gb28181.registration import MISSED_LIMIT, Registration


def registered(expires_s: float = 3600) -> Registration:
    made = Registration(0.0, expires_s=3600, keepalive_s=60)
    assert made.action(0.0) == "register"
    made.registered(0.0, expires_s)
    return made


def test_is_kept_alive_and_refreshed_before_it_ends() -> None:
    made = registered()
    assert (made.state, made.deadline_s()) == ("online", 60)
    assert made.action(59) is None
    assert made.action(60) == "keepalive"
    made.kept_alive(60)
    assert made.deadline_s() == 120
    assert made.action(3600 - 60) == "register"


def test_term_that_the_platform_sets_counts() -> None:
    made = registered(100)
    assert made.expires_at_s == 100
    assert made.action(50) == "register"


def test_three_keepalives_without_an_answer_are_the_end() -> None:
    made = registered()
    at_s = 60.0
    for _ in range(MISSED_LIMIT):
        assert made.state == "online"
        at_s = made.deadline_s()
        assert made.action(at_s) == "keepalive"
        made.keepalive_failed(at_s, None)
    assert (made.state, made.fault) == ("offline", "keepalive_lost")
    assert made.action(at_s) == "register"


def test_answer_between_two_misses_begins_the_count_anew() -> None:
    made = registered()
    for _ in range(5):
        made.keepalive_failed(made.deadline_s(), None)
        made.keepalive_failed(made.deadline_s(), None)
        made.kept_alive(made.deadline_s())
    assert made.state == "online"


def test_platform_that_knows_us_no_more_is_registered_with_at_once() -> None:
    made = registered()
    made.keepalive_failed(60, 403)
    assert made.action(60) == "register"


@pytest.mark.parametrize(("status", "fault"), [(403, "wrong_password"), (404, "unknown_code")])
def test_refusal_is_not_tried_again_in_haste(status: int, fault: str) -> None:
    made = Registration(0.0, expires_s=3600, keepalive_s=60)
    made.refused(0.0, status)
    assert (made.state, made.fault) == ("refused", fault)
    assert made.deadline_s() >= 120


def test_silence_is_tried_again_ever_more_seldom() -> None:
    made = Registration(0.0, expires_s=3600, keepalive_s=60)
    waits, at_s = [], 0.0
    for _ in range(9):
        made.unanswered(at_s)
        waits.append(made.deadline_s() - at_s)
        at_s = made.deadline_s()
    assert waits[:4] == [5, 10, 20, 40]
    assert waits[-1] == 300
    assert (made.state, made.fault) == ("offline", "no_answer")


def test_lost_refresh_does_not_end_what_still_lasts() -> None:
    made = registered()
    made.unanswered(3540)
    assert made.state == "online"
    assert made.action(3546) == "register"
    made.unanswered(3600)
    assert made.state == "offline"


def test_two_that_lost_the_same_platform_come_back_apart() -> None:
    first = Registration(0.0, expires_s=3600, keepalive_s=60, spread=0.1)
    second = Registration(0.0, expires_s=3600, keepalive_s=60, spread=0.9)
    first.unanswered(0.0)
    second.unanswered(0.0)
    assert first.deadline_s() != second.deadline_s()


OUTCOMES = st.sampled_from(["ok", "silence", "refused", "busy"])


@given(st.lists(OUTCOMES, max_size=60), st.floats(0, 1), st.integers(1, 100_000))
def test_there_is_always_a_next_thing_to_do(
    outcomes: list[str], spread: float, expires_s: int
) -> None:
    made = Registration(0.0, expires_s=3600, keepalive_s=60, spread=spread)
    now_s = 0.0
    for outcome in outcomes:
        now_s = max(now_s, made.deadline_s())
        action = made.action(now_s)
        assert action is not None
        if action == "register":
            if outcome == "ok":
                made.registered(now_s, expires_s)
            elif outcome == "silence":
                made.unanswered(now_s)
            else:
                made.refused(now_s, 403 if outcome == "refused" else 503)
        elif outcome == "ok":
            made.kept_alive(now_s)
        else:
            made.keepalive_failed(now_s, None if outcome == "silence" else 403)
        assert now_s <= made.deadline_s() <= now_s + 100_000
        assert (made.state == "online") == (made.expires_at_s is not None)
