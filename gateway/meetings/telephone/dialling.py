"""Dialling whom the rows let ring: a SIP address, or a number by the trunk."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Coroutine
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
    """Looks at the rows every second. A call that does not ring in them any more is cancelled."""

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
        wanted = {(row.id, row.rung_us or 0): row for row in found}
        for key in self._ringing.keys() - wanted.keys():
            call = self._ringing.pop(key)
            if call is not None:
                call.end("not wanted any more")
        for key, row in wanted.items():
            if key not in self._ringing and not self._exchange.busy:
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
            session_id = await self._ring(key, call, row)
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
        await self._exchange.sit(call, row.meeting_id, row.id, session_id)

    async def _ring(self, key: tuple[str, int], call: Call, row: sa.Row[Any]) -> str:
        """Dial and have them take their seat; gives the session. Raises CannotDial, SipError,
        NoVoice, NothingInCommon, RowError.
        """
        uri, peer, credentials = await self._way_to(row.subject)
        call.reach(peer, self._endpoint.contact_host(peer))
        offer = await call.open(None, pictures=not row.subject.startswith("tel:"))
        path = await self._path(row.area_id)
        detail = {"meeting": row.meeting_id, "title": row.title, "call": call.id,
                  "participant": row.id, "to": row.subject}  # fmt: skip
        dialled = AuditRecord(
            "telephone.dial", address=peer.host, area_path=path, detail=detail
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
        if key in self._ringing:
            # From here on it does not ring, and is not cancelled for it.
            self._ringing[key] = None
        call.agree(session.remote_body)
        session_id = new_id("ses")
        joined = AuditRecord(
            "meeting.join", address=peer.host, area_path=path,
            detail={**detail, "telephone": True, "session_id": session_id},
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


async def _resolve(host: str, port: int, transport: str) -> Peer:
    """Raises CannotDial."""
    try:
        found = await asyncio.get_running_loop().getaddrinfo(
            host, port, type=socket.SOCK_DGRAM, family=socket.AF_UNSPEC
        )
    except OSError as error:
        raise CannotDial(f"{host} cannot be found: {error}") from None
    return Peer(str(found[0][4][0]), port, "tcp" if transport == "tcp" else "udp")
