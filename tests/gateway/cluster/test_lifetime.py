"""What a process says of its event loop."""

from __future__ import annotations

from gateway.cluster.lifetime import LAG_WINDOW_S, LoopLag


def test_a_delay_is_told_for_a_window_at_least_and_two_at_most() -> None:
    lag = LoopLag()
    lag.note(0.001, 100.0)
    lag.note(0.250, 101.0)
    assert lag.worst_ms() == 250.0
    assert lag.worst_ms() == 250.0, "asking must not forget: others ask too"
    lag.note(0.001, 100.0 + LAG_WINDOW_S)
    assert lag.worst_ms() == 250.0
    lag.note(0.002, 100.0 + 2 * LAG_WINDOW_S)
    assert lag.worst_ms() == 2.0
