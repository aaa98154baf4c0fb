"""What this gateway speaks to devices and platforms, and what they must be told to reach it."""

from __future__ import annotations

import ipaddress
import socket
from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel

from gateway.api.access import Caller, permitted_areas
from gateway.api.services import ServicesDep
from gateway.people.roles import Right

router = APIRouter(prefix="/api/platform-kinds", tags=["devices and platforms"])


class OnvifKind(BaseModel):
    """What a search for devices asks unless it is told otherwise."""

    enabled: bool
    interfaces: list[str]
    ranges: list[str]
    ports: list[int]


class Gb28181Kind(BaseModel):
    """What has to be typed into a GB/T 28181 device that shall register here."""

    enabled: bool
    code: str
    domain: str
    address: str
    port: int
    transports: list[str]


class Gat1400Kind(BaseModel):
    """What has to be typed into a view library that shall send here."""

    enabled: bool
    code: str
    address: str
    port: int


class PushKind(BaseModel):
    """Where encoders push by RTMP: a camera's media process has a port of its own, the first this
    one, the next the next.
    """

    enabled: bool
    address: str
    port: int
    processes: int


class PlatformKinds(BaseModel):
    """The kinds, each with whether it is switched on in the settings."""

    onvif: OnvifKind
    gb28181: Gb28181Kind
    gat1400: Gat1400Kind
    push: PushKind


@router.get("", response_model=PlatformKinds)
async def read_kinds(caller: Caller, services: ServicesDep) -> dict[str, Any]:
    """Addresses are those that others should use, where the settings say."""
    permitted_areas(caller, Right.CONFIGURE)
    onvif = services.settings.onvif
    gb28181 = services.settings.gb28181
    gat1400 = services.settings.gat1400
    push = services.settings.push
    advertised = (gat1400.advertise_url or "").partition("://")[2].partition(":")[0]
    return {
        "onvif": {
            "enabled": onvif.enabled,
            "interfaces": onvif.interfaces,
            "ranges": onvif.ranges,
            "ports": onvif.ports,
        },
        "gb28181": {
            "enabled": bool(gb28181.port),
            "code": gb28181.code,
            "domain": gb28181.domain or gb28181.code[:10],
            "address": gb28181.advertise_address or _reachable(gb28181.address),
            "port": gb28181.port,
            "transports": ["udp", "tcp"],
        },
        "gat1400": {
            "enabled": gat1400.enabled,
            "code": gat1400.code,
            "address": advertised or _reachable(gat1400.address),
            "port": gat1400.port,
        },
        "push": {
            "enabled": push.enabled,
            "address": _reachable(push.address),
            "port": push.port,
            "processes": services.settings.shards.count,
        },
    }


def _reachable(address: str) -> str:
    """What others type in to reach what listens on this address."""
    try:
        everywhere = ipaddress.ip_address(address).is_unspecified
    except ValueError:
        return address
    if not everywhere:
        return address
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            # Nothing is sent: the system says from where it would be.
            probe.connect(("10.255.255.255", 9))
        except OSError:
            return "127.0.0.1"
        return str(probe.getsockname()[0])
