"""Somebody else sits down: what the browser shows becomes theirs, as far as they may see it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
import structlog
from starlette.requests import HTTPConnection

from gateway.accountability import asks, standing_purpose
from gateway.api.access import audit_records
from gateway.api.services import Services
from gateway.api.viewing import revoke_sessions
from gateway.audit import ReasonGiven
from gateway.audit import act as act_and_append
from gateway.cameras import Camera, find_cameras
from gateway.control.channel import ControlError
from gateway.database.tables import viewing_sessions
from gateway.identifiers import now_us
from gateway.people.authorize import Principal, authorize
from gateway.people.roles import Right

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Watched:
    """What is open under a sign-in: ``kept`` may go on for somebody else, ``ended`` may not."""

    kept: tuple[sa.Row[Any], ...]
    ended: tuple[sa.Row[Any], ...]
    cameras: dict[str, Camera]


async def watched_under(services: Services, token_hash: str, successor: Principal) -> Watched:
    """What is open under a token, parted by what the successor may see.

    Live views only: footage is opened for a reason, and a reason is a person's own. Nobody goes on
    seeing beneath a mask that they may not lift.
    """
    table = viewing_sessions
    async with services.reader.connect() as connection:
        rows = (
            await connection.execute(
                sa.select(table).where(table.c.token_hash == token_hash, table.c.ended_us.is_(None))
            )
        ).all()
        camera_ids = {one for row in rows for one in row.camera_ids}
        cameras = await find_cameras(connection, sorted(camera_ids))
    kept: list[sa.Row[Any]] = []
    ended: list[sa.Row[Any]] = []
    for row in rows:
        camera = cameras.get(row.camera_ids[0]) if row.action == "live" else None
        if camera is None:
            ended.append(row)
            continue
        decision = authorize(successor, Right.LIVE, camera, now_us())
        lifts = bool(row.may_lift_masks) and not decision.may_lift_masks
        (kept if decision.allowed and not lifts else ended).append(row)
    return Watched(tuple(kept), tuple(ended), cameras)


async def take_over(
    services: Services,
    connection: HTTPConnection,
    watched: Watched,
    successor: Principal,
    reason: ReasonGiven,
) -> tuple[list[str], list[str]]:
    """Write each look into the register as the successor's, and make it theirs: both or neither.
    End the rest. Gives the ids of what goes on and of what ended.
    """
    lost: list[sa.Row[Any]] = []
    if watched.kept:
        records = [
            record
            for row in watched.kept
            for record in audit_records(
                connection,
                successor,
                "live.open",
                cameras=[watched.cameras[row.camera_ids[0]]],
                reason=reason,
                detail={"session_id": row.id, "taken_over_from": row.user_id},
            )
        ]
        await act_and_append(
            services.rows,
            "viewing.take_over",
            {
                "session_ids": [row.id for row in watched.kept],
                "user_id": successor.user_id,
                "token_hash": successor.token_hash,
            },
            records,
        )
        lost = await _tell_shards(services, watched.kept, successor.user_id)
    ended = [*watched.ended, *lost]
    await revoke_sessions(services, ended)
    gone = {row.id for row in ended}
    return [row.id for row in watched.kept if row.id not in gone], sorted(gone)


async def _tell_shards(
    services: Services, rows: Sequence[sa.Row[Any]], user_id: str
) -> list[sa.Row[Any]]:
    """Have the shards count these as somebody else's from now on; gives those of a shard that did
    not answer: it would go on counting them as who went.
    """
    lost: list[sa.Row[Any]] = []
    by_process: dict[str, list[sa.Row[Any]]] = defaultdict(list)
    for row in rows:
        by_process[row.process].append(row)
    for process, group in by_process.items():
        try:
            await services.processes.client(process).call(
                "live.hand_over", session_ids=[row.id for row in group], user_id=user_id
            )
        except (ConnectionError, TimeoutError, ControlError) as error:
            _log.warning("views could not be handed over", process_name=process, why=str(error))
            lost += group
    return lost


async def leave_to(
    services: Services, connection: HTTPConnection, token_hash: str, successor: Principal
) -> None:
    """A session has given way to a full sign-in in the same browser: at a desk its live views go on
    where the successor has said why they watch; elsewhere everything ends.
    """
    watched = await watched_under(services, token_hash, successor)
    reason = await standing_purpose(services.reader, successor.user_id)
    said = reason is not None or not asks(services.settings, "live")
    if successor.desk_id is None or successor.must_change_password or not said:
        watched = Watched((), watched.kept + watched.ended, watched.cameras)
    await take_over(services, connection, watched, successor, reason or ReasonGiven())
