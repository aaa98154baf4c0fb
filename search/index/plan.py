"""How the index is walked: which way is the shortest for a question, and the statement of it.

Every way goes from the newest to the oldest, window by window, and stops when enough is found:

- *time*: all passages of the window, by the table itself, which is in order of time;
- *look*: those of the looks that fit, by ``ix_passages_look``;
- *camera*: those of the cameras asked for, by ``ix_passages_camera``;
- *plate*: those of the plates that fit, by ``ix_passages_plate``;
- *zone*: those that crossed a line or were in a region, by ``passage_crossings``;
- *long*: those that lasted long, by ``ix_passages_long``.

What is common is found soon in order of time, and what is rare is few by its own index. Counts that
the rows carry (``passages`` of looks and cameras) tell which of both it is, so that neither many
answers nor none take long.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from search.index.tables import LONG_MS, passage_crossings, passage_plates
from search.passages import first_id_at

# What things cost, in rows of the table read one after the other.
_SEEK = 12.0
_ROW = 8.0

# A window is made to hold this many times what is wanted, by the counts.
_MARGIN = 3.0
_LEAST_ROWS = 20_000.0
_GROWTH = 4

# No passage lasts longer: the tracker ends what stands for an hour, and begins anew.
LONGEST_US = 2 * 3_600_000_000

_INDEXES = {
    "look": "ix_passages_look",
    "camera": "ix_passages_camera",
    "plate": "ix_passages_plate",
    "long": "ix_passages_long",
}
# An index of the one way holds what the other compares.
_HELD = frozenset({("look", "camera"), ("camera", "look"), ("long", "look"), ("long", "camera")})

_id = sa.column("id", sa.BigInteger)
_camera = sa.column("camera", sa.Integer)
_look = sa.column("look", sa.Integer)
_motion = sa.column("motion", sa.Integer)
_lasts = sa.column("lasts_ms", sa.Integer)
_plate = sa.column("plate", sa.Integer)


@dataclass(frozen=True, slots=True)
class Way:
    """An index to walk by: how much of all passages it leaves, and at how many places it begins."""

    share: float
    seeks: float


@dataclass(slots=True)
class Asked:
    """A question in the index's own numbers; None is no condition of that kind.

    Ids from ``start`` up to, not with, ``end`` began within the time asked for. ``looks`` and
    ``plates`` may be selects of numbers. ``ways`` has an entry for each condition with an index.
    ``density``: how many passages there are for each step of the id, on the average.
    """

    start: int
    end: int
    cameras: Sequence[int] | None = None
    looks: sa.Select[Any] | None = None
    plates: Sequence[int] | None = None
    broad_plates: sa.ColumnElement[bool] | None = None
    motions: Collection[int] | None = None
    zone: int | None = None
    zone_how: str | None = None
    min_ms: int | None = None
    max_ms: int | None = None
    ways: dict[str, Way] = field(default_factory=dict)
    density: float = 0.0


@dataclass(frozen=True, slots=True)
class Window:
    """Ids from ``lowest`` up to, not with, ``highest``. ``seen_at_ms``: only those that were still
    to be seen then. ``long_only``: of those that lasted :data:`LONG_MS` and more.
    """

    lowest: int
    highest: int
    seen_at_ms: int | None = None
    long_only: bool = False


def windows(asked: Asked, wanted: int, oldest: int, newest: int) -> Iterator[Window]:
    """All that may fit, in windows from the newest to the oldest, each larger than the one before.

    First the time asked for; then what began up to :data:`LONG_MS` before it and reaches into it;
    at last the long ones of two hours before. ``oldest`` and ``newest`` are the ids that there are.
    """
    highest = min(asked.end, newest + 1)
    start = max(asked.start, oldest)
    left = 1.0
    for way in asked.ways.values():
        left *= way.share
    rows = max(wanted * _MARGIN / max(left, 1e-9), _LEAST_ROWS)
    size = max(int(min(rows / max(asked.density, 1e-15), 1 << 61)), 1)
    while highest > start:
        lowest = max(highest - size, start)
        yield Window(lowest, highest)
        highest, size = lowest, size * _GROWTH
    start_ms = asked.start >> 20
    near = max(first_id_at(start_ms * 1000 - LONG_MS * 1000), 0)
    far = max(first_id_at(start_ms * 1000 - LONGEST_US), 0)
    for lowest, highest, long_only in (
        (max(near, oldest), min(asked.start, asked.end, newest + 1), False),
        (max(far, oldest), min(near, asked.end, newest + 1), True),
    ):
        if highest > lowest:
            yield Window(lowest, highest, start_ms, long_only)


def shortest_way(asked: Asked, window: Window) -> str:
    """The name of the way that costs the least."""
    if window.long_only:
        return "long"
    rows = (window.highest - window.lowest) * asked.density
    costs = {"time": rows}
    for name, way in asked.ways.items():
        found = left = rows * way.share
        # What another condition compares within this index is not looked up in the table.
        for other, other_way in asked.ways.items():
            if other != name and (name, other) in _HELD:
                left *= other_way.share
        costs[name] = found + way.seeks * _SEEK + (left * _ROW if _looks_up(asked, name) else 0.0)
    return min(costs, key=lambda name: costs[name])


def statement(asked: Asked, window: Window, way: str, limit: int, dialect: str) -> sa.Select[Any]:
    """The ids of a window, the newest first. SQLite keeps no statistics, so the index is named; on
    PostgreSQL the planner has its own.
    """
    source = "passages"
    if dialect == "sqlite" and way in _INDEXES:
        source = f"passages INDEXED BY {_INDEXES[way]}"
    elif dialect == "sqlite" and way == "time":
        source = "passages NOT INDEXED"
    conditions: list[sa.ColumnElement[bool]] = [_id >= window.lowest, _id < window.highest]
    if window.long_only or way == "long":
        conditions.append(_lasts >= sa.literal_column(str(LONG_MS)))
    if window.seen_at_ms is not None:
        began_ms = _id.bitwise_rshift(sa.literal_column("20"))
        conditions.append(began_ms + _lasts >= window.seen_at_ms)
    if asked.cameras is not None:
        conditions.append(_camera.in_(_inline(asked.cameras)))
    if asked.looks is not None:
        conditions.append(_look.in_(asked.looks))
    if asked.plates is not None:
        conditions.append(_plate.in_(_inline(asked.plates)))
    if asked.broad_plates is not None:
        # One look-up of each row that fits in all else, not one walk of all plates.
        fits = sa.select(sa.literal(1)).where(
            passage_plates.c.number == sa.literal_column("passages.plate"), asked.broad_plates
        )
        conditions += [_plate.is_not(None), sa.exists(fits)]
    if asked.motions is not None:
        conditions.append(_motion.in_(_inline(sorted(asked.motions))))
    if asked.min_ms is not None:
        conditions.append(_lasts >= asked.min_ms)
    if asked.max_ms is not None:
        conditions.append(_lasts <= asked.max_ms)
    if asked.zone is not None:
        conditions.append(_id.in_(_crossed(asked, window)))
    return (
        sa.select(_id)
        .select_from(sa.text(source))
        .where(*conditions)
        .order_by(_id.desc())
        .limit(limit)
    )


def _crossed(asked: Asked, window: Window) -> sa.Select[Any]:
    table = passage_crossings.c
    crossed = sa.select(table.id).where(
        table.zone == asked.zone, table.id >= window.lowest, table.id < window.highest
    )
    if asked.zone_how is not None:
        crossed = crossed.where(table.how == asked.zone_how)
    return crossed


def _inline(numbers: Sequence[int]) -> sa.BindParameter[Any]:
    """Numbers as a part of the statement: they may be more than a statement has parameters."""
    return sa.bindparam(None, list(numbers), expanding=True, literal_execute=True, unique=True)


def _looks_up(asked: Asked, way: str) -> bool:
    """Whether a condition compares what the way's index does not hold."""
    return way not in ("look", "camera", "long") or asked.broad_plates is not None
