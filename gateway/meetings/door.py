"""Who comes through a meeting's door: a ticket opens one connection, once; a device has a token."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterable

import sqlalchemy as sa

from gateway.meetings.desired import Invited, MeetingReader
from gateway.meetings.room import Room
from gateway.meetings.rooms import Rooms
from gateway.rate import PerMinute
from gateway.tickets import Ticket, TicketError, TicketSigner

# Longer than any ticket lives.
_REMEMBERED_S = 3600.0
WRONG_TOKENS_A_MINUTE = 30


class Refused(Exception):
    """Nobody is let in. ``code`` is stable; the message says what to do."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code


class Door:
    """Opens rooms of this shard. ``on_refused`` is told why a ticket or token was none."""

    def __init__(
        self,
        signer: TicketSigner,
        rooms: Rooms,
        reader: MeetingReader,
        on_refused: Callable[[str], None],
    ) -> None:
        self._signer = signer
        self._rooms = rooms
        self._reader = reader
        self._on_refused = on_refused
        self._used: dict[str, float] = {}
        self._wrong_tokens = PerMinute(WRONG_TOKENS_A_MINUTE)

    async def open(self, ticket_text: str) -> tuple[Room, Invited, Ticket]:
        """The room that a ticket opens, and as whom. The caller enters at once, without waiting
        for anything first. Raises Refused.
        """
        ticket = self._verified(ticket_text)
        if ticket.session_id in self._used:
            self._refuse("a ticket was used twice")
        self._use([ticket.session_id])
        try:
            if await self._reader.session_was_used(ticket.session_id):
                self._refuse("a ticket was used twice")
            room, invited = self._find(ticket)
            if room is None or invited is None or invited.session_id != ticket.session_id:
                # Joined a moment ago: the rows know more than we do.
                await self._rooms.look_up(ticket.meeting_id or "", ticket.participant_id or "")
                room, invited = self._find(ticket)
        except sa.exc.DBAPIError:
            self._used.pop(ticket.session_id, None)
            raise Refused(503, "unavailable", "the database cannot be read: try again") from None
        if room is None:
            raise Refused(410, "ended", "the meeting is over, or goes on elsewhere: join again")
        if invited is None or not invited.may_enter:
            raise Refused(403, "removed", "you are not in this meeting any more")
        if invited.session_id != ticket.session_id:
            raise Refused(409, "replaced", "you have joined again since: use the newer ticket")
        if not room.state.sits_here(invited):
            raise Refused(410, "moved", "your seat is at another media process: join again")
        return room, invited, ticket

    def by_token(self, token: str, address: str | None) -> tuple[Room, Invited]:
        """The room that a device's token opens, and as whom. Raises Refused; after many wrong ones
        from an address without looking.
        """
        wait_s = self._wrong_tokens.take(address)
        if wait_s > 0:
            raise Refused(429, "too_many", f"too many wrong tokens: try again in {wait_s} s")
        digest = hashlib.sha256(token.encode("utf-8", "replace")).hexdigest()
        for room in self._rooms.rooms.values():
            participant_id = room.state.devices.get(digest)
            if participant_id is not None and room.state.leads:
                invited = room.state.invited[participant_id]
                self._wrong_tokens.give_back(address)
                if not invited.may_enter:
                    raise Refused(403, "removed", "this device was removed from the meeting")
                # As of anybody: in comes only who was in before.
                was_in = invited.state in ("connected", "left")
                if room.state.locked and not was_in:
                    raise Refused(403, "meeting_locked", "this meeting is locked: ask its chair")
                return room, invited
        self._on_refused("a device's token opens no running meeting")
        raise Refused(
            403, "key_refused", "this token opens no running meeting: ask the chair for another"
        )

    def revoke(self, session_ids: Iterable[str]) -> None:
        """From now on these tickets open nothing."""
        self._use(session_ids)

    def _verified(self, text: str) -> Ticket:
        try:
            ticket = self._signer.verify(text)
        except TicketError as error:
            self._on_refused(str(error))
            raise Refused(401, "ticket_refused", str(error)) from None
        if ticket.action != "meeting":
            raise Refused(403, "not_allowed", "the ticket is not for meetings")
        if ticket.relay not in (None, self._rooms.shard):
            # It would not be told here that the right was withdrawn.
            raise Refused(403, "not_allowed", "the ticket is for a seat at another media process")
        return ticket

    def _find(self, ticket: Ticket) -> tuple[Room | None, Invited | None]:
        room = self._rooms.rooms.get(ticket.meeting_id or "")
        if room is None:
            return None, None
        return room, room.state.invited.get(ticket.participant_id or "")

    def _refuse(self, why: str) -> None:
        self._on_refused(why)
        raise Refused(401, "ticket_refused", f"{why}: join again for a new one")

    def _use(self, session_ids: Iterable[str]) -> None:
        now_s = time.monotonic()
        self._used = {one: at_s for one, at_s in self._used.items() if now_s - at_s < _REMEMBERED_S}
        self._used.update(dict.fromkeys(session_ids, now_s))
