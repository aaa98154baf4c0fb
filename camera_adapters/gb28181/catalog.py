"""Catalogue: query, answer in pages, subscription (GB/T 28181-2016 §9.5, §9.11, Annexes N, P)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Literal, get_args

from camera_adapters.gb28181 import codes, local_time
from camera_adapters.gb28181.envelope import Envelope, document
from camera_adapters.gb28181.xml_bodies import Element, texts

COMMAND = "Catalog"

# Annex A.2.5 e: ON, OFF, VLOST (no picture) and DEFECT are states; the others change the catalogue.
CatalogEventKind = Literal["ON", "OFF", "VLOST", "DEFECT", "ADD", "DEL", "UPDATE"]
_EVENT_KINDS: dict[str, CatalogEventKind] = {kind: kind for kind in get_args(CatalogEventKind)}
# Subscribed for by this Event header (§9.11.1); one dialog carries one subscription.
EVENT_PACKAGE = "Catalog"

ITEMS_PER_PAGE_LIMIT = 5000
_TEXT_LIMIT = 255

# PTZType of 2016 (Annex A.2.1): dome, half dome, fixed, remote-controlled fixed;
# 2022 adds 5 (remote-controlled half dome), 6 and 7 (multi-lens panoramic and split).
STEERABLE_TYPES = frozenset({1, 4, 5})

_OWN_FIELDS = frozenset(
    name.lower()
    for name in (
        "DeviceID",
        "Event",
        "Name",
        "ParentID",
        "CivilCode",
        "BusinessGroupID",
        "Status",
        "Longitude",
        "Latitude",
        "Password",
        "Info",
    )
)
_FACTS_LIMIT = 48


@dataclass(frozen=True, slots=True)
class CatalogItem:
    """One node of a catalogue (itemType, Annex A.2.1).

    ``parents`` are the codes of ``ParentID`` in order: the field holds several with slashes between
    them. ``longitude`` and ``latitude`` are degrees, as they came: WGS 84 by the standard, often
    not so in the field. ``facts`` has every further field by its name in the standard, those of
    ``Info`` too; a device's password is never kept.
    """

    code: str
    name: str = ""
    parents: tuple[str, ...] = ()
    civil_code: str = ""
    business_group: str = ""
    online: bool = True
    longitude: float | None = None
    latitude: float | None = None
    facts: dict[str, str] = field(default_factory=dict)

    @property
    def kind(self) -> codes.CodeKind:
        """What the code names."""
        return codes.kind_of(self.code)

    @property
    def steerable(self) -> bool:
        """Whether PTZType says that the camera can be turned."""
        kind = self.facts.get("PTZType", "").partition("/")[0]
        return kind.isascii() and kind.isdigit() and int(kind) in STEERABLE_TYPES


@dataclass(frozen=True, slots=True)
class CatalogQuery:
    """Asks for everything beneath ``device_id``."""

    serial_number: int
    device_id: str

    def to_element(self) -> Element:
        """The Query."""
        return document("Query", COMMAND, self.serial_number, self.device_id)

    @classmethod
    def read(cls, envelope: Envelope) -> CatalogQuery:
        """A Query."""
        return cls(envelope.serial_number, envelope.device_id)


@dataclass(frozen=True, slots=True)
class CatalogPage:
    """One page of the answer. ``total`` is SumNum; ``unreadable`` counts items without a code."""

    serial_number: int
    device_id: str
    total: int
    items: tuple[CatalogItem, ...]
    unreadable: int = 0

    def to_element(self) -> Element:
        """The Response."""
        listed = [_item_element(item) for item in self.items]
        return document(
            "Response",
            COMMAND,
            self.serial_number,
            self.device_id,
            Element("SumNum", str(self.total)),
            Element("DeviceList", attributes={"Num": str(len(listed))}, children=listed),
        )

    @classmethod
    def read(cls, envelope: Envelope) -> CatalogPage:
        """A Response; items whose code is unusable are counted and left out."""
        root = envelope.element
        items, unreadable = [], 0
        for node in _listed(root):
            item = _read_item(node)
            if item is None:
                unreadable += 1
            else:
                items.append(item)
        return cls(
            envelope.serial_number,
            envelope.device_id,
            max(0, root.number("SumNum")),
            tuple(items),
            unreadable,
        )


@dataclass(frozen=True, slots=True)
class CatalogEvent:
    """One change. Of ``item`` only the code may be given, but for ADD and UPDATE."""

    kind: CatalogEventKind
    item: CatalogItem


@dataclass(frozen=True, slots=True)
class CatalogNotification:
    """What a subscriber is told (Annex A.2.5 e)."""

    serial_number: int
    device_id: str
    events: tuple[CatalogEvent, ...]

    def to_element(self) -> Element:
        """The Notify."""
        listed = [_item_element(event.item, event.kind) for event in self.events]
        return document(
            "Notify",
            COMMAND,
            self.serial_number,
            self.device_id,
            Element("SumNum", str(len(listed))),
            Element("DeviceList", attributes={"Num": str(len(listed))}, children=listed),
        )

    @classmethod
    def read(cls, envelope: Envelope) -> CatalogNotification:
        """A Notify. An item without an event is an update, as older platforms mean it."""
        events = []
        for node in _listed(envelope.element):
            item = _read_item(node)
            kind = _EVENT_KINDS.get(node.value("Event", "UPDATE").upper())
            if item is not None and kind is not None:
                events.append(CatalogEvent(kind, item))
        return cls(envelope.serial_number, envelope.device_id, tuple(events))


def pages(
    serial_number: int, device_id: str, items: Iterable[CatalogItem], items_per_page: int
) -> Iterator[CatalogPage]:
    """The pages that answer a query (Annex N); an empty catalogue is one page without items."""
    everything = tuple(items)
    for start in range(0, max(1, len(everything)), items_per_page):
        part = everything[start : start + items_per_page]
        yield CatalogPage(serial_number, device_id, len(everything), part)


def subscription(
    serial_number: int, device_id: str, start_us: int | None = None, end_us: int | None = None
) -> Element:
    """The body of a SUBSCRIBE to changes (§9.11.1)."""
    return document(
        "Query",
        COMMAND,
        serial_number,
        device_id,
        *texts(
            (name, None if at_us is None else local_time.format_us(at_us))
            for name, at_us in (("StartTime", start_us), ("EndTime", end_us))
        ),
    )


def _listed(root: Element) -> Iterator[Element]:
    listing = root.find("DeviceList")
    if listing is None:
        return
    for count, node in enumerate(listing.find_all("Item")):
        if count >= ITEMS_PER_PAGE_LIMIT:
            return
        yield node


def _read_item(node: Element) -> CatalogItem | None:
    values: dict[str, str] = {}
    for child in node.children:
        values.setdefault(child.name.lower(), child.text)
    code = codes.as_received(values.get("deviceid", ""))
    if not code:
        return None
    info = node.find("Info")
    group = values.get("businessgroupid", "")
    if not group and info is not None:
        # 2022 and some makers of 2016 write it here.
        group = info.value("BusinessGroupID")
    parents = (codes.as_received(part) for part in values.get("parentid", "").split("/"))
    return CatalogItem(
        code=code,
        name=values.get("name", "")[:_TEXT_LIMIT],
        parents=tuple(parent for parent in parents if parent)[:8],
        civil_code=codes.as_received(values.get("civilcode", "")),
        business_group=codes.as_received(group),
        # A node that says nothing of its state is on: divisions and groups have none.
        online=values.get("status", "ON").upper() not in ("OFF", "OFFLINE", "VLOST", "DEFECT"),
        longitude=_degrees(node, "Longitude", 180),
        latitude=_degrees(node, "Latitude", 90),
        facts=_facts(node, info),
    )


def _facts(node: Element, info: Element | None) -> dict[str, str]:
    facts: dict[str, str] = {}
    for child in (*node.children, *(info.children if info is not None else ())):
        plain = child.text and not child.children and len(facts) < _FACTS_LIMIT
        if plain and child.name.lower() not in _OWN_FIELDS:
            facts.setdefault(child.name[:40], child.text[:_TEXT_LIMIT])
    return facts


def _degrees(node: Element, name: str, limit: int) -> float | None:
    value = node.decimal(name)
    # Cameras that know no position send zeros.
    return value if value and abs(value) <= limit else None


# The fields that stand beneath Info (Annex A.2.1, itemType).
_INFO_FACTS = (
    "PTZType",
    "PositionType",
    "RoomType",
    "UseType",
    "SupplyLightType",
    "DirectionType",
    "Resolution",
    "DownloadSpeed",
    "SpaceCodeNumber",
    "SVCTimeSupportMode",
)
# In the order of the standard, which some receivers insist on.
_LEADING_FACTS = ("Manufacturer", "Model", "Owner")
_MIDDLE_FACTS = ("Block", "Address", "Parental")
_LATER_FACTS = ("SafetyWay", "RegisterWay", "Secrecy", "IPAddress", "Port")


def _item_element(item: CatalogItem, event: CatalogEventKind | None = None) -> Element:
    facts = item.facts

    def chosen(names: tuple[str, ...]) -> list[tuple[str, str | float | None]]:
        return [(name, facts.get(name)) for name in names]

    if event in ("ON", "OFF", "VLOST", "DEFECT", "DEL"):
        fields = texts((("DeviceID", item.code), ("Event", event)))
        return Element("Item", children=fields)
    fields = texts(
        [
            ("DeviceID", item.code),
            ("Event", event),
            ("Name", item.name),
            *chosen(_LEADING_FACTS),
            ("CivilCode", item.civil_code),
            *chosen(_MIDDLE_FACTS),
            ("ParentID", "/".join(item.parents)),
            *chosen(_LATER_FACTS),
            ("Status", "ON" if item.online else "OFF"),
            ("Longitude", item.longitude),
            ("Latitude", item.latitude),
            ("BusinessGroupID", item.business_group),
        ]
    )
    if info := texts(chosen(_INFO_FACTS)):
        fields.append(Element("Info", children=info))
    return Element("Item", children=fields)
