"""A platform above ours that speaks GB/T 28181: takes registrations, asks, invites, subscribes."""

from __future__ import annotations

import asyncio
import itertools
import time
from typing import Any

from camera_adapters.gb28181 import catalog, envelope, xml_bodies
from camera_adapters.gb28181.catalog import (
    CatalogEvent,
    CatalogNotification,
    CatalogPage,
    CatalogQuery,
)
from camera_adapters.gb28181.catalog_assembly import AssembledCatalog, CatalogAssembly
from camera_adapters.gb28181.envelope import Envelope
from camera_adapters.gb28181.session_description import SessionDescription
from camera_adapters.gb28181.xml_bodies import Element
from camera_adapters.http_digest import DigestServer
from camera_adapters.sip.digest import verify
from camera_adapters.sip.endpoint import IncomingRequest, SipEndpoint, SipSession
from camera_adapters.sip.fields import SipUri
from camera_adapters.sip.messages import SipResponse
from camera_adapters.sip.peer import Peer, Transport

HERE = "127.0.0.1"


class UpperPlatform:
    """Listens on loopback; ``password`` is what the one below must know."""

    def __init__(self, code: str, password: str) -> None:
        self.code = code
        self.domain = code[:10]
        self.password = password
        self.registered = asyncio.Event()
        self.left = asyncio.Event()
        self.kept_alive = asyncio.Event()
        self.contact: Peer | None = None
        self.lower_code = ""
        self.attempts = 0
        self.answers_keepalive = True
        self.documents: asyncio.Queue[Envelope] = asyncio.Queue()
        self.notified: asyncio.Queue[Envelope] = asyncio.Queue()
        self._digest = DigestServer(self.domain, b"upper" * 8)
        self._numbers = itertools.count(1)
        self._assembly: CatalogAssembly | None = None
        self.endpoint = SipEndpoint(self._take, user_agent="upper")

    async def open(self) -> None:
        await self.endpoint.open(HERE, 0)

    async def close(self) -> None:
        await self.endpoint.close()

    # ------------------------------------------------------------ what it takes

    def _take(self, incoming: IncomingRequest) -> None:
        if incoming.request.method == "REGISTER":
            self._register(incoming)
        elif incoming.request.method == "MESSAGE":
            self._message(incoming)
        else:
            incoming.respond(405)

    def _register(self, incoming: IncomingRequest) -> None:
        self.attempts += 1
        headers = incoming.request.headers
        now_s = time.time()
        proof = verify(self._digest, incoming.request, lambda user: self.password, now_s)
        if not proof.accepted:
            challenges = self._digest.challenges(now_s)
            incoming.respond(401, headers=[("WWW-Authenticate", one) for one in challenges])
            return
        expires = headers.get("expires")
        incoming.respond(200, headers=[("Expires", expires)])
        if expires == "0":
            self.left.set()
            return
        self.contact = incoming.peer
        self.lower_code = headers.get("from").partition("sip:")[2].partition("@")[0]
        self.registered.set()

    def _message(self, incoming: IncomingRequest) -> None:
        document = envelope.read(incoming.request.body)
        if document.command == "Keepalive":
            if self.answers_keepalive:
                incoming.respond(200)
                self.kept_alive.set()
            return
        incoming.respond(200)
        if document.command == catalog.COMMAND and self._assembly is not None:
            self._assembly.add(CatalogPage.read(document), 0.0)
        self.documents.put_nowait(document)

    # ------------------------------------------------------------ what it does

    async def ask(self, document: Element, *, from_code: str = "") -> SipResponse:
        """Send a MESSAGE to the one below."""
        assert self.contact is not None
        return await self.endpoint.request(
            "MESSAGE",
            f"sip:{self.lower_code}@{HERE}",
            self.contact,
            local=SipUri(from_code or self.code, self.domain),
            body=xml_bodies.to_bytes(document),
            content_type=envelope.CONTENT_TYPE,
        )

    async def answered(self, command: str) -> Envelope:
        """The next document of this command."""
        while True:
            document = await self.documents.get()
            if document.command == command:
                return document

    async def fetch_catalog(self) -> AssembledCatalog:
        """Ask for the catalogue, and wait until all is there that was announced."""
        number = self.next_number()
        self._assembly = CatalogAssembly(self.lower_code, number, 0.0)
        response = await self.ask(CatalogQuery(number, self.lower_code).to_element())
        assert response.status == 200
        while True:
            await self.answered(catalog.COMMAND)
            result = self._assembly.result()
            if result.complete:
                return result

    async def invite(self, code: str, offer: SessionDescription) -> SipSession:
        assert self.contact is not None
        return await self.endpoint.invite(
            f"sip:{code}@{HERE}",
            self.contact,
            local=SipUri(self.code, self.domain),
            headers=[("Subject", f"{code}:0,{self.code}:0")],
            body=offer.to_bytes(),
            timeout_s=10,
        )

    async def subscribe(self, event: str, document: Element) -> SipSession:
        assert self.contact is not None
        session = await self.endpoint.subscribe(
            f"sip:{self.lower_code}@{HERE}",
            self.contact,
            local=SipUri(self.code, self.domain),
            event=event,
            expires_s=600,
            body=xml_bodies.to_bytes(document),
            content_type=envelope.CONTENT_TYPE,
        )

        def take(incoming: IncomingRequest) -> None:
            incoming.respond(200)
            self.notified.put_nowait(envelope.read(incoming.request.body))

        session.on_request = take
        return session

    async def events(self) -> tuple[CatalogEvent, ...]:
        """The next notification about the catalogue."""
        return CatalogNotification.read(await self.notified.get()).events

    def next_number(self) -> int:
        return next(self._numbers)


def row_of(upper: UpperPlatform, transport: Transport, **options: Any) -> dict[str, Any]:
    """The row by which our gateway knows it."""
    return {
        "kind": "gb28181",
        "direction": "above",
        "name": "市局",
        "code": upper.code,
        "host": HERE,
        "port": upper.endpoint.port,
        "username": None,
        "options": {
            "transport": transport,
            "local_code": "34020000002000000009",
            "keepalive_s": 60,
            **options,
        },
        "enabled": True,
    }
