"""WHIP: cameras and encoders that publish by WebRTC (RFC 9725).

``POST /whip/NAME`` with the camera's password as bearer token and an SDP offer opens a publication,
``DELETE`` of the answer's Location ends it. H.264 and Opus are taken.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from camera_adapters.pushed import PushSlot
from camera_adapters.webrtc.input import WebRtcInput
from camera_adapters.webrtc.offer_answering import OfferRefused
from camera_adapters.webrtc.publication import ACCEPTED, WebRtcPublication
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
from gateway.settings import IceServer

Admit = Callable[[str, str, str, str], PushSlot]
"""(application, name, key, peer address) → the slot. Raises PermissionError with what to tell."""


@dataclass(slots=True)
class _Resource:
    slot: PushSlot
    publication: WebRtcPublication


class WhipEndpoint:
    """All WHIP resources of one shard."""

    def __init__(
        self,
        incoming: WebRtcInput,
        admit: Admit,
        application: str,
        *,
        ice_servers: Sequence[IceServer] = (),
    ) -> None:
        self._input = incoming
        self._admit = admit
        self._application = application
        self._ice_servers = ice_servers
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
        key = bearer_token(request)
        if key is None:
            return bearer_wanted(
                "key_required", "send the camera's password as Authorization: Bearer KEY"
            )
        offer = await read_offer(request)
        if isinstance(offer, Response):
            return offer
        return self._publish(request, key, offer)

    def _publish(self, request: Request, key: str, offer: str) -> Response:
        name = request.path_params["name"]
        address = client_address(request)
        try:
            slot = self._admit(self._application, name, key, address or "")
        except PermissionError as error:
            return failure(403, "key_refused", str(error))
        try:
            resource_id, answer = self.publish(slot, offer, address)
        except OfferRefused as refusal:
            return failure(refusal.status, refusal.code, str(refusal))
        response = created(request, resource_id, answer)
        name_ice_servers(response, self._ice_servers, f"push-{quote(name)}")
        return response

    def publish(self, slot: PushSlot, offer: str, address: str | None) -> tuple[str, str]:
        """Take what an offer from ``address`` brings into a place; gives the resource's id and the
        answer. Raises OfferRefused.
        """
        resource_id = secrets.token_urlsafe(18)

        def closed(reason: str) -> None:
            resource = self._resources.pop(resource_id, None)
            if resource is not None:
                resource.slot.leave(resource.publication, f"the publisher is gone: {reason}")

        peer, answer = self._input.answer(offer, ACCEPTED, on_closed=closed, client_address=address)
        if not any(track.kind == "video" for track in peer.tracks):
            peer.close("no_video")
            raise OfferRefused(
                422, "not_playable", "offer H.264 video with packetization-mode=1: VP8, VP9 and AV1"
                " are not taken from cameras",
            )  # fmt: skip
        publication = WebRtcPublication(peer, address or "")
        self._resources[resource_id] = _Resource(slot, publication)
        slot.take(publication)
        return resource_id, answer

    async def _resource(self, request: Request) -> Response:
        refused = without_deletion(request)
        if refused is not None:
            return refused
        resource = self._resources.get(request.path_params["resource_id"])
        if resource is None:
            return failure(404, "not_found", "no such WHIP session: it may have ended already")
        resource.publication.peer.close("ended_by_publisher")
        return Response(status_code=200)
