"""Where an element hears and speaks SIP: its UDP socket, its TCP listener and connections, what is
read of whom, and under which address each peer knows it.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable

from camera_adapters.sip.admission import Admission, AdmissionLimits
from camera_adapters.sip.messages import Message, MessageError, parse_datagram
from camera_adapters.sip.peer import Peer
from camera_adapters.sip.requests import bracketed, route_source
from camera_adapters.sip.transports import Inbox, TcpConnections, UdpPort

_ROUTES_LIMIT = 4096
_TRIES = 20


class Ports:
    """``take`` is given each message that was admitted and can be read; ``flush`` is called when
    all of a read were taken, ``lost`` when a connection has broken.
    """

    def __init__(
        self,
        *,
        take: Callable[[Message, Peer], None],
        flush: Callable[[], None],
        lost: Callable[[Peer], None],
        advertise: str,
        limits: AdmissionLimits | None,
        on_malformed: Callable[[Peer, str], None] | None,
    ) -> None:
        self.admission = Admission(limits)
        self.malformed = 0
        self.port = 0
        self._take = take
        self._flush = flush
        self._lost = lost
        self._advertise = advertise
        self._on_malformed = on_malformed
        self._host = ""
        self._udp: UdpPort | None = None
        self._tcp: TcpConnections | None = None
        self._inbox: Inbox | None = None
        self._routes: dict[str, str] = {}

    @property
    def overflowed(self) -> int:
        """How many messages came faster than they were taken, and were dropped."""
        return self._inbox.dropped if self._inbox else 0

    @property
    def connections(self) -> int:
        """How many TCP connections there are."""
        return len(self._tcp) if self._tcp else 0

    async def open(self, host: str, port: int, *, udp: bool, tcp: bool) -> None:
        """Listen; port 0 takes any that is free for both. Raises OSError."""
        self._host = host
        self._loop = asyncio.get_running_loop()
        self._inbox = Inbox(self._read, self._flush)
        for attempt in range(_TRIES):
            try:
                await self._bind(host, port, udp=udp, tcp=tcp)
                return
            except OSError:
                # The port that UDP was given may be taken for TCP.
                if port or attempt == _TRIES - 1:
                    raise

    async def close(self) -> None:
        """Hear and say nothing more."""
        if self._inbox is not None:
            self._inbox.close()
        if self._udp is not None:
            self._udp.close()
        if self._tcp is not None:
            await self._tcp.close()

    def contact_host(self, peer: Peer) -> str:
        """Our address that this peer can reach: the bound one, or that of the route to it."""
        if self._advertise:
            return self._advertise
        if self._host not in ("", "0.0.0.0", "::"):
            return self._host
        known = self._routes.get(peer.host)
        if known is None:
            if len(self._routes) >= _ROUTES_LIMIT:
                self._routes.clear()
            known = self._routes[peer.host] = route_source(peer)
        return known

    def sent_by(self, peer: Peer) -> str:
        """The same with the port, as it stands in a Via."""
        return f"{bracketed(self.contact_host(peer))}:{self.port}"

    def send(self, data: bytes, peer: Peer) -> bool:
        """Whether it is on its way."""
        if peer.transport == "tcp":
            is_request = not data.startswith(b"SIP/2.0")
            return self._tcp is not None and self._tcp.send(data, peer, may_open=is_request)
        return self._udp is not None and self._udp.send(data, peer)

    async def _bind(self, host: str, port: int, *, udp: bool, tcp: bool) -> None:
        if udp:
            self._udp = UdpPort(host, port, self._datagrams)
            port = self._udp.port
        self._tcp = TcpConnections(self._stream_message, self._lost, self._cannot_read)
        if tcp:
            if not port:
                with socket.socket() as probe:
                    probe.bind((host, 0))
                    port = int(probe.getsockname()[1])
            try:
                await self._tcp.listen(host, port)
            except OSError:
                if self._udp is not None:
                    self._udp.close()
                    self._udp = None
                raise
        self.port = port

    def _datagrams(self, found: list[tuple[bytes, Peer]]) -> None:
        assert self._inbox is not None
        admission, put = self.admission, self._inbox.put
        now = self._loop.time()
        for data, peer in found:
            if admission.admit(peer, now):
                put(data, peer, known=admission.knows(peer))

    def _stream_message(self, message: Message, peer: Peer) -> None:
        assert self._inbox is not None
        if self.admission.admit(peer, self._loop.time()):
            self._inbox.put(message, peer, known=self.admission.knows(peer))

    def _cannot_read(self, peer: Peer, error: MessageError) -> None:
        self.malformed += 1
        if self._on_malformed is not None:
            self._on_malformed(peer, str(error))

    def _read(self, item: bytes | Message, peer: Peer) -> None:
        if isinstance(item, bytes):
            try:
                message = parse_datagram(item)
            except MessageError as error:
                self._cannot_read(peer, error)
                return
            if message is not None:
                self._take(message, peer)
        else:
            self._take(item, peer)
