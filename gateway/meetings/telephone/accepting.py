"""Whoever picks up is asked before they are in: an answering machine, a child, a wrong number must
not listen to a meeting.

Who is dialled hears that it is a meeting, and presses 1 or ``#``. A terminal that stands in a site
needs no key in the hours in which that site takes calls by itself: the site alone names them.
"""

from __future__ import annotations

import asyncio
import contextlib
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from camera_adapters.sip.fields import parse_uri
from camera_adapters.sip.messages import MessageError
from gateway.database.meeting_tables import meeting_sites
from gateway.meetings.hours import Hours, taken_unasked
from gateway.meetings.telephone.call import Call

GOODBYE_S = 0.8
"""So long the tone is that says that it is over."""
_KEYS = ("1", "#")
_AGAIN_S = 11.0
"""The announcement takes 9 s."""


async def accepts(call: Call, within_s: float) -> bool:
    """Announce the meeting until they accept; False, and goodbye, when they have not in time."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(within_s):
            while not await _asked(call):
                pass
            call.hush()
            return True
    call.hush()
    call.play("over")
    await asyncio.sleep(GOODBYE_S)
    return False


async def site_takes_itself(
    reader: AsyncEngine, rooms: dict[str, str], subject: str, at: datetime
) -> bool:
    """Whether ``subject``, as it is dialled, is a terminal of ``rooms`` (accounts or addresses to
    areas) whose site takes calls by itself at this local time. Raises DBAPIError.
    """
    area_id = rooms.get(subject) or rooms.get(_user(subject))
    if area_id is None:
        return False
    async with reader.connect() as connection:
        hours = await connection.scalar(
            sa.select(meeting_sites.c.hours).where(meeting_sites.c.area_id == area_id)
        )
    return taken_unasked([Hours.model_validate(one) for one in hours or ()], at)


async def _asked(call: Call) -> bool:
    """Once: whether they accepted before it is to be announced again."""
    call.play("invited")
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_AGAIN_S):
            while await call.key() not in _KEYS:
                pass
            return True
    return False


def _user(subject: str) -> str:
    try:
        return parse_uri(subject).user
    except MessageError:
        return ""
