"""Which villages are covered, and how cameras are counted."""

from __future__ import annotations

from dataclasses import astuple

from hypothesis import given
from hypothesis import strategies as st

from gateway.goals.coverage import AreaSeen, CameraSeen, count_cameras, covered, villages

TOWN = AreaSeen("town", "county/town/", "420881101000")
COVERED = AreaSeen("a", "county/town/a/", "420881101001")
CELL = AreaSeen("cell", "county/town/a/cell/", "42088110100101")
BARE = AreaSeen("b", "county/town/b/", "420881101002")


def camera(path: str, state: str | None = "live") -> CameraSeen:
    return CameraSeen(path, to_record=True, state=state, recording=state == "live")


def test_a_village_is_what_its_code_says_and_no_cell_of_it() -> None:
    assert villages([TOWN, COVERED, CELL, BARE]) == {"a", "b"}


def test_without_codes_the_lowest_areas_are_villages() -> None:
    areas = [AreaSeen("t", "c/t/", None), AreaSeen("v", "c/t/v/", None)]
    assert villages(areas) == {"v"}
    assert villages([COVERED, AreaSeen("yard", "county/town/a/yard/", None)]) == {"a"}


def test_a_village_is_covered_by_a_camera_in_it_or_in_a_cell_that_gives_a_picture() -> None:
    assert covered({"a", "b"}, [camera(CELL.path), camera(BARE.path, "offline")]) == {"a"}
    assert covered({"a", "b"}, [camera(TOWN.path)]) == set()


STATES = st.sampled_from([None, "idle", "live", "offline", "refused", "connecting"])


@given(st.lists(st.builds(CameraSeen, st.just("c/"), st.booleans(), STATES, st.booleans())))
def test_every_camera_is_live_away_or_idle(cameras: list[CameraSeen]) -> None:
    counts = count_cameras(cameras)
    assert counts.live + counts.away + counts.idle == counts.total == len(cameras)
    assert 0 <= counts.recording <= counts.to_record <= counts.total
    assert min(astuple(counts)) >= 0
