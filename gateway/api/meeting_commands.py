"""What every command in a meeting does: decide, write it with its record, tell who has to know."""

from __future__ import annotations

import asyncio
from typing import Any

import sqlalchemy as sa
import structlog
from fastapi import Request

from gateway.api.access import act
from gateway.api.meeting_access import Seat
from gateway.api.services import Services
from gateway.control.channel import ControlError
from gateway.database.meeting_tables import meeting_participants, meetings
from gateway.people.authorize import Principal

_log = structlog.get_logger(__name__)

# It looks at the rows by itself within seconds; nobody waits longer than this for it.
_TELL_S = 1.0


async def command(
    services: Services,
    request: Request,
    caller: Principal,
    seat: Seat,
    action: str,
    operation: str,
    arguments: dict[str, Any] | None = None,
    *,
    result_as: str | None = None,
    names_meeting: bool = True,
    **detail: Any,
) -> Any:
    """Run a row operation on the meeting (or on something of it that has its own name), with a
    record, and have its room look at once.
    """
    result = await act(
        services, request, caller, f"meeting.{action}", operation,
        {**({"meeting_id": seat.id} if names_meeting else {}), **(arguments or {})},
        area=seat.place.area_path or None, result_as=result_as,
        detail={"meeting": seat.id, "title": seat.meeting.title, **detail},
    )  # fmt: skip
    await changed(services, seat.id)
    return result


async def changed(services: Services, meeting_id: str) -> None:
    """Have the shards of a running meeting look at its rows, and tell pages that it is another."""
    services.meetings.look()
    own = meeting_participants.c
    elsewhere = sa.select(own.shard).where(own.meeting_id == meeting_id).distinct()
    async with services.reader.connect() as connection:
        shards = await connection.scalars(
            sa.select(meetings.c.shard).where(meetings.c.id == meeting_id).union(elsewhere)
        )
    told = [tell_shard(services, one, "meetings.reconcile") for one in shards if one is not None]
    await asyncio.gather(*told)


async def tell_shard(services: Services, shard: str, call: str, **arguments: Any) -> None:
    """Call a shard that may be away: it reads the rows when it is back."""
    try:
        async with asyncio.timeout(_TELL_S):
            await services.processes.client(shard).call(call, **arguments)
    except (ConnectionError, TimeoutError, ControlError) as error:
        _log.info("a shard could not be told of a meeting", process_name=shard, why=str(error))
