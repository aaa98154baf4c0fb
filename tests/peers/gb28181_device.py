"""A GB/T 28181 device that registers, answers, is invited and sends what a test tells it to.

For what SIPp cannot do: many questions at once, misbehaviour that depends on what was asked. It
stands on the SIP modules of the project; SIPp's scenarios do not.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass, field

from camera_adapters.gb28181 import (
    catalog,
    device_information,
    envelope,
    record_information,
    session_description,
    xml_bodies,
)
from camera_adapters.gb28181.catalog import CatalogItem
from camera_adapters.gb28181.device_information import DeviceInformation, DeviceStatus, Presets
from camera_adapters.gb28181.envelope import Envelope
from camera_adapters.gb28181.keepalive import Keepalive
from camera_adapters.gb28181.record_information import RecordItem, RecordQuery
from camera_adapters.gb28181.session_description import SessionDescription
from camera_adapters.gb28181.xml_bodies import Element
from camera_adapters.sip.endpoint import (
    Credentials,
    IncomingRequest,
    SipEndpoint,
    SipError,
    SipSession,
)
from camera_adapters.sip.fields import SipUri
from camera_adapters.sip.messages import SipResponse
from camera_adapters.sip.peer import Peer, Transport

DOMAIN = "3402000000"
PLATFORM_CODE = "34020000002000000001"


@dataclass
class GbDevice:
    """``host`` is where it speaks from; several on loopback are several hosts. ``silent`` commands
    are taken and never answered.
    """

    code: str
    password: str
    host: str = "127.0.0.1"
    version: str = ""
    items: list[CatalogItem] = field(default_factory=list)
    recordings: list[RecordItem] = field(default_factory=list)
    items_per_page: int = 2
    silent: set[str] = field(default_factory=set)
    answer_ssrc: bool = True
    # Where it says that its media are, unless at its own address.
    answer_address: str = ""
    media_transport: session_description.Transport | None = None
    asked: list[Envelope] = field(default_factory=list)
    controls: asyncio.Queue[Envelope] = field(default_factory=asyncio.Queue)
    offers: list[SessionDescription] = field(default_factory=list)
    subjects: list[str] = field(default_factory=list)
    sessions: asyncio.Queue[SipSession] = field(default_factory=asyncio.Queue)
    subscriptions: dict[str, SipSession] = field(default_factory=dict)
    subscribed: asyncio.Event = field(default_factory=asyncio.Event)
    infos: asyncio.Queue[bytes] = field(default_factory=asyncio.Queue)
    on_invite: Callable[[IncomingRequest], None] | None = None

    async def open(self, platform_port: int, transport: Transport = "udp") -> None:
        """Have a socket; :meth:`register` next."""
        self.endpoint = SipEndpoint(self._on_request, user_agent="a device")
        await self.endpoint.open(self.host, 0)
        self.platform = Peer("127.0.0.1", platform_port, transport)
        self.local = SipUri(self.code, DOMAIN)
        self._call_id = f"register-{self.code}-{self.endpoint.port}"
        self._cseq = 1
        self._number = 0
        self._tasks: set[asyncio.Task[object]] = set()

    async def close(self) -> None:
        """Vanish without a word."""
        for task in self._tasks:
            task.cancel()
        await self.endpoint.close()

    async def register(self, expires_s: int = 3600, *, new_series: bool = False) -> SipResponse:
        """REGISTER, with an answer to the challenge."""
        if new_series:
            self._call_id += "x"
            self._cseq = 1
        headers = [("Expires", str(expires_s))]
        if self.version:
            headers.append(("X-GB-Ver", self.version))
        response = await self.endpoint.request(
            "REGISTER",
            f"sip:{PLATFORM_CODE}@{DOMAIN}",
            self.platform,
            local=self.local,
            remote=self.local,
            headers=headers,
            credentials=Credentials(self.code, self.password),
            call_id=self._call_id,
            cseq=self._cseq,
        )
        self._cseq += 2
        return response

    async def keepalive(self) -> int:
        """The status of the answer."""
        self._number += 1
        return await self.tell(Keepalive(self._number, self.code).to_element())

    async def tell(self, document: Element) -> int:
        """Send a document in a MESSAGE; the status of the answer."""
        return await self.tell_bytes(xml_bodies.to_bytes(document))

    async def tell_bytes(self, body: bytes, **headers: str) -> int:
        """The same, whatever the body is."""
        response = await self.endpoint.request(
            "MESSAGE",
            f"sip:{PLATFORM_CODE}@{DOMAIN}",
            self.platform,
            local=self.local,
            remote=SipUri(PLATFORM_CODE, DOMAIN),
            body=body,
            content_type=envelope.CONTENT_TYPE,
            call_id=headers.get("call_id", ""),
        )
        return response.status

    async def asked_for(self, command: str) -> Envelope:
        """The last document of this command, once there is one."""
        while True:
            found = [one for one in self.asked if one.command == command]
            if found:
                return found[-1]
            await asyncio.sleep(0.01)

    def _on_request(self, incoming: IncomingRequest) -> None:
        match incoming.request.method:
            case "MESSAGE":
                incoming.respond(200)
                self._document(envelope.read(incoming.request.body))
            case "INVITE":
                if self.on_invite is not None:
                    self.on_invite(incoming)
                else:
                    self.accept(incoming)
            case "SUBSCRIBE":
                asked = envelope.read(incoming.request.body)
                session = incoming.accept(headers=[("Expires", "3600")])
                assert session is not None
                self.subscriptions[asked.command] = session
                self.subscribed.set()
            case _:
                incoming.respond(405)

    def accept(self, incoming: IncomingRequest) -> None:
        """Answer an INVITE as a device does: with its own port, and the SSRC that it was given."""
        offer = session_description.parse(incoming.request.body)
        self.offers.append(offer)
        self.subjects.append(incoming.request.headers.get("subject"))
        answer = SessionDescription(
            offer.purpose,
            self.code,
            self.answer_address or self.host,
            15_060,
            transport=self.media_transport or offer.transport,
            setup={"passive": "active", "active": "passive"}.get(offer.setup, ""),  # type: ignore[arg-type]
            ssrc=offer.ssrc if self.answer_ssrc else None,
            direction="sendonly",
            file_bytes=123_456 if offer.purpose == "download" else None,
        )
        session = incoming.accept(body=answer.to_bytes(), content_type="APPLICATION/SDP")
        assert session is not None
        session.on_request = self._within
        self.sessions.put_nowait(session)

    def _within(self, incoming: IncomingRequest) -> None:
        self.infos.put_nowait(incoming.request.body)
        incoming.respond(200)

    def _document(self, asked: Envelope) -> None:
        self.asked.append(asked)
        if asked.category == "Control":
            self.controls.put_nowait(asked)
        if asked.command in self.silent:
            return
        for document in self._answers(asked):
            task = asyncio.ensure_future(self._answer(document))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _answer(self, document: Element) -> None:
        with contextlib.suppress(SipError):
            await self.tell(document)

    def _answers(self, asked: Envelope) -> list[Element]:
        number, code = asked.serial_number, asked.device_id
        match asked.command:
            case catalog.COMMAND:
                pages = catalog.pages(number, code, self.items, self.items_per_page)
                return [page.to_element() for page in pages]
            case device_information.INFORMATION:
                told = DeviceInformation(
                    number, code, manufacturer="海康威视", model="DS-1", firmware="V5.7"
                )
                return [told.to_element()]
            case device_information.STATUS:
                return [
                    DeviceStatus(number, code, device_time_us=1_700_000_000_000_000).to_element()
                ]
            case device_information.PRESETS:
                return [Presets(number, code, {1: "大门", 3: "路口"}).to_element()]
            case record_information.COMMAND:
                query = RecordQuery.read(asked)
                assert query is not None
                listed = record_information.pages(number, code, "", self.recordings, 2)
                return [page.to_element() for page in listed]
        return []
