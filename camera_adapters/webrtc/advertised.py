"""Which of our addresses a peer is told: those by which its own network reaches us.

A gateway between several networks has an address in each, and one behind each NAT; a peer that is
told of all of them tries in vain those that it cannot reach, and learns of networks that are none
of its business.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass

from camera_adapters.webrtc.ice_lite import Candidate

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True, slots=True)
class NetworkAddresses:
    """Peers whose own address is in ``network`` are told ``addresses``, best first."""

    network: Network
    addresses: tuple[str, ...]


class Advertised:
    """``elsewhere`` is told whoever is in none of ``networks``; of several the narrowest counts.

    Raises ValueError where there is no address to tell, or one is no IP address.
    """

    __slots__ = ("_elsewhere", "_networks", "addresses")

    def __init__(self, elsewhere: Sequence[str], networks: Sequence[NetworkAddresses] = ()) -> None:
        self._networks = sorted(networks, key=lambda one: one.network.prefixlen, reverse=True)
        told = [elsewhere, *(one.addresses for one in networks)]
        if not all(told):
            raise ValueError("no address to advertise: name at least one")
        self.addresses = tuple(dict.fromkeys(one for addresses in told for one in addresses))
        for one in self.addresses:
            ipaddress.ip_address(one)
        self._elsewhere = tuple(elsewhere)

    def to(self, peer: str | None) -> tuple[str, ...]:
        """What a peer is told that asks from this address; None or no IP address: not known."""
        address = _parsed(peer)
        if address is not None:
            for one in self._networks:
                if address.version == one.network.version and address in one.network:
                    return one.addresses
        return self._elsewhere

    def candidates(self, peer: str | None, port: int) -> tuple[Candidate, ...]:
        """The same as ICE has it, best first."""
        return tuple(
            Candidate(address, port, 65535 - index) for index, address in enumerate(self.to(peer))
        )


def _parsed(peer: str | None) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        address = ipaddress.ip_address(peer or "")
    except ValueError:
        return None
    # A socket of both families shows IPv4 peers this way (RFC 4291 §2.5.5.2).
    mapped = address.ipv4_mapped if address.version == 6 else None
    return mapped or address
