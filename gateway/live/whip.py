"""WHIP: cameras and encoders that publish by WebRTC (RFC 9725).

``POST /whip/NAME`` with the camera's password as bearer token and an SDP offer opens a publication,
``DELETE`` of the answer's Location ends it. H.264 and Opus are taken.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from camera_adapters.pushed import PushSlot
from camera_adapters.webrtc.input import WebRtcInput
from camera_adapters.webrtc.output import OfferRefused
from camera_adapters.webrtc.publication import ACCEPTED, WebRtcPublication
from gateway.live.sdp_exchange import (
    ALL_METHODS,
    SDP,
    failure,
    method_not_allowed,
    read_offer,
    without_offer,
)

Admit = Callable[[str, str, str, str], PushSlot]
"""(application, name, key, peer address) → the slot. Raises PermissionError with what to tell."""


@dataclass(slots=True)
class _Resource:
    slot: PushSlot
    publication: WebRtcPublication


class WhipEndpoint:
    """All WHIP resources of one shard."""

    def __init__(self, incoming: WebRtcInput, admit: Admit, application: str) -> None:
        self._input = incoming
        self._admit = admit
        self._application = application
        self._resources: dict[str, _Resource] = {}

    def routes(self, path: str = "/whip") -> list[BaseRoute]:
        """The routes to mount; ``Location`` is relative, so any prefix will do."""
        return [
            Route(path + "/{name}", self._endpoint, methods=ALL_METHODS),
            Route(path + "/{name}/{resource_id}", self._resource, methods=ALL_METHODS),
        ]

    async def _endpoint(self, request: Request) -> Response:
        refused = without_offer(request)
        if refused is not None:
            return refused
        scheme, _, key = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not key.strip():
            return failure(
                401,
                "key_required",
                "send the camera's password as Authorization: Bearer KEY",
                {"WWW-Authenticate": "Bearer"},
            )
        offer = await read_offer(request)
        if isinstance(offer, Response):
            return offer
        return self._publish(request, key.strip(), offer)

    def _publish(self, request: Request, key: str, offer: str) -> Response:
        address = request.client.host if request.client is not None else ""
        try:
            slot = self._admit(self._application, request.path_params["name"], key, address)
        except PermissionError as error:
            return failure(403, "key_refused", str(error))
        resource_id = secrets.token_urlsafe(18)

        def closed(reason: str) -> None:
            resource = self._resources.pop(resource_id, None)
            if resource is not None:
                resource.slot.leave(resource.publication, f"the publisher is gone: {reason}")

        try:
            peer, answer = self._input.answer(offer, ACCEPTED, on_closed=closed)
        except OfferRefused as refusal:
            return failure(refusal.status, refusal.code, str(refusal))
        if not any(track.kind == "video" for track in peer.tracks):
            peer.close("no_video")
            return failure(
                422, "not_playable", "offer H.264 video with packetization-mode=1: VP8, VP9 and AV1"
                " are not taken from cameras",
            )  # fmt: skip
        publication = WebRtcPublication(peer, address)
        self._resources[resource_id] = _Resource(slot, publication)
        slot.take(publication)
        last_step = request.url.path.rstrip("/").rpartition("/")[2]
        return Response(
            answer,
            status_code=201,
            media_type=SDP,
            headers={"Location": f"{last_step}/{resource_id}", "Cache-Control": "no-store"},
        )

    async def _resource(self, request: Request) -> Response:
        if request.method == "OPTIONS":
            return Response(status_code=204, headers={"Allow": "DELETE, OPTIONS"})
        # PATCH too: every candidate is in the answer, and ICE restarts are a new POST.
        if request.method != "DELETE":
            return method_not_allowed("DELETE, OPTIONS")
        resource = self._resources.get(request.path_params["resource_id"])
        if resource is None:
            return failure(404, "not_found", "no such WHIP session: it may have ended already")
        resource.publication.peer.close("ended_by_publisher")
        return Response(status_code=200)
