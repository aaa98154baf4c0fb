"""Addresses as devices tell them, and as we reach the devices: not always the same.

Behind NAT a camera tells its inner address, one without a lease tells 0.0.0.0, one with two
networks tells the other. What works is the address by which it was reached.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Sequence
from urllib.parse import urlsplit, urlunsplit

ADDRESSES_LIMIT = 262_144
# Where most devices have their device service (Core Specification §5.1.1).
DEVICE_SERVICE_PATH = "/onvif/device_service"


def reached_service(told: str, base: str) -> str:
    """A service's address: the path that was told, at ``base`` (scheme, host, port) unless the host
    is the same; then port and scheme are believed too. ``base`` for what is no address.
    """
    try:
        parts, reached = urlsplit(told.strip()), urlsplit(base)
        host, port = parts.hostname, parts.port
    except ValueError:
        return base
    if parts.scheme not in ("http", "https") or not host or not parts.path:
        return base
    if host.lower() == (reached.hostname or "").lower() and port != 0:
        return urlunsplit((parts.scheme, parts.netloc, parts.path, parts.query, ""))
    return urlunsplit((reached.scheme, reached.netloc, parts.path, parts.query, ""))


def reached_stream(told: str, host: str) -> str:
    """A stream's address with ``host`` in the place of another one, its port kept.

    Credentials in it are taken out: they are kept apart, sealed. Raises ValueError for what is no
    RTSP or HTTP address.
    """
    parts = urlsplit(told.strip())
    if parts.scheme.lower() not in ("rtsp", "rtsps", "http", "https"):
        raise ValueError("the device gives no RTSP or HTTP address")
    if any(character.isspace() or ord(character) < 33 for character in told.strip()):
        raise ValueError("the device gives an address with blanks in it")
    port = f":{parts.port}" if parts.port else ""
    place = f"[{host}]" if ":" in host else host
    return urlunsplit((parts.scheme.lower(), f"{place}{port}", parts.path, parts.query, ""))


def base_of(host: str, port: int, *, secure: bool = False) -> str:
    """``http://HOST:PORT``."""
    place = f"[{host}]" if ":" in host else host
    return f"{'https' if secure else 'http'}://{place}:{port}"


def addresses_in(ranges: Sequence[str]) -> Iterator[str]:
    """The addresses of ``10.1.2.0/24``, ``10.1.2.10-10.1.2.99``, ``10.1.2.10-99``, ``10.1.2.7``.

    Networks and their broadcast addresses are left out. Raises ValueError, with a message that says
    what to do, for anything else, and where there are more than 262,144: call
    :func:`count_addresses` first.
    """
    count_addresses(ranges)
    for text in ranges:
        first, last = _bounds(text)
        for number in range(first, last + 1):
            yield str(ipaddress.IPv4Address(number))


def count_addresses(ranges: Sequence[str]) -> int:
    """How many addresses the ranges hold. Raises ValueError as :func:`addresses_in` does."""
    total = 0
    for text in ranges:
        first, last = _bounds(text)
        total += last - first + 1
    if total > ADDRESSES_LIMIT:
        raise ValueError(
            f"the ranges hold {total} addresses, more than {ADDRESSES_LIMIT}: search in parts"
        )
    return total


def _bounds(text: str) -> tuple[int, int]:
    what = text.strip()
    try:
        if "/" in what:
            network = ipaddress.IPv4Network(what, strict=False)
            first, last = int(network.network_address), int(network.broadcast_address)
            return (first + 1, last - 1) if network.prefixlen < 31 else (first, last)
        begin, dash, end = what.partition("-")
        first = int(ipaddress.IPv4Address(begin.strip()))
        if not dash:
            return first, first
        end = end.strip()
        if "." not in end:
            end = begin.strip().rpartition(".")[0] + "." + end
        last = int(ipaddress.IPv4Address(end))
    except ValueError:
        raise ValueError(
            f"{text!r} is no range of addresses: write 10.1.2.0/24, 10.1.2.10-10.1.2.99 or 10.1.2.7"
        ) from None
    if last < first:
        raise ValueError(f"{text!r} ends before it begins")
    return first, last
