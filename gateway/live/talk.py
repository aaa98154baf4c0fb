"""Talking to a camera: the browser's microphone by WebRTC, the device's loudspeaker at the end.

``POST /talk?ticket=…`` with an SDP offer opens it, ``DELETE`` of the answer's Location hangs up.
A camera has one talker; who has a higher priority takes over, as with steering.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import structlog
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from camera_adapters.webrtc.incoming import IncomingPeer
from camera_adapters.webrtc.input import WebRtcInput
from camera_adapters.webrtc.offer_answering import OfferRefused
from camera_adapters.webrtc.voice import ACCEPTED, VoiceTaker
from gateway.live.ice_servers import name_ice_servers
from gateway.live.sdp_exchange import (
    ALL_METHODS,
    client_address,
    created,
    failure,
    read_offer,
    without_deletion,
    without_offer,
)
from gateway.live.whep import SessionHandle, SessionRefused
from gateway.settings import IceServer

_log = structlog.get_logger(__name__)


class Loudspeaker(Protocol):
    """The way to a device's loudspeaker."""

    @property
    def ended(self) -> asyncio.Future[str]:
        """Done, with one line, once the device has hung up."""

    def send(self, samples: bytes) -> None:
        """A-law samples at 8 kHz, as they come. Raises nothing."""

    def close(self) -> None:
        """Hang up. May be called twice."""


class LoudspeakerRefused(Exception):
    """The device takes no voice now. ``code`` is stable; the message says what to do."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class TalkSession(SessionHandle, Protocol):
    """What the ticket opened."""

    @property
    def user_id(self) -> str:
        """Who talks."""

    @property
    def user_name(self) -> str:
        """By which name others know them."""

    @property
    def camera_id(self) -> str:
        """To which camera."""

    @property
    def priority(self) -> int:
        """As in steering: the higher takes over."""


OpenTalk = Callable[[str], TalkSession]
"""Verifies a ticket and opens its session. Raises SessionRefused."""

OpenLoudspeaker = Callable[[str], Awaitable[Loudspeaker]]
"""The loudspeaker of a camera, by id. Raises LoudspeakerRefused."""


@dataclass(slots=True, eq=False)
class _Talk:
    session: TalkSession
    peer: IncomingPeer | None = None
    loudspeaker: Loudspeaker | None = None
    over: bool = False
    spoken: bool = False


class TalkEndpoint:
    """All who talk through one shard. A session's ``ended`` is called exactly once."""

    def __init__(
        self,
        incoming: WebRtcInput,
        open_talk: OpenTalk,
        open_loudspeaker: OpenLoudspeaker,
        *,
        ice_servers: Sequence[IceServer] = (),
    ) -> None:
        self._input = incoming
        self._open_talk = open_talk
        self._open_loudspeaker = open_loudspeaker
        self._ice_servers = ice_servers
        self._by_camera: dict[str, _Talk] = {}
        self._resources: dict[str, _Talk] = {}

    def __len__(self) -> int:
        return len(self._by_camera)

    def routes(self, path: str = "/talk") -> list[BaseRoute]:
        """The routes to mount; ``Location`` is relative, so any prefix will do."""
        return [
            Route(path, self._endpoint, methods=ALL_METHODS),
            Route(path + "/{resource_id}", self._resource, methods=ALL_METHODS),
        ]

    def revoke(self, session_id: str, reason: str = "revoked") -> bool:
        """End the session's talk now. Returns whether there was one."""
        found = [one for one in self._by_camera.values() if one.session.session_id == session_id]
        for talk in found:
            self._end(talk, reason)
        return bool(found)

    def close(self) -> None:
        """End all: the shard stops."""
        for talk in tuple(self._by_camera.values()):
            self._end(talk, "shard_stopping")

    async def _endpoint(self, request: Request) -> Response:
        refused = without_offer(request)
        if refused is not None:
            return refused
        ticket = request.query_params.get("ticket")
        if not ticket:
            return failure(
                401, "ticket_required", "no ticket: ask POST /api/cameras/{id}/talk for an address"
            )
        offer = await read_offer(request)
        if isinstance(offer, Response):
            return offer
        try:
            session = self._open_talk(ticket)
        except SessionRefused as refusal:
            return failure(refusal.status, refusal.code, str(refusal))
        holder = self._by_camera.get(session.camera_id)
        if holder is not None and not _takes_over(session, holder.session):
            session.ended("talk_held")
            return failure(
                409, "talk_held", f"{holder.session.user_name} is talking to this camera"
            )
        if holder is not None:
            self._end(holder, "taken_over")
        talk = _Talk(session)
        self._by_camera[session.camera_id] = talk
        try:
            return await self._connect(request, talk, offer)
        except BaseException:
            self._end(talk, "failed")
            raise

    async def _connect(self, request: Request, talk: _Talk, offer: str) -> Response:
        resource_id = secrets.token_urlsafe(18)

        def closed(reason: str) -> None:
            self._resources.pop(resource_id, None)
            self._end(talk, reason)

        # The microphone first: an offer that is no good must not ring at the device.
        try:
            talk.peer, answer = self._input.answer(
                offer, ACCEPTED, on_closed=closed, client_address=client_address(request)
            )
        except OfferRefused as refusal:
            self._end(talk, refusal.code)
            return failure(refusal.status, refusal.code, str(refusal))
        try:
            loudspeaker = await self._open_loudspeaker(talk.session.camera_id)
        except LoudspeakerRefused as refusal:
            self._end(talk, refusal.code)
            return failure(409, refusal.code, str(refusal))
        if talk.over:
            # Withdrawn, or taken over, while the device was being asked.
            loudspeaker.close()
            return failure(409, "ended", "the talk was ended meanwhile")
        talk.loudspeaker = loudspeaker

        def speak(samples: bytes) -> None:
            talk.spoken = True
            loudspeaker.send(samples)

        talk.peer.take([VoiceTaker(speak) for _ in talk.peer.tracks])
        loudspeaker.ended.add_done_callback(lambda _: self._end(talk, "ended_by_device"))
        self._resources[resource_id] = talk
        response = created(request, resource_id, answer)
        name_ice_servers(response, self._ice_servers, talk.session.session_id)
        return response

    def _end(self, talk: _Talk, reason: str) -> None:
        """Once for each talk, whoever ends it."""
        if talk.over:
            return
        talk.over = True
        if self._by_camera.get(talk.session.camera_id) is talk:
            del self._by_camera[talk.session.camera_id]
        if talk.loudspeaker is not None:
            talk.loudspeaker.close()
        if talk.peer is not None:
            talk.peer.close(reason)
        talk.session.ended(reason, watched=talk.spoken)
        _log.info("a talk ended", session=talk.session.session_id, reason=reason)

    async def _resource(self, request: Request) -> Response:
        refused = without_deletion(request)
        if refused is not None:
            return refused
        talk = self._resources.pop(request.path_params["resource_id"], None)
        if talk is None:
            return failure(404, "not_found", "no such talk: it may have ended already")
        self._end(talk, "ended_by_viewer")
        return Response(status_code=200)


def _takes_over(newer: TalkSession, holder: TalkSession) -> bool:
    """The same person again, or a higher priority."""
    return newer.user_id == holder.user_id or newer.priority > holder.priority
