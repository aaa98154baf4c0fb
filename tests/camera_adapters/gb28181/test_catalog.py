"""Catalogue documents."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from camera_adapters.gb28181 import catalog, envelope, xml_bodies
from camera_adapters.gb28181.catalog import (
    CatalogEvent,
    CatalogItem,
    CatalogNotification,
    CatalogPage,
    CatalogQuery,
)
from camera_adapters.gb28181.xml_bodies import Element

OWN = "34020000002000000001"
CAMERA = "34020000001320000001"


def through(root: Element) -> envelope.Envelope:
    return envelope.read(xml_bodies.to_bytes(root))


def page(items: str, total: str = "1") -> CatalogPage:
    body = (
        f"<Response><CmdType>Catalog</CmdType><SN>3</SN><DeviceID>{OWN}</DeviceID>"
        f'<SumNum>{total}</SumNum><DeviceList Num="1">{items}</DeviceList></Response>'
    )
    return CatalogPage.read(envelope.read(body.encode("gb18030")))


CODES = st.text("0123456789", min_size=20, max_size=20)
TEXTS = st.text("东门A1-_ .", max_size=40).map(str.strip)
ITEMS = st.builds(
    CatalogItem,
    code=CODES,
    name=TEXTS,
    parents=st.lists(CODES, max_size=3).map(tuple),
    civil_code=st.sampled_from(["", "340200"]),
    business_group=st.sampled_from(["", OWN]),
    online=st.booleans(),
    longitude=st.none() | st.floats(1, 180),
    latitude=st.none() | st.floats(1, 90),
    facts=st.dictionaries(
        st.sampled_from(["Manufacturer", "Model", "Address", "PTZType", "IPAddress"]),
        st.sampled_from(["1", "海康", "10.0.0.1"]),
    ),
)


def test_query() -> None:
    query = CatalogQuery(17, OWN)
    document = through(query.to_element())
    assert (document.category, document.command) == ("Query", "Catalog")
    assert CatalogQuery.read(document) == query


@given(st.lists(ITEMS, max_size=5))
def test_page_is_read_as_it_was_written(items: list[CatalogItem]) -> None:
    written = CatalogPage(9, OWN, 77, tuple(items))
    assert CatalogPage.read(through(written.to_element())) == written


@given(st.integers(0, 60), st.integers(1, 20))
def test_pages_hold_everything_once_and_say_how_much_there_is(count: int, per_page: int) -> None:
    items = [CatalogItem(f"{number:020}") for number in range(count)]
    made = list(catalog.pages(5, OWN, items, per_page))
    assert [item for one in made for item in one.items] == items
    assert {one.total for one in made} == {count}
    assert all(len(one.items) <= per_page for one in made)


def test_item_as_devices_write_it() -> None:
    (item,) = page(
        f"<Item><DeviceID>{CAMERA}</DeviceID><Name>东门</Name><Manufacturer>Hikvision"
        f"</Manufacturer><CivilCode>340200</CivilCode><ParentID>{OWN}/34020000001110000001"
        "</ParentID><Password>secret</Password><Status>OFF</Status><Longitude>118.33</Longitude>"
        "<Latitude>30.9</Latitude><Info><PTZType>1</PTZType></Info></Item>"
    ).items
    assert item.parents == (OWN, "34020000001110000001")
    assert (item.online, item.steerable) == (False, True)
    assert (item.longitude, item.latitude) == (118.33, 30.9)
    assert item.facts == {"Manufacturer": "Hikvision", "PTZType": "1"}
    assert "secret" not in repr(item)


def test_zero_is_no_position_and_what_says_no_state_is_on() -> None:
    (item,) = page(
        f"<Item><DeviceID>{CAMERA}</DeviceID><Longitude>0.0</Longitude><Latitude>0</Latitude></Item>"
    ).items
    assert (item.longitude, item.latitude, item.online) == (None, None, True)


def test_item_without_a_code_is_counted() -> None:
    found = page(f"<Item><Name>x</Name></Item><Item><DeviceID>{CAMERA}</DeviceID></Item>", "2")
    assert (len(found.items), found.unreadable, found.total) == (1, 1, 2)


def test_changes_as_they_are_told() -> None:
    item = CatalogItem(CAMERA, "东门", (OWN,))
    told = CatalogNotification(
        4,
        OWN,
        (
            CatalogEvent("ADD", item),
            CatalogEvent("OFF", CatalogItem(CAMERA)),
            CatalogEvent("DEL", CatalogItem(CAMERA)),
        ),
    )
    assert CatalogNotification.read(through(told.to_element())) == told


def test_body_of_a_subscription_is_a_query() -> None:
    document = through(catalog.subscription(3, OWN, 0, 1_000_000))
    assert (document.category, document.command, document.device_id) == ("Query", "Catalog", OWN)
    assert document.element.value("EndTime") == "1970-01-01T08:00:01"
