"""Places on several axes, grants in their time, and what may be given by whom."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from gateway.people.authorize import AreaPlace, Grant, Principal, authorize
from gateway.people.granting import missing_rights, rights_beyond
from gateway.people.roles import PTZ_PRIORITY, Right, Role

NOW = 1_000

paths = st.lists(st.sampled_from(["a", "b", "c"]), max_size=3).map(
    lambda parts: "".join(f"{one}/" for one in parts)
)
times = st.none() | st.integers(NOW - 2, NOW + 2)
grants = st.builds(Grant, st.sampled_from(Role), paths, times, times)
places = st.builds(AreaPlace, paths, st.lists(paths, max_size=2).map(tuple))


def somebody(*held: Grant) -> Principal:
    return Principal("usr_1", "wang", "王警官", held, False, NOW + 10, "0" * 64)


@given(st.lists(grants, max_size=4), st.sampled_from(Right), places)
def test_a_camera_is_seen_as_all_its_places_together(
    held: list[Grant], right: Right, place: AreaPlace
) -> None:
    apart = [AreaPlace(path) for path in place.area_paths]
    expected = any(authorize(somebody(*held), right, one, NOW).allowed for one in apart)
    assert authorize(somebody(*held), right, place, NOW).allowed == expected


@given(st.lists(grants, max_size=4), st.sampled_from(Right), places)
def test_only_grants_in_force_count(held: list[Grant], right: Right, place: AreaPlace) -> None:
    forever = [
        replace(one, valid_from_us=None, valid_until_us=None)
        for one in held
        if (one.valid_from_us or 0)
        <= NOW
        < (NOW + 1 if one.valid_until_us is None else one.valid_until_us)
    ]
    assert authorize(somebody(*held), right, place, NOW) == authorize(
        somebody(*forever), right, place, NOW
    )


@given(st.lists(grants, max_size=4), grants, places, st.integers(NOW, NOW + 3))
def test_what_may_be_given_carries_nothing_that_its_giver_lacks_while_it_lasts(
    held: list[Grant], gift: Grant, place: AreaPlace, at_us: int
) -> None:
    giver = somebody(*held)
    if missing_rights(giver, gift, NOW):
        return
    # With what they hold today, for as long as that lasts.
    today = somebody(*(one for one in held if one.in_force(NOW)))
    given_now = replace(gift, valid_from_us=None)
    gained = somebody(given_now).rights_at(place, at_us)
    assert gained <= today.rights_at(place, at_us)


@given(st.lists(grants, max_size=3), st.lists(grants, max_size=3), places)
def test_who_manages_an_account_could_do_all_that_it_can(
    own: list[Grant], held: list[Grant], place: AreaPlace
) -> None:
    manager = somebody(*own)
    if not rights_beyond(manager, held, NOW):
        assert somebody(*held).rights_at(place, NOW) <= manager.rights_at(place, NOW)


def test_scopes_cut_down_what_grants_give() -> None:
    principal = replace(somebody(Grant(Role.SYSTEM_ADMIN, "")), scopes=frozenset({Right.LIVE}))
    place = AreaPlace("a/")
    assert authorize(principal, Right.LIVE, place, NOW).allowed
    assert not authorize(principal, Right.LIVE, place, NOW).may_lift_masks
    assert authorize(principal, Right.EXPORT, place, NOW).refusal == "not_allowed"
    assert principal.areas_with(Right.EXPORT, NOW) == []
    assert missing_rights(principal, Grant(Role.OPERATOR, "a/"), NOW)


def test_the_highest_priority_of_those_that_steer_counts() -> None:
    place = AreaPlace("a/b/", ("p/",))
    held = (
        Grant(Role.OPERATOR, "a/"),
        Grant(Role.OPERATOR, "p/", ptz_priority=80),
        Grant(Role.VIEWER, "a/", ptz_priority=100),
        Grant(Role.OPERATOR, "a/", valid_until_us=NOW, ptz_priority=99),
    )
    assert somebody(*held).ptz_priority(place, NOW) == 80
    assert somebody(held[0]).ptz_priority(place, NOW) == PTZ_PRIORITY
    assert somebody(held[2]).ptz_priority(place, NOW) == 0
