"""Filters as questions to the index."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from gateway.investigations.filters import Filters, PlateForm
from search.index.questions import Line, PassageQuery, Region
from search.passages import Color, Direction, SpeedClass
from search.plates import PlatePattern, read_pattern

# What ends is told to a microsecond, and asked for in milliseconds.
_MS = 1000


def passage_query(
    filters: Filters, start_us: int, end_us: int, camera_ids: Collection[str] | None
) -> PassageQuery:
    """The question of ``filters`` in that time, at these cameras (None: at all). Raises
    :class:`search.plates.PatternError`.

    A line or region is drawn in the picture of one camera: it alone is asked then.
    """
    drawn = drawn_on(filters)
    if drawn is not None:
        camera_ids = [drawn] if camera_ids is None or drawn in camera_ids else []
    line, region = filters.line, filters.region
    if not camera_ids and drawn is not None:
        # Nowhere: nothing fits, wherever the line would be.
        line = region = None
    shortest, longest = filters.min_duration_s, filters.max_duration_s
    return PassageQuery(
        start_us,
        end_us,
        camera_ids=camera_ids,
        classes=filters.classes or None,
        colors=_colors(filters.color),
        upper_colors=_colors(filters.upper_color),
        lower_colors=_colors(filters.lower_color),
        vehicle_types=filters.vehicle_type or None,
        plate=plate_pattern(filters.plate),
        rider=None if filters.rider is None else filters.rider == "yes",
        directions=[Direction[one.upper()] for one in filters.direction] or None,
        speeds=[SpeedClass[one.upper()] for one in filters.speed] or None,
        zone_id=filters.zone_id,
        line=None if line is None else Line(*line.points, how=line.how),
        region=None if region is None else Region(tuple(region.points)),
        min_duration_ms=None if shortest is None else round(shortest * _MS),
        max_duration_ms=None if longest is None else round(longest * _MS),
        include_possible=filters.include_possible,
    )


def plate_pattern(form: PlateForm | None) -> PlatePattern | None:
    """Raises :class:`search.plates.PatternError`."""
    if form is None:
        return None
    return read_pattern(form.pattern, infix=form.infix, look_alikes=form.look_alikes)


def drawn_on(filters: Filters) -> str | None:
    """The camera in whose picture a line or region is drawn. Raises ValueError for two."""
    ids = {one.camera_id for one in (filters.line, filters.region) if one is not None}
    if len(ids) > 1:
        raise ValueError("a line and a region are drawn in the picture of the same camera")
    return next(iter(ids), None)


def _colors(names: Sequence[str]) -> list[Color] | None:
    return [Color[name.upper()] for name in names] or None
