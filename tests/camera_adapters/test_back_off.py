"""Waiting between attempts: longer each time, as long as it takes once a password is refused."""

from __future__ import annotations

from camera_adapters.back_off import REFUSALS_LIMIT, REFUSED_WAIT_S, BackOff


def test_waits_grow_to_half_a_minute_and_no_further() -> None:
    back_off = BackOff()
    waits = [back_off.after(refused=False)[0] for _ in range(20)]
    assert 0.5 <= waits[0] <= 1.5
    assert all(15 <= wait_s <= 45 for wait_s in waits[5:])


def test_only_a_connection_that_delivered_for_a_while_begins_anew() -> None:
    back_off = BackOff()
    for _ in range(20):
        back_off.after(refused=False)
    back_off.delivered(5.0)
    assert back_off.after(refused=False)[0] >= 15
    back_off.delivered(60.0)
    assert back_off.after(refused=False)[0] <= 1.5


def test_a_refused_password_is_tried_no_more_than_cameras_bear() -> None:
    back_off = BackOff()
    locked = [back_off.after(refused=True) for _ in range(REFUSALS_LIMIT + 2)]
    assert [one[1] for one in locked] == [False] * (REFUSALS_LIMIT - 1) + [True] * 3
    assert locked[-1] == (float(REFUSED_WAIT_S), True)
    back_off.succeeded()
    assert not back_off.after(refused=True)[1]


def test_what_an_attempt_knows_better_is_waited_but_not_while_locked_out() -> None:
    back_off = BackOff()
    assert back_off.after(refused=False, own_s=0.1) == (0.1, False)
    for _ in range(REFUSALS_LIMIT - 1):
        back_off.after(refused=True, own_s=0.1)
    assert back_off.after(refused=True, own_s=0.1) == (float(REFUSED_WAIT_S), True)
