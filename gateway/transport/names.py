"""By which names and addresses browsers may come: what the certificate must be good for."""

from __future__ import annotations

import contextlib
import fcntl
import ipaddress
import socket
import struct
from pathlib import Path
from urllib.parse import urlsplit

from gateway.settings import Settings

_SIOCGIFADDR = 0x8915  # netdevice(7)
_LOOPBACK = ("localhost", "127.0.0.1", "::1")


def certificate_names(settings: Settings) -> list[str]:
    """Host names and addresses, without doubles, in a fixed order."""
    names = list(settings.tls.names)
    if settings.public_url:
        names.append(urlsplit(settings.public_url).hostname or "")
    address = settings.listen.address
    if address in ("0.0.0.0", "::"):
        names += [socket.gethostname(), *interface_addresses()]
    else:
        names.append(address)
    return [name for name in dict.fromkeys([*names, *_LOOPBACK]) if is_name(name)]


def is_name(text: str) -> bool:
    """Whether it can stand in a certificate."""
    with contextlib.suppress(ValueError):
        ipaddress.ip_address(text)
        return True
    labels = text.rstrip(".").split(".")
    return len(text) < 254 and all(
        0 < len(label) < 64 and label.isascii() and label.replace("-", "").isalnum()
        for label in labels
    )


def interface_addresses() -> list[str]:
    """This machine's addresses, but for those that only it can reach."""
    found = [*_ipv4_addresses(), *_ipv6_addresses()]
    return sorted(
        str(address) for address in found if not address.is_loopback and not address.is_link_local
    )


def _ipv4_addresses() -> list[ipaddress.IPv4Address | ipaddress.IPv6Address]:
    found: list[ipaddress.IPv4Address | ipaddress.IPv6Address] = []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        for _, name in socket.if_nameindex():
            request = struct.pack("256s", name.encode()[:15])
            with contextlib.suppress(OSError):  # an interface without an address
                answer = fcntl.ioctl(probe, _SIOCGIFADDR, request)
                found.append(ipaddress.IPv4Address(answer[20:24]))
    return found


def _ipv6_addresses() -> list[ipaddress.IPv4Address | ipaddress.IPv6Address]:
    try:
        lines = Path("/proc/net/if_inet6").read_text().splitlines()
    except OSError:
        return []
    return [ipaddress.IPv6Address(bytes.fromhex(line.split()[0])) for line in lines]
