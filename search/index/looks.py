"""Which looks fit a question, and what about a passage is only possible.

What is unknown of an object excludes nothing: an infra-red picture has no colours, and a car may
be a van to a model that knows no vans. It is found as possible, and says so.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

import sqlalchemy as sa

from search.index.messages import StoredPassage, class_mask
from search.index.questions import PassageQuery
from search.index.tables import passage_looks
from search.objects import CLASS_NUMBERS, TWO_WHEELERS, VEHICLES, ObjectClass
from search.passages import Color, ColorFound

_PEOPLE = frozenset({ObjectClass.PERSON}) | TWO_WHEELERS
# Which classes have what: of others, nothing found means that there is nothing to be found.
_OWNERS: Mapping[str, Collection[ObjectClass]] = {
    "color": VEHICLES | TWO_WHEELERS,
    "upper_color": _PEOPLE,
    "lower_color": _PEOPLE,
    "plate_color": frozenset(),
}


def look_conditions(
    query: PassageQuery, type_numbers: Collection[int]
) -> list[sa.ColumnElement[bool]]:
    """Of rows of ``passage_looks``: what fits, and what may fit where that is asked for.
    ``type_numbers``: those of the query's types of vehicles.
    """
    table = passage_looks.c
    conditions: list[sa.ColumnElement[bool]] = []
    possible = query.include_possible
    if query.classes is not None:
        fits: list[sa.ColumnElement[bool]] = [table.object_class.in_(_numbers(query.classes))]
        if possible:
            fits.append(table.possible.bitwise_and(class_mask(tuple(query.classes))) != 0)
        conditions.append(sa.or_(*fits))
    for name, wanted in _colors(query):
        numbers = sorted(int(one) for one in wanted)
        fits = [table[name].in_(numbers)]
        if possible:
            unknown = sa.and_(
                table[name].is_(None), table.object_class.in_(_numbers(_OWNERS[name]))
            )
            fits += [
                table[f"{name}_second"].in_(numbers),
                table[name] == int(Color.UNKNOWN),
                unknown,
            ]
        conditions.append(sa.or_(*fits))
    if query.vehicle_types is not None:
        fits = [table.vehicle_type.in_(sorted(type_numbers))]
        if possible:
            vehicles = table.object_class.in_(_numbers(VEHICLES))
            fits.append(sa.and_(table.vehicle_type.is_(None), vehicles))
        conditions.append(sa.or_(*fits))
    if query.rider is not None:
        fits = [table.rider.is_(query.rider)]
        if possible:
            two_wheelers = table.object_class.in_(_numbers(TWO_WHEELERS))
            fits.append(sa.and_(table.rider.is_(None), two_wheelers))
        conditions.append(sa.or_(*fits))
    return conditions


def may_look(query: PassageQuery, passage: StoredPassage) -> list[str] | None:
    """None: it does not look like that. Else what about it fits only as far as is known."""
    kind, found = passage.object_class, passage.attributes
    why = []
    if query.classes is not None and kind not in query.classes:
        if not set(query.classes) & set(passage.possible_classes):
            return None
        why.append("class")
    for name, wanted in _colors(query):
        color: ColorFound | None = getattr(found, name)
        if color is not None and color.color in wanted:
            continue
        if color is None:
            possible = kind in _OWNERS[name]
        else:
            possible = color.second in wanted or color.color is Color.UNKNOWN
        if not possible:
            return None
        why.append(name)
    if query.vehicle_types is not None:
        if found.vehicle_type is None and kind in VEHICLES:
            why.append("vehicle_type")
        elif found.vehicle_type is None or found.vehicle_type.value not in query.vehicle_types:
            return None
    if query.rider is not None:
        if found.rider is None and kind in TWO_WHEELERS:
            why.append("rider")
        elif found.rider is None or (found.rider.value == "yes") is not query.rider:
            return None
    return why if query.include_possible or not why else None


def _colors(query: PassageQuery) -> Iterable[tuple[str, Collection[Color]]]:
    asked = (
        ("color", query.colors),
        ("upper_color", query.upper_colors),
        ("lower_color", query.lower_colors),
        ("plate_color", query.plate_colors),
    )
    return [(name, wanted) for name, wanted in asked if wanted is not None]


def _numbers(classes: Collection[ObjectClass]) -> list[int]:
    return sorted(CLASS_NUMBERS[one] for one in classes)
