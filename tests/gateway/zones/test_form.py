"""Zones as people send them: what is refused says what to do, what is kept can be watched."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from gateway.zones.form import ZoneForm, documents_of
from search.objects import ObjectClass
from search.zones.document import ZoneRefused, zone_from_document
from search.zones.zone import LINE_RULES, RuleKind, Way, ZoneKind

GATE = {
    "name": "北门",
    "kind": "line",
    "points": [[0.5, 1.0], [0.5, 0.0]],
    "rules": [{"kind": "line_crossing", "way": "forward"}],
    "classes": ["person"],
    "schedule": [{"days": [1, 7], "start": "22:00", "end": "06:00"}],
}
YARD = {
    "name": "院子",
    "kind": "region",
    "points": [[0.1, 0.1], [0.9, 0.1], [0.5, 0.9]],
    "rules": [{"kind": "loitering"}, {"kind": "crowd", "count": 3}],
}


def form(**changes: Any) -> ZoneForm:
    return ZoneForm.model_validate({**GATE, **changes})


def test_what_is_sent_becomes_a_zone_that_can_be_watched() -> None:
    gate, yard = (
        zone_from_document(one) for one in documents_of([form(), ZoneForm.model_validate(YARD)], [])
    )
    assert gate.kind is ZoneKind.LINE and gate.rules[0].way is Way.FORWARD
    assert gate.classes == {ObjectClass.PERSON}
    (night,) = gate.schedule.spans
    assert (night.days, night.start_minute, night.end_minute) == ({0, 6}, 1320, 360)
    loitering, crowd = yard.rules
    assert (loitering.seconds, crowd.count, crowd.seconds) == (30, 3, 5)


def test_known_ids_are_kept_and_others_are_new() -> None:
    (first,) = documents_of([form()], [])
    again = form(id=first["id"])
    kept, twin = documents_of([again, again], [first["id"]])
    assert kept["id"] == first["id"] and twin["id"] != first["id"]
    (foreign,) = documents_of([again], [])
    assert foreign["id"] != first["id"], "another camera's zone"


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"points": [[0.5, 0.5], [0.5, 0.5]]}, "different points"),
        ({"rules": [{"kind": "loitering"}]}, "draw one, not a line"),
        ({"rules": [{"kind": "wrong_way"}]}, "which way"),
        ({"rules": [{"kind": "line_crossing"}] * 2}, "each rule once"),
        ({"time_zone": "Asia/Nowhere"}, "Asia/Shanghai"),
        ({"time_zone": "../../etc/passwd"}, "no time zone"),
        ({"kind": "region", "points": [[0, 0], [1, 1], [1, 0]]}, "draw one, not a region"),
    ],
)
def test_what_cannot_be_watched_is_refused_and_says_why(changes: dict[str, Any], told: str) -> None:
    with pytest.raises(ZoneRefused, match=told):
        documents_of([form(**changes)], [])


@pytest.mark.parametrize(
    "changes",
    [
        {"points": [[0.5, 1.5], [0.5, 0.0]]},
        {"points": [[0.5, float("nan")], [0.5, 0.0]]},
        {"points": [[0.1, 0.1]] * 33},
        {"name": " "},
        {"classes": ["face"]},
        {"schedule": [{"days": [0], "start": "22:00", "end": "06:00"}]},
        {"schedule": [{"days": [1], "start": "24:00", "end": "06:00"}]},
        {"id": "cam_1"},
        {"colour": "red"},
    ],
)
def test_what_is_no_form_is_no_form(changes: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        form(**changes)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=12,
)


@given(
    st.fixed_dictionaries(
        {},
        optional={
            name: JSON | st.sampled_from([GATE[name], YARD.get(name)])
            for name in ("kind", "points", "rules", "classes", "schedule")
        }
        | {"id": JSON, "minimum_height": JSON, "time_zone": JSON},
    )
)
def test_any_document_is_a_zone_or_refused(document: dict[str, Any]) -> None:
    """A row that somebody edited must not end the worker."""
    try:
        zone = zone_from_document(document)
    except ZoneRefused:
        return
    assert all(0 <= share <= 1 for point in zone.points for share in point)
    assert len(zone.points) >= (2 if zone.kind is ZoneKind.LINE else 3)
    if zone.kind is ZoneKind.LINE:
        assert {rule.kind for rule in zone.rules} <= LINE_RULES
    else:
        assert RuleKind.LINE_CROSSING not in {rule.kind for rule in zone.rules}
