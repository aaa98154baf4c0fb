"""The four goals in figures: true to the rows, and each person's own."""

from __future__ import annotations

from typing import Any

from gateway.audit import AuditRecord, append
from gateway.goals.reading import day_and_month
from gateway.identifiers import US_PER_S
from tests.gateway.api.conftest import County

LIVE = {"main": {"state": "live", "recording": True}}


async def goals(county: County, name: str) -> Any:
    client = await county.sign_in(name)
    answer = await client.get("/api/goals")
    assert answer.status_code == 200
    return answer.json()


async def test_the_figures_are_those_of_the_rows(county: County) -> None:
    await county.user("li", "system_admin")
    await county.add_camera("沟边", county.village, record="off")
    county.services.states._states[county.camera] = LIVE
    await append(
        county.services.rows,
        [
            AuditRecord("live.open", user_id="usr_1", camera_id=county.camera),
            AuditRecord("playback.open", camera_id=county.camera, reason_code="patrol"),
            AuditRecord("camera.change", camera_id=county.camera),
        ],
    )
    told = await goals(county, "li")
    # The village and the town that has none.
    assert told["coverage"] == {"villages": 2, "covered": 1}
    assert told["sharing"] == {"above": 0, "above_online": 0, "below": 0, "below_online": 0}
    assert told["availability"] == {
        "total": 3, "live": 1, "away": 0, "idle": 2, "to_record": 2, "recording": 1,
    }  # fmt: skip
    assert told["control"] == {
        "today": 2, "today_with_purpose": 1, "month": 2, "month_with_purpose": 1,
    }  # fmt: skip


async def test_each_person_has_the_figures_of_what_they_may_see(county: County) -> None:
    await county.user("here", "viewer", county.town)
    await county.user("there", "viewer", county.other_town)
    county.services.states._states[county.camera] = LIVE
    await append(county.services.rows, [AuditRecord("live.open", camera_id=county.camera)])
    here, there = await goals(county, "here"), await goals(county, "there")
    assert (here["coverage"]["covered"], there["coverage"]["covered"]) == (1, 0)
    assert (here["availability"]["live"], there["availability"]["live"]) == (1, 0)
    assert (here["control"]["today"], there["control"]["today"]) == (1, 0)


def test_days_and_months_begin_by_the_clock_on_the_wall() -> None:
    # 2026-12-01 00:30 in Beijing, still November in Greenwich.
    at_us = 1_796_056_200 * US_PER_S
    day_us, month_us = day_and_month(at_us, 480)
    assert day_us == month_us == at_us - 1800 * US_PER_S
    day_us, month_us = day_and_month(at_us, 0)
    assert day_us - month_us == 29 * 86_400 * US_PER_S
