"""A meeting's site in a network without UDP: everything goes through a TURN server, by TLS."""

from __future__ import annotations

import asyncio
import ssl
from typing import Any, cast

from aioice.turn import create_turn_endpoint

from gateway.live.ice_servers import IceAccess
from tests.peers.coturn import TurnServer
from tests.peers.meeting_site import MeetingSite


class RelayedSite(MeetingSite):
    """With an account for that server. ``errors`` is what the relay refused."""

    def __init__(
        self, turn: TurnServer, access: IceAccess, *, tls: bool = True, **offered: Any
    ) -> None:
        super().__init__(**offered)
        self.errors: list[Exception] = []
        self._turn = turn
        self._access = access
        self._tls = tls

    async def _open(self) -> asyncio.DatagramTransport:
        turn = self._turn
        transport, _ = await create_turn_endpoint(
            lambda: self,
            ("localhost" if self._tls else turn.address, turn.tls_port if self._tls else turn.port),
            self._access.username,
            self._access.credential,
            ssl=ssl.create_default_context(cafile=turn.authority) if self._tls else None,
            transport="tcp" if self._tls else "udp",
        )
        return cast("asyncio.DatagramTransport", transport)

    @property
    def relayed_address(self) -> tuple[str, int]:
        """How others see it."""
        return cast("tuple[str, int]", self._transport.get_extra_info("sockname"))

    def send_to(self, datagram: bytes, address: tuple[str, int]) -> None:
        """To anybody, if the relay lets it."""
        self._transport.sendto(datagram, address)

    def error_received(self, exc: Exception) -> None:
        """See asyncio."""
        self.errors.append(exc)
        self._changed.set()
