"""Zones and happenings as documents: how they are stored, sent to workers, and answered."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from search.objects import ObjectClass
from search.zones.schedule import Schedule, Span
from search.zones.zone import LINE_RULES, Rule, RuleKind, Way, Zone, ZoneKind

if TYPE_CHECKING:
    from search.zones.watch import Happening

POINTS_LIMIT = 32
DEFAULT_TIME_ZONE = "Asia/Shanghai"

_CLOCK = re.compile(r"([01]\d|2[0-3]):([0-5]\d)")
_DEFAULT_SECONDS = {
    RuleKind.LOITERING: 30.0,
    RuleKind.CROWD: 5.0,
    RuleKind.ABANDONED_OBJECT: 60.0,
}
_DEFAULT_COUNT = 5


class ZoneRefused(ValueError):
    """A document is no zone; the message says what is wrong and what to do."""


def zone_from_document(document: Mapping[str, Any]) -> Zone:
    """Read ``{id, kind, points, rules, classes, minimum_height, schedule, time_zone}``; what is
    left out is as in :class:`Zone`. Raises :class:`ZoneRefused`.
    """
    try:
        return _zone(document)
    except ZoneRefused:
        raise
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise ZoneRefused(f"this is no zone: {error}") from None


def _zone(document: Mapping[str, Any]) -> Zone:
    kind = ZoneKind(document["kind"])
    points = tuple((float(x), float(y)) for x, y in document["points"])
    least = 2 if kind is ZoneKind.LINE else 3
    if len(set(points)) < least or len(points) > POINTS_LIMIT:
        raise ZoneRefused(f"a {kind} has {least} to {POINTS_LIMIT} different points")
    if not all(0 <= share <= 1 for point in points for share in point):
        raise ZoneRefused("points are shares of the picture: from 0 to 1")
    rules = tuple(_rule(kind, rule) for rule in document.get("rules", ()))
    if len({rule.kind for rule in rules}) < len(rules):
        raise ZoneRefused("a zone has each rule once: make a second zone for another")
    minimum_height = float(document.get("minimum_height", 0))
    if not 0 <= minimum_height <= 1:
        raise ZoneRefused("minimum_height is a share of the picture's height: from 0 to 1")
    return Zone(
        str(document["id"]),
        kind,
        points,
        rules,
        frozenset(ObjectClass(one) for one in document.get("classes", ())),
        schedule_from_document(
            document.get("schedule", ()), document.get("time_zone", DEFAULT_TIME_ZONE)
        ),
        minimum_height,
    )


def _rule(zone: ZoneKind, document: Mapping[str, Any]) -> Rule:
    kind = RuleKind(document["kind"])
    way = Way(document.get("way", Way.BOTH))
    if zone is ZoneKind.LINE and kind not in LINE_RULES:
        raise ZoneRefused(f"{kind} is watched for in a region: draw one, not a line")
    if zone is ZoneKind.REGION and kind is RuleKind.LINE_CROSSING:
        raise ZoneRefused("line_crossing is watched for at a line: draw one, not a region")
    if zone is ZoneKind.LINE and kind is RuleKind.WRONG_WAY and way is Way.BOTH:
        raise ZoneRefused("say which way is the wrong one: forward or backward")
    rule = Rule(
        kind,
        way,
        float(document.get("heading_deg", 0)) % 360,
        float(document.get("seconds", _DEFAULT_SECONDS.get(kind, 0.0))),
        int(document.get("count", _DEFAULT_COUNT if kind is RuleKind.CROWD else 0)),
        float(document.get("cool_down_s", 60)),
    )
    if not 0 <= rule.seconds <= 86_400 or not 0 <= rule.cool_down_s <= 86_400:
        raise ZoneRefused("seconds and cool_down_s are from 0 to 86400")
    if kind is RuleKind.CROWD and not 2 <= rule.count <= 100:
        raise ZoneRefused("a crowd is of 2 to 100")
    return rule


def schedule_from_document(spans: Sequence[Mapping[str, Any]], time_zone: str) -> Schedule:
    """Read spans ``{days, start, end}``, day 1 being Monday, by the clock of ``time_zone``. Raises
    :class:`ZoneRefused`.
    """
    try:
        zone = ZoneInfo(time_zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ZoneRefused(
            f"there is no time zone {time_zone[:60]!r}: one is Asia/Shanghai"
        ) from None
    return Schedule(tuple(_span(span) for span in spans), zone)


def _span(document: Mapping[str, Any]) -> Span:
    days = frozenset(int(day) - 1 for day in document["days"])
    if not days or not days <= frozenset(range(7)):
        raise ZoneRefused("days are numbers from 1 (Monday) to 7")
    return Span(days, _minute(document["start"]), _minute(document["end"]))


def _minute(clock: str) -> int:
    found = _CLOCK.fullmatch(clock)
    if found is None:
        raise ZoneRefused(f"{clock[:20]!r} is no time of day: one is 22:30")
    return int(found[1]) * 60 + int(found[2])


def happening_message(camera_id: str, happening: Happening) -> dict[str, Any]:
    """A happening as it leaves a worker."""
    box = happening.box
    return {
        "camera_id": camera_id,
        "id": happening.id,
        "zone_id": happening.zone_id,
        "kind": str(happening.kind),
        "state": str(happening.state),
        "at_us": happening.at_us,
        "passage_id": None if happening.passage_id is None else str(happening.passage_id),
        "class": None if happening.object_class is None else str(happening.object_class),
        "box": None if box is None else [round(share, 4) for share in box],
        "detail": dict(happening.detail),
    }
