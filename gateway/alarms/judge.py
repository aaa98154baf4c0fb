"""What is an alarm, and which alarms are one. Pure: what is seen goes in, changes come out.

A switch that fails with its 200 cameras is one alarm. It is recognised when most of the cameras of
a group (a switch as configured, a device or platform, a network) fail within a short time; the
cameras' own alarms are folded into it, also those that follow. It ends when most of them are back;
who is not back then has an alarm of its own again.

What comes back soon after it was over, and nobody has seen to, is the alarm that it was: a camera
that fails every few minutes is one line that counts, not fifty.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from gateway.identifiers import US_PER_S

GroupKind = Literal["switch", "platform", "network"]
# Kind and subject: "camera_offline", "camera:cam_1". There is one open alarm of each at a time.
Key = tuple[str, str]

CAMERA_OFFLINE = "camera_offline"
PLATFORM_OFFLINE = "platform_offline"
NETWORK_DOWN = "network_down"

# Three cameras of a network that fail together may be chance; a switch is known to be one.
_LEAST = {"switch": 2, "platform": 3, "network": 4}
_MOST = 0.6
# When the switch itself does not answer, fewer of its cameras are proof.
_MANY = 0.3
# Below this share a group is up again.
_FEW = 0.3
# Cameras notice at different times: some at once, some after a time-out.
TOGETHER_US = 90 * US_PER_S
# A condition must be gone for so long.
_CALM_US = 5 * US_PER_S
AGAIN_US = 600 * US_PER_S
"""What comes back within so long after its alarm ended is that alarm again."""
ONE_ALARM_US = 3600 * US_PER_S
"""But no longer after that began: lists have the newest first, and it would be far down."""


@dataclass(frozen=True, slots=True)
class Condition:
    """Something that is wrong now. ``after_us``: how long it must last to be an alarm."""

    kind: str
    subject: str
    since_us: int
    after_us: int = 0
    camera_id: str | None = None
    platform_id: str | None = None
    detail: Mapping[str, Any] = field(default_factory=dict)

    @property
    def key(self) -> Key:
        """Which alarm it is."""
        return (self.kind, self.subject)


@dataclass(frozen=True, slots=True)
class Group:
    """Cameras that depend on one thing. ``unreachable``: it was asked and does not answer."""

    kind: GroupKind
    id: str
    cameras: frozenset[str]
    unreachable: bool = False

    @property
    def subject(self) -> str:
        """As in ``alarms.subject``."""
        return f"{self.kind}:{self.id}"


@dataclass(frozen=True, slots=True)
class Seen:
    """Everything at one moment. ``judged``: cameras of which it is known whether they fail;
    ``unknown``: subjects of which nothing is known now, so that nothing about them ends.
    """

    at_us: int
    conditions: Mapping[Key, Condition]
    groups: tuple[Group, ...]
    judged: frozenset[str]
    unknown: frozenset[str] = frozenset()


@dataclass(slots=True)
class OpenAlarm:
    """An alarm that is open. ``id`` is made by who stores it."""

    id: str
    key: Key
    begin_us: int
    folded_into: str | None = None
    detail: dict[str, Any] = field(default_factory=dict)
    # When its condition was first not seen.
    calm_since_us: int | None = None


@dataclass(frozen=True, slots=True)
class Opened:
    """A new alarm."""

    alarm: OpenAlarm
    condition: Condition | None = None
    group: Group | None = None


@dataclass(frozen=True, slots=True)
class Again:
    """One that was over is on again, since ``since_us``."""

    alarm: OpenAlarm
    since_us: int


@dataclass(frozen=True, slots=True)
class Changed:
    """Folded, unfolded, or with other details."""

    alarm: OpenAlarm


@dataclass(frozen=True, slots=True)
class Closed:
    """It is over."""

    alarm: OpenAlarm
    end_us: int


Change = Opened | Again | Changed | Closed


class Judge:
    """Compares what is seen with the alarms that are open. ``make_id`` names new ones; ``over``:
    those that ended lately, and when.
    """

    def __init__(
        self,
        make_id: Any,
        open_alarms: Iterable[OpenAlarm] = (),
        over: Iterable[tuple[OpenAlarm, int]] = (),
    ) -> None:
        self._make_id = make_id
        self.open: dict[Key, OpenAlarm] = {one.key: one for one in open_alarms}
        # In the order in which they ended.
        self._over: dict[Key, tuple[OpenAlarm, int]] = {
            alarm.key: (alarm, end_us) for alarm, end_us in sorted(over, key=lambda one: one[1])
        }

    def returning(self, keys: Iterable[Key]) -> list[str]:
        """The ids of those that were over and would be on again: whoever looks says of which that
        is so, see :meth:`settled`.
        """
        return [self._over[key][0].id for key in keys if key in self._over and key not in self.open]

    def settled(self, alarm_ids: Collection[str]) -> None:
        """Somebody has seen to these: what comes back is another alarm."""
        for key, (alarm, _) in tuple(self._over.items()):
            if alarm.id in alarm_ids:
                del self._over[key]

    def look(self, seen: Seen) -> list[Change]:
        """What changes. Groups first, so that what is folded has something to be folded into."""
        changes: list[Change] = []
        self._forget(seen.at_us - AGAIN_US)
        failing = _failing(seen)
        down = self._groups(seen, failing, changes)
        parents = self._parents(seen, down)
        for key, condition in seen.conditions.items():
            self._judge(seen, key, condition, parents.get(key), changes)
        for key, alarm in tuple(self.open.items()):
            if key not in seen.conditions and key[0] != NETWORK_DOWN:
                self._calm(seen, alarm, changes)
        self._unfold(changes)
        return changes

    def _forget(self, before_us: int) -> None:
        for key, (_, end_us) in tuple(self._over.items()):
            if end_us >= before_us:
                return
            del self._over[key]

    def _unfold(self, changes: list[Change]) -> None:
        """What stood in an alarm that is over stands for itself again."""
        closed = {one.alarm.id for one in changes if isinstance(one, Closed)}
        if not closed:
            return
        for alarm in self.open.values():
            if alarm.folded_into in closed:
                alarm.folded_into = None
                changes.append(Changed(alarm))

    def _groups(
        self, seen: Seen, failing: Mapping[str, Condition], changes: list[Change]
    ) -> dict[str, tuple[Group, OpenAlarm]]:
        """The groups that are down, by subject."""
        down: dict[str, tuple[Group, OpenAlarm]] = {}
        known = set()
        for group in _ranked(seen, failing):
            key = (NETWORK_DOWN, group.subject)
            known.add(key)
            members = group.cameras & seen.judged
            failed = [failing[one] for one in members if one in failing]
            alarm = self.open.get(key)
            explained = {one for other, _ in down.values() for one in other.cameras}
            if alarm is None:
                begin_us = _fell_at_us(group, len(members), failed)
                # What a larger failure explains is no failure of its own.
                own = [one for one in failed if one.camera_id not in explained]
                if begin_us is None or len(own) <= len(failed) // 2:
                    continue
                alarm = OpenAlarm(self._make_id(), key, begin_us)
                alarm.detail = {"failed": len(failed), "of": len(members)}
                self.open[key] = alarm
                changes.append(Opened(alarm, group=group))
            elif members and len(failed) <= _FEW * len(members):
                self._calm(seen, alarm, changes)
                if alarm.key not in self.open:
                    continue
            else:
                alarm.calm_since_us = None
                detail = {"failed": len(failed), "of": len(members)}
                if members and alarm.detail != detail:
                    alarm.detail = detail
                    changes.append(Changed(alarm))
            down[group.subject] = (group, alarm)
        # What is configured no longer explains nothing any more.
        for key, alarm in tuple(self.open.items()):
            if key[0] == NETWORK_DOWN and key not in known:
                self._calm(seen, alarm, changes)
        return down

    def _parents(
        self, seen: Seen, down: Mapping[str, tuple[Group, OpenAlarm]]
    ) -> dict[Key, tuple[str, int]]:
        """The alarm that explains each condition, and since when: (id, begin_us)."""
        by_camera: dict[str, tuple[str, int]] = {}
        cameras_of: dict[str, frozenset[str]] = {}
        for group in seen.groups:
            if group.kind == "platform":
                cameras_of[group.id] = group.cameras
        for group, alarm in down.values():
            for camera_id in group.cameras:
                by_camera.setdefault(camera_id, (alarm.id, alarm.begin_us))
        parents: dict[Key, tuple[str, int]] = {}
        for key, condition in seen.conditions.items():
            if condition.kind == PLATFORM_OFFLINE:
                own = cameras_of.get(condition.platform_id or "", frozenset())
                above = {by_camera.get(one) for one in own}
                explained = above.pop() if len(above) == 1 else None
                if explained is not None:
                    parents[key] = explained
            elif condition.kind == CAMERA_OFFLINE and condition.camera_id in by_camera:
                parents[key] = by_camera[condition.camera_id]
        for condition in seen.conditions.values():
            if condition.kind != PLATFORM_OFFLINE or condition.key in parents:
                continue
            alarm_of = self.open.get(condition.key)
            if alarm_of is None:
                continue
            for camera_id in cameras_of.get(condition.platform_id or "", ()):
                key = (CAMERA_OFFLINE, f"camera:{camera_id}")
                if key in seen.conditions:
                    parents.setdefault(key, (alarm_of.id, alarm_of.begin_us))
        return parents

    def _judge(
        self,
        seen: Seen,
        key: Key,
        condition: Condition,
        parent: tuple[str, int] | None,
        changes: list[Change],
    ) -> None:
        alarm = self.open.get(key)
        # What was broken long before is explained by nothing that broke now.
        since_us = condition.since_us if alarm is None else alarm.begin_us
        folded = parent[0] if parent is not None and since_us >= parent[1] - TOGETHER_US else None
        if alarm is None:
            if folded is None and seen.at_us - condition.since_us < condition.after_us:
                return
            changes.append(self._raise(condition, folded))
            return
        alarm.calm_since_us = None
        detail = dict(condition.detail)
        if alarm.folded_into != folded or alarm.detail != detail:
            alarm.folded_into, alarm.detail = folded, detail
            changes.append(Changed(alarm))

    def _raise(self, condition: Condition, folded: str | None) -> Change:
        before, _ = self._over.pop(condition.key, (None, 0))
        # What a larger failure explains is a part of that one, not of what it was before.
        is_it = before is not None and condition.since_us < before.begin_us + ONE_ALARM_US
        if before is not None and is_it and folded is None:
            before.folded_into, before.detail = None, dict(condition.detail)
            before.calm_since_us = None
            self.open[condition.key] = before
            return Again(before, condition.since_us)
        alarm = OpenAlarm(
            self._make_id(), condition.key, condition.since_us, folded, dict(condition.detail)
        )
        self.open[condition.key] = alarm
        return Opened(alarm, condition=condition)

    def _calm(self, seen: Seen, alarm: OpenAlarm, changes: list[Change]) -> None:
        if alarm.key[1] in seen.unknown:
            return
        if alarm.calm_since_us is None:
            alarm.calm_since_us = seen.at_us
        if seen.at_us - alarm.calm_since_us < _CALM_US:
            return
        del self.open[alarm.key]
        end_us = max(alarm.calm_since_us, alarm.begin_us)
        if alarm.key[0] != NETWORK_DOWN and alarm.folded_into is None:
            self._over.pop(alarm.key, None)
            self._over[alarm.key] = (alarm, end_us)
        changes.append(Closed(alarm, end_us))


def _failing(seen: Seen) -> dict[str, Condition]:
    return {
        one.camera_id: one
        for one in seen.conditions.values()
        if one.kind == CAMERA_OFFLINE and one.camera_id is not None
    }


def _ranked(seen: Seen, failing: Mapping[str, Condition]) -> list[Group]:
    """What people configured comes first, then what explains most."""
    counts: dict[str, int] = defaultdict(int)
    for group in seen.groups:
        counts[group.subject] = sum(one in failing for one in group.cameras)
    order = {"switch": 0, "platform": 1, "network": 2}
    return sorted(
        seen.groups,
        key=lambda one: (
            one.kind != "switch",
            -counts[one.subject],
            order[one.kind],
            one.subject,
        ),
    )


def _fell_at_us(group: Group, members: int, failed: list[Condition]) -> int | None:
    """When the group began to fail, if most of it failed together; else None."""
    needed = max(_LEAST[group.kind], -int(-(_MANY if group.unreachable else _MOST) * members // 1))
    if len(failed) < needed:
        return None
    times = sorted(one.since_us for one in failed)
    for begin_us, end_us in zip(times, times[needed - 1 :], strict=False):
        if end_us - begin_us <= TOGETHER_US:
            return begin_us
    return None
