"""A meeting's WebSocket: JSON both ways, and the one offer by which a page's media come and go."""

from __future__ import annotations

import asyncio
import contextlib
import json

import structlog
from starlette.routing import BaseRoute, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from camera_adapters.webrtc.conference.conference import Conference
from camera_adapters.webrtc.conference.publication import Publication
from camera_adapters.webrtc.conference.source import Source
from camera_adapters.webrtc.offer_answering import OfferRefused
from gateway.live.sdp_exchange import client_address
from gateway.meetings.desired import Invited
from gateway.meetings.documents import as_text
from gateway.meetings.door import Door, Refused
from gateway.meetings.member import Member
from gateway.meetings.outbox import Outbox
from gateway.meetings.room import Room
from gateway.meetings.wire import (
    AnswerCall,
    ClientMessage,
    Device,
    Offer,
    Ping,
    View,
    WireError,
    parse,
)

_log = structlog.get_logger(__name__)

_CLOSE_CODE_BASE = 4000
_MESSAGES_PER_S = 50
_BURST = 200
_ERRORS_LIMIT = 20


class MeetingEndpoint:
    """All pages that are in meetings of this shard."""

    def __init__(self, door: Door, conference: Conference) -> None:
        self._door = door
        self._conference = conference

    def routes(self, path: str = "/meeting") -> list[BaseRoute]:
        """The route to mount."""
        return [WebSocketRoute(path, self._serve)]

    async def _serve(self, websocket: WebSocket) -> None:
        await websocket.accept()
        try:
            room, invited, ticket = await self._door.open(websocket.query_params.get("ticket", ""))
        except Refused as refusal:
            text = as_text({"type": "end", "reason": refusal.code, "message": str(refusal)})
            with contextlib.suppress(WebSocketDisconnect, RuntimeError, OSError):
                await websocket.send_text(text)
                await websocket.close(_CLOSE_CODE_BASE + refusal.status, refusal.code)
            return
        outbox = Outbox(websocket)
        page = _Page(
            self._conference, room, invited, ticket.session_id, outbox, client_address(websocket)
        )
        member = page.member
        sending = asyncio.create_task(outbox.run())
        receiving = asyncio.create_task(page.listen(websocket))
        reason = "failed"
        try:
            room.enter(member)
            await asyncio.wait((sending, receiving), return_when=asyncio.FIRST_COMPLETED)
            reason = "closed"
        finally:
            room.leave(member, reason)
            receiving.cancel()
            # What the page has still to hear: why it ended.
            await asyncio.gather(sending, receiving, return_exceptions=True)


class _Page:
    """What one page says, done. See SiteEvents for what its media tell."""

    def __init__(
        self,
        conference: Conference,
        room: Room,
        invited: Invited,
        session_id: str,
        outbox: Outbox,
        address: str | None,
    ) -> None:
        self.member = Member(invited, session_id, say=outbox.put, hang_up=self._hang_up)
        self._outbox = outbox
        self._room = room
        self._conference = conference
        self._address = address
        self._errors = 0
        self._loop = asyncio.get_running_loop()

    async def listen(self, websocket: WebSocket) -> None:
        """Until the page is gone, or says too much that is wrong."""
        allowance, at_s = float(_BURST), self._loop.time()
        with contextlib.suppress(WebSocketDisconnect, RuntimeError, OSError):
            while not self.member.gone:
                message = await websocket.receive()
                if message["type"] == "websocket.disconnect":
                    return
                now_s = self._loop.time()
                allowance = min(_BURST, allowance + (now_s - at_s) * _MESSAGES_PER_S) - 1
                at_s = now_s
                if allowance < 0:
                    self._room.leave(self.member, "flood")
                    return
                self._take(message.get("text") or "")

    def on_connected(self) -> None:
        """See SiteEvents."""
        self._room.on_connected(self.member)

    def on_source(self, publication: Publication, source: Source) -> None:
        """See SiteEvents."""
        self._room.on_source(self.member, publication, source)

    def on_closed(self, reason: str) -> None:
        """See SiteEvents: without media nobody is in a meeting."""
        _log.info("a site's media ended", meeting=self._room.meeting_id, reason=reason)
        self._room.leave(self.member, "media_lost")

    def _hang_up(self, reason: str) -> None:
        # The media first: they end now, however long the page takes to hear why.
        if self.member.peer is not None:
            self.member.peer.close(reason)
        self._outbox.end(reason)

    def _take(self, text: str) -> None:
        try:
            self._do(parse(text))
        except (WireError, OfferRefused) as error:
            self._errors += 1
            self.member.say(
                json.dumps({"type": "error", "code": _code(error), "message": str(error)})
            )
            if self._errors >= _ERRORS_LIMIT:
                self._room.leave(self.member, "errors")

    def _do(self, message: ClientMessage) -> None:
        room, member = self._room, self.member
        match message:
            case Offer():
                self._answer(message)
            case View():
                room.view(member, message.tiles)
            case Device():
                room.device(member, message)
            case AnswerCall():
                room.answer_call(member)
            case Ping():
                member.say('{"type":"pong"}')

    def _answer(self, offer: Offer) -> None:
        if self.member.peer is not None:
            raise WireError("one connection has one offer: join again for another")
        peer, answer = self._conference.answer(offer.sdp, self, client_address=self._address)
        self.member.take_peer(peer, offer.sends)
        self.member.say(as_text({"type": "answer", "sdp": answer}))


def _code(error: Exception) -> str:
    return error.code if isinstance(error, OfferRefused) else "message_refused"
