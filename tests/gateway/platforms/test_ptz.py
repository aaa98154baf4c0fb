"""Who steers a camera: the lock, priority, letting go, the dead man's stop."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.platforms.operations import SteerCommand
from gateway.platforms.ptz import Began, Effect, Ended, Held, Holder, Send, Steering

IDLE_US, MOVE_US = 15_000_000, 2_000_000
MOVE, STOP = SteerCommand("move", pan=0.5), SteerCommand("stop")
GOTO = SteerCommand("goto_preset", preset="1")


def person(name: str, priority: int = 50) -> Holder:
    return Holder("person", f"usr_{name}", name, name, priority, user_id=f"usr_{name}")


WANG, LI, CHIEF = person("wang"), person("li"), person("chief", 80)
PATROL = Holder("patrol", "ptr_1", "夜巡", "夜巡", 0)


def steering() -> Steering:
    return Steering(idle_us=IDLE_US, move_us=MOVE_US)


def names(effects: list[Effect]) -> list[str]:
    return [one.command.action if isinstance(one, Send) else type(one).__name__ for one in effects]


def test_the_first_command_takes_the_camera_and_is_on_record_before_it_is_sent() -> None:
    core = steering()
    effects = core.command("cam", WANG, MOVE, 1000)
    assert names(effects) == ["Began", "move"]
    assert core.holdings["cam"].holder == WANG
    assert core.holdings["cam"].since_us == 1000
    assert names(core.command("cam", WANG, MOVE, 2000)) == ["move"]


def test_equal_priority_does_not_take_over_and_a_higher_one_does() -> None:
    core = steering()
    core.command("cam", WANG, MOVE, 0)
    with pytest.raises(Held) as refused:
        core.command("cam", LI, MOVE, 1)
    assert refused.value.holding.holder == WANG
    # Who takes over finds a camera that stands.
    effects = core.command("cam", CHIEF, GOTO, 2)
    assert names(effects) == ["stop", "Ended", "Began", "goto_preset"]
    ended = effects[1]
    assert isinstance(ended, Ended)
    assert (ended.cause, ended.by, ended.end_us) == ("taken_over", CHIEF, 2)


def test_a_movement_that_is_not_renewed_is_stopped_and_the_camera_still_held() -> None:
    core = steering()
    core.command("cam", WANG, MOVE, 0)
    core.command("cam", WANG, MOVE, 1_500_000)
    assert core.next_due_us() == 3_500_000
    assert core.due(3_499_999) == []
    assert names(core.due(3_500_000)) == ["stop"]
    assert core.due(3_600_000) == []
    assert "cam" in core.holdings


def test_what_lasts_by_itself_is_not_stopped() -> None:
    core = steering()
    core.command("cam", WANG, GOTO, 0)
    assert core.next_due_us() == IDLE_US


def test_an_idle_camera_is_let_go() -> None:
    core = steering()
    core.command("cam", WANG, GOTO, 0)
    effects = core.due(IDLE_US)
    assert names(effects) == ["Ended"]
    assert isinstance(effects[0], Ended)
    assert effects[0].cause == "idle"
    assert names(core.command("cam", LI, GOTO, IDLE_US + 1)) == ["Began", "goto_preset"]


def test_a_lock_holds_without_commands_and_commands_do_not_shorten_it() -> None:
    core = steering()
    core.take("cam", WANG, 0, hold_us=600_000_000)
    core.command("cam", WANG, GOTO, 1)
    assert core.due(IDLE_US * 10) == []
    assert names(core.due(600_000_000)) == ["Ended"]


def test_letting_go_stops_what_moves() -> None:
    core = steering()
    core.command("cam", WANG, MOVE, 0)
    assert names(core.release("cam", WANG, 1)) == ["stop", "Ended"]
    assert core.release("cam", WANG, 2) == []


def test_what_another_holds_is_let_go_by_higher_priority_alone() -> None:
    core = steering()
    core.command("cam", WANG, MOVE, 0)
    with pytest.raises(Held):
        core.release("cam", LI, 1)
    effects = core.release("cam", CHIEF, 2)
    assert names(effects) == ["stop", "Ended"]
    assert isinstance(effects[-1], Ended)
    assert (effects[-1].cause, effects[-1].by) == ("released_by_other", CHIEF)


def test_a_patrol_gives_way_to_everybody() -> None:
    core = steering()
    core.take("cam", PATROL, 0, hold_us=60_000_000)
    assert core.may_take("cam", person("lowest", 1))
    core.command("cam", WANG, GOTO, 1)
    with pytest.raises(Held):
        core.take("cam", PATROL, 2)


def test_a_stop_of_what_nobody_holds_begins_no_holding() -> None:
    core = steering()
    assert names(core.command("cam", WANG, STOP, 0)) == ["stop"]
    assert not core.holdings


def test_the_same_person_at_another_screen_is_the_same_holder() -> None:
    core = steering()
    core.command("cam", WANG, MOVE, 0)
    elsewhere = Holder("person", WANG.id, "wang", "wang", 40, token_hash="other")
    assert names(core.command("cam", elsewhere, MOVE, 1)) == ["move"]
    assert core.holdings["cam"].holder == elsewhere


ACTIONS = st.sampled_from(["take", "move", "stop", "goto", "release", "end", "due"])


@given(
    st.lists(
        st.tuples(ACTIONS, st.integers(0, 3), st.integers(0, 20_000_000)),
        max_size=60,
    )
)
def test_every_holding_that_begins_ends_once_and_nobody_is_moved_by_two(
    steps: list[tuple[str, int, int]],
) -> None:
    core = steering()
    holders = [WANG, LI, CHIEF, PATROL]
    now_us = 0
    held: Holder | None = None
    moving = False

    def follow(effects: list[Effect]) -> None:
        nonlocal held, moving
        for one in effects:
            if isinstance(one, Began):
                assert held is None, "one holds it already"
                held = one.holding.holder
            elif isinstance(one, Ended):
                assert held is not None
                assert held.is_same(one.holding.holder)
                assert not moving, "it is let go while it moves"
                assert one.end_us >= one.holding.since_us
                held = None
            else:
                moving = one.command.action == "move"

    for action, who, after_us in steps:
        now_us += after_us
        holder = holders[who]
        before = core.holdings.get("cam")
        try:
            match action:
                case "take":
                    follow(core.take("cam", holder, now_us))
                case "move":
                    follow(core.command("cam", holder, MOVE, now_us))
                case "stop":
                    follow(core.command("cam", holder, STOP, now_us))
                case "goto":
                    follow(core.command("cam", holder, GOTO, now_us))
                    moving = False
                case "release":
                    follow(core.release("cam", holder, now_us))
                case "end":
                    follow(core.end("cam", now_us, "withdrawn"))
                case _:
                    follow(core.due(now_us))
        except Held as refused:
            assert before is not None
            assert refused.holding.holder.priority >= holder.priority
            assert core.holdings["cam"] == before
        now = core.holdings.get("cam")
        assert (now is None) == (held is None)
    follow(core.due(now_us + 10 * IDLE_US))
    assert held is None
    assert not moving
    assert core.next_due_us() is None
