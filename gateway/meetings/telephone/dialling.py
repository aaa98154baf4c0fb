"""Dialling whom the rows let ring: a SIP address, or a number by the trunk. Who picks up rings in
the rows until they have accepted.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Coroutine
from datetime import datetime
from typing import Any, Protocol

import sqlalchemy as sa
import structlog
from sqlalchemy.ext.asyncio import AsyncEngine

from camera_adapters.sip.endpoint import Credentials, SipEndpoint
from camera_adapters.sip.fields import DEFAULT_PORT, SipUri, parse_uri
from camera_adapters.sip.messages import MessageError
from camera_adapters.sip.peer import Peer
from camera_adapters.sip.session import SipError, SipRefused, SipSession, SipTimeout
from gateway.audit import AuditRecord
from gateway.database.tables import areas
from gateway.identifiers import new_id
from gateway.meetings.telephone import rows
from gateway.meetings.telephone.accepting import accepts, site_takes_itself
from gateway.meetings.telephone.call import Call
from gateway.meetings.telephone.call_sdp import NothingInCommon
from gateway.meetings.telephone.callers import Callers
from gateway.meetings.telephone.voices import NoVoice, Voices
from gateway.settings.meetings import SipSettings
from recorder.rows import RowWriter

_log = structlog.get_logger(__name__)

_LOOK_S = 1.0
_NOT_UNDERSTOOD = (415, 488, 606)
"""Some exchanges refuse a call that has pictures instead of the pictures."""
_NOT_WANTED = "not wanted any more"
_TEL_SEPARATORS = str.maketrans("", "", "-.() ")


class Exchange(Protocol):
    """What dialling needs of the exchange."""

    voices: Voices

    @property
    def busy(self) -> bool:
        """Whether there are as many calls as there may be."""

    def keep(self, call: Call, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Hold a call."""

    async def sit(self, call: Call, meeting_id: str, participant_id: str, session_id: str) -> str:
        """In its meeting."""


class CannotDial(Exception):
    """There is no way to this address; why, for the chair."""


class Dialling:
    """Looks at the rows every second. A call that does not ring in them any more is cancelled. Who
    has picked up has their time to accept, also when it rings no more; unless they are taken out,
    or the meeting ends.
    """

    def __init__(
        self,
        exchange: Exchange,
        endpoint: SipEndpoint,
        callers: Callers,
        settings: SipSettings,
        reader: AsyncEngine,
        writer: RowWriter,
    ) -> None:
        self._exchange = exchange
        self._endpoint = endpoint
        self._callers = callers
        self._settings = settings
        self._reader = reader
        self._rows = writer
        # By participant and when it was rung.
        self._ringing: dict[tuple[str, int], Call | None] = {}
        # By participant: who has picked up; and of them who has not accepted yet.
        self._picked_up: dict[str, Call] = {}
        self._asked: set[str] = set()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to look."""
        self._task = asyncio.get_running_loop().create_task(self._run())

    async def stop(self) -> None:
        """Dial nobody any more; what is under way is the exchange's to end."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        while True:
            try:
                await self._look()
            except sa.exc.DBAPIError as error:
                _log.warning("who is to be dialled cannot be read", why=str(error))
            except Exception:
                _log.exception("dialling failed; trying again")
            await asyncio.sleep(_LOOK_S)

    async def _look(self) -> None:
        async with self._reader.connect() as connection:
            found = (await connection.execute(rows.to_dial())).all()
            asked = {*self._asked}
            still = set(await connection.scalars(rows.may_accept(asked))) if asked else set()
        wanted = {(row.id, row.rung_us or 0): row for row in found}
        for key in self._ringing.keys() - wanted.keys():
            call = self._ringing.pop(key)
            if call is not None:
                call.end(_NOT_WANTED)
        for participant_id in (asked - still) & self._asked:
            self._picked_up[participant_id].end(_NOT_WANTED)
        for key, row in wanted.items():
            if key in self._ringing or row.id in self._picked_up:
                continue
            if not self._exchange.busy:
                self._ringing[key] = None
                self._begin(key, row)

    def _begin(self, key: tuple[str, int], row: sa.Row[Any]) -> None:
        host = self._endpoint.contact_host(Peer("", 0))
        kbps = self._settings.picture_kbps
        call = Call(self._exchange.voices, row.subject, Peer("", 0), host, kbps)
        self._ringing[key] = call
        self._exchange.keep(call, self._dial(key, call, row))

    async def _dial(self, key: tuple[str, int], call: Call, row: sa.Row[Any]) -> None:
        why = ""
        try:
            path = await self._ring(call, row)
        except CannotDial as error:
            why = str(error)
        except SipRefused as error:
            why = str(error)
        except SipTimeout:
            why = "nobody answered"
        except (SipError, NoVoice, NothingInCommon) as error:
            why = str(error)
        if why:
            await self._rows.write("meetings.refused_call", participant_id=row.id, why=why)
            return
        if key in self._ringing:
            # From here on it does not ring, and is not cancelled for it.
            self._ringing[key] = None
        self._picked_up[row.id] = call
        try:
            accepted_by = await self._accepted(call, row)
            if accepted_by:
                session_id = await self._join(call, row, path, accepted_by)
                await self._exchange.sit(call, row.meeting_id, row.id, session_id)
        finally:
            del self._picked_up[row.id]

    async def _ring(self, call: Call, row: sa.Row[Any]) -> str | None:
        """Dial until they pick up; gives the path of the meeting's area. Raises CannotDial,
        SipError, NoVoice, NothingInCommon, RowError.
        """
        uri, peer, credentials = await self._way_to(row.subject)
        call.reach(peer, self._endpoint.contact_host(peer))
        offer = await call.open(None, pictures=not row.subject.startswith("tel:"))
        path = await self._path(row.area_id)
        dialled = AuditRecord(
            "telephone.dial", address=peer.host, area_path=path, detail=_named(call, row)
        ).to_message()
        await self._rows.write("audit.append", records=[dialled])
        local = SipUri(self._settings.caller_name, self._endpoint.contact_host(peer))

        async def invite(body: bytes) -> SipSession:
            return await self._endpoint.invite(
                uri, peer, local=local, body=body, content_type="application/sdp",
                credentials=credentials, timeout_s=self._settings.ring_s,
            )  # fmt: skip

        try:
            session = await invite(offer)
        except SipRefused as refusal:
            if b"m=video" not in offer or refusal.response.status not in _NOT_UNDERSTOOD:
                raise
            session = await invite(call.without_pictures())
        call.hold(session)
        call.agree(session.remote_body)
        return path

    async def _accepted(self, call: Call, row: sa.Row[Any]) -> str:
        """Who accepted: a ``key``, or the ``site``; empty: nobody did, and the chair is told."""
        self._asked.add(row.id)
        why = "nobody accepted"
        try:
            now = datetime.now().astimezone()
            if await site_takes_itself(self._reader, self._settings.rooms, row.subject, now):
                return "site"
            if await accepts(call, self._settings.accept_s):
                return "key"
        except asyncio.CancelledError:
            if call.ended in (None, _NOT_WANTED):
                # The gateway stops, and dials again; or the chair has decided otherwise.
                raise
            hung_up = call.ended == "bye"
            why = "hung up without accepting" if hung_up else "lost before anybody accepted"
        finally:
            self._asked.discard(row.id)
        await self._rows.write("meetings.refused_call", participant_id=row.id, why=why)
        return ""

    async def _join(self, call: Call, row: sa.Row[Any], path: str | None, accepted_by: str) -> str:
        """Have them take their seat; gives the session. Raises RowError."""
        session_id = new_id("ses")
        joined = AuditRecord(
            "meeting.join", address=call.peer.host, area_path=path,
            detail={
                **_named(call, row), "telephone": True, "session_id": session_id,
                "accepted_by": accepted_by,
            },
        )  # fmt: skip
        await self._rows.write(
            "meetings.join", meeting_id=row.meeting_id, participant_id=row.id,
            session_id=session_id, viewing=None, records=[joined.to_message()],
        )  # fmt: skip
        return session_id

    async def _path(self, area_id: str) -> str | None:
        async with self._reader.connect() as connection:
            path: str | None = await connection.scalar(
                sa.select(areas.c.path).where(areas.c.id == area_id)
            )
            return path

    async def _way_to(self, subject: str) -> tuple[str, Peer, Credentials | None]:
        """The request's URI, where it is sent, and with which account. Raises CannotDial."""
        own = self._settings
        if subject.startswith("tel:"):
            return await self._by_trunk(subject[4:].translate(_TEL_SEPARATORS))
        try:
            uri = parse_uri(subject)
        except MessageError as error:
            raise CannotDial(str(error)) from None
        if self._callers.is_account(uri.user):
            bound = self._callers.binding(uri.user, asyncio.get_running_loop().time())
            if bound is None:
                raise CannotDial(f"{uri.user} is not registered")
            return bound.uri, bound.peer, None
        trunk_host = own.trunk.rpartition(":")[0] or own.trunk
        if own.dials_addresses and uri.host != trunk_host:
            transport = "tcp" if ";transport=tcp" in uri.parameters.lower() else "udp"
            peer = await _resolve(uri.host.strip("[]"), uri.port or DEFAULT_PORT, transport)
            return str(uri), peer, None
        return await self._by_trunk(uri.user)

    async def _by_trunk(self, number: str) -> tuple[str, Peer, Credentials | None]:
        own = self._settings
        if not own.trunk:
            raise CannotDial("no trunk is set up to dial this (meetings.sip.trunk)")
        try:
            trunk = parse_uri(f"sip:{number}@{own.trunk}")
        except MessageError as error:
            raise CannotDial(str(error)) from None
        peer = await _resolve(trunk.host.strip("[]"), trunk.port or DEFAULT_PORT, "udp")
        password = own.trunk_password.get_secret_value()
        account = Credentials(own.trunk_username, password) if own.trunk_username else None
        return str(trunk), peer, account


def _named(call: Call, row: sa.Row[Any]) -> dict[str, Any]:
    return {
        "meeting": row.meeting_id, "title": row.title, "call": call.id, "participant": row.id,
        "to": row.subject,
    }  # fmt: skip


async def _resolve(host: str, port: int, transport: str) -> Peer:
    """Raises CannotDial."""
    try:
        found = await asyncio.get_running_loop().getaddrinfo(
            host, port, type=socket.SOCK_DGRAM, family=socket.AF_UNSPEC
        )
    except OSError as error:
        raise CannotDial(f"{host} cannot be found: {error}") from None
    return Peer(str(found[0][4][0]), port, "tcp" if transport == "tcp" else "udp")
