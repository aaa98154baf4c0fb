"""Live sessions: opened by a ticket, outliving it, ended by the viewer or by revocation."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

import structlog

from camera_adapters.stream import Variant
from gateway.audit.watching import Watched, watched_live
from gateway.identifiers import US_PER_S, now_us
from gateway.live.whep import SessionRefused
from gateway.tickets import Ticket, TicketError, TicketSigner

_log = structlog.get_logger(__name__)

# Longer than any ticket lives: a revoked session must not be opened again by its own ticket, nor
# one that was handed over under the name of who had it.
_REVOKED_MEMORY_US = 3600 * US_PER_S


@dataclass(slots=True, eq=False)
class LiveSession:
    """One viewer of one camera. A ticket may open several (a second try by another transport)."""

    session_id: str
    user_id: str
    camera_id: str
    variant: Variant
    made_from: Variant
    may_lift_masks: bool
    opened_us: int
    forget: Callable[[LiveSession, str, bool], None]
    action: Literal["live", "talk"] = "live"
    user_name: str = ""
    priority: int = 0
    # The camera may be another shard's.
    relayed: bool = False

    def ended(self, reason: str, *, watched: bool = False) -> None:
        """See :class:`gateway.live.whep.SessionHandle`."""
        self.forget(self, reason, watched)
        _log.info("live session ended", session=self.session_id, reason=reason)


class LiveSessions:
    """All live sessions of the shard ``name``. ``on_watched`` is told of each view that has ended,
    ``on_refused`` why a ticket was no ticket.
    """

    def __init__(
        self,
        signer: TicketSigner,
        on_watched: Callable[[Watched], None] | None = None,
        on_refused: Callable[[str], None] | None = None,
        *,
        name: str = "",
    ) -> None:
        self._name = name
        self._signer = signer
        self._on_watched = on_watched
        self._on_refused = on_refused
        self._sessions: set[LiveSession] = set()
        self._revoked: dict[str, int] = {}
        self._handed_over: dict[str, tuple[str, int]] = {}

    def open(self, ticket_text: str, action: Literal["live", "talk"] = "live") -> LiveSession:
        """Verify the ticket and open its session. Raises SessionRefused."""
        try:
            ticket = self._signer.verify(ticket_text)
        except TicketError as error:
            if self._on_refused is not None:
                self._on_refused(str(error))
            raise SessionRefused(401, "ticket_refused", str(error)) from None
        if ticket.action != action or len(ticket.camera_ids) != 1:
            what = "live viewing" if action == "live" else "talking"
            raise SessionRefused(403, "not_allowed", f"the ticket is not for {what}")
        if ticket.relay not in (None, self._name):
            # Withdrawn rights are told to the shard that the ticket names, and to no other.
            raise SessionRefused(403, "not_allowed", "the ticket is for another media process")
        self.require_unrevoked(ticket.session_id)
        return self._add(ticket, action)

    def require_unrevoked(self, session_id: str) -> None:
        """Raises SessionRefused when the right was withdrawn, as it may be while one waits."""
        if session_id in self._revoked:
            raise SessionRefused(403, "revoked", "the right to watch was withdrawn")

    def revoke(self, session_ids: Iterable[str]) -> None:
        """From now on these open nothing; ending what is open is the outputs' part."""
        at_us = now_us()
        self._revoked = {
            one: since_us
            for one, since_us in self._revoked.items()
            if at_us - since_us < _REVOKED_MEMORY_US
        }
        self._revoked.update(dict.fromkeys(session_ids, at_us))

    def hand_over(self, session_ids: Iterable[str], user_id: str) -> None:
        """Somebody else sits before these from now on; who sat there has watched up to here."""
        at_us = now_us()
        self._handed_over = {
            one: (to, since_us)
            for one, (to, since_us) in self._handed_over.items()
            if at_us - since_us < _REVOKED_MEMORY_US
        }
        handed = set(session_ids)
        self._handed_over.update(dict.fromkeys(handed, (user_id, at_us)))
        for session in self._sessions:
            if session.session_id in handed and session.user_id != user_id:
                self._report(session, "handed_over")
                session.user_id, session.opened_us = user_id, now_us()

    def viewers(self) -> Counter[tuple[str, Variant]]:
        """How many sessions each camera and variant has."""
        return Counter(
            (one.camera_id, one.variant) for one in self._sessions if one.action == "live"
        )

    def seeing_all_of(self, is_masked: Callable[[str], bool]) -> list[LiveSession]:
        """The sessions that see a picture beneath its masks, and may not."""
        return [
            one
            for one in self._sessions
            if one.action == "live"
            and not one.may_lift_masks
            and one.variant is not Variant.MASKED
            and is_masked(one.camera_id)
        ]

    def session_ids(self) -> list[str]:
        """The ids of what is open."""
        return [one.session_id for one in self._sessions]

    def __len__(self) -> int:
        return len(self._sessions)

    def _add(self, ticket: Ticket, action: Literal["live", "talk"]) -> LiveSession:
        user_id, _ = self._handed_over.get(ticket.session_id, (ticket.user_id, 0))
        session = LiveSession(
            ticket.session_id,
            user_id,
            ticket.camera_ids[0],
            Variant(ticket.variant),
            Variant(ticket.made_from),
            ticket.may_lift_masks,
            now_us(),
            self._forget,
            action,
            ticket.user_name,
            ticket.priority,
            ticket.relay is not None,
        )
        self._sessions.add(session)
        return session

    def _forget(self, session: LiveSession, reason: str, watched: bool) -> None:
        self._sessions.discard(session)
        if watched:
            self._report(session, reason)

    def _report(self, session: LiveSession, reason: str) -> None:
        if self._on_watched is not None:
            self._on_watched(
                watched_live(
                    session.session_id,
                    session.user_id,
                    session.camera_id,
                    session.opened_us,
                    str(session.variant),
                    reason,
                    session.action,
                )
            )
