"""A catalogue out of pages that are lost, doubled, late, orphaned and in rings."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from camera_adapters.gb28181.catalog import CatalogItem, CatalogPage
from camera_adapters.gb28181.catalog_assembly import (
    SETTLING_S,
    TIMEOUT_S,
    AssembledCatalog,
    CatalogAssembly,
    arrange,
)

OWN = "34020000002000000001"
GROUP = "34020000002150000001"
TOWN = "34020000002160000001"


def camera(number: int, *parents: str, civil_code: str = "") -> CatalogItem:
    return CatalogItem(f"3402000000132{number:07}", f"{number}", parents, civil_code=civil_code)


def page(*items: CatalogItem, total: int, number: int = 1) -> CatalogPage:
    return CatalogPage(number, OWN, total, items)


def assembled(*pages: CatalogPage) -> AssembledCatalog:
    assembly = CatalogAssembly(OWN, 1, 0.0)
    for one in pages:
        assembly.add(one, 0.0)
    return assembly.result()


def parents(*items: CatalogItem) -> dict[str, str]:
    nodes, _, _ = arrange(items, OWN)
    return {code: node.parent for code, node in nodes.items()}


def test_is_over_a_moment_after_everything_came() -> None:
    assembly = CatalogAssembly(OWN, 1, 0.0)
    assembly.add(page(camera(1), total=2), 1.0)
    assert not assembly.is_over(1.0 + SETTLING_S)
    assembly.add(page(camera(2), total=2), 2.0)
    assert not assembly.is_over(2.0)
    assert assembly.is_over(2.0 + SETTLING_S)
    assert assembly.result().complete


def test_is_over_ten_seconds_after_the_last_page_when_some_are_lost() -> None:
    assembly = CatalogAssembly(OWN, 1, 0.0)
    assembly.add(page(camera(1), total=3), 8.0)
    assert not assembly.is_over(8.0 + TIMEOUT_S - 0.1)
    assert assembly.is_over(8.0 + TIMEOUT_S)
    found = assembly.result()
    assert (found.complete, found.expected, found.received) == (False, 3, 1)


def test_page_that_comes_twice_stands_for_no_lost_one() -> None:
    found = assembled(page(camera(1), total=2), page(camera(1), total=2))
    assert (found.complete, found.received, found.duplicates) == (False, 2, 1)


def test_device_that_announces_its_page_only_is_waited_for() -> None:
    """SumNum is the number of this page: the next ones come within the moment of settling."""
    assembly = CatalogAssembly(OWN, 1, 0.0)
    for number in range(5):
        assert not assembly.is_over(number * 0.1)
        assembly.add(page(camera(number), total=1), number * 0.1)
    assert len(assembly.result().nodes) == 5


def test_answer_to_another_query_is_left_alone() -> None:
    assembly = CatalogAssembly(OWN, 1, 0.0)
    assert not assembly.add(page(camera(1), total=1, number=2), 0.0)
    assert assembly.expected is None


def test_empty_catalogue_is_complete() -> None:
    found = assembled(page(total=0))
    assert (found.complete, found.nodes) == (True, {})


def test_flood_of_items_is_bounded() -> None:
    assembly = CatalogAssembly(OWN, 1, 0.0, items_limit=10)
    assembly.add(page(*(camera(number) for number in range(50)), total=50), 0.0)
    found = assembly.result()
    assert (len(found.nodes), found.left_out, found.complete) == (10, 40, False)


def test_groups_and_organisations() -> None:
    items = (
        CatalogItem(GROUP, "group", (OWN,)),
        CatalogItem(TOWN, "town", (), business_group=GROUP),
        camera(1, TOWN),
        camera(2, "34020000001110000009", TOWN),
        camera(3),
    )
    found = parents(*items)
    assert (found[GROUP], found[TOWN]) == ("", GROUP)
    assert [found[camera(number).code] for number in (1, 2, 3)] == [TOWN, TOWN, ""]


def test_divisions_continue_one_another() -> None:
    found = parents(
        CatalogItem("34", "province"),
        CatalogItem("3402", "city"),
        CatalogItem("34020001", "unit"),
        camera(1, civil_code="340200"),
        camera(2, "34020001"),
        camera(3, "34020002"),  # nobody sent this one: its city did come
    )
    assert found["34"] == ""
    assert found["3402"] == "34"
    assert found["34020001"] == "3402"
    assert [found[camera(number).code] for number in (1, 2, 3)] == ["3402", "34020001", "3402"]


def test_nearest_of_several_parents_counts() -> None:
    recorder = CatalogItem("34020000001110000001", "recorder", (OWN,))
    assert parents(recorder, camera(1, OWN, recorder.code))[camera(1).code] == recorder.code


def test_orphan_hangs_under_the_platform_and_is_told() -> None:
    nodes, orphans, _ = arrange([camera(1, "34020000001110000009"), camera(2, OWN)], OWN)
    assert orphans == (camera(1).code,)
    assert nodes[camera(1).code].parent == ""


def test_ring_is_cut_once_and_told() -> None:
    a, b, c = (camera(number).code for number in (1, 2, 3))
    nodes, orphans, cycles = arrange([camera(1, b), camera(2, c), camera(3, a), camera(4, a)], OWN)
    assert (cycles, orphans) == ((a,), ())
    assert {code: nodes[code].parent for code in (a, b, c)} == {a: "", b: c, c: a}
    assert nodes[camera(4).code].parent == a


def test_own_parent_is_no_parent() -> None:
    assert parents(camera(1, camera(1).code)) == {camera(1).code: ""}


def test_platforms_own_item_is_no_node() -> None:
    assert parents(CatalogItem(OWN, "us", (OWN,)), camera(1, OWN)) == {camera(1).code: ""}


NUMBERS = st.integers(0, 12)


@given(st.lists(st.tuples(NUMBERS, st.lists(NUMBERS, max_size=3)), max_size=30), st.randoms())
def test_every_way_up_ends_at_the_platform(
    drawn: list[tuple[int, list[int]]], order: random.Random
) -> None:
    items = [
        camera(number, *(camera(parent).code for parent in parents)) for number, parents in drawn
    ]
    order.shuffle(items)
    pages = [page(item, total=len(items)) for item in items]
    found = assembled(*pages)
    assert set(found.nodes) == {item.code for item in items}
    assert found.received == len(items)
    assert found.received - found.duplicates == len(found.nodes)
    for code in found.nodes:
        steps = 0
        while code:
            code = found.nodes[code].parent
            steps += 1
            assert steps <= len(found.nodes)


@pytest.mark.parametrize("depth", [1000, 20_000])
def test_long_chain_and_long_ring_are_no_recursion(depth: int) -> None:
    chain = [camera(number, camera(number + 1).code) for number in range(depth)]
    ring = [*chain[:-1], camera(depth - 1, camera(0).code)]
    nodes, orphans, cycles = arrange(chain, OWN)
    assert (len(nodes), len(orphans), cycles) == (depth, 1, ())
    _, orphans, cycles = arrange(ring, OWN)
    assert (orphans, cycles) == ((), (camera(0).code,))
