"""What is being watched, held against what may be watched: desired state, for rights.

A right may go in many ways: an account disabled on the command line, a camera moved to another
area, the API killed between taking a grant away and ending what it allowed. So every open session
is authorized anew every few seconds, and rows of sessions that nobody holds any more are closed.
Sign-ins that are in use are prolonged on the way.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import Iterable

import sqlalchemy as sa
import structlog

from gateway.api.services import Services
from gateway.api.viewing import revoke_sessions
from gateway.audit import AuditRecord, append
from gateway.cameras import read_places
from gateway.control.channel import ControlError
from gateway.database.tables import cameras, sign_in_sessions, viewing_sessions
from gateway.identifiers import US_PER_S, now_us
from gateway.masks import ever_masked
from gateway.people.authorize import Grant, Place, rights_of
from gateway.people.grants import grants_of
from gateway.people.roles import Right
from gateway.people.sign_in import Lifetime
from recorder.rows import RowError

_log = structlog.get_logger(__name__)

INTERVAL_S = 3.0
# A ticket is good for half of this; what no process holds after it was never opened, or is over.
_OPENING_US = 60 * US_PER_S
# As long as a footage server's cookie.
_PLAYBACK_US = 12 * 3600 * US_PER_S

_RIGHTS = {"live": Right.LIVE, "playback": Right.PLAYBACK}


async def sweep_for_ever(services: Services) -> None:
    """Sweep every few seconds; a failure is logged and tried again."""
    while True:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(services.rights_changed.wait(), INTERVAL_S)
        services.rights_changed.clear()
        try:
            await sweep(services)
        except (ConnectionError, TimeoutError, ControlError, RowError, sa.exc.DBAPIError) as error:
            _log.warning("open sessions could not be checked; trying again", why=str(error))


async def sweep(services: Services) -> list[str]:
    """Close the rows of what is over, and end what is not permitted any more; gives those ids."""
    async with services.reader.connect() as connection:
        statement = sa.select(viewing_sessions).where(viewing_sessions.c.ended_us.is_(None))
        rows = (await connection.execute(statement)).all()
    over = await _over(services, rows)
    if over:
        await services.rows.write("viewing.ended", session_ids=sorted(over))
    still_open = [row for row in rows if row.id not in over]
    await _prolong(services, [row.token_hash for row in still_open if row.action == "live"])
    if not still_open:
        return []
    camera_ids = {one for row in still_open for one in row.camera_ids}
    async with services.reader.connect() as connection:
        held = await grants_of(connection, {row.user_id for row in still_open})
        places = await read_places(connection, cameras.c.id.in_(camera_ids))
        masked = await ever_masked(connection, camera_ids)
    forbidden = [
        row
        for row in still_open
        if not all(
            _needed(row, camera_id in masked)
            <= _rights(held.get(row.user_id, ()), places.get(camera_id))
            for camera_id in row.camera_ids
        )
    ]
    if forbidden:
        await append(
            services.rows,
            [
                AuditRecord(
                    "session.withdrawn",
                    user_id=row.user_id,
                    camera_id=camera_id,
                    area_path=places[camera_id].area_path if camera_id in places else None,
                    detail={"session_id": row.id, "action": row.action},
                )
                for row in forbidden
                for camera_id in row.camera_ids
            ],
        )
        await revoke_sessions(services, forbidden)
    return [row.id for row in forbidden]


def _needed(row: sa.Row[tuple[object, ...]], is_masked: bool) -> set[Right]:
    """The rights without which this session must end."""
    needed = {_RIGHTS[row.action]}
    if is_masked and row.may_lift_masks:
        needed.add(Right.LIFT_MASKS)
    return needed


async def _prolong(services: Services, watching: Iterable[str | None]) -> None:
    """Prolong the sign-ins that were used since the last sweep, and those of who watches live: a
    wall plays on day and night without a request.
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


async def _over(services: Services, rows: Iterable[sa.Row[tuple[object, ...]]]) -> set[str]:
    """The ids of sessions that their process does not hold; of a process that is away, none."""
    at_us = now_us()
    over: set[str] = set()
    live = defaultdict(list)
    for row in rows:
        if row.action == "live":
            if row.opened_us < at_us - _OPENING_US:
                live[row.process].append(row.id)
        elif row.opened_us < at_us - _PLAYBACK_US:
            over.add(row.id)
    for process, session_ids in live.items():
        try:
            status = await services.processes.client(process).call("shard.status")
        except (ConnectionError, TimeoutError, ControlError):
            continue
        over.update(set(session_ids).difference(status["session_ids"]))
    return over


def _rights(held: Iterable[Grant], place: Place | None) -> frozenset[Right]:
    if place is None:
        return frozenset()
    at_us = now_us()
    return rights_of(grant for grant in held if grant.in_force(at_us) and grant.covers(place))
