"""In the lobby or in: one rule for everybody who asks.

It is decided when a seat is taken (:func:`has_to_wait`) or by who leads, and stands in
``admitted_us``. Who is in stays so over a lost line, until they are taken out.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from gateway.meetings.kinds import BROUGHT, BY_LINK, LEADING


def is_in(row: sa.Row[tuple[Any, ...]]) -> bool:
    """Whether a participant, a row with ``admitted_us`` and ``kind``, waits in no lobby."""
    return row.admitted_us is not None or row.kind in BROUGHT


def is_new_at_the_door(row: sa.Row[tuple[Any, ...]]) -> bool:
    """Whether they need somebody's leave to come in, if anybody does."""
    return not is_in(row) and row.role not in LEADING


def has_to_wait(row: sa.Row[tuple[Any, ...]], meeting: sa.Row[tuple[Any, ...]]) -> bool:
    """Whether who takes this seat waits to be let in."""
    return is_new_at_the_door(row) and (meeting.lobby or row.invited_by == BY_LINK)


def waiting(row: sa.Row[tuple[Any, ...]], at_us: int) -> dict[str, Any]:
    """The columns of who waits: since when they first did."""
    return {"state": "lobby", "lobby_us": row.lobby_us or at_us}
