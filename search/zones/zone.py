"""What an operator draws: lines and regions, what is watched for there, and when."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field

from search.objects import ObjectClass
from search.zones.schedule import ALWAYS, Schedule

Point = tuple[float, float]
"""Shares of the picture, 0 to 1: from the left, from the top."""


class ZoneKind(enum.StrEnum):
    """``LINE``: an open polyline of at least two points; ``REGION``: a polygon of at least three,
    closed by itself."""

    LINE = "line"
    REGION = "region"


class RuleKind(enum.StrEnum):
    """What can be watched for. The values are the ``kind`` of the events that come of it."""

    LINE_CROSSING = "line_crossing"
    WRONG_WAY = "wrong_way"
    INTRUSION = "intrusion"
    LOITERING = "loitering"
    CROWD = "crowd"
    ABANDONED_OBJECT = "abandoned_object"


LINE_RULES = frozenset({RuleKind.LINE_CROSSING, RuleKind.WRONG_WAY})
"""The others are for regions; WRONG_WAY is for both."""


class Way(enum.StrEnum):
    """Over a line: ``FORWARD`` is from its left to its right hand, seen along its points, in the
    picture as it is shown. ``BOTH`` takes either."""

    FORWARD = "forward"
    BACKWARD = "backward"
    BOTH = "both"


@dataclass(frozen=True, slots=True)
class Rule:
    """One thing to watch for.

    ``way``: of LINE_CROSSING, which way counts; of WRONG_WAY over a line, the wrong one.
    ``heading_deg``: of WRONG_WAY in a region, the right way in the picture, clockwise from up; who
    goes more than 120° off it goes wrong.
    ``seconds``: of LOITERING how long somebody stays, of ABANDONED_OBJECT how long a thing stands.
    ``count``: of CROWD, how many at once, for at least ``seconds``.
    ``cool_down_s``: how long nothing of this rule is said again: of the same object, or for CROWD
    and ABANDONED_OBJECT of the zone.
    """

    kind: RuleKind
    way: Way = Way.BOTH
    heading_deg: float = 0.0
    seconds: float = 0.0
    count: int = 0
    cool_down_s: float = 60.0


@dataclass(frozen=True, slots=True)
class Zone:
    """A line or region of one camera, and what is watched for there.

    Points are shares of the picture. ``classes`` empty: all. ``minimum_height``: objects lower than
    this share of the picture's height are left out.
    """

    id: str
    kind: ZoneKind
    points: tuple[Point, ...]
    rules: tuple[Rule, ...] = ()
    classes: frozenset[ObjectClass] = field(default_factory=frozenset)
    schedule: Schedule = ALWAYS
    minimum_height: float = 0.0
