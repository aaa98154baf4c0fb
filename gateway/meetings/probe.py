"""Whether a browser's packets reach the port of sound and pictures: tried before anybody joins.

The page is told ``ready``; its one offer is answered, and when the handshake is over it is told
``connected``. Nothing is forwarded, no room is entered, and after ten seconds it is over whatever
comes: ``end`` with ``over``, ``no_packets``, ``refused``.
"""

from __future__ import annotations

import asyncio
import contextlib

from starlette.routing import BaseRoute, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from camera_adapters.webrtc.conference.conference import Conference
from camera_adapters.webrtc.conference.publication import Publication
from camera_adapters.webrtc.conference.source import Source
from camera_adapters.webrtc.offer_answering import OfferRefused
from gateway.identifiers import now_us
from gateway.live.sdp_exchange import client_address
from gateway.meetings.documents import as_text
from gateway.meetings.wire import Offer, WireError, parse
from gateway.tickets import TicketError, TicketSigner

LASTS_S = 10.0
# A county's sites may all be tested at once; each holds a port's entry and a handshake.
AT_ONCE_LIMIT = 100
_CLOSE_CODE_BASE = 4000


class ProbeEndpoint:
    """Answers probes of this shard. A ticket for one names no meeting."""

    def __init__(self, signer: TicketSigner, conference: Conference) -> None:
        self._signer = signer
        self._conference = conference
        self._used: dict[str, int] = {}
        self._running = 0

    def routes(self, path: str = "/meeting/probe") -> list[BaseRoute]:
        """The route to mount."""
        return [WebSocketRoute(path, self._serve)]

    async def _serve(self, websocket: WebSocket) -> None:
        await websocket.accept()
        with contextlib.suppress(WebSocketDisconnect, RuntimeError, OSError):
            if not self._is_good(websocket.query_params.get("ticket", "")):
                await _refuse(websocket, 401, "ticket_refused")
            elif self._running >= AT_ONCE_LIMIT:
                await _refuse(websocket, 503, "busy")
            else:
                await websocket.send_text(as_text({"type": "ready"}))
                self._running += 1
                try:
                    await self._probe(websocket)
                finally:
                    self._running -= 1

    async def _probe(self, websocket: WebSocket) -> None:
        events = _Events()
        reason = "over"
        try:
            async with asyncio.timeout(LASTS_S):
                offer = parse(await websocket.receive_text())
                if not isinstance(offer, Offer):
                    raise WireError("a probe begins with an offer")
                peer, answer = self._conference.answer(
                    offer.sdp, events, client_address=client_address(websocket)
                )
                try:
                    await websocket.send_text(as_text({"type": "answer", "sdp": answer}))
                    await events.connected.wait()
                    await websocket.send_text(as_text({"type": "connected"}))
                finally:
                    peer.close("probed")
        except TimeoutError:
            reason = "no_packets"
        except (WireError, OfferRefused) as error:
            message = {"type": "error", "code": "refused", "message": str(error)}
            await websocket.send_text(as_text(message))
            reason = "refused"
        await websocket.send_text(as_text({"type": "end", "reason": reason}))
        await websocket.close(1000, reason)

    def _is_good(self, text: str) -> bool:
        try:
            ticket = self._signer.verify(text)
        except TicketError:
            return False
        at_us = now_us()
        self._used = {one: until for one, until in self._used.items() if until > at_us}
        if ticket.action != "meeting" or ticket.meeting_id or ticket.session_id in self._used:
            return False
        self._used[ticket.session_id] = ticket.expires_us
        return True


async def _refuse(websocket: WebSocket, status: int, reason: str) -> None:
    await websocket.send_text(as_text({"type": "end", "reason": reason}))
    await websocket.close(_CLOSE_CODE_BASE + status, reason)


class _Events:
    """See SiteEvents. Of a probe only the handshake matters."""

    def __init__(self) -> None:
        self.connected = asyncio.Event()

    def on_connected(self) -> None:
        """See SiteEvents."""
        self.connected.set()

    def on_source(self, publication: Publication, source: Source) -> None:
        """See SiteEvents: nobody hears it."""

    def on_closed(self, reason: str) -> None:
        """See SiteEvents: the time runs out by itself."""
