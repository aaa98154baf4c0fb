"""Each camera has one analyst that lives, near its shard where that is fair, and stays there."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from hypothesis import given
from hypothesis import strategies as st

from gateway.analysis.placing import SLACK, Analyst, place

A, B, C = (Analyst(f"analysis.{node}", node) for node in ("node-a", "node-b", "node-c"))


def cameras(**at: int) -> dict[str, str]:
    """So many cameras whose shards are on a node."""
    return {
        f"cam_{node}_{number}": node.replace("_", "-")
        for node, count in at.items()
        for number in range(count)
    }


def settled(
    wanted: Mapping[str, str], current: Mapping[str, str], analysts: Sequence[Analyst]
) -> tuple[dict[str, str], int]:
    """Who has what in the end, and after how many moves between those that live."""
    owners, moved, living = dict(current), 0, {one.name for one in analysts}
    for _ in range(1000):
        changes = place(wanted, owners, analysts, moves_at_once=3)
        if not changes:
            return owners, moved
        moved += sum(bool(to) and owners.get(one) in living for one, to in changes.items())
        owners |= changes
    raise AssertionError("it never settles")


def test_cameras_are_analysed_where_their_shards_are() -> None:
    wanted = cameras(node_a=4, node_b=4)
    assert place(wanted, {}, [A, B], moves_at_once=3) == {
        one: f"analysis.{node}" for one, node in wanted.items()
    }


def test_who_has_no_shards_gets_its_part_all_the_same() -> None:
    owners, _ = settled(cameras(node_a=9), {}, [A, B, C])
    assert Counter(owners.values()) == {A.name: 3, B.name: 3, C.name: 3}


def test_who_can_do_more_gets_more() -> None:
    owners, _ = settled(cameras(node_c=12), {}, [Analyst(A.name, "node-a", 3), B])
    assert Counter(owners.values()) == {A.name: 9, B.name: 3}


def test_what_a_lost_one_had_goes_to_the_others_and_nothing_else_moves() -> None:
    before, _ = settled(cameras(node_a=4, node_b=4, node_c=4), {}, [A, B, C])
    changes = place(cameras(node_a=4, node_b=4, node_c=4), before, [A, B], moves_at_once=3)
    assert sorted(changes) == [one for one in sorted(before) if before[one] == C.name]
    assert Counter(changes.values()) == {A.name: 2, B.name: 2}


def test_one_that_comes_back_gets_its_own_cameras_again() -> None:
    wanted = cameras(node_a=4, node_b=4)
    owners, moved = settled(wanted, dict.fromkeys(wanted, A.name), [A, B])
    assert owners == {one: f"analysis.{node}" for one, node in wanted.items()}
    assert moved == 4


def test_a_small_difference_moves_nothing() -> None:
    wanted = cameras(node_a=41, node_b=39)
    owners = {one: f"analysis.{node}" for one, node in wanted.items()}
    assert place(wanted, owners, [A, B], moves_at_once=3) == {}


def test_what_nobody_wants_any_more_is_nobodys() -> None:
    assert place({}, {"cam": A.name, "old": ""}, [A], moves_at_once=3) == {"cam": ""}


def test_nothing_is_changed_where_nobody_lives() -> None:
    assert place(cameras(node_a=3), {"cam_node_a_0": A.name}, [], moves_at_once=3) == {}


NODES = st.sampled_from(["", "n1", "n2", "n3", "n4"])
ANALYSTS = st.lists(
    st.builds(
        lambda node, workers: Analyst(f"analysis.{node}", node, workers),
        st.sampled_from(["n1", "n2", "n3", "n4"]),
        st.integers(1, 4),
    ),
    min_size=1, max_size=4, unique_by=lambda one: one.name,
)  # fmt: skip
OWNERS = st.sampled_from(["", *(f"analysis.n{number}" for number in range(1, 6))])
IDS = st.sampled_from([f"cam_{number}" for number in range(30)])


@given(st.dictionaries(IDS, NODES), st.dictionaries(IDS, OWNERS), ANALYSTS)
def test_however_it_begins_each_camera_ends_with_one_that_lives_and_stays(
    wanted: dict[str, str], current: dict[str, str], analysts: list[Analyst]
) -> None:
    living = {one.name for one in analysts}
    first = place(wanted, current, analysts, moves_at_once=3)
    moved = [one for one, to in first.items() if to and current.get(one) in living]
    assert len(moved) <= 3
    after = {**current, **first}
    # Whom nobody has at first has somebody at once.
    assert all(after[one] in living for one in wanted)
    owners, moves = settled(wanted, current, analysts)
    assert {one for one, owner in owners.items() if owner} == set(wanted)
    assert moves <= len(wanted)
    has = Counter(owner for owner in owners.values() if owner)
    whole = sum(one.workers for one in analysts)
    for one in analysts:
        part = len(wanted) * one.workers / whole
        assert has[one.name] - part < max(1.0, SLACK * part) or all(
            has[other.name] >= len(wanted) * other.workers / whole for other in analysts
        )
