"""What standing searches found, as one member of the case may see it."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.api.search_hits import Eyes, passage_hit
from gateway.api.search_scope import read_search_cameras
from gateway.api.services import Services
from gateway.audit import ReasonGiven
from gateway.database.investigation_tables import standing_matches
from gateway.database.operating_tables import alarms
from gateway.database.tables import cameras
from gateway.investigations.masked_matches import beneath_masks, match_of
from gateway.investigations.requests import tells_of_match
from gateway.people.authorize import Principal
from gateway.sightings.looks import LookSigner
from search.index.reading import find_passages


async def match_documents(
    connection: AsyncConnection,
    services: Services,
    caller: Principal,
    request: sa.Row[Any],
    *,
    before: int,
    limit: int,
) -> tuple[list[dict[str, Any]], int | None]:
    """``StandingMatch`` documents of a request, the newest first, of cameras where the caller may
    search; and after which number the next page goes on.
    """
    table = standing_matches.c
    told = sa.select(alarms.c.id).where(tells_of_match(caller))
    rows = (
        await connection.execute(
            sa.select(standing_matches)
            .where(table.request_id == request.id, table.id < before, table.alarm_id.in_(told))
            .order_by(table.id.desc())
            .limit(limit + 1)
        )
    ).all()
    page = rows[:limit]
    found = await read_search_cameras(connection, cameras.c.id.in_({row.camera_id for row in page}))
    known = {one.id: one for one in found}
    reason = ReasonGiven(text=request.reason, case_id=request.case_id)
    eyes = Eyes(caller, LookSigner(services.secret), reason)
    await eyes.read(connection, found)
    passages = await find_passages(connection, [row.passage_id for row in page])
    unlifted = [row for row in page if not eyes.may_lift_masks(known[row.camera_id])]
    beneath = await beneath_masks(connection, [match_of(row) for row in unlifted])
    items = []
    for row in page:
        camera = known[row.camera_id]
        if match_of(row).key in beneath:
            continue
        passage = passages.get(row.passage_id)
        items.append(
            {
                "id": str(row.id),
                "request_id": row.request_id,
                "passage_id": str(row.passage_id),
                "camera_id": camera.id,
                "camera_name": camera.name,
                "at_us": row.at_us,
                "found_us": row.found_us,
                "likeness": row.likeness,
                "alarm_id": row.alarm_id,
                "hit": None
                if passage is None
                else passage_hit(eyes, passage, camera, likeness=row.likeness),
            }
        )
    return items, page[-1].id if len(rows) > limit else None
