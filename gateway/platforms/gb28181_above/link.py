"""Our link to one platform above: registered there, kept alive, and messages to it
(GB/T 28181-2016 §9.1, §9.6).
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import secrets
import zlib
from collections.abc import Callable
from typing import Any

import structlog

from camera_adapters.gb28181 import envelope, keepalive, xml_bodies
from camera_adapters.gb28181.lower_platform import Identity
from camera_adapters.gb28181.registration import Registration
from camera_adapters.gb28181.xml_bodies import Element
from camera_adapters.sip.endpoint import Credentials, SipEndpoint, SipError
from camera_adapters.sip.fields import SipUri
from camera_adapters.sip.messages import SipResponse
from camera_adapters.sip.peer import Peer
from camera_adapters.sip.peer import Transport as SipTransport
from gateway.identifiers import US_PER_S, now_us
from gateway.platforms.operations import DesiredPlatform, PlatformState, StateName

_log = structlog.get_logger(__name__)

# 2.0 is the edition of 2016, 3.0 that of 2022 (GB/T 28181-2022 annex I).
_VERSION_HEADER = ("X-GB-Ver", "3.0")
_REQUEST_TIMEOUT_S = 10.0
_STATES: dict[str, StateName] = {
    "online": "online",
    "connecting": "connecting",
    "refused": "refused",
}


class Link:
    """See the module. ``report`` is told how it stands, with ``facts`` added."""

    def __init__(
        self,
        platform: DesiredPlatform,
        local_code: str,
        identity: Identity,
        endpoint: SipEndpoint,
        report: Callable[[str, PlatformState], None],
    ) -> None:
        self.platform = platform
        self.local_code = local_code
        self.transport: SipTransport = (
            "tcp" if platform.options.get("transport") == "tcp" else "udp"
        )
        self.facts: dict[str, Any] = {"local_code": local_code}
        self._identity = identity
        self._endpoint = endpoint
        self._tell = report
        self._domain = str(platform.options.get("domain") or (platform.code or "")[:10])
        self._numbers = itertools.count(secrets.randbelow(10_000) + 1)
        self._call_id = secrets.token_hex(16)
        self._cseq = itertools.count(1, 2)
        self._peer: Peer | None = None
        self._addresses: frozenset[str] = frozenset()
        self._registration = Registration(
            asyncio.get_running_loop().time(),
            expires_s=identity.expires_s,
            keepalive_s=identity.keepalive_s,
            spread=zlib.crc32(platform.id.encode()) / 2**32,
        )
        self._told: tuple[str, str] = ("", "")
        self._since_us = now_us()
        self._seen_us: int | None = None

    async def run(self) -> None:
        """Register, and stay registered, for ever."""
        loop = asyncio.get_running_loop()
        registration = self._registration
        while True:
            action = registration.action(loop.time())
            if action == "register":
                await self._try_to_register()
            elif action == "keepalive":
                await self._keep_alive()
            else:
                await asyncio.sleep(max(0.01, registration.deadline_s() - loop.time()))
                continue
            self.report()

    async def leave(self) -> None:
        """Say goodbye, if we are registered (§9.1.2.3)."""
        if self._registration.state == "online":
            with contextlib.suppress(SipError, OSError, TimeoutError):
                async with asyncio.timeout(2.0):
                    await self._register(0)
        self._meet(None)

    def next_number(self) -> int:
        """A serial number for a document."""
        return next(self._numbers)

    def is_from(self, host: str, code: str) -> bool:
        """Whether a request by this code from this host is of the platform."""
        return code == self.platform.code and host in self._addresses

    def heard(self) -> None:
        """It spoke."""
        self._seen_us = now_us()

    async def message(self, document: Element) -> int | None:
        """Send a MESSAGE; its status, None when nobody answered."""
        peer = self._peer
        if peer is None:
            return None
        try:
            response = await self._endpoint.request(
                "MESSAGE",
                f"sip:{self.platform.code}@{self._domain}",
                peer,
                local=SipUri(self.local_code, self._domain),
                body=xml_bodies.to_bytes(document),
                content_type=envelope.CONTENT_TYPE,
                credentials=self._credentials(),
                timeout_s=_REQUEST_TIMEOUT_S,
            )
        except SipError:
            return None
        return int(response.status)

    def report(self) -> None:
        """Tell how it stands."""
        registration = self._registration
        state = _STATES.get(registration.state, "offline")
        if (state, registration.fault) != self._told:
            self._told = (state, registration.fault)
            self._since_us = now_us()
        peer = self._peer
        expires_at_s = registration.expires_at_s
        left_s = 0.0
        if expires_at_s is not None:
            left_s = expires_at_s - asyncio.get_running_loop().time()
        self._tell(
            self.platform.id,
            PlatformState(
                state=state,
                since_us=self._since_us,
                fault=registration.fault,
                detail=_DETAILS.get(registration.fault, ""),
                host=peer.host if peer else None,
                port=peer.port if peer else None,
                transport=self.transport,
                expires_us=now_us() + round(left_s * US_PER_S) if expires_at_s else None,
                seen_us=self._seen_us,
                facts=dict(self.facts),
                catalog={},
            ),
        )

    async def _try_to_register(self) -> None:
        loop = asyncio.get_running_loop()
        registration = self._registration
        try:
            response = await self._register(self._identity.expires_s)
        except (SipError, OSError) as error:
            _log.info(
                "no answer from a platform above", platform=self.platform.name, why=str(error)
            )
            registration.unanswered(loop.time())
            return
        if 200 <= response.status < 300:
            self.heard()
            if self._peer is not None:
                # Its answers to a large catalogue are no flood.
                self._endpoint.admission.know(self._peer)
            registration.registered(loop.time(), _expires_s(response.headers.get("expires")))
        else:
            registration.refused(loop.time(), response.status)

    async def _register(self, expires_s: int) -> SipResponse:
        peer = await self._find_peer()
        own = SipUri(self.local_code, self._domain)
        return await self._endpoint.request(
            "REGISTER",
            f"sip:{self.platform.code}@{self._domain}",
            peer,
            local=own,
            remote=own,
            headers=[("Expires", str(expires_s)), _VERSION_HEADER],
            credentials=self._credentials(),
            call_id=self._call_id,
            cseq=next(self._cseq),
            timeout_s=_REQUEST_TIMEOUT_S,
        )

    async def _find_peer(self) -> Peer:
        """Where it answers now. Raises OSError for a name that nobody knows."""
        host, port = self.platform.host or "", self.platform.port or 5060
        found = await asyncio.get_running_loop().getaddrinfo(host, port)
        self._addresses = frozenset(str(address[4][0]) for address in found)
        peer = Peer(str(found[0][4][0]), port, self.transport)
        self._meet(peer)
        return peer

    def _meet(self, peer: Peer | None) -> None:
        """It is met there now, and nowhere else."""
        if self._peer is not None and self._peer != peer:
            self._endpoint.admission.forget(self._peer)
        self._peer = peer

    async def _keep_alive(self) -> None:
        loop = asyncio.get_running_loop()
        notice = keepalive.Keepalive(self.next_number(), self.local_code)
        status = await self.message(notice.to_element())
        if status is not None and 200 <= status < 300:
            self.heard()
            self._registration.kept_alive(loop.time())
        else:
            self._registration.keepalive_failed(loop.time(), status)

    def _credentials(self) -> Credentials:
        platform = self.platform
        return Credentials(platform.username or self.local_code, platform.password or "")


_DETAILS = {
    "wrong_password": "the platform above refuses our account: check code and password",
    "unknown_code": "the platform above does not know our code",
    "no_answer": "the platform above does not answer: check address, port and transport",
    "keepalive_lost": "the platform above stopped answering",
}


def _expires_s(text: str) -> float | None:
    number = xml_bodies.whole_number(text.strip(), 0)
    return float(number) if number > 0 else None
