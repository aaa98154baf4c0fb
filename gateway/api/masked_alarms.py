"""Alarms as masks let somebody know of them: of a match, or of what happened in a zone, that lies
beneath a mask by now.

The alarm stays, since it was told and people may have acted on it; for who may not lift masks it
says neither what it was nor where in the picture, leads nowhere, and counts nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.database.investigation_tables import standing_matches
from gateway.database.operating_tables import device_events
from gateway.database.zone_tables import ZONE_SOURCE
from gateway.identifiers import now_us
from gateway.investigations.masked_matches import JUDGED_LIMIT, Match, beneath_masks, match_of
from gateway.investigations.standing_rows import STANDING_MATCH
from gateway.masks import MaskVersion, covering, mask_histories
from gateway.people.authorize import Place, Principal, authorize
from gateway.people.roles import Right
from gateway.zones.beside_masks import told_beside_masks

Document = dict[str, Any]
"""``Alarm`` of docs/http-api.md."""

NEUTRAL: dict[str, Any] = {"masked": True}
"""The detail of an alarm of which no more is told."""
_EVENTS_LIMIT = 200


async def beside_masks(
    connection: AsyncConnection, caller: Principal, found: Iterable[tuple[Place, Document]]
) -> list[Document]:
    """The documents as the caller may know them, in their order."""
    placed = list(found)
    unlifted = await for_unlifted(
        connection,
        [document for place, document in placed if not may_lift(caller, place, document)],
    )
    return [unlifted.get(document["id"], document) for _, document in placed]


def may_lift(caller: Principal, place: Place, document: Document) -> bool:
    """Whether the caller may know all of what an alarm is about, there."""
    right = Right.SEARCH if document["kind"] == STANDING_MATCH else Right.LIVE
    return authorize(caller, right, place, now_us()).may_lift_masks


async def for_unlifted(
    connection: AsyncConnection, documents: Sequence[Document]
) -> dict[str, Document]:
    """By id, those of the alarms that say something else to who may not lift masks."""
    about = [one for one in documents if _is_of_match(one) or _is_of_zone(one)]
    if not about:
        return {}
    histories = await mask_histories(connection, {one["camera_id"] for one in about})
    about = [one for one in about if histories[one["camera_id"]]]
    told = await _of_matches(connection, [one for one in about if _is_of_match(one)])
    for one in filter(_is_of_zone, about):
        if await _is_beneath(connection, one, histories[one["camera_id"]]):
            told[one["id"]] = {**one, "detail": dict(NEUTRAL)}
    return told


def _is_of_match(document: Document) -> bool:
    return document["kind"] == STANDING_MATCH and "passage_id" in document["detail"]


def _is_of_zone(document: Document) -> bool:
    source = document["detail"].get("source")
    return document["camera_id"] is not None and str(source).startswith(ZONE_SOURCE)


async def _of_matches(
    connection: AsyncConnection, documents: Sequence[Document]
) -> dict[str, Document]:
    if not documents:
        return {}
    own = {one["id"]: _own_match(one) for one in documents}
    table = standing_matches.c
    # One alarm may stand for many matches.
    rows = await connection.execute(
        sa.select(standing_matches)
        .where(table.alarm_id.in_(list(own)))
        .order_by(table.id.desc())
        .limit(JUDGED_LIMIT)
    )
    further: list[tuple[str, Match]] = []
    judged = 0
    for row in rows:
        judged += 1
        match = match_of(row)
        if match.key == own[row.alarm_id].key:
            own[row.alarm_id] = match
        else:
            further.append((row.alarm_id, match))
    beneath = await beneath_masks(connection, [*own.values(), *(one for _, one in further)])
    seen = Counter(alarm_id for alarm_id, one in further if one.key not in beneath)
    unseen = Counter(alarm_id for alarm_id, one in further if one.key in beneath)
    told = {}
    for one in documents:
        if own[one["id"]].key in beneath:
            told[one["id"]] = {**one, "detail": dict(NEUTRAL)}
        elif unseen[one["id"]] or judged == JUDGED_LIMIT:
            detail = {name: value for name, value in one["detail"].items() if name != "more"}
            # Where not all were judged, what was seen among those is not how many there are.
            if seen[one["id"]] and judged < JUDGED_LIMIT:
                detail["more"] = seen[one["id"]]
            told[one["id"]] = {**one, "detail": detail}
    return told


def _own_match(document: Document) -> Match:
    """The match that raised an alarm; its row has gone with its request, maybe."""
    detail, at_us = document["detail"], document["begin_us"]
    passage_id = int(detail["passage_id"])
    return Match(detail["request_id"], passage_id, document["camera_id"], at_us, at_us)


async def _is_beneath(
    connection: AsyncConnection, document: Document, versions: Sequence[MaskVersion]
) -> bool:
    """Whether nothing of what happened in the zone meanwhile is told beside the masks."""
    begin_us = document["begin_us"]
    end_us = now_us() if document["end_us"] is None else document["end_us"]
    if not covering(versions, begin_us, max(begin_us, end_us) + 1):
        return False
    table = device_events.c
    rows = await connection.execute(
        sa.select(device_events)
        .where(
            table.camera_id == document["camera_id"],
            table.kind == document["kind"],
            table.source == document["detail"]["source"],
            table.begin_us >= begin_us,
            table.begin_us <= max(begin_us, end_us),
        )
        .order_by(table.begin_us)
        .limit(_EVENTS_LIMIT)
    )
    return not any(told_beside_masks(dict(row), versions) for row in rows.mappings())
