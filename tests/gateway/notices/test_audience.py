"""Whom a notice is for: told by where somebody's grants are, whatever the tree looks like."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gateway.notices.audience import homes_of, is_for, ways_to
from gateway.people.authorize import Grant, Principal
from gateway.people.roles import Role

PARTS = st.lists(st.sampled_from(["a", "b", "ab", "a_", "b%"]), min_size=1, max_size=4)
PATHS = PARTS.map(lambda parts: "/".join(parts) + "/")


def principal(*grants: Grant) -> Principal:
    return Principal("usr", "x", "x", grants, False, 2**60, "")


@given(st.lists(PATHS, max_size=4), st.lists(PATHS, min_size=1, max_size=4))
def test_by_rows_and_by_paths_a_notice_is_for_the_same_people(
    homes: list[str], reached: list[str]
) -> None:
    by_rows = any(path in ways_to(homes) for path in reached)
    assert by_rows == is_for(homes, reached)


def test_an_area_whose_name_begins_alike_is_another() -> None:
    assert not is_for(["ab/"], ["a/"])
    assert is_for(["a/b/"], ["a/"])
    assert not is_for(["a/"], ["a/b/"])


def test_only_grants_in_force_make_a_home_and_the_whole_county_is_none() -> None:
    held = principal(
        Grant(Role.VIEWER, "a/", valid_until_us=10),
        Grant(Role.VIEWER, "b/", valid_from_us=10),
        Grant(Role.SYSTEM_ADMIN, ""),
    )
    assert homes_of(held, 9) == ["a/"]
    assert homes_of(held, 10) == ["b/"]


def test_a_television_sees_and_does_not_read() -> None:
    held = principal(Grant(Role.SITE, "a/"), Grant(Role.OPERATOR, "b/"))
    assert homes_of(held, 0) == ["a/", "b/"]
    assert homes_of(held, 0, reading=True) == ["b/"]
