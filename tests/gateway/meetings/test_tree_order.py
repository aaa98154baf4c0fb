"""Areas in the order in which the tree shows them."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gateway.meetings.tree_order import AreaRow, tree_order


def test_children_follow_their_parent_before_its_next_sibling() -> None:
    rows = [
        AreaRow("hujie", "county", 2, "胡集镇"),
        AreaRow("b", "shipai", 2, "乙村"),
        AreaRow("county", None, 0, "钟祥"),
        AreaRow("a", "shipai", 1, "甲村"),
        AreaRow("shipai", "county", 1, "石牌镇"),
        AreaRow("c", "hujie", 1, "丙村"),
    ]
    order = tree_order(rows)
    assert sorted(order, key=order.__getitem__) == ["county", "shipai", "a", "b", "hujie", "c"]


def test_what_hangs_on_something_unknown_comes_all_the_same() -> None:
    assert tree_order([AreaRow("a", "gone", 0, "甲")]) == {"a": 0}


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 3)), max_size=30))
def test_every_area_has_its_own_number_and_stands_behind_its_parent(
    drawn: list[tuple[int, int]],
) -> None:
    rows = [
        AreaRow(str(at), str(parent % at) if at else None, position, str(at))
        for at, (parent, position) in enumerate(drawn)
    ]
    order = tree_order(rows)
    assert sorted(order.values()) == list(range(len(rows)))
    assert all(order[row.parent_id] < order[row.id] for row in rows if row.parent_id is not None)
