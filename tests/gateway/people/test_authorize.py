"""The one decision."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.people.authorize import COUNTY, AreaPlace, Grant, Principal, authorize
from gateway.people.roles import ROLE_RIGHTS, Right, Role

NOW = 1_000

identifiers = st.sampled_from(["a", "b", "ab", "c"])
paths = st.lists(identifiers, max_size=4).map(lambda parts: "".join(f"{one}/" for one in parts))
grants = st.builds(Grant, st.sampled_from(Role), paths)


def somebody(*held: Grant, must_change: bool = False, expires_us: int = NOW + 1) -> Principal:
    return Principal("usr_1", "wang", "王警官", held, must_change, expires_us, "0" * 64)


@given(st.lists(grants, max_size=4), st.sampled_from(Right), paths)
def test_allowed_exactly_where_some_grant_at_or_above_carries_the_right(
    held: list[Grant], right: Right, path: str
) -> None:
    # Stated by parts rather than by prefix, as a second opinion.
    parts = path.split("/")[:-1]
    above = ["".join(f"{one}/" for one in parts[:length]) for length in range(len(parts) + 1)]
    expected = any(one.area_path in above and right in ROLE_RIGHTS[one.role] for one in held)
    assert authorize(somebody(*held), right, AreaPlace(path), NOW).allowed == expected


@given(st.lists(grants, max_size=4), st.sampled_from(Right), paths)
def test_a_place_without_any_right_is_not_known_to_exist(
    held: list[Grant], right: Right, path: str
) -> None:
    decision = authorize(somebody(*held), right, AreaPlace(path), NOW)
    hidden = not somebody(*held).rights_at(AreaPlace(path), NOW)
    assert (decision.refusal == "not_found") == (hidden and path != "")


@given(st.lists(grants, max_size=5), paths)
def test_topmost_areas_cover_the_same_places(held: list[Grant], path: str) -> None:
    principal = somebody(*held)
    topmost = principal.areas_with(None, NOW)
    assert any(path.startswith(top) for top in topmost) == bool(
        principal.rights_at(AreaPlace(path), NOW)
    )
    assert not any(a != b and a.startswith(b) for a in topmost for b in topmost)


def test_a_name_that_begins_alike_is_another_area() -> None:
    principal = somebody(Grant(Role.VIEWER, "a/"))
    assert not authorize(principal, Right.LIVE, AreaPlace("ab/"), NOW).allowed
    assert authorize(principal, Right.LIVE, AreaPlace("a/b/"), NOW).allowed


@pytest.mark.parametrize("right", list(Right))
def test_nobody_and_the_expired_must_sign_in(right: Right) -> None:
    admin = Grant(Role.SYSTEM_ADMIN, "")
    assert authorize(None, right, COUNTY, NOW).refusal == "sign_in_required"
    assert authorize(somebody(admin, expires_us=NOW), right, COUNTY, NOW).refusal == (
        "sign_in_required"
    )


@pytest.mark.parametrize("right", list(Right))
def test_a_one_time_password_allows_nothing(right: Right) -> None:
    principal = somebody(Grant(Role.SYSTEM_ADMIN, ""), must_change=True)
    assert authorize(principal, right, COUNTY, NOW).refusal == "password_change_required"


def test_masks_are_lifted_only_where_the_right_is_held() -> None:
    principal = somebody(Grant(Role.VIEWER, ""), Grant(Role.INVESTIGATOR, "a/"))
    assert authorize(principal, Right.LIVE, AreaPlace("a/b/"), NOW).may_lift_masks
    assert not authorize(principal, Right.LIVE, AreaPlace("c/"), NOW).may_lift_masks
