"""``media.session``: our INVITE to a channel, told to whoever receives its media.

The receiver opens the ports; here is the dialog. It is written down before the receiver is told of
it, so that a restart of signalling ends nothing: whoever still wants the media asks for it again by
its name within 30 s, and what nobody asks for gets its BYE.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import structlog

from camera_adapters.gb28181 import mansrtsp
from camera_adapters.gb28181.broadcast import COMMAND as BROADCAST
from camera_adapters.gb28181.broadcast import Broadcast
from camera_adapters.gb28181.envelope import Outcome
from camera_adapters.gb28181.invitation import (
    Agreed,
    SsrcPool,
    SsrcsExhausted,
    Wanted,
    offer,
    read_answer,
    require_credible,
    subject,
)
from camera_adapters.gb28181.mansrtsp import PlaybackControl
from camera_adapters.gb28181.session_description import (
    FORMATS,
    PCMA,
    SessionDescription,
    SessionDescriptionError,
    parse,
)
from camera_adapters.sip.endpoint import IncomingRequest, SipError, SipSession
from camera_adapters.sip.peer import Peer
from gateway.control.channel import ControlError
from gateway.identifiers import now_us
from gateway.platforms.gb28181_below.devices import Device
from gateway.platforms.gb28181_below.queries import Queries
from gateway.platforms.gb28181_below.speaking import Speaker
from gateway.platforms.operations import DeviceRefused
from recorder.rows import RowError, RowWriter

_log = structlog.get_logger(__name__)

RESUME_WITHIN_S = 30.0
# Between the receiver's going and the BYE: in the meantime it may turn out that it is signalling
# that goes, and then there is none.
_FAREWELL_S = 0.3
_TALK_INVITE_S = 12.0
_EVENTS_LIMIT = 100


@dataclass(slots=True)
class MediaSession:
    """One dialog that carries media. ``number`` counts MANSRTSP requests."""

    device: Device
    wanted: Wanted
    sip: SipSession
    ssrc: int
    answer: dict[str, Any]
    events: asyncio.Queue[dict[str, Any]] = field(
        default_factory=lambda: asyncio.Queue(_EVENTS_LIMIT)
    )
    number: int = 0
    received: bool = True
    farewell: asyncio.Task[None] | None = None

    @property
    def name(self) -> str:
        """By which it is resumed: the Call-ID."""
        return self.sip.call_id

    def tell(self, event: dict[str, Any]) -> None:
        """Tell the receiver, if it still listens."""
        with contextlib.suppress(asyncio.QueueFull):
            self.events.put_nowait(event)


class MediaSessions:
    """All of this process."""

    def __init__(
        self, speaker: Speaker, queries: Queries, rows: RowWriter, ssrcs: SsrcPool
    ) -> None:
        self._speaker = speaker
        self._queries = queries
        self._rows = rows
        self._ssrcs = ssrcs
        self._sessions: dict[str, MediaSession] = {}
        self._writes: set[asyncio.Task[None]] = set()
        # Channels that were asked to speak with us, until they invite.
        self._talks: dict[tuple[str, str], asyncio.Future[IncomingRequest]] = {}
        # Devices that take voice by an INVITE of ours, and do not know the notice.
        self._without_broadcast: set[str] = set()
        self._closing = False
        # Set by who builds both: what takes documents of devices.
        self.on_document: Callable[[Device, IncomingRequest], None] = _refuse

    def __len__(self) -> int:
        return len(self._sessions)

    # ----------------------------------------------------------------- open

    async def open(self, device: Device, wanted: Wanted) -> MediaSession:
        """Invite. Raises DeviceRefused."""
        peer = device.reach()
        if wanted.purpose == "talk":
            return await self._open_talk(device, wanted, peer)
        try:
            ssrc = self._ssrcs.take(wanted.purpose)
        except SsrcsExhausted as error:
            raise DeviceRefused("busy", str(error)) from None
        try:
            sip = await self._speaker.invite(
                wanted.channel,
                peer,
                offer(wanted, ssrc, self._speaker.code).to_bytes(),
                subject(wanted, ssrc, self._speaker.code),
            )
        except BaseException:
            self._ssrcs.release(ssrc)
            raise
        try:
            agreed = read_answer(wanted, ssrc, sip.remote_body)
            # By tcp_passive nothing of ours goes there.
            if wanted.transport != "tcp_passive":
                require_credible(agreed.address, peer.host)
        except SessionDescriptionError as error:
            self._ssrcs.release(ssrc)
            await sip.end()
            raise DeviceRefused("unsupported", str(error)) from None
        return await self._keep(device, wanted, sip, ssrc, agreed)

    async def _open_talk(self, device: Device, wanted: Wanted, peer: Peer) -> MediaSession:
        """Voice to a device (§9.12): a notice to it, after which it invites us. One that does not
        know the notice is invited itself, as many devices expect it.
        """
        if device.id in self._without_broadcast:
            return await self._invite_talk(device, wanted, peer)
        key = (device.id, wanted.channel)
        if key in self._talks:
            raise DeviceRefused("busy", "somebody else is just beginning to talk to it")
        invited: asyncio.Future[IncomingRequest] = asyncio.get_running_loop().create_future()
        self._talks[key] = invited
        try:

            async def send(number: int) -> None:
                notice = Broadcast(number, self._speaker.code, wanted.channel)
                await self._speaker.tell(device.code, peer, notice.to_element())

            try:
                answer = await self._queries.ask(device.id, BROADCAST, send)
            except DeviceRefused as error:
                if error.code not in ("timed_out", "unsupported", "not_found", "device_error"):
                    raise
                session = await self._invite_talk(device, wanted, peer)
                # Only one that takes voice this way is never asked the other way again.
                self._without_broadcast.add(device.id)
                return session
            outcome = Outcome.read(answer)
            if not outcome.ok:
                raise DeviceRefused(
                    "refused", f"the device takes no voice: {outcome.reason}".rstrip(": ")
                )
            try:
                async with asyncio.timeout(_TALK_INVITE_S):
                    incoming = await invited
            except TimeoutError:
                raise DeviceRefused(
                    "timed_out", "the device agreed to take voice, and never asked for it"
                ) from None
        finally:
            del self._talks[key]
        return await self._accept_talk(device, wanted, peer, incoming)

    async def _invite_talk(self, device: Device, wanted: Wanted, peer: Peer) -> MediaSession:
        ssrc = secrets.randbelow(10**9)
        sip = await self._speaker.invite(
            wanted.channel,
            peer,
            offer(wanted, ssrc, self._speaker.code).to_bytes(),
            subject(wanted, ssrc, self._speaker.code),
        )
        try:
            agreed = read_answer(wanted, ssrc, sip.remote_body)
            # By tcp_passive nothing of ours goes there.
            if wanted.transport != "tcp_passive":
                require_credible(agreed.address, peer.host)
        except SessionDescriptionError as error:
            await sip.end()
            raise DeviceRefused("unsupported", str(error)) from None
        return await self._keep(device, wanted, sip, ssrc, agreed)

    async def _accept_talk(
        self, device: Device, wanted: Wanted, peer: Peer, incoming: IncomingRequest
    ) -> MediaSession:
        theirs = incoming.request.body
        try:
            offered = parse(theirs)
            require_credible(offered.address, peer.host)
        except SessionDescriptionError as error:
            incoming.respond(488)
            raise DeviceRefused("unsupported", f"the device's offer: {error}") from None
        over_tcp = offered.transport == "tcp"
        if over_tcp != (wanted.transport != "udp"):
            incoming.respond(488)
            raise DeviceRefused(
                "unsupported",
                f"the device wants its voice over {'TCP' if over_tcp else 'UDP'}",
            )
        # The receiver chooses; one that does not is content with any.
        ssrc = offered.ssrc if offered.ssrc is not None else secrets.randbelow(10**9)
        if over_tcp and not offered.setup:
            incoming.respond(488)
            raise DeviceRefused("unsupported", "the device does not say who connects")
        ours = SessionDescription(
            purpose=offered.purpose,
            owner=self._speaker.code,
            address=wanted.address,
            port=wanted.port,
            transport=offered.transport,
            setup="" if not over_tcp else "passive" if offered.setup == "active" else "active",
            ssrc=ssrc,
            media="audio",
            direction="sendonly",
            formats={PCMA: FORMATS[PCMA]},
        )
        sip = incoming.accept(body=ours.to_bytes(), content_type="APPLICATION/SDP")
        if sip is None:
            raise DeviceRefused("timed_out", "the device gave up meanwhile")
        agreed = Agreed(
            ssrc=ssrc,
            address=offered.address,
            port=offered.port,
            transport=wanted.transport,
            formats=offered.formats,
            file_bytes=None,
        )
        return await self._keep(device, wanted, sip, ssrc, agreed)

    def invited(self, device: Device, incoming: IncomingRequest, sender: str) -> bool:
        """An INVITE of a device: True when it was waited for."""
        for (platform_id, channel), waiting in self._talks.items():
            if platform_id != device.id or waiting.done():
                continue
            subject_line = incoming.request.headers.get("subject")
            if channel in (sender, subject_line.partition(":")[0]) or sender == device.code:
                waiting.set_result(incoming)
                return True
        return False

    async def _keep(
        self, device: Device, wanted: Wanted, sip: SipSession, ssrc: int, agreed: Agreed
    ) -> MediaSession:
        answer = {
            "type": "answer",
            "ssrc": agreed.ssrc,
            "address": agreed.address,
            "port": agreed.port,
            "transport": agreed.transport,
            "formats": {str(number): name for number, name in agreed.formats.items()},
            "file_bytes": agreed.file_bytes,
            "any_ssrc": device.options.accept_any_ssrc,
            "dialog": sip.call_id,
            "registered_host": device.peer.host if device.peer is not None else "",
        }
        session = MediaSession(device, wanted, sip, ssrc, answer)
        self._attach(session)
        try:
            await self._rows.write(
                "gb28181.keep_dialog",
                columns={
                    "call_id": sip.call_id,
                    "platform_id": device.id,
                    "channel": wanted.channel,
                    "purpose": wanted.purpose,
                    "ssrc": ssrc,
                    "journal": sip.to_journal(),
                    "answer": answer,
                    "created_us": now_us(),
                },
            )
        except (RowError, ControlError, ConnectionError, TimeoutError) as error:
            # It plays on; only a restart would not find it, and the receiver then asks anew.
            _log.warning("a dialog could not be written down", why=str(error))
        except asyncio.CancelledError:
            self._part(session)
            raise
        return session

    def _attach(self, session: MediaSession) -> None:
        self._sessions[session.name] = session
        session.sip.on_request = lambda incoming: self._asked(session, incoming)
        session.sip.on_end = lambda cause: self._ended(session, cause)

    # --------------------------------------------------------------- resume

    def restore(self, device: Device, row: Mapping[str, Any]) -> None:
        """Take over a dialog of an earlier process, for 30 s unless somebody asks for it."""
        try:
            sip = self._speaker.endpoint.resume(row["journal"])
        except (KeyError, ValueError, TypeError):
            _log.error("a dialog cannot be read", call_id=row["call_id"])
            self._forget_row(row["call_id"])
            return
        wanted = Wanted(row["channel"], row["purpose"], "", 0, row["answer"]["transport"])
        session = MediaSession(device, wanted, sip, row["ssrc"], dict(row["answer"]))
        session.received = False
        # A steady count is not known; devices only look that it grows.
        session.number = 1000
        if wanted.purpose != "talk":
            self._ssrcs.hold(session.ssrc)
        self._attach(session)
        session.farewell = asyncio.create_task(self._say_goodbye(session, RESUME_WITHIN_S))

    def resume(self, name: str) -> MediaSession:
        """Go on with a session. Raises DeviceRefused ``not_found`` when it is over."""
        session = self._sessions.get(name)
        if session is None:
            raise DeviceRefused("not_found", "this session has ended: open another")
        if session.received:
            raise DeviceRefused("busy", "somebody receives this session")
        if session.farewell is not None:
            session.farewell.cancel()
            session.farewell = None
        session.received = True
        return session

    # ------------------------------------------------------------------ end

    def _part(self, session: MediaSession) -> None:
        """The receiver is gone."""
        session.received = False
        if session.sip.ended is None and not self._closing and session.farewell is None:
            session.farewell = asyncio.create_task(self._say_goodbye(session, _FAREWELL_S))

    async def _say_goodbye(self, session: MediaSession, after_s: float) -> None:
        await asyncio.sleep(after_s)
        await session.sip.end()

    def _ended(self, session: MediaSession, cause: str) -> None:
        self._sessions.pop(session.name, None)
        if session.wanted.purpose != "talk":
            self._ssrcs.release(session.ssrc)
        if cause == "closed":
            return
        self._forget_row(session.name)
        session.tell({"type": "ended", "cause": cause, "detail": _DETAILS.get(cause, cause)})

    def _forget_row(self, name: str) -> None:
        task = asyncio.create_task(self._forget(name))
        self._writes.add(task)
        task.add_done_callback(self._writes.discard)

    async def _forget(self, name: str) -> None:
        try:
            await self._rows.write("gb28181.end_dialogs", call_ids=[name])
        except (RowError, ControlError, ConnectionError, TimeoutError) as error:
            _log.warning("the end of a dialog could not be written down", why=str(error))

    def moved(self, device: Device, peer: Peer) -> None:
        """The device's NAT gave it another port."""
        for session in self._sessions.values():
            if session.device is device:
                session.sip.peer = peer

    def part_from(self, device: Device) -> None:
        """The device is not held any more: its sessions end."""
        for session in [*self._sessions.values()]:
            if session.device is device and session.farewell is None:
                session.farewell = asyncio.create_task(self._say_goodbye(session, 0.0))

    async def close(self) -> None:
        """Stop without a BYE: the media go on, and are asked for again after the restart."""
        self._closing = True
        for session in [*self._sessions.values()]:
            if session.farewell is not None:
                session.farewell.cancel()
        if self._writes:
            await asyncio.wait(self._writes, timeout=2.0)

    # ------------------------------------------------------ what devices say

    def _asked(self, session: MediaSession, incoming: IncomingRequest) -> None:
        """A request within the dialog: MESSAGE with a document, as any other of the device."""
        if incoming.request.method in ("MESSAGE", "NOTIFY"):
            self.on_document(session.device, incoming)
        else:
            incoming.respond(200 if incoming.request.method in ("INFO", "OPTIONS") else 405)

    def file_ended(self, device: Device, call_id: str, channel: str) -> None:
        """MediaStatus 121 (§9.8): the recording was sent to its end.

        Within the dialog by the standard; by others under a Call-ID of its own, and then it means
        the one recording of that channel which is being sent.
        """
        session = self._sessions.get(call_id)
        if session is None:
            playing = [
                one
                for one in self._sessions.values()
                if one.device is device
                and one.wanted.purpose in ("playback", "download")
                and channel in (one.wanted.channel, device.code)
            ]
            session = playing[0] if len(playing) == 1 else None
        if session is not None and session.device is device:
            session.tell({"type": "file_end"})

    # ------------------------------------------------------------- the call

    async def stream(
        self, session: MediaSession, incoming: AsyncIterator[Mapping[str, Any]]
    ) -> AsyncGenerator[dict[str, Any], None]:
        """The items of ``media.session``: the answer, then what happens, until it ends."""
        controls = asyncio.create_task(self._control(session, incoming))
        try:
            yield session.answer
            while True:
                event = await session.events.get()
                yield event
                if event["type"] == "ended":
                    return
        finally:
            controls.cancel()
            self._part(session)

    async def _control(
        self, session: MediaSession, incoming: AsyncIterator[Mapping[str, Any]]
    ) -> None:
        async for item in incoming:
            try:
                control = _playback_control(item, session.number + 1)
            except ValueError as error:
                session.tell({"type": "control_failed", "code": "invalid", "detail": str(error)})
                continue
            session.number += 1
            try:
                response = await session.sip.request(
                    "INFO", body=control.to_bytes(), content_type=mansrtsp.CONTENT_TYPE
                )
            except SipError as error:
                session.tell({"type": "control_failed", "code": "timed_out", "detail": str(error)})
                continue
            if response.status >= 300:
                detail = f"the device refused: {response.status} {response.reason}"
                session.tell({"type": "control_failed", "code": "refused", "detail": detail})


def _refuse(_: Device, incoming: IncomingRequest) -> None:
    incoming.respond(405)


_DETAILS = {
    "bye": "the device ended the session",
    "local": "the session was ended here",
    "lost": "the device does not know the session any more",
    "no_ack": "the device never acknowledged the session",
}


def _playback_control(item: Mapping[str, Any], number: int) -> PlaybackControl:
    """``{action: pause | resume | seek (from_s) | scale (scale)}``. Raises ValueError."""
    match item:
        case {"action": "pause"}:
            return PlaybackControl("PAUSE", number)
        case {"action": "resume"}:
            return PlaybackControl("PLAY", number)
        case {"action": "seek", "from_s": int() | float() as from_s} if from_s >= 0:
            return PlaybackControl("PLAY", number, from_s=float(from_s))
        case {"action": "scale", "scale": int() | float() as scale} if 0 < abs(scale) <= 64:
            return PlaybackControl("PLAY", number, scale=float(scale))
    raise ValueError("an action is pause, resume, seek with from_s, or scale with scale")
