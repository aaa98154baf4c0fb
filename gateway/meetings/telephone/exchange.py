"""The telephone exchange of the signalling process: calls come in and are let to the door of a
meeting, whoever is invited by a SIP address or a number is dialled.

Nobody is heard, or hears, before they knew the PIN and were let in, or have accepted the call; each
call is in the register before it is answered or dialled.
"""

from __future__ import annotations

import asyncio
import re
from typing import Any

import sqlalchemy as sa
import structlog
from sqlalchemy.ext.asyncio import AsyncEngine

from camera_adapters.event_wait import wait_for_event
from camera_adapters.sip.core import ALLOWED
from camera_adapters.sip.endpoint import SipEndpoint
from camera_adapters.sip.fields import parse_uri
from camera_adapters.sip.incoming import IncomingRequest
from camera_adapters.sip.messages import MessageError
from camera_adapters.sip.session import SipError
from gateway.audit import AuditRecord
from gateway.control.channel import ControlError
from gateway.identifiers import new_id, now_us
from gateway.meetings.telephone import call_sdp, codes, rows
from gateway.meetings.telephone.call import Call, Over
from gateway.meetings.telephone.callers import Caller, Callers, Refusal
from gateway.meetings.telephone.dialling import Dialling
from gateway.meetings.telephone.sitting import Shards, Sitting
from gateway.meetings.telephone.tries import PER_CALL, PER_CALLER, PER_MEETING, Tries
from gateway.meetings.telephone.voices import NoVoice, Voices
from gateway.secrets import derive_key
from gateway.settings import Settings
from recorder.rows import RowError, RowWriter

_log = structlog.get_logger(__name__)

_SDP = "application/sdp"
_DIALLED = re.compile(r"(\d+)(?:\*(\d+))?")
_PIN_PARAMETER = re.compile(r";pin=(\d+)", re.IGNORECASE)
_ACKNOWLEDGED_S = 35.0


class TelephoneExchange:
    """See the module. Open it with :meth:`start`; it serves until :meth:`close`."""

    def __init__(
        self, settings: Settings, secret: bytes, reader: AsyncEngine, writer: RowWriter
    ) -> None:
        own = self._settings = settings.meetings.sip
        self._secret = secret
        self._reader = reader
        self._rows = writer
        self.voices = Voices(own.host, (own.first_media_port, own.last_media_port))
        self.shards = Shards(settings, secret, reader)
        self._callers = Callers(own, derive_key(secret, "telephones' digest"))
        self._endpoint = SipEndpoint(
            self._on_request, advertise=own.advertise, changes_sessions=True
        )
        self._caller_tries = Tries(PER_CALLER)
        self._meeting_tries = Tries(PER_MEETING)
        self._calls: dict[asyncio.Task[None], str] = {}
        self._dialling = Dialling(self, self._endpoint, self._callers, own, reader, writer)
        self._loop = asyncio.get_running_loop()
        self._closed = False

    @property
    def port(self) -> int:
        """The port that SIP is spoken on."""
        return self._endpoint.port

    async def start(self) -> None:
        """Listen. Raises OSError."""
        await self._endpoint.open(self._settings.host, self._settings.port)
        self._dialling.start()

    async def close(self) -> None:
        """Hang up everywhere, and stop."""
        self._closed = True
        await self._dialling.stop()
        tasks = [*self._calls]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._endpoint.close()
        await self.voices.close()
        await self.shards.close()

    def figures(self) -> dict[str, float]:
        """For ``process.status``: calls, and the share of a core that their sound takes."""
        return {
            "telephone_calls": float(len(self._calls)),
            "telephone_sound_share": self.voices.share,
        }

    @property
    def busy(self) -> bool:
        """Whether there are as many calls as there may be."""
        return self._closed or len(self._calls) >= self._settings.calls_limit

    def keep(self, call: Call, work: Any) -> asyncio.Task[None]:
        """Count a call while ``work``, a coroutine, goes on; it ends with the call, and the call
        with it.
        """
        task = self._loop.create_task(self._hold(call, work))
        self._calls[task] = call.id
        task.add_done_callback(lambda done: self._calls.pop(done, None))
        return task

    async def sit(self, call: Call, meeting_id: str, participant_id: str, session_id: str) -> str:
        """See Sitting."""
        sitting = Sitting(
            call, meeting_id, participant_id, session_id,
            rows=self._rows, voices=self.voices, find_shard=self.shards.of_meeting,
        )  # fmt: skip
        return await sitting.run()

    async def _hold(self, call: Call, work: Any) -> None:
        working = asyncio.ensure_future(work)
        over = asyncio.ensure_future(call.over())
        try:
            await asyncio.wait((working, over), return_when=asyncio.FIRST_COMPLETED)
            if working.done():
                working.result()
        except (Over, NoVoice, RowError, SipError, TimeoutError, ControlError) as error:
            _log.info("a call has ended", caller=call.caller, why=str(error))
        except (ConnectionError, sa.exc.DBAPIError) as error:
            _log.warning("a call could not go on", caller=call.caller, why=str(error))
        except Exception:
            _log.exception("a call failed")
        finally:
            over.cancel()
            working.cancel()
            await asyncio.gather(working, over, return_exceptions=True)
            await call.close()

    # --------------------------------------------------------------- calls in

    def _on_request(self, incoming: IncomingRequest) -> None:
        method = incoming.request.method
        if method == "OPTIONS":
            incoming.respond(200, headers=[("Allow", ALLOWED), ("Accept", _SDP)])
        elif method == "REGISTER":
            answer = self._callers.register(
                incoming.request, incoming.reply_peer, self._loop.time()
            )
            if answer.status == 200:
                self._endpoint.admission.know(incoming.peer)
            incoming.respond(answer.status, headers=answer.headers)
        elif method == "INVITE":
            self._on_invite(incoming)
        else:
            incoming.respond(405)

    def _on_invite(self, incoming: IncomingRequest) -> None:
        caller = self._callers.judge(incoming.request, incoming.peer)
        if isinstance(caller, Refusal):
            incoming.respond(caller.status, headers=caller.headers)
            return
        wait_s = self._caller_tries.paused_s(_who(caller, incoming), self._loop.time())
        if wait_s:
            incoming.respond(480, headers=[("Retry-After", str(round(wait_s)))])
            return
        if self.busy:
            incoming.respond(486)
            return
        try:
            offered = call_sdp.read(incoming.request.body)
        except call_sdp.NothingInCommon as error:
            _log.info("a telephone cannot be understood", caller=caller.name, why=str(error))
            incoming.respond(488)
            return
        media_host = self._endpoint.contact_host(incoming.reply_peer)
        call = Call(
            self.voices, caller.name, incoming.reply_peer, media_host, self._settings.picture_kbps
        )
        incoming.on_cancel(lambda: call.end("cancelled"))
        self.keep(call, self._answer(call, caller, incoming, offered))

    async def _answer(
        self, call: Call, caller: Caller, incoming: IncomingRequest, offered: call_sdp.Agreed
    ) -> None:
        number, pin = _dialled(incoming)
        try:
            body = await call.open(offered)
            await self._record(
                "telephone.call", incoming.peer.host,
                {"call": call.id, "caller": caller.name, "proven": caller.proven, "to": number},
            )  # fmt: skip
        except BaseException:
            incoming.respond(503)
            raise
        session = incoming.accept(body=body, content_type=_SDP)
        if session is None:
            raise Over("cancelled")
        call.hold(session)
        # Whoever cannot acknowledge is not where they say they are.
        if not await wait_for_event(session.acknowledged, _ACKNOWLEDGED_S):
            raise Over("never acknowledged")
        call.aim(offered)
        meeting = await self._let_to_door(call, caller, incoming, number, pin)
        session_id = new_id("ses")
        record = AuditRecord(
            "meeting.join", address=incoming.peer.host, area_path=meeting.path,
            detail={
                "meeting": meeting.id, "title": meeting.title,
                "name": rows.shown_name(caller.name, caller.proven),
                "telephone": True, "call": call.id, "session_id": session_id,
            },
        )  # fmt: skip
        participant_id = await self._rows.write(
            "meetings.called_in", meeting_id=meeting.id, caller=caller.name, proven=caller.proven,
            session_id=session_id, records=[record.to_message()],
        )  # fmt: skip
        reason = await self.sit(call, meeting.id, participant_id, session_id)
        _log.info("a telephone has left", caller=caller.name, why=reason)

    async def _let_to_door(
        self, call: Call, caller: Caller, incoming: IncomingRequest, number: str, pin: str
    ) -> sa.Row[tuple[Any, ...]]:
        """The meeting whose number and PIN they know. Raises Over after too many tries. A number
        that leads nowhere is told from a wrong PIN by nothing.
        """
        who = _who(caller, incoming)
        for _ in range(PER_CALL):
            number = number or await call.ask("number", codes.NUMBER_DIGITS)
            pin = pin or await call.ask("pin", codes.PIN_DIGITS)
            now_s = self._loop.time()
            if self._caller_tries.paused_s(who, now_s) or self._meeting_tries.paused_s(
                number, now_s
            ):
                break
            meeting = await self._find(number, pin)
            if meeting is not None:
                return meeting
            self._caller_tries.wrong(who, now_s)
            self._meeting_tries.wrong(number, now_s)
            await self._record(
                "telephone.pin_refused", incoming.peer.host,
                {"call": call.id, "caller": caller.name, "to": number},
            )  # fmt: skip
            call.play("wrong")
            number = pin = ""
        call.play("over")
        await asyncio.sleep(1.0)
        raise Over("too many wrong PINs")

    async def _find(self, number: str, pin: str) -> sa.Row[tuple[Any, ...]] | None:
        async with self._reader.connect() as connection:
            found = await connection.execute(rows.open_to_telephones(now_us()))
            row: sa.Row[tuple[Any, ...]]
            for row in found.all():
                if codes.meeting_number(self._secret, row.id) == number and codes.is_pin(
                    codes.meeting_pin(self._secret, row.id, row.code_hash), pin
                ):
                    return row
        return None

    async def _record(self, action: str, address: str, detail: dict[str, Any]) -> None:
        record = AuditRecord(action, address=address, detail=detail)
        await self._rows.write("audit.append", records=[record.to_message()])


def _dialled(incoming: IncomingRequest) -> tuple[str, str]:
    """Number and PIN of ``sip:NUMBER*PIN@…`` or ``sip:NUMBER@…;pin=PIN``; empty where there is
    none: any other name is the exchange itself.
    """
    try:
        uri = parse_uri(incoming.request.uri)
    except MessageError:
        return "", ""
    found = _DIALLED.fullmatch(uri.user)
    if found is None or len(found[1]) != codes.NUMBER_DIGITS:
        return "", ""
    parameter = _PIN_PARAMETER.search(uri.parameters)
    return found[1], found[2] or (parameter[1] if parameter else "")


def _who(caller: Caller, incoming: IncomingRequest) -> tuple[str, str]:
    """Whose tries are counted together."""
    return ("account", caller.name) if caller.proven else (incoming.peer.host, caller.name)
