"""What an auditor should look at first: findings in the register of a period.

Nothing here accuses: each finding names the records that it comes of. The rules, which
docs/audit.md explains to auditors:

- ``blank_reason``: a look of which nothing was said.
- ``filler_reason``: words or a case number that say nothing (:mod:`gateway.audit.wording`).
- ``copied_reason``: the same words for many looks at different cameras.
- ``off_shift``: looks outside the working hours, but for duty desks and shifts that were taken
  over by hand-over.
- ``same_target``: somebody opens the same camera by itself, again and again, on several days, and
  names no case. What opens together with other cameras, as a wall does, does not count.
- ``refused``: somebody tries again and again what they may not, or an address guesses passwords.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from gateway.audit.wording import bare, is_blank, is_filler, is_filler_number
from gateway.identifiers import US_PER_S

Kind = Literal[
    "blank_reason", "filler_reason", "copied_reason", "off_shift", "same_target", "refused"
]
KINDS: tuple[Kind, ...] = (
    "blank_reason",
    "filler_reason",
    "copied_reason",
    "off_shift",
    "same_target",
    "refused",
)
LOOKS = ("live.open", "live.snapshot", "playback.open", "export.download", "export.order")
LOOK_PREFIXES = ("search.",)
REFUSALS = ("access.refused", "session.refused")

SEQUENCES_LIMIT = 20
FINDINGS_LIMIT = 2000
COPIES = 10
COPIED_CAMERAS = 5
TARGET_LOOKS = 5
LIVE_TARGET_LOOKS = 10
TARGET_DAYS = 3
REFUSALS_LEAST = 5
_TOGETHER_US = 60 * US_PER_S
# A tile that reconnects, a page that is loaded anew: still the same look.
_SAME_LOOK_US = 600 * US_PER_S
_DAY_US = 24 * 3600 * US_PER_S
_MINUTE_US = 60 * US_PER_S


@dataclass(slots=True)
class Finding:
    """``sequences`` are of the first records behind it, ``count`` of all."""

    kind: Kind
    user_id: str | None
    user_name: str | None
    camera_id: str | None = None
    camera_name: str | None = None
    count: int = 0
    first_us: int = 0
    last_us: int = 0
    example: str | None = None
    sequences: list[int] = field(default_factory=list)
    detail: dict[str, Any] = field(default_factory=dict)

    def take(self, record: Mapping[str, Any]) -> None:
        """Another record behind it."""
        if not self.count:
            self.first_us = record["at_us"]
        self.count += 1
        self.last_us = record["at_us"]
        if len(self.sequences) < SEQUENCES_LIMIT:
            self.sequences.append(record["sequence"])


@dataclass(frozen=True, slots=True)
class Report:
    """The auditors' report of a period."""

    start_us: int
    end_us: int
    looks: int
    people: int
    findings: tuple[Finding, ...]
    counts: dict[str, int]

    def to_document(self) -> dict[str, Any]:
        """As JSON."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class WorkingHours:
    """Minutes of the local day in which work is done; ``start`` after ``end`` is over midnight."""

    start_minute: int
    end_minute: int
    utc_offset_minutes: int

    @classmethod
    def parse(cls, text: str, utc_offset_minutes: int) -> WorkingHours:
        """Of "07:00-20:00". Raises ValueError."""
        start, dash, end = text.partition("-")
        if not dash:
            raise ValueError('working hours are given like "07:00-20:00"')
        return cls(_minute(start), _minute(end), utc_offset_minutes)

    def include(self, at_us: int) -> bool:
        """Whether that instant is in them."""
        minute = self._local_us(at_us) % _DAY_US // _MINUTE_US
        if self.start_minute <= self.end_minute:
            return self.start_minute <= minute < self.end_minute
        return minute >= self.start_minute or minute < self.end_minute

    def day(self, at_us: int) -> int:
        """The local day, counted since 1970."""
        return self._local_us(at_us) // _DAY_US

    def night(self, at_us: int) -> int:
        """The day on whose evening the night began: what is grouped as one night."""
        return (self._local_us(at_us) - self.start_minute * _MINUTE_US) // _DAY_US

    def _local_us(self, at_us: int) -> int:
        return at_us + self.utc_offset_minutes * _MINUTE_US


@dataclass(slots=True)
class _Opening:
    camera_id: str
    at_us: int
    record: Mapping[str, Any]
    alone: bool = True


@dataclass(slots=True)
class _Target:
    """One person's looks at one camera, each alone."""

    played: Finding
    watched: Finding
    days: Counter[str] = field(default_factory=Counter)
    last_us: dict[str, int] = field(default_factory=dict)
    seen_days: dict[str, set[int]] = field(default_factory=lambda: defaultdict(set))


class Examiner:
    """Takes the records of a period in their order, then gives the report.

    ``on_duty(user_id, at_us)``: whether a shift of theirs, taken over by hand-over, ran then.
    """

    def __init__(self, hours: WorkingHours, on_duty: Callable[[str, int], bool]) -> None:
        self._hours = hours
        self._on_duty = on_duty
        self._looks = 0
        self._people: set[str] = set()
        self._found: dict[tuple[Any, ...], Finding] = {}
        self._texts: dict[tuple[str, str], tuple[Finding, set[str]]] = {}
        self._targets: dict[tuple[str, str], _Target] = {}
        self._openings: dict[str, deque[_Opening]] = defaultdict(deque)

    def take(self, record: Mapping[str, Any]) -> None:
        """The next record: columns of the register, and ``camera_name``."""
        action = record["action"]
        if action in REFUSALS:
            self._refused(record)
        elif action in LOOKS or action.startswith(LOOK_PREFIXES):
            self._look(record, json.loads(record["detail"]))

    def _look(self, record: Mapping[str, Any], detail: dict[str, Any]) -> None:
        self._looks += 1
        user_id = record["user_id"] or ""
        self._people.add(user_id)
        # Another platform has no shift, and its reason is its contract.
        if detail.get("service"):
            return
        if record["action"] != "live.snapshot":
            self._reason(record)
            self._shift(record, user_id, detail)
            if record["camera_id"] is not None:
                self._open(record, user_id)

    def _reason(self, record: Mapping[str, Any]) -> None:
        if record["action"] == "export.download":
            return  # of what was opened or ordered with its own reason
        text, case_id = record["reason"], record["case_id"]
        user_id = record["user_id"]
        if record["reason_code"] is None and (text is None or is_blank(text)):
            self._finding("blank_reason", record, user_id, record["action"])
            return
        if case_id is not None and is_filler_number(case_id):
            self._finding("filler_reason", record, user_id, "case", case_id, example=case_id)
        if text is None:
            return
        said = bare(text)
        if is_filler(text):
            self._finding("filler_reason", record, user_id, said, example=text)
        elif record["action"] != "live.open" and case_id is None:
            # Live views of a shift share their purpose by design.
            finding, cameras = self._texts.setdefault(
                (user_id or "", said), (_begun("copied_reason", record, example=text), set())
            )
            finding.take(record)
            if len(cameras) < 100:
                cameras.add(record["camera_id"] or "")

    def _shift(self, record: Mapping[str, Any], user_id: str, detail: dict[str, Any]) -> None:
        at_us = record["at_us"]
        if self._hours.include(at_us) or "desk_session" in detail or self._on_duty(user_id, at_us):
            return
        found = self._finding("off_shift", record, user_id, self._hours.night(at_us))
        actions = found.detail.setdefault("actions", {})
        actions[record["action"]] = actions.get(record["action"], 0) + 1

    def _open(self, record: Mapping[str, Any], user_id: str) -> None:
        """Note an opening, and judge those of a minute ago: nothing can be beside them any more."""
        opened = _Opening(record["camera_id"], record["at_us"], record)
        waiting = self._openings[user_id]
        self._settle(waiting, opened.at_us - _TOGETHER_US)
        for other in waiting:
            if other.camera_id != opened.camera_id:
                other.alone = opened.alone = False
        waiting.append(opened)

    def _settle(self, waiting: deque[_Opening], before_us: int | None) -> None:
        while waiting and (before_us is None or waiting[0].at_us < before_us):
            opened = waiting.popleft()
            if opened.alone and opened.record["case_id"] is None:
                self._target(opened)

    def _target(self, opened: _Opening) -> None:
        record = opened.record
        key = (record["user_id"] or "", opened.camera_id)
        target = self._targets.get(key)
        if target is None:
            target = self._targets[key] = _Target(
                _begun("same_target", record, camera=True),
                _begun("same_target", record, camera=True),
            )
        way = "live" if record["action"].startswith("live.") else "playback"
        again = opened.at_us - target.last_us.get(way, -_SAME_LOOK_US) < _SAME_LOOK_US
        target.last_us[way] = opened.at_us
        if again:
            return
        target.seen_days[way].add(self._hours.day(opened.at_us))
        (target.watched if way == "live" else target.played).take(record)

    def _refused(self, record: Mapping[str, Any]) -> None:
        who = record["user_id"] or f"{record['user_name']} {record['address']}"
        found = self._finding("refused", record, who, record["action"])
        found.example = record["action"]
        found.detail["address"] = record["address"]

    def report(self, start_us: int, end_us: int) -> Report:
        """The findings of all that was taken, the gravest kind and the most frequent first."""
        for waiting in self._openings.values():
            self._settle(waiting, None)
        findings = [
            one
            for one in self._found.values()
            if one.kind != "refused" or one.count >= REFUSALS_LEAST
        ]
        findings += [
            finding
            for finding, cameras in self._texts.values()
            if finding.count >= COPIES and len(cameras) >= COPIED_CAMERAS
        ]
        findings += list(self._same_targets())
        findings.sort(key=lambda one: (KINDS.index(one.kind), -one.count, one.first_us))
        counts = Counter(one.kind for one in findings)
        return Report(
            start_us,
            end_us,
            self._looks,
            len(self._people),
            tuple(findings[:FINDINGS_LIMIT]),
            {kind: counts.get(kind, 0) for kind in KINDS},
        )

    def _same_targets(self) -> Iterable[Finding]:
        for target in self._targets.values():
            for way, finding, least in (
                ("playback", target.played, TARGET_LOOKS),
                ("live", target.watched, LIVE_TARGET_LOOKS),
            ):
                days = len(target.seen_days[way])
                if finding.count >= least and days >= TARGET_DAYS:
                    finding.example = way
                    finding.detail = {"way": way, "days": days}
                    yield finding

    def _finding(
        self, kind: Kind, record: Mapping[str, Any], *key: Any, example: str | None = None
    ) -> Finding:
        found = self._found.get((kind, *key))
        if found is None:
            found = self._found[kind, *key] = _begun(kind, record, example=example)
        found.take(record)
        return found


def _begun(
    kind: Kind, record: Mapping[str, Any], *, example: str | None = None, camera: bool = False
) -> Finding:
    return Finding(
        kind,
        record["user_id"],
        record["user_name"],
        record["camera_id"] if camera else None,
        record["camera_name"] if camera else None,
        example=example,
    )


def _minute(text: str) -> int:
    hours, colon, minutes = text.strip().partition(":")
    if not (colon and hours.isdigit() and minutes.isdigit()):
        raise ValueError(f"{text!r} is no time of day like 07:00")
    minute = int(hours) * 60 + int(minutes)
    if int(minutes) > 59 or minute > 24 * 60:
        raise ValueError(f"{text!r} is no time of day like 07:00")
    return minute
