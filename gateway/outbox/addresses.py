"""Where a message may go: an address that somebody typed must not reach what only we reach.

Names are looked up, every address is judged, and the connection goes to an address that was judged,
so that a name that changes in between gains nothing.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from aiohttp.abc import AbstractResolver, ResolveResult

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

# These hold an IPv4 address of any kind: NAT64, 6to4, Teredo.
_WRAPPING = tuple(ipaddress.ip_network(one) for one in ("64:ff9b::/96", "2002::/16", "2001::/32"))


@dataclass(frozen=True, slots=True)
class AddressKind:
    """How addresses of one kind of channel are written: their schemes, those that encrypt first,
    and the port of each where none is said.
    """

    encrypted: tuple[str, ...]
    plain: tuple[str, ...]
    ports: dict[str, int]
    example: str
    has_path: bool = False


WEBHOOK = AddressKind(
    ("https",), ("http",), {"https": 443, "http": 80}, "https://host/path", has_path=True
)
# By STARTTLS, or encrypted from the first byte; never without.
MAIL = AddressKind(("smtps", "smtp"), (), {"smtps": 465, "smtp": 587}, "smtps://mail.host:465")
MQTT = AddressKind(("mqtts",), ("mqtt",), {"mqtts": 8883, "mqtt": 1883}, "mqtts://broker.host:8883")
KINDS = {"webhook": WEBHOOK, "email": MAIL, "mqtt": MQTT}


class AddressRefused(Exception):
    """Nothing is sent there; the message says why."""


class AddressGuard:
    """Which addresses may be reached: public ones, and ``allowed_networks``."""

    def __init__(self, allowed_networks: Sequence[str] = ()) -> None:
        self._allowed = [ipaddress.ip_network(one) for one in allowed_networks]

    def is_allowed(self, text: str) -> bool:
        """Whether something may be sent to this IP address."""
        try:
            address: Address = ipaddress.ip_address(text.partition("%")[0])
        except ValueError:
            return False
        if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
            address = address.ipv4_mapped
        if self.is_inside(address):
            return True
        if any(address in one for one in _WRAPPING):
            return False
        return address.is_global and not address.is_multicast and not address.is_reserved

    def is_inside(self, address: Address) -> bool:
        """Whether it lies in one of the allowed networks."""
        return any(address in one for one in self._allowed)

    def check_url(self, url: str, kind: AddressKind = WEBHOOK) -> None:
        """Raises AddressRefused for what no such address may be: looks nothing up."""
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError:
            raise AddressRefused(f"this is not an address: {kind.example}") from None
        if parts.scheme not in (*kind.encrypted, *kind.plain) or not parts.hostname:
            raise AddressRefused(f"write an address such as {kind.example}")
        if parts.username is not None or parts.password is not None:
            raise AddressRefused("no name or password in the address")
        if not kind.has_path and (parts.path not in ("", "/") or parts.query):
            raise AddressRefused(f"nothing stands behind the host: {kind.example}")
        if parts.fragment:
            raise AddressRefused("an address has no part behind '#'")
        if port == 0 or any(ord(one) <= 32 for one in url):
            raise AddressRefused(f"this is not an address: {kind.example}")
        if parts.scheme in kind.plain and not self._allowed:
            raise AddressRefused(
                "what is not encrypted goes to outbox.allowed_networks alone:"
                f" use {kind.encrypted[0]}, or have them set"
            )
        if _is_ip(parts.hostname) and not self.is_allowed(parts.hostname):
            raise AddressRefused(self.refusal(parts.hostname))

    def refusal(self, host: str) -> str:
        """Why nothing is sent there, and what to do."""
        return f"{host} is not public: add its network to outbox.allowed_networks"


class GuardedResolver(AbstractResolver):
    """Looks names up for aiohttp, and gives no address that may not be reached.

    ``plain``: for plain HTTP, which goes to allowed networks alone.
    """

    def __init__(self, guard: AddressGuard, *, plain: bool) -> None:
        self._guard = guard
        self._plain = plain

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Raises AddressRefused where one of its addresses may not be reached, and OSError."""
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo(host, port, family=family, type=socket.SOCK_STREAM)
        results = []
        for kind, _, protocol, _, name in found:
            address = str(name[0])
            bad = not self._guard.is_allowed(address)
            if bad or (self._plain and not self._guard.is_inside(ipaddress.ip_address(address))):
                raise AddressRefused(self._guard.refusal(f"{host} ({address})"))
            results.append(
                ResolveResult(
                    hostname=host,
                    host=address,
                    port=port,
                    family=kind,
                    proto=protocol,
                    flags=socket.AI_NUMERICHOST,
                )
            )
        return results

    async def close(self) -> None:
        """Nothing is held."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where to connect: ``addresses`` were judged, ``host`` is whose certificate is asked for."""

    scheme: str
    host: str
    port: int
    addresses: tuple[str, ...]


async def reachable(guard: AddressGuard, url: str, kind: AddressKind) -> Endpoint:
    """Look it up and judge what is found. Raises AddressRefused, OSError."""
    guard.check_url(url, kind)
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port or kind.ports[parts.scheme]
    resolver = GuardedResolver(guard, plain=parts.scheme in kind.plain)
    found = await resolver.resolve(host, port, socket.AF_UNSPEC)
    addresses = dict.fromkeys(str(one["host"]) for one in found)
    return Endpoint(parts.scheme, host, port, tuple(addresses))


def check_plain_literal(guard: AddressGuard, url: str) -> None:
    """Raises AddressRefused for plain HTTP to an IP address outside the allowed networks: aiohttp
    looks up no name for it.
    """
    parts = urlsplit(url)
    host = parts.hostname or ""
    if not _is_ip(host):
        return
    inside = guard.is_inside(ipaddress.ip_address(host))
    if not guard.is_allowed(host) or (parts.scheme == "http" and not inside):
        raise AddressRefused(guard.refusal(host))


def _is_ip(host: str) -> bool:
    try:
        ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    return True
