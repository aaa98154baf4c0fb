"""What devices send on their own: MESSAGE, NOTIFY and INVITE, by command to who wants it.

Only who is registered is heard, and only from the address of the registration.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

import structlog

from camera_adapters.device_events import DeviceEvent
from camera_adapters.gb28181 import (
    envelope,
    media_status,
)
from camera_adapters.gb28181.alarm import Alarm
from camera_adapters.gb28181.catalog import CatalogNotification
from camera_adapters.gb28181.envelope import Envelope
from camera_adapters.gb28181.keepalive import Keepalive
from camera_adapters.gb28181.media_status import MediaStatus
from camera_adapters.gb28181.mobile_position import MobilePosition
from camera_adapters.gb28181.registrar import Registrar
from camera_adapters.gb28181.xml_bodies import XmlBodyError
from camera_adapters.sip.endpoint import IncomingRequest
from camera_adapters.sip.fields import parse_name_address
from camera_adapters.sip.messages import MessageError
from gateway.control.channel import ControlError
from gateway.identifiers import now_us
from gateway.platforms.catalog_rows import changes_of
from gateway.platforms.gb28181_below.devices import Device
from gateway.platforms.gb28181_below.events import event_of_alarm, event_of_position
from gateway.platforms.gb28181_below.fetching import Fetching
from gateway.platforms.gb28181_below.media import MediaSessions
from gateway.platforms.gb28181_below.queries import Queries
from gateway.platforms.gb28181_below.speaking import Speaker
from gateway.platforms.operations import DeviceRefused
from recorder.rows import RowError, RowWriter

_log = structlog.get_logger(__name__)

_FAULT_S = 600.0
_TASKS_LIMIT = 1000
# Larger answers would hold the loop for longer than ten milliseconds: they are read in a thread, so
# many at a time.
_LARGE_BYTES = 96 * 1024
_LARGE_LIMIT = 32
_ROOT_WITHIN_BYTES = 400
_RESPONSE = re.compile(rb"<\s*Response\b")


class Hearing:
    """See the module. ``devices`` by their codes."""

    def __init__(
        self,
        registrar: Registrar,
        queries: Queries,
        media: MediaSessions,
        speaker: Speaker,
        devices: Mapping[str, Device],
        rows: RowWriter,
        on_event: Callable[[str, DeviceEvent], None],
    ) -> None:
        self._registrar = registrar
        self._queries = queries
        self._media = media
        self._speaker = speaker
        self._devices = devices
        self._rows = rows
        self._on_event = on_event
        self._tasks: set[asyncio.Task[None]] = set()
        self._large = 0
        # Set by who builds both.
        self.fetching: Fetching | None = None

    def heard(self, incoming: IncomingRequest) -> None:
        """A request outside our subscriptions and media sessions."""
        request = incoming.request
        try:
            sender = parse_name_address(request.headers.get("from")).uri.user
        except MessageError:
            incoming.respond(400)
            return
        device = self._device_of(sender, incoming)
        if request.method == "OPTIONS":
            incoming.respond(200)
        elif device is None:
            # A device that is told so registers anew.
            incoming.respond(403, "Not registered here")
        elif request.method in ("MESSAGE", "NOTIFY"):
            self._document(device, incoming)
        elif request.method == "INVITE":
            if not self._media.invited(device, incoming, sender):
                incoming.respond(403, "Nobody asked for this")
        elif request.method == "SUBSCRIBE":
            incoming.respond(489)
        else:
            incoming.respond(405)

    def notified(self, device: Device, incoming: IncomingRequest) -> None:
        """A NOTIFY within one of our subscriptions, or a MESSAGE within a media session."""
        now_s = asyncio.get_running_loop().time()
        registration = self._registrar.heard(device.code, incoming.reply_peer, now_s)
        if registration is not None:
            device.heard(registration.peer, now_s)
        self._document(device, incoming)
        state = incoming.request.headers.get("subscription-state").strip().lower()
        if state.startswith("terminated") and incoming.session is not None:
            incoming.session.finish("lost")

    def _device_of(self, sender: str, incoming: IncomingRequest) -> Device | None:
        """Who speaks: by the code in From, which some platforms set to that of a channel."""
        now_s = asyncio.get_running_loop().time()
        device = self._devices.get(sender)
        if device is None:
            there = self._registrar.at(incoming.reply_peer)
            device = None if there is None else self._devices.get(there.code)
        if device is None:
            return None
        registration = self._registrar.heard(device.code, incoming.reply_peer, now_s)
        if registration is None:
            return None
        device.heard(registration.peer, now_s)
        return device

    def _document(self, device: Device, incoming: IncomingRequest) -> None:
        body = incoming.request.body
        if not body.strip():
            # The first NOTIFY of a subscription may say nothing (RFC 6665 §4.2.1.2).
            incoming.respond(200)
            return
        if len(body) > _LARGE_BYTES and _RESPONSE.search(body, 0, _ROOT_WITHIN_BYTES):
            # Pages of an answer may change places; what is told on its own may not.
            if self._large >= _LARGE_LIMIT:
                incoming.respond(503)
            else:
                self._start(self._read_large(device, incoming))
            return
        try:
            document = envelope.read(body)
        except XmlBodyError as error:
            self._cannot_read(device, incoming, error)
            return
        incoming.respond(200)
        self._route(device, document, incoming)

    async def _read_large(self, device: Device, incoming: IncomingRequest) -> None:
        self._large += 1
        try:
            document = await asyncio.to_thread(envelope.read, incoming.request.body)
        except XmlBodyError as error:
            self._cannot_read(device, incoming, error)
            return
        finally:
            self._large -= 1
        incoming.respond(200)
        self._route(device, document, incoming)

    def _cannot_read(self, device: Device, incoming: IncomingRequest, error: XmlBodyError) -> None:
        incoming.respond(400)
        now_s = asyncio.get_running_loop().time()
        device.blemish("bad_document", f"it sends what cannot be read: {error}", now_s + _FAULT_S)

    def _route(self, device: Device, document: Envelope, incoming: IncomingRequest) -> None:
        if document.category == "Response":
            self._queries.deliver(device.id, document)
            return
        if document.category != "Notify":
            return
        match document.command.lower():
            case "keepalive":
                self._keepalive(device, document)
            case "alarm":
                self._alarm(device, document, incoming.request.method)
            case "mobileposition":
                position = MobilePosition.read(document)
                if position is not None:
                    event = event_of_position(
                        position, device.code, device.options.coordinates, now_us()
                    )
                    self._on_event(device.id, event)
            case "catalog":
                self._catalog_changed(device, CatalogNotification.read(document))
            case "mediastatus":
                status = MediaStatus.read(document)
                if status.kind == media_status.FILE_END:
                    call_id = incoming.request.headers.get("call-id")
                    self._media.file_ended(device, call_id, status.device_id)

    def _keepalive(self, device: Device, document: Envelope) -> None:
        faulty = Keepalive.read(document).faulty
        if faulty:
            device.sink.channel_status(device.id, dict.fromkeys(faulty, "off"))

    def _alarm(self, device: Device, document: Envelope, method: str) -> None:
        notice = Alarm.read(document)
        self._on_event(
            device.id, event_of_alarm(notice, device.code, device.options.coordinates, now_us())
        )
        # §9.4.1: a notice by MESSAGE is answered by one; a subscribed one by its 200 alone.
        if method == "MESSAGE" and device.peer is not None:
            self._start(self._speaker.tell(device.code, device.peer, notice.accepted()))

    def _catalog_changed(self, device: Device, notification: CatalogNotification) -> None:
        if not notification.events:
            if self.fetching is not None:
                self.fetching.fetch_catalog_soon(device)
            return
        if device.catalog.get("state") == "fetching" and self.fetching is not None:
            # The pages on their way may be older than this, and would undo it.
            self.fetching.fetch_catalog_soon(device)
        changes = changes_of(notification.events)
        if not changes["channels"] and not changes["gone"]:
            device.sink.channel_status(device.id, changes["status"])
            return
        self._start(
            self._rows.write(
                "platforms.catalog_events", platform_id=device.id, at_us=now_us(), **changes
            )
        )

    def _start(self, work: Coroutine[Any, Any, Any]) -> None:
        if len(self._tasks) >= _TASKS_LIMIT:
            work.close()
            return
        task = asyncio.create_task(_tried(work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


async def _tried(work: Coroutine[Any, Any, Any]) -> None:
    try:
        await work
    except (DeviceRefused, RowError, ControlError, ConnectionError, TimeoutError) as error:
        _log.info("what a device told could not be dealt with", why=str(error))
