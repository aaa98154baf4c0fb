"""Hardware codecs in a meeting: what they send comes by WHIP, what they show goes by WHEP.

``POST …/whip`` (RFC 9725) and ``POST …/whep`` (draft-ietf-wish-whep) with the device's token as
bearer and an SDP offer; ``DELETE`` of the answer's Location ends it. Both are one participant.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from camera_adapters.webrtc.conference.conference import Conference
from camera_adapters.webrtc.conference.publication import Publication
from camera_adapters.webrtc.conference.source import Source
from camera_adapters.webrtc.offer_answering import OfferRefused
from gateway.audit import AuditRecord, append
from gateway.control.channel import ControlError
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
from gateway.meetings.desired import Invited
from gateway.meetings.door import Door, Refused
from gateway.meetings.member import Member, unsaid
from gateway.meetings.room import Room
from gateway.meetings.tiles import Tile
from gateway.meetings.wire import Device, What
from gateway.settings import IceServer
from recorder.rows import RowError, RowWriter

_SCREEN_PX = 1080


class DeviceEndpoint:
    """All devices that take part in meetings of this shard."""

    def __init__(
        self,
        door: Door,
        conference: Conference,
        rows: RowWriter,
        ice_servers: Sequence[IceServer] = (),
    ) -> None:
        self._door = door
        self._rows = rows
        self._conference = conference
        self._ice_servers = ice_servers
        self._devices: dict[str, _Device] = {}

    def routes(self, path: str = "/meeting") -> list[BaseRoute]:
        """The routes to mount; ``Location`` is relative, so any prefix will do."""
        return [
            Route(path + "/whip", self._send, methods=ALL_METHODS),
            Route(path + "/whep", self._receive, methods=ALL_METHODS),
            Route(path + "/whip/{resource_id}", self._resource, methods=ALL_METHODS),
            Route(path + "/whep/{resource_id}", self._resource, methods=ALL_METHODS),
        ]

    async def _send(self, request: Request) -> Response:
        return await self._connect(request, listens_only=False)

    async def _receive(self, request: Request) -> Response:
        return await self._connect(request, listens_only=True)

    async def _connect(self, request: Request, *, listens_only: bool) -> Response:
        refused = without_offer(request)
        if refused is not None:
            return refused
        token = bearer_token(request)
        if token is None:
            return bearer_wanted(
                "key_required", "send the device's token as Authorization: Bearer TOKEN"
            )
        offer = await read_offer(request)
        if isinstance(offer, Response):
            return offer
        address = client_address(request)
        try:
            room, invited = self._door.by_token(token, address)
            await self._register(room, invited, address, listens_only)
            # It may have been removed while that was written.
            room, invited = self._door.by_token(token, address)
        except Refused as refusal:
            return failure(refusal.status, refusal.code, str(refusal))
        resource_id = secrets.token_urlsafe(18)
        device = _Device(self._devices, resource_id, room, invited, listens_only)
        try:
            answer = device.connect(self._conference, offer, address)
        except OfferRefused as refusal:
            return failure(refusal.status, refusal.code, str(refusal))
        response = created(request, resource_id, answer)
        name_ice_servers(response, self._ice_servers, invited.participant_id)
        return response

    async def _register(
        self, room: Room, invited: Invited, address: str | None, listens_only: bool
    ) -> None:
        """On record before anything is shown or taken. Raises Refused."""
        detail = {
            "meeting": room.meeting_id,
            "title": room.state.title,
            "participant": invited.participant_id,
            "name": invited.name,
            "device": "whep" if listens_only else "whip",
        }
        try:
            await append(self._rows, [AuditRecord("meeting.join", address=address, detail=detail)])
        except (ConnectionError, TimeoutError, ControlError, RowError):
            raise Refused(503, "unavailable", "the register cannot be written: try again") from None

    async def _resource(self, request: Request) -> Response:
        refused = without_deletion(request)
        if refused is not None:
            return refused
        device = self._devices.get(request.path_params["resource_id"])
        if device is None:
            return failure(404, "not_found", "no such session: it may have ended already")
        device.end("closed")
        return Response(status_code=200)


class _Device:
    """One connection of a device. See SiteEvents for what its media tell."""

    def __init__(
        self,
        devices: dict[str, _Device],
        resource_id: str,
        room: Room,
        invited: Invited,
        listens_only: bool,
    ) -> None:
        self._devices = devices
        self._resource_id = resource_id
        self._room = room
        self._member = Member(
            invited, None, say=unsaid, hang_up=self._hang_up, listens_only=listens_only
        )

    def connect(self, conference: Conference, offer: str, address: str | None) -> str:
        """Take the offer, enter the room; gives the answer. Raises OfferRefused."""
        member = self._member
        peer, answer = conference.answer(offer, self, client_address=address)
        sends: dict[str, What] = {}
        if not member.listens_only:
            for publication in peer.publications:
                what: What = "microphone" if publication.kind == "audio" else "camera"
                if what not in sends.values():
                    sends[publication.mid] = what
        useful = list(peer.slots) if member.listens_only else list(sends)
        if not useful:
            peer.close("not_playable")
            verb = "receives" if member.listens_only else "sends"
            raise OfferRefused(422, "not_playable", f"the offer {verb} nothing: see its directions")
        member.take_peer(peer, sends)
        member.device = Device(
            microphone="microphone" in member.publications, camera="camera" in member.publications
        )
        # A device looks at the program; with two windows, at who comes next in the second.
        member.tiles = tuple(Tile(mid, None, "camera", _SCREEN_PX) for mid in member.pictures)
        self._devices[self._resource_id] = self
        self._room.enter(member)
        return answer

    def end(self, reason: str) -> None:
        """The connection is over."""
        self._room.leave(self._member, reason)

    def on_connected(self) -> None:
        """See SiteEvents."""
        self._room.on_connected(self._member)

    def on_source(self, publication: Publication, source: Source) -> None:
        """See SiteEvents."""
        self._room.on_source(self._member, publication, source)

    def on_closed(self, reason: str) -> None:
        """See SiteEvents."""
        self._room.leave(self._member, "media_lost")

    def _hang_up(self, reason: str) -> None:
        self._devices.pop(self._resource_id, None)
        if self._member.peer is not None:
            self._member.peer.close(reason)
