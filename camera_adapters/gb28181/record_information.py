"""Recordings on a device: RecordInfo (GB/T 28181-2016 §9.7, Annexes A.2.4.4, A.2.6 f, N)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from camera_adapters.gb28181 import codes, local_time
from camera_adapters.gb28181.envelope import Envelope, document
from camera_adapters.gb28181.xml_bodies import Element, texts

COMMAND = "RecordInfo"
TIMEOUT_S = 10.0
SETTLING_S = 0.3
ITEMS_LIMIT = 50_000
_ITEMS_PER_PAGE_LIMIT = 5000
_TEXT_LIMIT = 255

RecordKind = Literal["all", "time", "alarm", "manual"]
_KINDS: dict[str, RecordKind] = {
    "all": "all",
    "time": "time",
    "alarm": "alarm",
    "manual": "manual",
}


@dataclass(frozen=True, slots=True)
class RecordQuery:
    """Asks for recordings that touch [start_us, end_us), UTC µs."""

    serial_number: int
    device_id: str
    start_us: int
    end_us: int
    kind: RecordKind = "all"

    def to_element(self) -> Element:
        """The Query."""
        return document(
            "Query",
            COMMAND,
            self.serial_number,
            self.device_id,
            Element("StartTime", local_time.format_us(self.start_us)),
            Element("EndTime", local_time.format_us(self.end_us)),
            Element("Secrecy", "0"),
            Element("Type", self.kind),
        )

    @classmethod
    def read(cls, envelope: Envelope) -> RecordQuery | None:
        """A Query; None when its times cannot be read."""
        root = envelope.element
        start_us = local_time.parse_us(root.value("StartTime"))
        end_us = local_time.parse_us(root.value("EndTime"))
        if start_us is None or end_us is None:
            return None
        kind = _KINDS.get(root.value("Type").lower(), "all")
        return cls(envelope.serial_number, envelope.device_id, start_us, end_us, kind)


@dataclass(frozen=True, slots=True)
class RecordItem:
    """One recording; ``kind`` as it came: time, alarm, manual."""

    device_id: str
    start_us: int
    end_us: int
    name: str = ""
    path: str = ""
    kind: str = "time"
    file_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class RecordPage:
    """One page of the answer; ``unreadable`` counts items without times."""

    serial_number: int
    device_id: str
    name: str
    total: int
    items: tuple[RecordItem, ...]
    unreadable: int = 0

    def to_element(self) -> Element:
        """The Response."""
        listed = [_item_element(item) for item in self.items]
        return document(
            "Response",
            COMMAND,
            self.serial_number,
            self.device_id,
            Element("Name", self.name),
            Element("SumNum", str(self.total)),
            Element("RecordList", attributes={"Num": str(len(listed))}, children=listed),
        )

    @classmethod
    def read(cls, envelope: Envelope) -> RecordPage:
        """A Response; items without readable times are counted and left out."""
        root = envelope.element
        listing = root.find("RecordList") or Element("RecordList")
        items, unreadable = [], 0
        for count, node in enumerate(listing.find_all("Item")):
            if count >= _ITEMS_PER_PAGE_LIMIT:
                break
            item = _read_item(node, envelope.device_id)
            if item is None:
                unreadable += 1
            else:
                items.append(item)
        return cls(
            envelope.serial_number,
            envelope.device_id,
            root.value("Name")[:_TEXT_LIMIT],
            max(0, root.number("SumNum")),
            tuple(items),
            unreadable,
        )


def pages(
    serial_number: int, device_id: str, name: str, items: Iterable[RecordItem], items_per_page: int
) -> Iterator[RecordPage]:
    """The pages that answer a query; no recordings are one page without items."""
    everything = tuple(items)
    for start in range(0, max(1, len(everything)), items_per_page):
        part = everything[start : start + items_per_page]
        yield RecordPage(serial_number, device_id, name, len(everything), part)


class RecordAssembly:
    """Takes the pages that answer one query, as :class:`.catalog_assembly.CatalogAssembly` does."""

    def __init__(self, serial_number: int, now_s: float, *, timeout_s: float = TIMEOUT_S) -> None:
        self.serial_number = serial_number
        self._timeout_s = timeout_s
        self._last_s = now_s
        self._items: dict[tuple[int, int, str], RecordItem] = {}
        self._unreadable = 0
        self._expected: int | None = None

    def add(self, page: RecordPage, now_s: float) -> bool:
        """Take a page; False when it answers another query."""
        if page.serial_number != self.serial_number:
            return False
        self._last_s = now_s
        self._expected = max(self._expected or 0, page.total)
        self._unreadable += page.unreadable
        for item in page.items:
            if len(self._items) < ITEMS_LIMIT:
                self._items[item.start_us, item.end_us, item.path] = item
        return True

    @property
    def complete(self) -> bool:
        """Whether as many different recordings came as were announced."""
        return self._expected is not None and len(self._items) + self._unreadable >= self._expected

    def deadline_s(self) -> float:
        """When the assembly is over if no further page comes; it moves with each page."""
        return self._last_s + (SETTLING_S if self.complete else self._timeout_s)

    def is_over(self, now_s: float) -> bool:
        """Whether nothing more is awaited."""
        return now_s >= self.deadline_s()

    def items(self) -> list[RecordItem]:
        """The recordings in order of time, each once."""
        return sorted(self._items.values(), key=lambda item: (item.start_us, item.end_us))


def _item_element(item: RecordItem) -> Element:
    return Element(
        "Item",
        children=texts(
            (
                ("DeviceID", item.device_id),
                ("Name", item.name),
                ("FilePath", item.path),
                ("StartTime", local_time.format_us(item.start_us)),
                ("EndTime", local_time.format_us(item.end_us)),
                ("Secrecy", 0),
                ("Type", item.kind),
                ("FileSize", item.file_bytes),
            )
        ),
    )


def _read_item(node: Element, device_id: str) -> RecordItem | None:
    start_us = local_time.parse_us(node.value("StartTime"))
    end_us = local_time.parse_us(node.value("EndTime"))
    if start_us is None or end_us is None or end_us <= start_us:
        return None
    size = node.number("FileSize", -1)
    return RecordItem(
        device_id=codes.as_received(node.value("DeviceID")) or device_id,
        start_us=start_us,
        end_us=end_us,
        name=node.value("Name")[:_TEXT_LIMIT],
        path=node.value("FilePath")[:_TEXT_LIMIT],
        kind=node.value("Type", "time")[:20],
        file_bytes=size if size >= 0 else None,
    )
