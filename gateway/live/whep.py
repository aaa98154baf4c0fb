"""WHEP: the HTTP face of live viewing by WebRTC (draft-ietf-wish-whep, status codes of RFC 9725).

``POST /whep`` with an SDP offer opens a viewer, ``DELETE`` of the answer's Location ends it. Who
may watch what is decided by the caller's :data:`OpenSession`, from the ticket in URL or header.
"""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import structlog
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from camera_adapters.stream import Stream
from camera_adapters.webrtc.offer_answering import OfferRefused
from camera_adapters.webrtc.output import WebRtcOutput
from camera_adapters.webrtc.viewer import Viewer
from gateway.live.ice_servers import name_ice_servers
from gateway.live.sdp_exchange import (
    ALL_METHODS,
    bearer_token,
    bearer_wanted,
    client_address,
    created,
    failure,
    read_offer,
    without_deletion,
    without_offer,
)
from gateway.live.waiting import run_begins
from gateway.settings import IceServer

_log = structlog.get_logger(__name__)


class SessionHandle(Protocol):
    """The session that a ticket opened. It outlives the ticket, and ends when the viewer does."""

    @property
    def session_id(self) -> str:
        """What :meth:`WhepEndpoint.revoke` is called with."""

    def ended(self, reason: str, *, watched: bool = False) -> None:
        """Called once, when the viewer is gone or never came to be; ``reason`` is a stable word.

        ``watched``: pictures went to the viewer.
        """


OpenSession = Callable[[str], Awaitable[tuple[Stream, SessionHandle]]]
"""Verifies a ticket, opens its session, gives the Stream. Raises SessionRefused."""


class SessionRefused(Exception):
    """A ticket that opens nothing. ``code`` is stable; the message says what to do."""

    def __init__(
        self, status: int, code: str, message: str, *, retry_after_s: int | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.retry_after_s = retry_after_s


@dataclass(slots=True)
class _Resource:
    viewer: Viewer
    session: SessionHandle


class WhepEndpoint:
    """All WHEP resources of one shard.

    ``open_session`` is called once for each POST. A Stream that has no run yet (pulled on demand,
    camera reconnecting) is waited for, ``run_wait_s`` at most, then the answer is 409 with
    Retry-After. The session's ``ended`` is called exactly once for every session opened.
    """

    def __init__(
        self,
        output: WebRtcOutput,
        open_session: OpenSession,
        *,
        ice_servers: Sequence[IceServer] = (),
        run_wait_s: float = 10.0,
    ) -> None:
        self._output = output
        self._open_session = open_session
        self._ice_servers = ice_servers
        self._run_wait_s = run_wait_s
        self._resources: dict[str, _Resource] = {}
        # A ticket may open several: each waits for itself.
        self._opening: dict[int, SessionHandle] = {}

    def routes(self, path: str = "/whep") -> list[BaseRoute]:
        """The routes to mount; ``Location`` is relative to ``path``, so any prefix will do."""
        return [
            Route(path, self._endpoint, methods=ALL_METHODS),
            Route(path + "/{resource_id}", self._resource, methods=ALL_METHODS),
        ]

    @property
    def viewers(self) -> Iterable[tuple[str, Viewer]]:
        """Session ids and viewers, for statistics."""
        return [(r.session.session_id, r.viewer) for r in self._resources.values()]

    def figures(self) -> dict[str, float]:
        """See :meth:`WebRtcOutput.figures`."""
        return self._output.figures()

    def revoke(self, session_id: str, reason: str = "revoked") -> bool:
        """End the session's viewer now. Returns whether there was one."""
        # Still waiting for its first picture: _open_viewer sees that it is not expected any more.
        waiting = [key for key, one in self._opening.items() if one.session_id == session_id]
        for key in waiting:
            del self._opening[key]
        found = [r for r in self._resources.values() if r.session.session_id == session_id]
        for resource in found:
            resource.viewer.close(reason)
        return bool(waiting or found)

    def close(self) -> None:
        """End every viewer: the shard stops."""
        for resource in tuple(self._resources.values()):
            resource.viewer.close("shard_stopping")

    async def _endpoint(self, request: Request) -> Response:
        refused = without_offer(request)
        if refused is not None:
            return refused
        ticket = bearer_token(request) or request.query_params.get("ticket") or None
        if ticket is None:
            return bearer_wanted(
                "ticket_required", "no ticket: ask POST /api/live for a WHEP address"
            )
        offer = await read_offer(request)
        if isinstance(offer, Response):
            return offer
        try:
            stream, session = await self._open_session(ticket)
        except SessionRefused as refusal:
            return failure(
                refusal.status, refusal.code, str(refusal), _retry(refusal.retry_after_s)
            )
        try:
            return await self._open_viewer(request, stream, session, offer)
        except BaseException:
            session.ended("failed")
            raise

    async def _open_viewer(
        self, request: Request, stream: Stream, session: SessionHandle, offer: str
    ) -> Response:
        self._opening[id(session)] = session
        try:
            begun = stream.running or await run_begins(stream, self._run_wait_s)
        finally:
            revoked = self._opening.pop(id(session), None) is None
        if revoked:
            session.ended("revoked")
            return failure(403, "session_revoked", "the session was revoked meanwhile")
        if not begun:
            session.ended("no_media")
            why = stream.interruption.detail if stream.interruption else "the camera sends nothing"
            return failure(409, "no_media", f"no live picture yet: {why}", _retry(2))
        resource_id = secrets.token_urlsafe(18)

        def closed(reason: str) -> None:
            resource = self._resources.pop(resource_id, None)
            if resource is not None:
                watched = resource.viewer.statistics.packets_sent > 0
                session.ended(reason, watched=watched)

        try:
            viewer, answer = self._output.answer(
                stream, offer, on_closed=closed, client_address=client_address(request)
            )
        except OfferRefused as refusal:
            session.ended(refusal.code)
            return failure(refusal.status, refusal.code, str(refusal))
        self._resources[resource_id] = _Resource(viewer, session)
        etag = {"ETag": f'"{viewer.ice_session}"'}
        response = created(request, resource_id, answer, etag)
        name_ice_servers(response, self._ice_servers, session.session_id)
        return response

    async def _resource(self, request: Request) -> Response:
        resource_id = request.path_params["resource_id"]
        refused = without_deletion(request)
        if refused is not None:
            return refused
        resource = self._resources.get(resource_id)
        if resource is None:
            return failure(404, "not_found", "no such WHEP session: it may have ended already")
        resource.viewer.close("ended_by_viewer")
        return Response(status_code=200)


def _retry(seconds: int | None) -> Mapping[str, str]:
    return {} if seconds is None else {"Retry-After": str(seconds)}
