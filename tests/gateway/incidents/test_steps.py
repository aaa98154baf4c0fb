"""An incident's way: opened, given out, handled, closed; and every way aside from it."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.database.incident_tables import incident_areas, incident_attachments
from gateway.identifiers import US_PER_S
from gateway.incidents import dispatching, handling
from gateway.incidents.opening import Attachment
from gateway.incidents.steps import STEPS
from gateway.incidents.timing import OVER, light_of
from recorder.rows import RowError
from tests.gateway.incidents.conftest import Desk, instant

assert dispatching and handling  # They say which steps there are.
HOUR_US = 3600 * US_PER_S


def test_it_goes_to_the_unit_of_the_village_and_is_closed_in_time(desk: Desk) -> None:
    incident = desk.open(category="公共设施", words="村口井盖不见了")
    row = desk.row(incident)
    assert (row["number"], row["state"]) == ("2026-000001", "assigned")
    assert row["unit_id"] == desk.village_unit
    # Twenty-four hours to come; seven working days from Monday at ten to resolve.
    assert row["arrive_due_us"] == instant("2026-11-24 10:00")
    assert row["resolve_due_us"] == instant("2026-12-02 10:00")
    desk.wait(hours=1)
    desk.take(incident, "accept")
    desk.wait(hours=2)
    desk.take(incident, "arrive", longitude=112.58, latitude=31.17)
    desk.wait(hours=2)
    desk.take(incident, "answer", "已更换井盖")
    desk.take(incident, "close", result="settled")
    desk.take(incident, "rate", "很快", rating=5)
    row = desk.row(incident)
    assert (row["state"], row["arrived_late"], row["resolved_late"]) == ("closed", False, False)
    assert (row["result_words"], row["rating"], row["feedback"]) == ("已更换井盖", 5, "很快")
    assert light_of(row, desk.at_us) == "green"
    assert desk.history(incident) == [
        "opened", "assigned", "accept", "arrive", "answer", "close", "rate",
    ]  # fmt: skip


def test_the_same_one_late_is_red_and_stays_so(desk: Desk) -> None:
    incident = desk.open(category="公共设施")
    desk.wait(hours=18)
    assert light_of(desk.row(incident), desk.at_us) == "yellow"
    desk.wait(hours=6)
    assert light_of(desk.row(incident), desk.at_us) == "red"
    desk.take(incident, "arrive")
    row = desk.row(incident)
    assert row["arrived_late"]
    # What runs now is the time to resolve it.
    assert light_of(row, desk.at_us) == "green"
    desk.take(incident, "answer", "好了")
    desk.take(incident, "close", result="settled")
    assert light_of(desk.row(incident), desk.at_us) == "red"


def test_what_comes_twice_opens_one(desk: Desk) -> None:
    first = desk.open(origin="field", origin_id="report-1")
    assert desk.open(origin="field", origin_id="report-1", title="又一次") == first
    assert desk.open(origin="external", origin_id="report-1") != first


def test_a_unit_of_the_category_comes_before_who_takes_everything(desk: Desk) -> None:
    incident = desk.open(category="水电气", area_id=desk.county)
    assert desk.row(incident)["unit_id"] == desk.water_unit
    # The village takes everything that happens there.
    assert desk.row(desk.open(category="水电气", title="漏水"))["unit_id"] == desk.village_unit
    # A village without a unit has its town's.
    elsewhere = desk.open(area_id=desk.other_village, title="树倒了")
    assert desk.row(elsewhere)["unit_id"] == desk.town_unit


def test_it_is_passed_up_level_by_level_or_given_straight(desk: Desk) -> None:
    incident = desk.open()
    desk.take(incident, "up")
    assert desk.row(incident)["unit_id"] == desk.town_unit
    desk.take(incident, "up")
    assert desk.row(incident)["unit_id"] == desk.county_unit
    with pytest.raises(RowError, match="no unit above"):
        desk.take(incident, "up")
    desk.take(incident, "assign", unit_id=desk.water_unit)
    assert desk.row(incident)["unit_id"] == desk.water_unit


def test_a_suspended_one_keeps_what_it_had_left(desk: Desk) -> None:
    incident = desk.open(category="公共设施")
    desk.wait(hours=10)
    desk.take(incident, "suspend", "等待配件")
    row = desk.row(incident)
    assert (row["red_us"], light_of(row, desk.at_us)) == (None, "paused")
    desk.wait(hours=100)
    desk.take(incident, "resume")
    assert desk.row(incident)["arrive_due_us"] == desk.at_us + 14 * HOUR_US


def test_more_time_is_asked_for_and_given_or_refused(desk: Desk) -> None:
    incident = desk.open()
    due_us = desk.row(incident)["resolve_due_us"]
    desk.take(incident, "ask", "要等供货", what="extend", us=24 * HOUR_US)
    assert desk.row(incident)["asked"]["words"] == "要等供货"
    desk.take(incident, "refuse", "可以先用旧的")
    assert desk.row(incident)["asked"] is None
    desk.take(incident, "ask", "要等供货", what="extend", us=24 * HOUR_US)
    desk.take(incident, "extend", "同意", us=24 * HOUR_US)
    row = desk.row(incident)
    assert row["asked"] is None
    assert row["resolve_due_us"] == due_us + 24 * HOUR_US


def test_a_demanded_reply_that_does_not_come_is_red(desk: Desk) -> None:
    incident = desk.open()
    desk.take(incident, "urge", "请尽快", reply_due_us=desk.at_us + HOUR_US)
    desk.wait(hours=2)
    assert light_of(desk.row(incident), desk.at_us) == "red"
    desk.take(incident, "reply", "在路上")
    row = desk.row(incident)
    assert (light_of(row, desk.at_us), row["urges"]) == ("green", 1)


def test_what_is_returned_can_be_given_to_another(desk: Desk) -> None:
    incident = desk.open()
    desk.take(incident, "return", "不属于本村")
    row = desk.row(incident)
    assert (row["state"], row["unit_id"]) == ("open", None)
    desk.take(incident, "assign", unit_id=desk.town_unit)
    desk.take(incident, "hand_over", "水管问题", unit_id=desk.water_unit)
    assert desk.row(incident)["unit_id"] == desk.water_unit


def test_an_answer_that_is_sent_back_counts_its_time_on(desk: Desk) -> None:
    incident = desk.open()
    desk.take(incident, "arrive")
    desk.take(incident, "answer", "好了")
    desk.wait(hours=24 * 30)
    desk.take(incident, "send_back", "没有好")
    assert light_of(desk.row(incident), desk.at_us) == "red"
    desk.take(incident, "answer", "真的好了")
    assert desk.row(incident)["resolved_late"]


def test_two_reports_of_one_thing_become_one(desk: Desk) -> None:
    first = desk.open(title="井盖")
    user = desk.do(
        "accounts.create", name="wang", display_name="王芳", password_hash="x",
        must_change_password=False, granted=[],
    )  # fmt: skip
    columns = {
        "id": "att_1", "kind": "photo", "media_type": "image/jpeg", "name": "照片.jpg",
        "sha256": "0" * 64, "size_bytes": 4, "has_thumbnail": True, "created_by": user,
    }  # fmt: skip
    desk.do("attachments.announce", columns=columns)
    desk.do("attachments.keep", file_id="att_1")
    photo = Attachment("file", "att_1", "照片.jpg")
    second = desk.open(title="又是井盖", attachments=[photo], opened_by=user)
    desk.take(second, "merge", into_id=first)
    assert desk.row(second)["merged_into"] == first
    table = incident_attachments.c
    owner = desk.connection.scalar(sa.select(table.incident_id).where(table.subject_id == "att_1"))
    assert owner == first
    assert desk.history(first)[-1] == "merged_in"
    with pytest.raises(RowError, match="merged"):
        desk.take(second, "accept")
    with pytest.raises(RowError, match="another incident"):
        desk.take(first, "merge", into_id=first)


def test_part_of_one_becomes_an_incident_of_its_own(desk: Desk) -> None:
    incident = desk.open(title="漏水，路灯也坏了")
    split = desk.take(incident, "split", "路灯", title="路灯坏了", category_id="公共设施")
    row = desk.row(split["detail"]["incident_id"])
    assert (row["title"], row["split_from"]) == ("路灯坏了", incident)
    # It may be split again.
    desk.take(incident, "split", "", title="还有护栏")


def test_a_change_since_one_looked_is_not_overwritten(desk: Desk) -> None:
    incident = desk.open()
    seen = desk.row(incident)["version"]
    desk.take(incident, "accept")
    with pytest.raises(RowError, match="meanwhile") as refused:
        desk.do("incidents.step", incident_id=incident, kind="arrive", by_id="usr_2",
                by_name="李", version=seen)  # fmt: skip
    assert refused.value.code == "conflict"


def test_each_turn_of_a_light_is_told_once(desk: Desk) -> None:
    incident = desk.open(category="公共设施")
    told = [desk.do("incidents.lights", at_us=desk.at_us, limit=10)]
    for _ in range(8):
        desk.wait(hours=4)
        told.append(desk.do("incidents.lights", at_us=desk.at_us, limit=10))
    assert [bool(one) for one in told] == [False] * 5 + [True, True, False, False]
    assert desk.history(incident)[-2:] == ["turned_yellow", "turned_red"]


def test_it_moves_with_its_area(desk: Desk) -> None:
    incident = desk.open()
    other = desk.do("areas.create", parent_id=desk.county, name="胡集镇")
    desk.do("areas.edit", area_id=desk.village, given={"parent_id": other})
    assert desk.row(incident)["area_path"] == f"{desk.county}/{other}/{desk.village}/"
    table = incident_areas.c
    inside = desk.connection.scalars(
        sa.select(table.area_id).where(table.incident_id == incident)
    ).all()
    assert set(inside) == {desk.county, other, desk.village}


_FIELDS: dict[str, dict[str, Any]] = {
    "ask": {"what": "suspend"},
    "extend": {"us": HOUR_US},
    "close": {"result": "settled"},
    "split": {"title": "另一件"},
    "rate": {"rating": 3},
    "change": {"title": "改"},
}


@given(
    kinds=st.lists(
        st.tuples(st.sampled_from(sorted(STEPS)), st.floats(0, 60)), min_size=1, max_size=25
    )
)
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_is_done_its_row_fits_together(desk: Desk, kinds: list[tuple[str, float]]) -> None:
    incident = desk.open(title=f"{len(desk.history(''))}-{desk.at_us}", category="公共设施")
    other = desk.open(title=f"其他 {desk.at_us}")
    given_fields = _FIELDS | {
        "merge": {"into_id": other},
        "hand_over": {"unit_id": desk.town_unit},
        "assign": {"unit_id": desk.village_unit},
        "urge": {},
    }
    for kind, hours in kinds:
        desk.wait(hours=hours)
        before = desk.row(incident)
        with contextlib.suppress(RowError), desk.connection.begin_nested():
            desk.take(incident, kind, "话", **given_fields.get(kind, {}))
            assert desk.row(incident)["version"] == before["version"] + 1
        row = desk.row(incident)
        over = row["state"] in OVER
        assert over == (row["closed_us"] is not None)
        assert (
            (row["state"] == "open") == (row["unit_id"] is None)
            or over
            or (row["state"] == "answered")
        )
        if over:
            assert (row["yellow_us"], row["red_us"], row["asked"]) == (None, None, None)
        if row["yellow_us"] is not None and row["red_us"] is not None:
            assert row["yellow_us"] <= row["red_us"]
        for start_us, end_us in row["suspensions"][:-1]:
            assert start_us <= end_us
    desk.wait(hours=1)
