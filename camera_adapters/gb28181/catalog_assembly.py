"""A catalogue out of its pages: counted as it arrives, one tree at the end.

SumNum is what a device says that it will send; some say the number of the page, some count what
they then leave out. So an assembly ends when as many different items are there as were announced
and nothing more came for a moment, or ten seconds after the last page (GB/T 28181-2016 Annex N).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from camera_adapters.gb28181 import codes
from camera_adapters.gb28181.catalog import CatalogItem, CatalogPage
from camera_adapters.gb28181.codes import CodeKind

TIMEOUT_S = 10.0
# Pages that overtake one another on UDP, and pages of devices that announce too few.
SETTLING_S = 0.5
ITEMS_LIMIT = 100_000
_DIVISION_LENGTHS = (8, 6, 4, 2)


@dataclass(frozen=True, slots=True)
class CatalogNode:
    """An item and the code of the node above it; empty when it hangs under the platform itself."""

    item: CatalogItem
    parent: str


@dataclass(frozen=True, slots=True)
class AssembledCatalog:
    """A catalogue as it arrived.

    ``nodes`` by code; following ``parent`` always ends at the platform. ``orphans`` are the codes
    whose parent nobody sent, ``cycles`` those at which a ring of parents was cut: both hang under
    the platform. ``received`` counts items, ``duplicates`` among them those that had come before,
    ``unreadable`` those without a usable code, ``left_out`` those beyond the limit. ``complete``
    says whether as many different ones came as were announced: only then is what is missing gone.
    """

    nodes: dict[str, CatalogNode]
    expected: int
    received: int
    duplicates: int
    unreadable: int
    left_out: int
    orphans: tuple[str, ...]
    cycles: tuple[str, ...]
    complete: bool


class CatalogAssembly:
    """Takes the pages that answer one query. Times are seconds of any steady clock."""

    def __init__(
        self,
        platform_code: str,
        serial_number: int,
        now_s: float,
        *,
        timeout_s: float = TIMEOUT_S,
        items_limit: int = ITEMS_LIMIT,
    ) -> None:
        self._platform_code = platform_code
        self.serial_number = serial_number
        self._timeout_s = timeout_s
        self._items_limit = items_limit
        self._items: dict[str, CatalogItem] = {}
        self._last_s = now_s
        self._expected: int | None = None
        self._received = 0
        self._duplicates = 0
        self._unreadable = 0
        self._left_out = 0

    def add(self, page: CatalogPage, now_s: float) -> bool:
        """Take a page; False when it answers another query. Of duplicates the last one counts."""
        if page.serial_number != self.serial_number:
            return False
        self._last_s = now_s
        self._expected = max(self._expected or 0, page.total)
        self._received += len(page.items) + page.unreadable
        self._unreadable += page.unreadable
        for item in page.items:
            if item.code in self._items:
                self._duplicates += 1
            elif len(self._items) >= self._items_limit:
                self._left_out += 1
                continue
            self._items[item.code] = item
        return True

    @property
    def received(self) -> int:
        """Items that came so far, for a progress shown."""
        return self._received

    @property
    def expected(self) -> int | None:
        """What was announced; None before the first page."""
        return self._expected

    def deadline_s(self) -> float:
        """When the assembly is over if no further page comes; it moves with each page."""
        return self._last_s + (SETTLING_S if self._is_complete() else self._timeout_s)

    def is_over(self, now_s: float) -> bool:
        """Whether nothing more is awaited."""
        return now_s >= self.deadline_s()

    def result(self) -> AssembledCatalog:
        """The tree. Computes over all items: for a large catalogue, call it off the loop."""
        nodes, orphans, cycles = arrange(self._items.values(), self._platform_code)
        return AssembledCatalog(
            nodes=nodes,
            expected=self._expected or 0,
            received=self._received,
            duplicates=self._duplicates,
            unreadable=self._unreadable,
            left_out=self._left_out,
            orphans=orphans,
            cycles=cycles,
            complete=self._is_complete() and not self._left_out,
        )

    def _is_complete(self) -> bool:
        # Duplicates do not count: a page sent twice must not stand for one that was lost.
        return (
            self._expected is not None
            and len(self._items) + self._unreadable + self._left_out >= self._expected
        )


def arrange(
    items: Iterable[CatalogItem], platform_code: str
) -> tuple[dict[str, CatalogNode], tuple[str, ...], tuple[str, ...]]:
    """Hang every item under its parent: the nodes, the orphans' codes, and where rings were cut.

    Both forms of trees are understood, also mixed: administrative divisions, whose codes continue
    one another, and business groups with virtual organisations (Annex D.2, O). The platform's own
    item is no node of its tree.
    """
    by_code = {item.code: item for item in items if item.code != platform_code}
    parents: dict[str, str] = {}
    orphans: list[str] = []
    for item in by_code.values():
        parent = _parent_of(item, by_code, platform_code)
        if parent is None:
            orphans.append(item.code)
        parents[item.code] = parent or ""
    cycles = _cut_rings(parents)
    nodes = {code: CatalogNode(item, parents[code]) for code, item in by_code.items()}
    return nodes, tuple(orphans), tuple(cycles)


def _parent_of(item: CatalogItem, known: dict[str, CatalogItem], platform_code: str) -> str | None:
    """The parent's code, empty for the platform; None when one is named, but none is there."""
    own = item.code
    named_platform = False
    # The last of several is the nearest: "platform/device".
    for code in reversed(item.parents):
        if code == platform_code:
            named_platform = True
        elif code in known and code != own:
            return code
    if item.business_group in known and item.business_group != own:
        return item.business_group
    named = [code for code in item.parents if code not in (own, platform_code)]
    divisions = [code for code in (*named, item.civil_code) if codes.is_division(code)]
    if item.kind is CodeKind.DIVISION:
        divisions.append(own)
    for division in divisions:
        if found := _nearest_division(division, own, known):
            return found
    if named_platform or not named:
        return ""
    # A division above this one that the platform did not send is its own place in the county.
    return "" if item.kind is CodeKind.DIVISION else None


def _nearest_division(division: str, own: str, known: dict[str, CatalogItem]) -> str:
    for length in _DIVISION_LENGTHS:
        prefix = division[:length]
        if length <= len(division) and prefix != own and prefix in known:
            return prefix
    return ""


def _cut_rings(parents: dict[str, str]) -> list[str]:
    """Hang one member of every ring under the platform: the one with the smallest code."""
    cut: list[str] = []
    safe: set[str] = {""}
    for start in parents:
        path: list[str] = []
        on_path: set[str] = set()
        code = start
        while code not in safe and code not in on_path:
            path.append(code)
            on_path.add(code)
            code = parents[code]
        if code in on_path:
            ring = path[path.index(code) :]
            first = min(ring)
            parents[first] = ""
            cut.append(first)
        safe.update(path)
    return cut
