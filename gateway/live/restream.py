"""RTSP for other players and platforms: one URL for one camera, with a token, for some networks,
until some day. Off unless configured.

The permissions are rows that the API writes; the shard reads them every few seconds and at once
when told. Each start of playing goes into the audit log before the first packet; how long it went
on, when it ends.
"""

from __future__ import annotations

import hashlib
import ipaddress
from collections.abc import Awaitable, Callable, Mapping
from typing import Protocol

import structlog

from camera_adapters.rtsp.server import Access
from camera_adapters.rtsp.server_transport import RtspServer
from camera_adapters.stream import Stream, Variant
from gateway.audit.watching import Watched, watched_restream
from gateway.identifiers import now_us

_log = structlog.get_logger(__name__)


class Permission(Protocol):
    """One row of ``restreams``. ``addresses`` are networks, as text; none means nobody."""

    @property
    def restream_id(self) -> str: ...
    @property
    def camera_id(self) -> str: ...
    @property
    def variant(self) -> Variant: ...
    @property
    def addresses(self) -> tuple[str, ...]: ...
    @property
    def user_id(self) -> str: ...
    @property
    def user_name(self) -> str: ...
    @property
    def expires_us(self) -> int: ...
    @property
    def may_lift_masks(self) -> bool: ...


OpenRestream = Callable[[Permission, str], Awaitable[Stream]]
"""Writes the audit record for (permission, peer address), then gives the Stream; raises as
:data:`camera_adapters.rtsp.server_transport.OpenStream`."""


class Restreams:
    """The RTSP server of one shard, what may be opened there, and who is told what was played.

    ``on_refused`` is told why somebody at an address was given nothing.
    """

    def __init__(
        self,
        open_restream: OpenRestream,
        on_watched: Callable[[Watched], None],
        on_refused: Callable[[str, str], None] = lambda why, address: None,
    ) -> None:
        self._open_restream = open_restream
        self._on_watched = on_watched
        self._on_refused = on_refused
        self._permissions: dict[str, Permission] = {}
        # By which each access was opened: it is needed once more when it has been withdrawn.
        self._opened: dict[str, Permission] = {}
        self._server = RtspServer(self._find, self._open, on_played=self._played)

    @property
    def port(self) -> int:
        """The port in use; 0 before :meth:`start`."""
        return self._server.port

    @property
    def session_count(self) -> int:
        """How many readers play now."""
        return self._server.session_count

    async def start(self, address: str, port: int) -> None:
        """Listen. Raises OSError."""
        await self._server.start(address, port)

    async def stop(self) -> None:
        """End every reader."""
        await self._server.stop()

    def permit(self, permissions: Mapping[str, Permission]) -> None:
        """Take the rows as they are now (by token hash), and end readers that lost theirs."""
        self._permissions = dict(permissions)
        self.expire()

    def expire(self) -> None:
        """End readers whose permission is gone or has expired."""
        at_us = now_us()
        alive = {one.restream_id for one in self._permissions.values() if one.expires_us > at_us}
        ended = self._server.close_sessions(lambda access: _split(access)[0] not in alive)
        if ended:
            _log.info("restreams ended", readers=ended)
        self._opened = {name: one for name, one in self._opened.items() if one.restream_id in alive}

    def revoke(self, restream_id: str) -> bool:
        """End the readers of one permission now. Returns whether there were any."""
        self._permissions = {
            token: one for token, one in self._permissions.items() if one.restream_id != restream_id
        }
        return bool(self._server.close_sessions(lambda access: _split(access)[0] == restream_id))

    def cover(self, is_masked: Callable[[str], bool]) -> None:
        """Masks were changed: who must not see beneath them begins anew, and gets them."""
        covered = {
            one.restream_id
            for one in self._permissions.values()
            if not one.may_lift_masks and is_masked(one.camera_id)
        }
        self._server.close_sessions(lambda access: _split(access)[0] in covered)

    def _find(self, path: str, token: str | None, peer_address: str) -> Access | None:
        given = token or path.rpartition("/")[2]
        permission = self._permissions.get(hashlib.sha256(given.encode()).hexdigest())
        if permission is None or permission.expires_us <= now_us():
            self._on_refused("there is no such restream, or it is over", peer_address)
            return None
        if not _is_permitted(peer_address, permission.addresses):
            why = f"restream {permission.restream_id} is not for this address"
            self._on_refused(why, peer_address)
            return None
        return Access(f"{permission.restream_id} {peer_address}")

    async def _open(self, access: Access) -> Stream:
        restream_id, peer_address = _split(access)
        for permission in self._permissions.values():
            if permission.restream_id == restream_id:
                self._opened[access.name] = permission
                return await self._open_restream(permission, peer_address)
        raise LookupError("the permission was withdrawn")

    def _played(self, access: Access, since_us: int, until_us: int) -> None:
        permission = self._opened.get(access.name)
        if permission is None:
            return
        self._on_watched(
            watched_restream(
                permission.restream_id,
                permission.user_id,
                permission.camera_id,
                str(permission.variant),
                _split(access)[1],
                since_us,
                until_us,
            )
        )


def _split(access: Access) -> tuple[str, str]:
    restream_id, _, peer_address = access.name.partition(" ")
    return restream_id, peer_address


def _is_permitted(peer_address: str, networks: tuple[str, ...]) -> bool:
    try:
        address = ipaddress.ip_address(peer_address.partition("%")[0])
    except ValueError:
        return False
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    for network in networks:
        try:
            if address in ipaddress.ip_network(network, strict=False):
                return True
        except ValueError:
            _log.warning("a network of a restream cannot be read", network=network)
    return False
