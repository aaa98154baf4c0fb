"""Playback sessions: opened by a ticket, carried by a cookie, ended by time or by revocation.

The cookie holds the session itself, signed, so that a restarted footage server goes on where the
last one was; whether it was revoked meanwhile is asked of the database.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from http.cookies import CookieError, SimpleCookie

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from gateway.database.tables import viewing_sessions
from gateway.footage.playback_index import Range
from gateway.identifiers import US_PER_S, now_us
from gateway.secrets import derive_key
from gateway.tickets import Ticket, TicketError, TicketSigner

COOKIE_PREFIX = "gridsight_playback_"
SESSION_LIFE_US = 12 * 3600 * US_PER_S
# All of them travel in one header line, which proxies bound to 8 KiB.
COOKIES_LIMIT = 10
RECHECK_US = 2 * US_PER_S
_ACTIONS = ("playback", "export")


class SessionRefused(Exception):
    """No session for this request. ``code`` and ``status`` are those of docs/http-api.md."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code


@dataclass(frozen=True, slots=True)
class PlaybackSession:
    """Who may see which minutes of which cameras. ``variant`` is the recorded one that is read;
    ``transcode_h265`` says that this player cannot show H.265.
    """

    ticket: Ticket
    variant: str
    transcode_h265: bool

    @property
    def id(self) -> str:
        """The ticket's session id."""
        return self.ticket.session_id

    @property
    def range(self) -> Range:
        """The minutes that were granted."""
        return Range(self.ticket.start_us or 0, self.ticket.end_us or 0)

    @classmethod
    def of(cls, ticket: Ticket) -> PlaybackSession:
        """The session that a ticket grants."""
        derived = ticket.variant in ("h264", "opus")
        variant = "main" if derived else ticket.variant
        return cls(ticket, variant, ticket.variant == "h264")


class PlaybackSessions:
    """All sessions of a footage server. ``on_refused`` is told why a ticket was no ticket."""

    def __init__(
        self,
        secret: bytes,
        engine: AsyncEngine,
        on_refused: Callable[[str], None] = lambda why: None,
    ) -> None:
        self._on_refused = on_refused
        self._tickets = TicketSigner(secret)
        self._cookies = TicketSigner(derive_key(secret, "footage-sessions"))
        self._engine = engine
        self._open: dict[str, PlaybackSession] = {}
        self._checked_us: dict[str, int] = {}
        self._revoked: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._open)

    async def open(self, ticket_text: str) -> tuple[PlaybackSession, str]:
        """The session that the ticket opens, and the value of its cookie. Raises SessionRefused."""
        try:
            ticket = self._tickets.verify(ticket_text)
        except TicketError as error:
            self._on_refused(str(error))
            raise SessionRefused(401, "ticket_refused", str(error)) from None
        session = self._grant(ticket)
        await self._check(session.id)
        self._open[session.id] = session
        life = replace(ticket, expires_us=now_us() + SESSION_LIFE_US)
        return session, self._cookies.sign(life)

    async def find(
        self,
        camera_id: str,
        wanted: Range | None,
        cookie_header: str,
        ticket_text: str | None,
    ) -> PlaybackSession:
        """The session under which this request may be answered: of those that it carries and that
        name the camera, the one that grants most of ``wanted``. Raises SessionRefused.
        """
        carried = [
            one
            for one in await self._carried(cookie_header, ticket_text)
            if one.ticket.action == "playback"
        ]
        if not carried:
            raise SessionRefused(
                401, "session_unknown", "open a session first: POST /s/…/sessions with a ticket"
            )
        # Of equals the newest: it says best what this browser can play.
        carried.sort(key=lambda one: one.ticket.expires_us, reverse=True)
        fitting = [one for one in carried if camera_id in one.ticket.camera_ids]
        if not fitting:
            raise SessionRefused(404, "not_found", "there is no such camera in this session")
        if wanted is None:
            return fitting[0]
        return max(fitting, key=lambda one: _length(one.range.clipped(wanted)))

    async def permitting(
        self, camera_id: str, part: Range, cookie_header: str, ticket_text: str | None
    ) -> PlaybackSession:
        """As :meth:`find`, for footage that lies in ``part``; refused if none of it is granted."""
        session = await self.find(camera_id, part, cookie_header, ticket_text)
        if session.range.clipped(part).empty:
            raise SessionRefused(403, "not_allowed", "this session does not reach to that time")
        return session

    async def opening(
        self, package: str, path: str | None, cookie_header: str, ticket_text: str | None
    ) -> PlaybackSession:
        """The session that opens the package, or this file of it. Raises SessionRefused."""
        opening = {package} if path is None else {package, f"{package}/{path}"}
        for one in await self._carried(cookie_header, ticket_text):
            if one.ticket.action == "export" and one.ticket.package in opening:
                return one
        raise SessionRefused(401, "session_unknown", "ask for the download: POST …/download")

    def is_revoked(self, session_id: str) -> bool:
        """Whether it was ended: what is being sent under it stops."""
        return session_id in self._revoked

    def revoke(self, session_ids: Iterable[str]) -> int:
        """End these sessions, now and for good; returns how many were open."""
        at_us = now_us()
        limit_us = at_us - SESSION_LIFE_US
        self._revoked = {one: us for one, us in self._revoked.items() if us > limit_us}
        ended = 0
        for session_id in session_ids:
            self._revoked[session_id] = at_us
            ended += self._open.pop(session_id, None) is not None
        return ended

    def stale_cookies(self, cookie_header: str) -> list[str]:
        """Names of our cookies that should go when another is set: those that are good for nothing
        any more, and the oldest of more than are read (a browser sends the oldest first).
        """
        stale = []
        alive: list[tuple[int, str]] = []
        for name, value in _ours(cookie_header):
            session = self._session_of(value)
            if session is None:
                stale.append(name)
            else:
                alive.append((session.ticket.expires_us, name))
        alive.sort()
        surplus = max(0, len(alive) - (COOKIES_LIMIT - 1))
        return stale + [name for _, name in alive[:surplus]]

    async def require_unrevoked(self, session: PlaybackSession) -> None:
        """Raises SessionRefused when it was revoked, as it may be while much is being read."""
        await self._check(session.id)

    async def _carried(self, cookie_header: str, ticket_text: str | None) -> list[PlaybackSession]:
        found = []
        if ticket_text is not None:
            found.append(await self._by_ticket(ticket_text))
        for _, value in _ours(cookie_header)[:COOKIES_LIMIT]:
            session = self._session_of(value)
            if session is None:
                continue
            try:
                await self._check(session.id)
            except SessionRefused:
                continue
            self._open[session.id] = session
            found.append(session)
        return found

    async def _by_ticket(self, ticket_text: str) -> PlaybackSession:
        """A player that keeps no cookies sends its ticket each time: it opens the session once, and
        names it afterwards, expired or not.
        """
        try:
            ticket = self._tickets.verify(ticket_text, at_us=0)
        except TicketError as error:
            self._on_refused(str(error))
            raise SessionRefused(401, "ticket_refused", str(error)) from None
        known = self._open.get(ticket.session_id)
        if known is not None and known.ticket == ticket:
            await self._check(ticket.session_id)
            if now_us() > ticket.expires_us + SESSION_LIFE_US:
                raise SessionRefused(401, "session_unknown", "the session is over: ask for another")
            return known
        return (await self.open(ticket_text))[0]

    def _session_of(self, cookie: str) -> PlaybackSession | None:
        try:
            ticket = self._cookies.verify(cookie)
        except TicketError:
            return None
        if ticket.session_id in self._revoked:
            return None
        return PlaybackSession.of(ticket)

    @staticmethod
    def _grant(ticket: Ticket) -> PlaybackSession:
        if ticket.action not in _ACTIONS or ticket.start_us is None or ticket.end_us is None:
            raise SessionRefused(403, "not_allowed", "the ticket is not for playback")
        return PlaybackSession.of(ticket)

    async def _check(self, session_id: str) -> None:
        """Raise SessionRefused when it was revoked. The database is asked now and then."""
        at_us = now_us()
        if session_id not in self._revoked:
            if at_us - self._checked_us.get(session_id, 0) < RECHECK_US:
                return
            statement = sa.select(viewing_sessions.c.ended_us).where(
                viewing_sessions.c.id == session_id
            )
            async with self._engine.connect() as connection:
                ended_us = (await connection.execute(statement)).scalar()
            if ended_us is None:
                if len(self._checked_us) > 10_000:
                    self._checked_us.clear()
                self._checked_us[session_id] = at_us
                return
            self._revoked[session_id] = at_us
        self._open.pop(session_id, None)
        raise SessionRefused(403, "revoked", "the right to watch was withdrawn")


def _ours(cookie_header: str) -> list[tuple[str, str]]:
    try:
        parsed = SimpleCookie(cookie_header)
    except CookieError:
        return []
    return [(name, item.value) for name, item in parsed.items() if name.startswith(COOKIE_PREFIX)]


def _length(part: Range) -> int:
    return max(0, part.end_us - part.start_us)
