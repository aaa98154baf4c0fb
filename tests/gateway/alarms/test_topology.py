"""What cameras depend on."""

from __future__ import annotations

import ipaddress

from hypothesis import given
from hypothesis import strategies as st

from gateway.alarms.topology import (
    Place,
    Switch,
    Topology,
    address_of,
    common_area,
    make_topology,
)


def place(
    number: int, address: str, platform_id: str | None = None, *, enabled: bool = True
) -> Place:
    where = ipaddress.ip_address(address) if address else None
    return Place(f"cam_{number}", "area", "area/", platform_id, where, enabled)


def members(topology: Topology) -> dict[str, list[str]]:
    return {one.subject: sorted(one.cameras) for one in topology.groups}


def test_a_switch_has_the_cameras_of_its_networks_and_those_named() -> None:
    switch = Switch(
        "swt",
        "area",
        (ipaddress.ip_network("10.1.2.0/25"), ipaddress.ip_network("fd00::/64")),
        frozenset({"cam_9"}),
        None,
        None,
    )
    places = [
        place(1, "10.1.2.3"),
        place(2, "10.1.2.200"),
        place(3, "fd00::7"),
        place(9, ""),
        place(4, "10.1.2.4", enabled=False),
    ]
    assert members(make_topology(places, [switch])) == {"switch:swt": ["cam_1", "cam_3", "cam_9"]}


def test_devices_of_several_cameras_and_networks_of_four_are_groups() -> None:
    places = [
        place(number, f"10.1.2.{number}", "plf" if number < 3 else None) for number in range(1, 5)
    ]
    places += [place(7, "10.1.3.1", "single"), place(8, "10.1.3.2")]
    assert members(make_topology(places, [])) == {
        "platform:plf": ["cam_1", "cam_2"],
        "network:10.1.2.0/24": ["cam_1", "cam_2", "cam_3", "cam_4"],
    }


def test_an_address_is_taken_from_the_url_or_from_where_the_device_speaks() -> None:
    assert str(address_of("rtsp://10.1.2.3:554/ch1")) == "10.1.2.3"
    assert str(address_of("rtsp://[fd00::7]/ch1")) == "fd00::7"
    assert address_of("rtsp://camera.local/ch1") is None
    assert str(address_of("gb28181://plf_1/3402", "10.9.9.9")) == "10.9.9.9"
    assert address_of("file:///a/b") is None


@given(st.text(max_size=80), st.none() | st.text(max_size=20))
def test_no_address_breaks_it(url: str, fallback: str | None) -> None:
    address_of(url, fallback)


def test_a_common_area_is_the_smallest_that_holds_all() -> None:
    assert common_area(["c/t/v/", "c/t/w/"]) == "t"
    assert common_area(["c/t/v/"]) == "v"
    assert common_area(["c/", "d/"]) is None
    assert common_area(["c/t/", "c/t/v/"]) == "t"
    assert common_area([]) is None
