"""Media for a platform above: its INVITE, the process that sends, and the record of what it saw.

Signalling holds the dialog; the shard or footage process has the pictures and sends them
(``cascade.send``, docs/architecture.md). What is given is on record before the first packet, and
how much of it was given when it ends.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import structlog
from sqlalchemy.ext.asyncio import AsyncEngine

from camera_adapters.gb28181 import envelope, mansrtsp, session_description, xml_bodies
from camera_adapters.gb28181.mansrtsp import MansRtspError
from camera_adapters.gb28181.media_status import MediaStatus
from camera_adapters.gb28181.session_description import (
    FORMATS,
    PS,
    SessionDescription,
    SessionDescriptionError,
)
from camera_adapters.gb28181.shared_catalog import SharedCamera
from camera_adapters.sip.endpoint import IncomingRequest, SipEndpoint, SipError, SipSession
from gateway.audit import AuditRecord, append
from gateway.control.channel import ControlClient, ControlError, ControlStream
from gateway.identifiers import US_PER_S, now_us
from gateway.platforms.gb28181_above.journal import end_left_behind, forget_dialog, keep_dialog
from gateway.platforms.operations import DesiredPlatform
from recorder.rows import RowError, RowWriter

_log = structlog.get_logger(__name__)

SESSIONS_LIMIT = 200
_READY_S = 15.0
_FAULTS = (ConnectionError, TimeoutError, ControlError, RowError)


@dataclass(frozen=True, slots=True)
class Sender:
    """How media is had: which process has what, and what may be said of the platform."""

    rows: RowWriter
    live_process: Callable[[str], Any]
    footage_process: Callable[[], Any]


class Refused(Exception):
    """An INVITE is answered with ``status``; ``code`` is stable and goes into the register."""

    def __init__(self, status: int, code: str, detail: str) -> None:
        super().__init__(detail)
        self.status = status
        self.code = code


class Sending:
    """Every session of one platform above."""

    def __init__(
        self, platform: DesiredPlatform, sender: Sender, next_number: Callable[[], int]
    ) -> None:
        self.platform = platform
        self._sender = sender
        self._next_number = next_number
        self._open: dict[asyncio.Task[None], tuple[str, str]] = {}

    def __len__(self) -> int:
        return len(self._open)

    def take(
        self, incoming: IncomingRequest, local_code: str, address: str, find: FindCamera
    ) -> None:
        """Answer an INVITE, and send for as long as its dialog lasts."""
        if len(self._open) >= SESSIONS_LIMIT:
            incoming.respond(486)
            return
        invitation = _Invitation(incoming, self, local_code, address, find)
        task = asyncio.create_task(invitation.run())
        self._open[task] = ("", "")
        task.add_done_callback(lambda done: self._open.pop(done, None))
        incoming.on_cancel(lambda: _cancel(task))

    def withdraw(self, keeps: Callable[[str, str], bool]) -> None:
        """End every session of which ``keeps(camera_id, purpose)`` says no."""
        for task, (camera_id, purpose) in tuple(self._open.items()):
            if camera_id and not keeps(camera_id, purpose):
                task.cancel()

    async def close(self) -> None:
        """End all sessions with BYE."""
        tasks = tuple(self._open)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def end_left_behind(self, reader: AsyncEngine, endpoint: SipEndpoint) -> None:
        """End what an earlier process was sending, and put it on record. Raises as rows do."""
        rows = self._sender.rows
        for row in await end_left_behind(reader, rows, endpoint, self.platform):
            live = row["purpose"] == "play"
            await self.note(
                "cascade.watched",
                row["answer"].get("camera_id"),
                code=row["channel"],
                purpose=row["purpose"],
                # At the latest now: its process was gone before that.
                start_us=row["answer"].get("began_us") if live else None,
                end_us=now_us() if live else None,
                cause="restart",
            )

    # For the sessions.

    def name(self, camera_id: str, purpose: str) -> None:
        """The running session is of this camera."""
        task = asyncio.current_task()
        if task is not None and task in self._open:
            self._open[task] = (camera_id, purpose)

    @property
    def sender(self) -> Sender:
        """See :class:`Sender`."""
        return self._sender

    def number(self) -> int:
        """A serial number for a document."""
        return self._next_number()

    async def note(self, action: str, camera_id: str | None, **detail: Any) -> None:
        """Write into the register. Raises ConnectionError, RowError."""
        start_us, end_us = detail.pop("start_us", None), detail.pop("end_us", None)
        record = AuditRecord(
            action,
            user_name=self.platform.name[:100],
            address=self.platform.host,
            camera_id=camera_id,
            start_us=start_us,
            end_us=end_us,
            detail={"platform_id": self.platform.id, **detail},
        )
        await append(self._sender.rows, [record])


FindCamera = Callable[[str, str], SharedCamera]
"""``(code, purpose)`` → the camera; raises :class:`Refused` for what is not granted."""


class _Invitation:
    """One INVITE and its dialog."""

    def __init__(
        self,
        incoming: IncomingRequest,
        sending: Sending,
        local_code: str,
        address: str,
        find: FindCamera,
    ) -> None:
        self._incoming = incoming
        self._sending = sending
        self._local_code = local_code
        self._address = address
        self._find = find
        self._commands: asyncio.Queue[dict[str, Any]] = asyncio.Queue(64)
        self._over = asyncio.Event()

    async def run(self) -> None:
        try:
            offer, camera = self._offer()
            self._sending.name(camera.camera_id, offer.purpose)
            await self._serve(offer, camera)
        except Refused as refusal:
            self._incoming.respond(refusal.status)
            with contextlib.suppress(*_FAULTS):
                await self._sending.note(
                    "cascade.refused", None, code=refusal.code, why=str(refusal)[:200]
                )
        except _FAULTS as error:
            status = 404 if getattr(error, "code", "") == "not_found" else 480
            self._incoming.respond(status)
            _log.info("nothing can be sent to a platform above", why=str(error))
        except asyncio.CancelledError:
            # Withdrawn before it was accepted, or cancelled by the other side.
            self._incoming.respond(480)
            raise

    def _offer(self) -> tuple[SessionDescription, SharedCamera]:
        request = self._incoming.request
        try:
            offer = session_description.parse(request.body)
        except SessionDescriptionError as error:
            raise Refused(400, "malformed", str(error)) from None
        if offer.purpose == "talk" or offer.media == "audio":
            raise Refused(488, "unsupported", "nobody talks into cameras from above")
        if PS not in offer.formats and "PS/90000" not in offer.formats.values():
            raise Refused(488, "unsupported", "only program streams are sent")
        recorded = offer.purpose in ("playback", "download")
        if recorded and offer.end_s <= offer.start_s:
            raise Refused(400, "malformed", "t= is no range of times")
        code = request.uri.partition(":")[2].partition("@")[0]
        if offer.uri_code and recorded:
            code = offer.uri_code
        return offer, self._find(code, offer.purpose)

    async def _serve(self, offer: SessionDescription, camera: SharedCamera) -> None:
        sender = self._sending.sender
        recorded = offer.purpose in ("playback", "download")
        client: ControlClient | None = await (
            sender.footage_process() if recorded else sender.live_process(camera.camera_id)
        )
        if client is None:
            raise Refused(480, "offline", "no process has this camera now")
        await self._sending.note(
            f"cascade.{'live' if offer.purpose == 'play' else offer.purpose}",
            camera.camera_id,
            code=camera.code,
            to=f"{offer.address}:{offer.port}",
            transport=offer.transport,
            masked=not self._may_lift_masks,
            **_range_us(offer),
        )
        stream = client.stream("cascade.send", **self._arguments(offer, camera))
        async with stream:
            async with asyncio.timeout(_READY_S):
                ready = await anext(stream, None)
            if ready is None or ready.get("type") != "ready":
                raise Refused(480, "offline", "the process that should send ended at once")
            session = self._incoming.accept(
                body=self._answer(offer, ready).to_bytes(),
                content_type=session_description.CONTENT_TYPE,
            )
            if session is not None:
                await self._hold(session, stream, offer, camera)

    @property
    def _may_lift_masks(self) -> bool:
        return bool(self._sending.platform.options.get("may_lift_masks", False))

    def _arguments(self, offer: SessionDescription, camera: SharedCamera) -> dict[str, Any]:
        arguments: dict[str, Any] = {
            "camera_id": camera.camera_id,
            "quality": "sub" if offer.stream == "sub" else "main",
            "may_lift_masks": self._may_lift_masks,
            "target": {
                "address": offer.address,
                "port": offer.port,
                "transport": offer.transport,
                "setup": _our_setup(offer),
                "ssrc": offer.ssrc or 0,
                "payload_type": _payload_type(offer),
            },
        }
        if offer.purpose != "play":
            times = _range_us(offer)
            speed = (offer.download_speed or 1.0) if offer.purpose == "download" else 0.0
            arguments |= {**times, "speed": speed}
        return arguments

    def _answer(self, offer: SessionDescription, ready: Mapping[str, Any]) -> SessionDescription:
        payload_type = _payload_type(offer)
        return SessionDescription(
            purpose=offer.purpose,
            owner=self._local_code,
            address=ready.get("address") or self._address,
            port=int(ready["port"]),
            transport=offer.transport,
            setup=_our_setup(offer),
            ssrc=offer.ssrc,
            direction="sendonly",
            formats={payload_type: FORMATS[PS]},
            start_s=offer.start_s,
            end_s=offer.end_s,
            file_bytes=ready.get("file_bytes") if offer.purpose == "download" else None,
        )

    async def _hold(
        self,
        session: SipSession,
        stream: ControlStream,
        offer: SessionDescription,
        camera: SharedCamera,
    ) -> None:
        """Until either side ends it."""
        session.on_request = lambda within: self._within(within, offer)
        session.on_end = lambda _: self._over.set()
        began_us = now_us()
        told: dict[str, Any] = {}
        rows = self._sending.sender.rows
        facts = {"camera_id": camera.camera_id, "began_us": began_us}
        try:
            await keep_dialog(
                rows, self._sending.platform.id, session, offer.purpose, camera.code, facts
            )
            await self._until_over(session, stream, camera, told)
        finally:
            await session.end()
            await forget_dialog(rows, session.call_id)
            await self._note_watched(offer, camera, began_us, told)

    async def _until_over(
        self,
        session: SipSession,
        stream: ControlStream,
        camera: SharedCamera,
        told: dict[str, Any],
    ) -> None:
        watching = asyncio.create_task(self._watch(session, stream, camera, told))
        telling = asyncio.create_task(self._tell(session, stream))
        over = asyncio.create_task(self._over.wait())
        try:
            await asyncio.wait({watching, telling, over}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (watching, telling, over):
                task.cancel()

    async def _watch(
        self,
        session: SipSession,
        stream: ControlStream,
        camera: SharedCamera,
        told: dict[str, Any],
    ) -> None:
        async for item in stream:
            if item["type"] == "file_end":
                await self._file_end(session, camera)
            elif item["type"] == "ended":
                told.update(item)
                return

    async def _file_end(self, session: SipSession, camera: SharedCamera) -> None:
        """GB/T 28181-2016 §9.8.2: the other side ends the dialog then."""
        notice = MediaStatus(self._sending.number(), camera.code)
        with contextlib.suppress(SipError):
            await session.request(
                "MESSAGE",
                body=xml_bodies.to_bytes(notice.to_element()),
                content_type=envelope.CONTENT_TYPE,
            )

    async def _tell(self, session: SipSession, stream: ControlStream) -> None:
        await session.acknowledged.wait()
        await stream.send({"action": "start"})
        while True:
            await stream.send(await self._commands.get())

    def _within(self, incoming: IncomingRequest, offer: SessionDescription) -> None:
        if incoming.request.method != "INFO":
            incoming.respond(200)
            return
        try:
            control = mansrtsp.parse(incoming.request.body)
        except MansRtspError as error:
            incoming.respond(400, str(error)[:80])
            return
        if offer.purpose == "play":
            incoming.respond(488)
            return
        try:
            for command in _commands_of(control):
                self._commands.put_nowait(command)
        except asyncio.QueueFull:
            incoming.respond(503)
            return
        incoming.respond(
            200, body=mansrtsp.answer(control.sequence), content_type=mansrtsp.CONTENT_TYPE
        )
        if control.method == "TEARDOWN":
            self._over.set()

    async def _note_watched(
        self,
        offer: SessionDescription,
        camera: SharedCamera,
        began_us: int,
        told: Mapping[str, Any],
    ) -> None:
        """Which minutes: by the clock of live, of the recording else."""
        live = offer.purpose == "play"
        start_us = began_us if live else told.get("start_us")
        end_us = now_us() if live else told.get("end_us")
        detail = {"cause": told.get("cause", "bye"), "bytes": told.get("bytes")}
        with contextlib.suppress(*_FAULTS):
            await self._sending.note(
                "cascade.watched",
                camera.camera_id,
                code=camera.code,
                purpose=offer.purpose,
                start_us=start_us,
                end_us=end_us,
                **detail,
            )


def _commands_of(control: mansrtsp.PlaybackControl) -> list[dict[str, Any]]:
    if control.method != "PLAY":
        return [{"action": "pause"}] if control.method == "PAUSE" else []
    commands: list[dict[str, Any]] = []
    if control.from_s is not None:
        commands.append({"action": "seek", "from_s": control.from_s})
    if control.scale is not None:
        commands.append({"action": "scale", "scale": control.scale})
    return [*commands, {"action": "resume"}]


def _cancel(task: asyncio.Task[None]) -> None:
    task.cancel()


def _our_setup(offer: SessionDescription) -> Any:
    if offer.transport != "tcp":
        return ""
    return "passive" if offer.setup == "active" else "active"


def _payload_type(offer: SessionDescription) -> int:
    named = [number for number, name in offer.formats.items() if name.upper() == "PS/90000"]
    return named[0] if named else PS


def _range_us(offer: SessionDescription) -> dict[str, int]:
    if offer.purpose == "play":
        return {}
    return {"start_us": offer.start_s * US_PER_S, "end_us": offer.end_s * US_PER_S}
