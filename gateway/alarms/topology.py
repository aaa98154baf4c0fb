"""What cameras depend on: switches as people named them, devices and platforms, networks."""

from __future__ import annotations

import ipaddress
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from urllib.parse import urlsplit

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.alarms.judge import Group
from gateway.database.operating_tables import switches
from gateway.database.platform_tables import platform_states
from gateway.database.tables import areas, cameras
from gateway.sources.addresses import SCENE

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_PLATFORM_LEAST = 2
_NETWORK_LEAST = 4


@dataclass(frozen=True, slots=True)
class Place:
    """A camera as far as it matters here. ``recorded``: pulled all the time, so that it is known
    whether it works.
    """

    id: str
    area_id: str
    area_path: str
    platform_id: str | None
    address: Address | None
    enabled: bool


@dataclass(frozen=True, slots=True)
class Switch:
    """A row of ``switches``."""

    id: str
    area_id: str
    networks: tuple[Network, ...]
    camera_ids: frozenset[str]
    management_host: str | None
    management_port: int | None


@dataclass(frozen=True, slots=True)
class Topology:
    """Who depends on what."""

    places: Mapping[str, Place] = field(default_factory=dict)
    switches: Mapping[str, Switch] = field(default_factory=dict)
    groups: tuple[Group, ...] = ()
    telephones: frozenset[str] = frozenset()
    """Cameras that are somebody live from the scene: they come and go, and that is no fault."""

    def group(self, subject: str) -> Group | None:
        """By what an alarm calls it."""
        return next((one for one in self.groups if one.subject == subject), None)


def make_topology(places: Iterable[Place], known: Iterable[Switch]) -> Topology:
    """Groups of all enabled cameras. A camera may stand in several."""
    enabled = {one.id: one for one in places if one.enabled}
    listed = {one.id: one for one in known}
    groups = [
        Group("switch", one.id, frozenset(_behind(one, enabled.values())))
        for one in listed.values()
    ]
    by_platform: dict[str, set[str]] = defaultdict(set)
    by_network: dict[str, set[str]] = defaultdict(set)
    for place in enabled.values():
        if place.platform_id is not None:
            by_platform[place.platform_id].add(place.id)
        if place.address is not None:
            by_network[str(network_of(place.address))].add(place.id)
    groups += [
        Group("platform", one, frozenset(members))
        for one, members in by_platform.items()
        if len(members) >= _PLATFORM_LEAST
    ]
    groups += [
        Group("network", one, frozenset(members))
        for one, members in by_network.items()
        if len(members) >= _NETWORK_LEAST
    ]
    return Topology(enabled, listed, tuple(groups))


def network_of(address: Address) -> Network:
    """The network that is taken for a common one where none is configured."""
    length = 24 if address.version == 4 else 64
    return ipaddress.ip_network(f"{address}/{length}", strict=False)


def address_of(url: str, fallback: str | None = None) -> Address | None:
    """The address in a URL, else in ``fallback``; None for names, which are not looked up."""
    try:
        host = urlsplit(url).hostname
    except ValueError:
        host = None
    for text in (host, fallback):
        try:
            if text:
                return ipaddress.ip_address(text)
        except ValueError:
            continue
    return None


async def read_topology(connection: AsyncConnection) -> Topology:
    """From rows."""
    found = await connection.execute(
        sa.select(
            cameras.c.id,
            cameras.c.area_id,
            cameras.c.main_url,
            cameras.c.platform_id,
            cameras.c.enabled,
            areas.c.path,
            platform_states.c.host,
        )
        .select_from(
            cameras.join(areas, areas.c.id == cameras.c.area_id).outerjoin(
                platform_states, platform_states.c.platform_id == cameras.c.platform_id
            )
        )
        .where(cameras.c.deleted_us.is_(None))
    )
    rows = found.all()
    places = [
        Place(
            row.id,
            row.area_id,
            row.path,
            row.platform_id,
            address_of(row.main_url, row.host),
            row.enabled,
        )
        for row in rows
    ]
    known = [
        Switch(
            row.id,
            row.area_id,
            tuple(ipaddress.ip_network(one) for one in row.networks),
            frozenset(row.camera_ids),
            row.management_host,
            row.management_port,
        )
        for row in await connection.execute(sa.select(switches))
    ]
    telephones = frozenset(row.id for row in rows if row.main_url.startswith(SCENE))
    return replace(make_topology(places, known), telephones=telephones)


def common_area(paths: Sequence[str]) -> str | None:
    """The id of the smallest area that holds all of these paths; None: only the county does."""
    if not paths:
        return None
    parts = [path.rstrip("/").split("/") for path in paths]
    common = None
    for level in zip(*parts, strict=False):
        if len(set(level)) > 1:
            break
        common = level[0]
    return common or None


def _behind(switch: Switch, places: Iterable[Place]) -> Iterable[str]:
    for place in places:
        if place.id in switch.camera_ids or (
            place.address is not None
            and any(
                one.version == place.address.version and place.address in one
                for one in switch.networks
            )
        ):
            yield place.id
