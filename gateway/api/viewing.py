"""Sessions on shards and footage servers: opened with a ticket, remembered, ended when need be."""

from __future__ import annotations

import asyncio
from collections import defaultdict

import sqlalchemy as sa
import structlog

from gateway.api.services import Services
from gateway.control.channel import ControlError
from gateway.database.tables import viewing_sessions
from gateway.identifiers import US_PER_S, new_id, now_us
from gateway.people.authorize import Principal
from gateway.tickets import Action, Ticket

_log = structlog.get_logger(__name__)

TICKET_LIFETIME_S = 30
# Nobody watches longer without asking anew; older sessions need no revocation.
_MEMORY_US = 24 * 3600 * US_PER_S


async def open_viewing(
    services: Services,
    principal: Principal,
    *,
    process: str,
    action: Action,
    camera_ids: list[str],
    variant: str,
    start_us: int | None,
    end_us: int | None,
    may_lift_masks: bool,
) -> tuple[str, str]:
    """Remember a session and sign its ticket; gives (session id, ticket)."""
    session_id = new_id("ses")
    await services.rows.write(
        "viewing.open",
        id=session_id,
        user_id=principal.user_id,
        token_hash=principal.token_hash,
        process=process,
        action=action,
        camera_ids=camera_ids,
    )
    ticket = Ticket(
        session_id=session_id,
        user_id=principal.user_id,
        user_name=principal.name,
        camera_ids=tuple(camera_ids),
        variant=variant,
        action=action,
        start_us=start_us,
        end_us=end_us,
        expires_us=now_us() + TICKET_LIFETIME_S * US_PER_S,
        may_lift_masks=may_lift_masks,
    )
    return session_id, services.signer.sign(ticket)


async def revoke_viewing(
    services: Services,
    *,
    user_id: str | None = None,
    token_hash: str | None = None,
    camera_id: str | None = None,
) -> list[str]:
    """End what these have open; gives the session ids. A process that is away is told later, by
    the session's end: its restart closes everything it held.
    """
    table = viewing_sessions.c
    statement = sa.select(
        table.id, table.user_id, table.process, table.action, table.camera_ids
    ).where(table.revoked_us.is_(None), table.opened_us > now_us() - _MEMORY_US)
    if user_id is not None:
        statement = statement.where(table.user_id == user_id)
    if token_hash is not None:
        statement = statement.where(table.token_hash == token_hash)
    async with services.reader.connect() as connection:
        rows = (await connection.execute(statement)).all()
    calls: dict[tuple[str, str], list[str]] = defaultdict(list)
    for row in rows:
        if camera_id is None or camera_id in row.camera_ids:
            call = "live.revoke" if row.action in ("live", "restream") else "playback.revoke"
            calls[row.process, call].append(row.id)
    owners: dict[str, list[str]] = defaultdict(list)
    for row in rows:
        if camera_id is None or camera_id in row.camera_ids:
            owners[row.user_id].append(row.id)
    session_ids = [session_id for group in calls.values() for session_id in group]
    if not session_ids:
        return []
    await services.rows.write("viewing.revoked", session_ids=session_ids)
    await asyncio.gather(
        *(_revoke(services, process, call, group) for (process, call), group in calls.items())
    )
    for owner, owned in owners.items():
        for listener in tuple(services.revocation_listeners):
            listener(owner, owned)
    return session_ids


async def _revoke(services: Services, process: str, call: str, session_ids: list[str]) -> None:
    try:
        await services.processes.client(process).call(call, session_ids=session_ids)
    except (ConnectionError, TimeoutError, ControlError) as error:
        _log.warning("sessions could not be revoked", process_name=process, why=str(error))
