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
places = st.builds(AreaPlace, paths, st.lists(paths, max_size=2).map(tuple))
times = st.none() | st.integers(NOW - 1, NOW + 1)
grants = st.builds(Grant, st.sampled_from(Role), paths, times, times)
scopes = st.none() | st.frozensets(st.sampled_from(Right))


def somebody(
    *held: Grant,
    must_change: bool = False,
    must_enrol: bool = False,
    expires_us: int = NOW + 1,
    scopes: frozenset[Right] | None = None,
    desk: str | None = None,
) -> Principal:
    return Principal(
        "usr_1", "wang", "王警官", held, must_change, expires_us, "0" * 64,
        scopes=scopes, desk_session=desk, must_enrol_totp=must_enrol,
    )  # fmt: skip


def rights_by_parts(held: list[Grant], place: AreaPlace) -> set[Right]:
    """Stated by parts rather than by prefix, and by moments rather than by bounds."""
    found: set[Right] = set()
    for path in place.area_paths:
        parts = path.split("/")[:-1]
        above = ["".join(f"{one}/" for one in parts[:length]) for length in range(len(parts) + 1)]
        for one in held:
            first = 0 if one.valid_from_us is None else one.valid_from_us
            end = NOW + 1 if one.valid_until_us is None else one.valid_until_us
            if one.area_path in above and NOW in range(first, end):
                found |= ROLE_RIGHTS[one.role]
    return found


@given(st.lists(grants, max_size=4), st.sampled_from(Right), places)
def test_allowed_exactly_where_some_grant_at_or_above_carries_the_right_now(
    held: list[Grant], right: Right, place: AreaPlace
) -> None:
    expected = rights_by_parts(held, place)
    decision = authorize(somebody(*held), right, place, NOW)
    assert decision.allowed == (right in expected)
    assert decision.may_lift_masks == (decision.allowed and Right.LIFT_MASKS in expected)


@given(st.lists(grants, max_size=4), st.sampled_from(Right), places)
def test_a_place_without_any_right_is_not_known_to_exist(
    held: list[Grant], right: Right, place: AreaPlace
) -> None:
    decision = authorize(somebody(*held), right, place, NOW)
    hidden = not rights_by_parts(held, place)
    assert (decision.refusal == "not_found") == (hidden and place.area_path != "")


@given(st.lists(grants, max_size=3), st.sampled_from(Right), places, scopes, st.booleans())
def test_scopes_only_take_away_and_a_desk_says_how_to_get_it(
    held: list[Grant],
    right: Right,
    place: AreaPlace,
    scopes: frozenset[Right] | None,
    at_a_desk: bool,
) -> None:
    principal = somebody(*held, scopes=scopes, desk="dsk_1" if at_a_desk else None)
    granted = right in rights_by_parts(held, place)
    within = scopes is None or right in scopes
    decision = authorize(principal, right, place, NOW)
    assert decision.allowed == (granted and within)
    assert (decision.refusal == "full_sign_in_required") == (at_a_desk and granted and not within)


@given(st.lists(grants, max_size=5), paths)
def test_topmost_areas_cover_the_same_places(held: list[Grant], path: str) -> None:
    topmost = somebody(*held).areas_with(None, NOW)
    assert any(path.startswith(top) for top in topmost) == bool(
        rights_by_parts(held, AreaPlace(path))
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


@pytest.mark.parametrize("right", list(Right))
def test_a_sign_in_that_lacks_its_authenticator_allows_nothing(right: Right) -> None:
    principal = somebody(Grant(Role.SYSTEM_ADMIN, ""), must_enrol=True)
    assert authorize(principal, right, COUNTY, NOW).refusal == "totp_enrolment_required"


def test_masks_are_lifted_only_where_the_right_is_held() -> None:
    principal = somebody(Grant(Role.VIEWER, ""), Grant(Role.INVESTIGATOR, "a/"))
    assert authorize(principal, Right.LIVE, AreaPlace("a/b/"), NOW).may_lift_masks
    assert not authorize(principal, Right.LIVE, AreaPlace("c/"), NOW).may_lift_masks
