"""The order in which a county calls its sites: area by area down the tree, as the tree shows it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import NamedTuple


class AreaRow(NamedTuple):
    """What of an area decides where it comes."""

    id: str
    parent_id: str | None
    position: int
    name: str


def tree_order(areas: Iterable[AreaRow]) -> dict[str, int]:
    """For each area its number from 0: each after its parent and before the parent's next sibling;
    siblings by position, then name. An area whose parent is not given counts as a root.
    """
    rows = list(areas)
    known = {row.id for row in rows}
    below: dict[str | None, list[AreaRow]] = defaultdict(list)
    for row in rows:
        below[row.parent_id if row.parent_id in known else None].append(row)
    for siblings in below.values():
        siblings.sort(key=lambda row: (row.position, row.name, row.id), reverse=True)
    order: dict[str, int] = {}
    waiting = list(below[None])
    while waiting:
        row = waiting.pop()
        order[row.id] = len(order)
        waiting += below.get(row.id, ())
    return order
