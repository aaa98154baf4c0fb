"""A switch that fails with its 200 cameras is one alarm."""

from __future__ import annotations

import itertools

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.alarms.judge import (
    AGAIN_US,
    CAMERA_OFFLINE,
    NETWORK_DOWN,
    ONE_ALARM_US,
    PLATFORM_OFFLINE,
    TOGETHER_US,
    Again,
    Change,
    Changed,
    Closed,
    Condition,
    Group,
    Judge,
    OpenAlarm,
    Opened,
    Seen,
)

S = 1_000_000
AFTER_US = 20 * S
CAMERAS = [f"cam_{number}" for number in range(200)]
SWITCH = Group("switch", "swt", frozenset(CAMERAS))


def offline(camera_id: str, since_us: int) -> Condition:
    return Condition(CAMERA_OFFLINE, f"camera:{camera_id}", since_us, AFTER_US, camera_id=camera_id)


def lost(platform_id: str, since_us: int) -> Condition:
    return Condition(
        PLATFORM_OFFLINE, f"platform:{platform_id}", since_us, AFTER_US, platform_id=platform_id
    )


class World:
    """Cameras that fail and come back, looked at every two seconds."""

    def __init__(self, *groups: Group, cameras: list[str] = CAMERAS) -> None:
        numbers = itertools.count(1)
        self.judge = Judge(lambda: f"alm_{next(numbers)}")
        self.groups = groups
        self.cameras = cameras
        self.failed: dict[str, int] = {}
        self.platforms: dict[str, int] = {}
        self.unknown: set[str] = set()
        self.at_us = 1000 * S
        self.changes: list[Change] = []

    def fail(self, *camera_ids: str) -> None:
        for one in camera_ids:
            self.failed.setdefault(one, self.at_us)

    def mend(self, *camera_ids: str) -> None:
        for one in camera_ids:
            self.failed.pop(one, None)

    def wait(self, seconds: int) -> None:
        for _ in range(max(1, seconds // 2)):
            self.at_us += 2 * S
            conditions = {}
            for camera_id, since_us in self.failed.items():
                if camera_id not in self.unknown:
                    one = offline(camera_id, since_us)
                    conditions[one.key] = one
            for platform_id, since_us in self.platforms.items():
                one = lost(platform_id, since_us)
                conditions[one.key] = one
            seen = Seen(
                self.at_us,
                conditions,
                self.groups,
                frozenset(self.cameras) - self.unknown,
                frozenset(f"camera:{one}" for one in self.unknown),
            )
            self.changes += self.judge.look(seen)

    @property
    def visible(self) -> list[OpenAlarm]:
        return [one for one in self.judge.open.values() if one.folded_into is None]

    @property
    def kinds(self) -> list[str]:
        return sorted(one.key[0] for one in self.visible)


def test_one_camera_is_one_alarm_after_a_while_and_ends_when_it_is_back() -> None:
    world = World(SWITCH)
    world.fail("cam_1")
    world.wait(18)
    assert world.visible == []
    world.wait(4)
    assert world.kinds == [CAMERA_OFFLINE]
    assert world.visible[0].begin_us == 1000 * S
    world.mend("cam_1")
    world.wait(10)
    assert world.visible == []
    assert isinstance(world.changes[-1], Closed)


def test_a_camera_that_blinks_is_no_alarm() -> None:
    world = World(SWITCH)
    for _ in range(10):
        world.fail("cam_1")
        world.wait(10)
        world.mend("cam_1")
        world.wait(2)
    assert world.changes == []


def episode(world: World, seconds: int = 30) -> None:
    """The camera fails for half a minute, and is well for the rest."""
    world.fail("cam_1")
    world.wait(30)
    world.mend("cam_1")
    world.wait(seconds)


def test_what_comes_back_soon_is_the_alarm_that_it_was() -> None:
    world = World()
    for _ in range(4):
        episode(world, AGAIN_US // S - 30)
    begun = [one for one in world.changes if isinstance(one, Opened)]
    again = [one for one in world.changes if isinstance(one, Again)]
    assert (len(begun), len(again)) == (1, 3)
    assert {one.alarm.id for one in again} == {begun[0].alarm.id}
    # Since when it is on again is told, and when it began stays.
    assert again[0].since_us == 1000 * S + AGAIN_US
    assert again[0].alarm.begin_us == 1000 * S


def test_what_comes_back_late_or_was_seen_to_is_another_one() -> None:
    world = World()
    episode(world, AGAIN_US // S + 30)
    episode(world)
    world.judge.settled({"alm_2"})
    episode(world)
    opened = [one.alarm.id for one in world.changes if isinstance(one, Opened)]
    assert opened == ["alm_1", "alm_2", "alm_3"]


def test_nothing_is_one_alarm_for_longer_than_an_hour_since_it_began() -> None:
    world = World()
    for _ in range(2 * (ONE_ALARM_US // (60 * S))):
        episode(world)
    begun = [one.alarm.begin_us for one in world.changes if isinstance(one, Opened)]
    assert len(begun) == 2
    assert begun[1] - begun[0] >= ONE_ALARM_US


def test_what_was_over_is_known_after_a_restart() -> None:
    world = World()
    episode(world)
    (opened,) = (one for one in world.changes if isinstance(one, Opened))
    (closed,) = (one for one in world.changes if isinstance(one, Closed))
    world.judge = Judge(lambda: "alm_new", over=[(opened.alarm, closed.end_us)])
    episode(world)
    assert [one.alarm.id for one in world.changes if isinstance(one, Again)] == [opened.alarm.id]


@given(st.lists(st.tuples(st.integers(1, 400), st.booleans()), min_size=1, max_size=20))
def test_each_time_that_it_fails_is_counted_once(rests: list[tuple[int, bool]]) -> None:
    world = World()
    for rest, is_seen_to in rests:
        episode(world, 10 + 2 * rest)
        if is_seen_to:
            world.judge.settled(world.judge.returning([(CAMERA_OFFLINE, "camera:cam_1")]))
    raised = [one for one in world.changes if isinstance(one, Opened | Again)]
    assert len(raised) == len(rests)
    assert sum(isinstance(one, Closed) for one in world.changes) == len(rests)


def test_a_switch_with_its_200_cameras_is_one_alarm_and_ends_as_one() -> None:
    world = World(SWITCH)
    world.wait(4)
    for number, camera_id in enumerate(CAMERAS):
        world.fail(camera_id)
        if number % 10 == 0:
            world.wait(2)  # they notice one after the other, over 40 s
    world.wait(30)
    assert world.kinds == [NETWORK_DOWN]
    (alarm,) = world.visible
    assert alarm.key[1] == "switch:swt"
    assert alarm.detail == {"failed": 200, "of": 200}
    assert len(world.judge.open) == 201
    shown = [
        one for one in world.changes if isinstance(one, Opened) and one.alarm.key[0] == NETWORK_DOWN
    ]
    assert len(shown) == 1
    world.mend(*CAMERAS)
    world.wait(20)
    assert world.judge.open == {}


def test_who_is_not_back_with_the_others_has_an_alarm_of_its_own_again() -> None:
    world = World(SWITCH)
    world.fail(*CAMERAS)
    world.wait(30)
    world.mend(*CAMERAS[1:])
    world.wait(20)
    assert [one.key for one in world.visible] == [(CAMERA_OFFLINE, "camera:cam_0")]


def test_what_was_broken_for_days_is_not_explained_by_a_switch_that_fails_today() -> None:
    world = World(SWITCH)
    world.fail("cam_0")
    world.wait(3600)
    world.fail(*CAMERAS[1:])
    world.wait(30)
    assert sorted(one.key[1] for one in world.visible) == ["camera:cam_0", "switch:swt"]


def test_cameras_that_fail_over_days_are_no_switch() -> None:
    world = World(SWITCH)
    for camera_id in CAMERAS[:150]:
        world.fail(camera_id)
        world.wait(20)
    assert NETWORK_DOWN not in world.kinds


def test_without_a_configured_switch_a_network_is_recognised() -> None:
    network = Group("network", "10.1.2.0/24", frozenset(CAMERAS[:8]))
    world = World(network)
    world.fail(*CAMERAS[:3])
    world.wait(30)
    assert world.kinds == [CAMERA_OFFLINE] * 3  # three of eight are chance
    world.mend(*CAMERAS[:3])
    world.wait(120)
    world.fail(*CAMERAS[:6])
    world.wait(30)
    assert world.kinds == [NETWORK_DOWN]


def test_the_largest_failure_explains_the_smaller_ones() -> None:
    """A switch with two recorders behind it, in two networks: one alarm."""
    recorders = [
        Group("platform", "plf_a", frozenset(CAMERAS[:100])),
        Group("platform", "plf_b", frozenset(CAMERAS[100:])),
    ]
    networks = [
        Group("network", "10.1.1.0/24", frozenset(CAMERAS[:100])),
        Group("network", "10.1.2.0/24", frozenset(CAMERAS[100:])),
    ]
    world = World(SWITCH, *recorders, *networks)
    world.fail(*CAMERAS)
    world.platforms = {"plf_a": world.at_us, "plf_b": world.at_us}
    world.wait(40)
    assert [one.key[1] for one in world.visible] == ["switch:swt"]
    assert len(world.judge.open) == 203


def test_a_recorder_that_is_away_and_its_cameras_are_one() -> None:
    world = World(Group("platform", "plf_a", frozenset(CAMERAS[:2])))
    world.platforms = {"plf_a": world.at_us}
    world.fail(*CAMERAS[:2])
    world.wait(40)
    assert world.kinds == [PLATFORM_OFFLINE]


def test_a_switch_that_does_not_answer_needs_fewer_cameras_as_proof() -> None:
    few = CAMERAS[:70]
    world = World(SWITCH)
    world.fail(*few)
    world.wait(30)
    assert NETWORK_DOWN not in world.kinds
    silent = World(Group("switch", "swt", frozenset(CAMERAS), unreachable=True))
    silent.fail(*few)
    silent.wait(30)
    assert silent.kinds == [NETWORK_DOWN]


def test_while_a_media_process_restarts_nothing_ends_and_nothing_begins() -> None:
    world = World(SWITCH)
    world.fail(*CAMERAS)
    world.wait(30)
    before = len(world.changes)
    world.unknown = set(CAMERAS)
    world.wait(60)
    assert [one for one in world.changes[before:] if not isinstance(one, Changed)] == []
    assert world.kinds == [NETWORK_DOWN]
    world.unknown = set()
    world.wait(20)
    assert world.kinds == [NETWORK_DOWN]


def test_it_goes_on_from_its_rows_after_a_restart() -> None:
    world = World(SWITCH)
    world.fail(*CAMERAS)
    world.wait(30)
    count = len(world.changes)
    fresh = itertools.count(1)
    world.judge = Judge(
        lambda: f"new_{next(fresh)}",
        [
            OpenAlarm(one.id, one.key, one.begin_us, one.folded_into, dict(one.detail))
            for one in world.judge.open.values()
        ],
    )
    world.wait(30)
    assert world.changes[count:] == []
    world.mend(*CAMERAS)
    world.wait(20)
    assert world.judge.open == {}


FEW = CAMERAS[:12]
GROUPS = (
    Group("switch", "swt", frozenset(FEW[:6])),
    Group("platform", "plf", frozenset(FEW[4:9])),
    Group("network", "10.1.2.0/24", frozenset(FEW)),
)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["fail", "mend", "wait", "blind", "see", "platform", "drop"]),
            st.sets(st.sampled_from(FEW)),
            st.integers(2, 60),
        ),
        max_size=30,
    )
)
def test_alarms_are_one_of_a_kind_folded_into_what_is_open_and_end_with_their_cause(
    steps: list[tuple[str, set[str], int]],
) -> None:
    world = World(*GROUPS, cameras=FEW)
    stored: dict[str, OpenAlarm] = {}
    done = 0
    for action, cameras, seconds in steps:
        match action:
            case "fail":
                world.fail(*cameras)
            case "mend":
                world.mend(*cameras)
            case "blind":
                world.unknown |= cameras
            case "see":
                world.unknown -= cameras
            case "platform":
                world.platforms.setdefault("plf", world.at_us)
            case "drop":
                world.platforms.clear()
        world.wait(seconds)
        for change in world.changes[done:]:
            if isinstance(change, Opened | Again):
                assert change.alarm.id not in stored
                stored[change.alarm.id] = change.alarm
            elif isinstance(change, Closed):
                assert change.end_us >= change.alarm.begin_us
                del stored[change.alarm.id]
            else:
                assert change.alarm.id in stored
        done = len(world.changes)
        assert {one.id for one in world.judge.open.values()} == set(stored)
        for one in world.judge.open.values():
            if one.folded_into is not None:
                parent = stored[one.folded_into]
                assert parent.key[0] in (NETWORK_DOWN, PLATFORM_OFFLINE)
                assert one.begin_us >= parent.begin_us - TOGETHER_US
    world.unknown.clear()
    world.platforms.clear()
    world.mend(*FEW)
    world.wait(30)
    assert world.judge.open == {}
