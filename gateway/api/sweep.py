"""Rows of what is over: sessions that no process holds any more are closed, and sign-ins that are
in use are prolonged. What may not go on is ended by :mod:`gateway.api.withdrawal`.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

import sqlalchemy as sa
import structlog

from gateway.api.services import Services
from gateway.api.viewing import revoke_sessions
from gateway.control.channel import ControlError
from gateway.database.tables import sign_in_sessions, viewing_sessions
from gateway.identifiers import US_PER_S, now_us
from gateway.people.sign_in import Lifetime
from recorder.rows import RowError

_log = structlog.get_logger(__name__)

INTERVAL_S = 10.0
# A ticket is good for half of this; what no process holds after it was never opened, or is over.
_OPENING_US = 60 * US_PER_S
# As long as a footage server's cookie.
_PLAYBACK_US = 12 * 3600 * US_PER_S
_SEEN_US = 60 * US_PER_S
# Within this a process has heard of it.
_ENDING_US = 5 * US_PER_S
# Which call tells the sessions that a process holds, by what they are for.
_HELD = {"live": "shard.status", "talk": "shard.status", "meeting": "meetings.status"}
_WATCHING = ("live", "meeting")


async def sweep_for_ever(services: Services) -> None:
    """Sweep every few seconds, in the API process that leads; a failure is logged, tried again."""
    await _again_and_again(sweep, services)


async def prolong_for_ever(services: Services) -> None:
    """While another process leads: prolong the sign-ins that were used here."""

    async def prolong(services: Services) -> None:
        if not services.leading:
            await _prolong(services, ())

    await _again_and_again(prolong, services)


async def _again_and_again(step: Callable[[Services], Awaitable[None]], services: Services) -> None:
    while True:
        await asyncio.sleep(INTERVAL_S)
        try:
            await step(services)
        except (ConnectionError, TimeoutError, ControlError, RowError, sa.exc.DBAPIError) as error:
            _log.warning("what is over could not be looked up; trying again", why=str(error))
        except Exception:
            _log.exception("what is over could not be looked up; trying again")


async def sweep(services: Services) -> None:
    """Close the rows of what is over, and prolong the sign-ins that are in use."""
    async with services.reader.connect() as connection:
        statement = sa.select(viewing_sessions).where(viewing_sessions.c.ended_us.is_(None))
        rows = (await connection.execute(statement)).all()
    over, held = await _over(services, rows)
    await _end_again(services, held - {row.id for row in rows})
    await _note_seen(services, [row for row in rows if row.id in held])
    if over:
        await services.rows.write("watching.lost", session_ids=sorted(over))
        await services.rows.write("viewing.ended", session_ids=sorted(over))
    still_open = [row for row in rows if row.id not in over]
    await _prolong(services, [row.token_hash for row in still_open if row.action in _WATCHING])


async def _end_again(services: Services, unknown: set[str]) -> None:
    """End what is held though it was ended: whoever should have said so to its process was killed
    in between.
    """
    if not unknown:
        return
    table = viewing_sessions.c
    async with services.reader.connect() as connection:
        statement = sa.select(viewing_sessions).where(
            table.id.in_(unknown), table.ended_us < now_us() - _ENDING_US
        )
        rows = (await connection.execute(statement)).all()
    await revoke_sessions(services, rows)


async def _prolong(services: Services, watching: Iterable[str | None]) -> None:
    """Prolong the sign-ins that were used since the last sweep, and those of who watches live or
    sits in a meeting: a wall plays on day and night without a request.
    """
    noted = set(services.used_sign_ins)
    used = noted.union(one for one in watching if one is not None)
    if not used:
        return
    lifetime, at_us = Lifetime.of(services.settings.sign_in), now_us()
    async with services.reader.connect() as connection:
        rows = await connection.execute(
            sa.select(sign_in_sessions).where(sign_in_sessions.c.token_hash.in_(used))
        )
        due = [row.token_hash for row in rows if lifetime.is_due(row.expires_us, at_us)]
    if due:
        await services.rows.write(
            "sign_in.prolong",
            token_hashes=due,
            idle_us=lifetime.idle_us,
            longest_us=lifetime.longest_us,
        )
    services.used_sign_ins -= noted


async def _note_seen(services: Services, held: list[sa.Row[Any]]) -> None:
    """Remember, once a minute, that these are watched: should their process die, the register has
    it from here.
    """
    due_us = now_us() - _SEEN_US
    seen = [row.id for row in held if (row.seen_us or 0) < due_us]
    if seen:
        await services.rows.write("watching.seen", session_ids=seen)


async def _over(
    services: Services, rows: Iterable[sa.Row[tuple[object, ...]]]
) -> tuple[set[str], set[str]]:
    """The ids of sessions that their process does not hold, and of live ones that it does; of a
    process that is away, none.
    """
    at_us = now_us()
    over: set[str] = set()
    held: set[str] = set()
    held_by: dict[tuple[str, str], list[str]] = defaultdict(list)
    for name in await services.processes.names("shard"):
        # Also of those of which all is ended: what they hold all the same is to be ended again.
        held_by.update({(name, call): [] for call in _HELD.values()})
    for row in rows:
        if row.action in _HELD:
            if row.opened_us < at_us - _OPENING_US:
                held_by[row.process, _HELD[row.action]].append(row.id)
        elif row.opened_us < at_us - _PLAYBACK_US:
            over.add(row.id)
    for (process, call), session_ids in held_by.items():
        try:
            status = await services.processes.client(process).call(call)
        except (ConnectionError, TimeoutError, ControlError):
            continue
        over.update(set(session_ids).difference(status["session_ids"]))
        held.update(status["session_ids"])
    return over, held
