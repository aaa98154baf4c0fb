"""What people may have the gateway reach for them: devices, not the gateway itself.

Who configures one village could else have it ask its own processes, or what only this machine
reaches, and learn from the answers.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable

from gateway.api.errors import ApiError
from gateway.identifiers import now_us
from gateway.people.authorize import Principal
from gateway.people.roles import Right


def require_reach(caller: Principal, addresses: Iterable[str]) -> None:
    """Raises ApiError for addresses or networks of this machine or link, unless the caller
    administers the whole system. Names are taken: a county's devices seldom have one.
    """
    if "" in caller.areas_with(Right.SYSTEM, now_us()):
        return
    for address in addresses:
        if _is_ours(address):
            raise ApiError(
                403,
                "not_allowed",
                f"{address} is this machine or its link: only a system administrator searches it",
            )


def _is_ours(address: str) -> bool:
    text = address.strip("[]").partition("%")[0]
    if text.lower() == "localhost":
        return True
    try:
        network = ipaddress.ip_network(text, strict=False)
    except ValueError:
        return False
    edges = (network.network_address, network.broadcast_address)
    return network.prefixlen == 0 or any(
        edge.is_loopback or edge.is_link_local or edge.is_multicast or edge.is_unspecified
        for edge in edges
    )
