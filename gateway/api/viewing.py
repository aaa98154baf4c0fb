"""Sessions on shards and footage servers: opened with a ticket, remembered, ended when need be."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import sqlalchemy as sa
import structlog
from starlette.requests import HTTPConnection

from gateway.api.access import client_address
from gateway.api.services import Services
from gateway.audit import AuditRecord
from gateway.control.channel import ControlError
from gateway.database.tables import viewing_sessions
from gateway.identifiers import US_PER_S, new_id, now_us
from gateway.people.authorize import Principal
from gateway.tickets import Action, Ticket

_log = structlog.get_logger(__name__)

TICKET_LIFETIME_S = 30
_REVOKES = {
    "live": "live.revoke",
    "talk": "live.revoke",
    "meeting": "meetings.revoke",
    "playback": "playback.revoke",
    "export": "playback.revoke",
}
# One that hangs shall not keep the others' sessions open.
_ANSWER_S = 2.0


async def open_viewing(
    services: Services,
    principal: Principal,
    records: list[AuditRecord],
    *,
    process: str,
    action: Action,
    camera_ids: list[str],
    variant: str,
    start_us: int | None,
    end_us: int | None,
    may_lift_masks: bool,
    made_from: str = "main",
    package: str | None = None,
    priority: int = 0,
    relay: str | None = None,
    clip_id: str | None = None,
) -> tuple[str, str]:
    """Write the register, remember the session (in one commit), then sign its ticket; gives
    (session id, ticket).
    """
    session_id = new_id("ses")
    await services.rows.write(
        "viewing.open",
        records=[
            replace(one, detail={**one.detail, "session_id": session_id}).to_message()
            for one in records
        ],
        id=session_id,
        user_id=principal.user_id,
        token_hash=principal.token_hash,
        process=process,
        action=action,
        camera_ids=camera_ids,
        may_lift_masks=may_lift_masks,
        clip_id=clip_id,
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
        made_from=made_from,
        reason=_reason(records[0]) if action == "playback" else (None, None, None),
        package=package,
        priority=priority,
        relay=relay,
    )
    return session_id, services.signer.sign(ticket)


def _reason(record: AuditRecord) -> tuple[str | None, str | None, str | None]:
    return record.reason_code, record.reason, record.case_id


def overlay(connection: HTTPConnection, principal: Principal) -> dict[str, Any]:
    """``Overlay``: what the console writes over the picture, for as long as it plays."""
    return {
        "name": principal.name,
        "display_name": principal.display_name,
        "address": client_address(connection),
        "opened_us": now_us(),
    }


async def revoke_viewing(
    services: Services,
    *,
    user_id: str | None = None,
    token_hash: str | None = None,
    but_token_hash: str | None = None,
    camera_id: str | None = None,
) -> None:
    """End what a user (but in one sign-in), a sign-in, or the viewers of a camera have open."""
    table = viewing_sessions.c
    statement = sa.select(viewing_sessions).where(table.ended_us.is_(None))
    if user_id is not None:
        statement = statement.where(table.user_id == user_id)
    if token_hash is not None:
        statement = statement.where(table.token_hash == token_hash)
    if but_token_hash is not None:
        statement = statement.where(table.token_hash.is_distinct_from(but_token_hash))
    async with services.reader.connect() as connection:
        rows = (await connection.execute(statement)).all()
    await revoke_sessions(
        services, [row for row in rows if camera_id is None or camera_id in row.camera_ids]
    )


async def revoke_sessions(services: Services, rows: Sequence[sa.Row[tuple[object, ...]]]) -> None:
    """End these sessions (rows of ``viewing_sessions``), and tell their viewers.

    A process that does not answer is told again (:func:`revoke_again`); one that has gone holds
    nothing, because its end has closed everything it held.
    """
    if not rows:
        return
    calls: dict[tuple[str, str], list[str]] = defaultdict(list)
    owners: dict[str, list[str]] = defaultdict(list)
    for row in rows:
        calls[row.process, _REVOKES[row.action]].append(row.id)
        owners[row.user_id].append(row.id)
    await services.rows.write("viewing.ended", session_ids=[row.id for row in rows])
    for owner, owned in owners.items():
        tell_revoked(services, owner, owned)
        services.neighbours.tell("revoked", user_id=owner, session_ids=owned)
    await asyncio.gather(
        *(_revoke(services, process, call, group) for (process, call), group in calls.items())
    )


def tell_revoked(services: Services, user_id: str, session_ids: list[str]) -> None:
    """Tell whoever listens in this process."""
    for listener in tuple(services.revocation_listeners):
        listener(user_id, session_ids)


async def revoke_again(services: Services) -> None:
    """Tell processes once more what they have not answered to."""
    waiting = dict(services.unrevoked)
    services.unrevoked.clear()
    await asyncio.gather(
        *(_revoke(services, process, call, ids) for (process, call), ids in waiting.items())
    )


async def _revoke(services: Services, process: str, call: str, session_ids: list[str]) -> None:
    try:
        async with asyncio.timeout(_ANSWER_S):
            await services.processes.client(process).call(call, session_ids=session_ids)
    except TimeoutError:
        _log.warning("a process does not end sessions; trying again", process_name=process)
        services.unrevoked.setdefault((process, call), []).extend(session_ids)
    except (ConnectionError, ControlError) as error:
        _log.warning("sessions could not be revoked", process_name=process, why=str(error))
