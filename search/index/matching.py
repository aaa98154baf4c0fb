"""Whether a passage fits a question, without the index: of what was found by likeness, and of what
has just passed.
"""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
from numpy.typing import NDArray

from search.index.geometry import crossing, entering
from search.index.looks import may_look
from search.index.messages import StoredPassage
from search.index.packed_paths import Ways, ways_of
from search.index.questions import PassageQuery
from search.objects import TWO_WHEELERS, VEHICLES, ObjectClass
from search.plates import matches


def fits(query: PassageQuery, passage: StoredPassage) -> list[str] | None:
    """None: it does not fit. Else what about it is only possible, as in
    :attr:`search.index.questions.Found.why`.
    """
    if passage.first_us >= query.end_us or passage.last_us < query.start_us:
        return None
    if query.camera_ids is not None and passage.camera_id not in query.camera_ids:
        return None
    if not (_among(passage.direction, query.directions) and _among(passage.speed, query.speeds)):
        return None
    lasts_ms = (passage.last_us - passage.first_us) // 1000
    if query.min_duration_ms is not None and lasts_ms < query.min_duration_ms:
        return None
    if query.max_duration_ms is not None and lasts_ms > query.max_duration_ms:
        return None
    if query.zone_id is not None and not any(
        one.zone_id == query.zone_id and query.zone_how in (None, one.how)
        for one in passage.crossings
    ):
        return None
    if is_drawn(query) and not meets(query, ways_of([passage.path]))[0]:
        return None
    why = may_look(query, passage)
    if why is None:
        return None
    if query.plate is not None:
        plate = passage.attributes.plate
        if plate is None or not matches(query.plate, plate.value):
            return None
        if query.plate.look_alikes and not matches(
            type(query.plate)(query.plate.text), plate.value
        ):
            why.append("plate")
    return why


def is_drawn(query: PassageQuery) -> bool:
    """Whether a line or a region is asked for."""
    return query.line is not None or query.region is not None


def meets(query: PassageQuery, ways: Ways) -> NDArray[np.bool_]:
    """Of each path, whether it meets what is drawn, if something is."""
    found = np.ones(ways.count, bool)
    if query.line is not None:
        found &= crossing(ways, query.line)
    if query.region is not None:
        found &= entering(ways, query.region)
    return found


def compatible_classes(passage: StoredPassage) -> frozenset[ObjectClass]:
    """What the same object may be called by another camera, or another model."""
    own = {passage.object_class, *passage.possible_classes}
    for group in (VEHICLES, TWO_WHEELERS):
        if own & group:
            own |= group
    return frozenset(own)


def _among(value: object, wanted: Collection[object] | None) -> bool:
    return wanted is None or value in wanted
