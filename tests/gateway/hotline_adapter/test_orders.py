"""Orders in the hotline's words and in ours."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from gateway.api.incident_forms import IncidentForm
from gateway.geo.coordinates import CoordinateSystem, gcj02_from_wgs84
from gateway.hotline_adapter.orders import (
    Told,
    WorkOrder,
    area_codes,
    feedback,
    incident_form,
    status_of,
)
from gateway.incidents.steps import STEPS

WGS84 = CoordinateSystem.WGS84


@pytest.mark.parametrize(
    ("code", "tried"),
    [
        ("420881101203", ["420881101203", "420881101", "420881101000", "420881", "420881000000"]),
        (
            "42088110120307",
            ["42088110120307", "420881101203", "420881101", "420881101000", "420881",
             "420881000000"],
        ),
        ("420881101", ["420881101", "420881101000", "420881", "420881000000"]),
        ("420881", ["420881", "420881000000", "420881000"]),
        ("石牌", ["石牌"]),
        ("", []),
    ],
)  # fmt: skip
def test_a_place_is_looked_for_from_the_smallest_division_up(code: str, tried: list[str]) -> None:
    assert list(area_codes(code)) == tried


@given(st.text(max_size=40))
def test_any_code_is_tried_as_it_is_first_and_once(code: str) -> None:
    tried = list(area_codes(code))
    assert len(tried) == len(set(tried)) <= 8
    assert tried[:1] == [code][: bool(code)]


_orders = st.fixed_dictionaries(
    {
        "orderNo": st.from_regex(r"[0-9A-Za-z_\-]{4,50}", fullmatch=True),
        "title": st.text(
            st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=200
        ).filter(str.strip),
    },
    optional={
        "content": st.text(st.characters(exclude_categories=["Cs"]), max_size=3500),
        "address": st.text(st.characters(exclude_categories=["Cs"]), max_size=300),
        "longitude": st.floats(-180, 180) | st.none(),
        "latitude": st.floats(-90, 90) | st.none(),
        "callerName": st.text(st.characters(exclude_categories=["Cs"]), max_size=200),
        "calledAt": st.datetimes(timezones=st.just(None)).map(lambda at: at.isoformat() + "+08:00"),
        "level": st.sampled_from(["normal", "urgent", "emergency"]),
        "somethingElse": st.integers(),
    },
)


@given(_orders)
def test_whatever_order_is_taken_is_one_that_the_gateway_takes(order: dict[str, object]) -> None:
    taken = WorkOrder.model_validate_json(json.dumps(order))
    form = IncidentForm.model_validate(incident_form(taken, "area_1", None, WGS84))
    assert (form.origin, form.origin_id) == ("external", order["orderNo"])


def test_a_place_on_a_public_map_is_brought_to_where_it_is() -> None:
    longitude, latitude = gcj02_from_wgs84(113.2, 31.1)
    order = {"orderNo": "20261124001", "title": "路灯不亮", "longitude": longitude,
             "latitude": latitude}  # fmt: skip
    taken = WorkOrder.model_validate_json(json.dumps(order))
    form = incident_form(taken, "area_1", None, CoordinateSystem.GCJ02)
    assert (form["longitude"], form["latitude"]) == pytest.approx((113.2, 31.1), abs=1e-7)


@pytest.mark.parametrize(
    "wrong",
    [
        {"orderNo": "1"},
        {"orderNo": "../../users"},
        {"title": "   "},
        {"longitude": 200},
        {"latitude": "NaN"},
        {"calledAt": "2026-11-24 10:00:00"},
        {"level": "<b>now</b>"},
    ],
)
def test_what_makes_no_sense_is_refused(wrong: dict[str, object]) -> None:
    order = {"orderNo": "JZ2026112400017", "title": "路灯不亮"}
    with pytest.raises(ValidationError):
        WorkOrder.model_validate_json(json.dumps(order | wrong))


def test_every_step_that_a_citizen_waits_for_is_told() -> None:
    silent = {kind for kind in STEPS if status_of(kind) is None}
    assert silent == {
        "attach", "ask", "change", "comment", "rate", "refuse", "return", "split", "urge",
    }  # fmt: skip


def test_remarks_among_those_who_handle_it_stay_there() -> None:
    told = Told(id="inc_1", number="2026-1", step="hand_over", at_us=0, words="那个人又来了")
    document = feedback("JZ1", "msg_1", told, {"unit": {"id": "u", "name": "水务站"}})
    assert (document["status"], document["unit"], document["words"]) == ("dispatched", "水务站", "")
    assert document["at"] == "1970-01-01T00:00:00+00:00"
