"""Recordings of meetings as the API shows them, with what the caller may do."""

from __future__ import annotations

import asyncio
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.api.errors import not_found
from gateway.api.meeting_recording_access import watchable
from gateway.api.meeting_recording_cameras import cameras_in
from gateway.api.services import Services
from gateway.control.channel import ControlError
from gateway.database.meeting_tables import meetings
from gateway.identifiers import US_PER_S, now_us
from gateway.meetings.recording.access import Viewer, read_recorded
from gateway.meetings.recording.reading import add_timeline, read_recordings
from gateway.people.authorize import Principal, authorize
from gateway.people.roles import Right
from recorder.segments import Segment

# What ended longer ago is in store and index.
_SETTLED_US = 900 * US_PER_S
_OPEN_TRACKS_LIMIT = 32
_DAY_US = 24 * 3600 * US_PER_S


async def recording_documents(
    services: Services,
    connection: AsyncConnection,
    caller: Principal,
    meeting_ids: set[str],
    recording_id: str | None = None,
) -> list[dict[str, Any]]:
    """Recordings with what the caller may do with them. Raises ApiError 404 for an unknown one."""
    at_us = now_us()
    viewer = Viewer.of(caller, at_us)
    recorded = await read_recorded(connection, meeting_ids, at_us)
    titles = {
        row.id: row.title
        for row in await connection.execute(
            sa.select(meetings.c.id, meetings.c.title).where(meetings.c.id.in_(meeting_ids))
        )
    }
    found = await read_recordings(connection, sorted(meeting_ids), recording_id)
    if recording_id is not None and not found:
        raise not_found("recording")
    cameras = await cameras_in(connection, caller, found)
    documents = []
    for one in found:
        meeting = recorded[one["meeting_id"]]
        leads = meeting.leads(viewer)
        can = ["play"] if meeting.watches(viewer) else []
        if leads and one["ended_us"] is not None and _takes(cameras[one["id"]]):
            can += ["render", "download"]
        if leads or authorize(caller, Right.HOLD, meeting.place, at_us).allowed:
            can.append("hold")
        if leads:
            can.append("pass")
        documents.append(
            {
                **one,
                "title": titles[one["meeting_id"]],
                "expires_us": _expires_us(services, one),
                "can": can,
                "cameras": cameras[one["id"]] if leads else [],
            }
        )
    return documents


async def recording_detail(
    services: Services, caller: Principal, meeting_id: str, recording_id: str
) -> dict[str, Any]:
    """One with its time line, for who may watch or hold it. Raises ApiError 403, 404."""
    async with services.reader.connect() as connection:
        recorded = await read_recorded(connection, [meeting_id], now_us())
        if meeting_id not in recorded:
            raise not_found("meeting")
        if not authorize(caller, Right.HOLD, recorded[meeting_id].place, now_us()).allowed:
            await watchable(connection, caller, meeting_id)
        (document,) = await recording_documents(
            services, connection, caller, {meeting_id}, recording_id
        )
        shard = await connection.scalar(
            sa.select(meetings.c.shard).where(meetings.c.id == meeting_id)
        )
    at_us = now_us()
    unsettled = document["ended_us"] is None or at_us - document["ended_us"] < _SETTLED_US
    opened = await _open_segments(services, shard, document) if unsettled and shard else {}
    async with services.reader.connect() as connection:
        return await add_timeline(connection, document, at_us, opened)


def _takes(cameras: list[dict[str, Any]]) -> bool:
    return all(one["may_export"] for one in cameras)


def _expires_us(services: Services, document: dict[str, Any]) -> int | None:
    """When retention takes it; None while it runs or is held."""
    if document["ended_us"] is None or document["held"] is not None:
        return None
    return int(document["ended_us"] + services.settings.meetings.recording_days * _DAY_US)


async def _open_segments(
    services: Services, shard: str, document: dict[str, Any]
) -> dict[str, list[Segment]]:
    """What the shard has not stored yet; nothing of one that is away."""

    async def of(source_id: str) -> tuple[str, list[Segment]]:
        try:
            answer = await services.processes.client(shard).call(
                "spool.open_segments", source_id=source_id
            )
        except (ConnectionError, TimeoutError, ControlError):
            return source_id, []
        return source_id, [Segment.from_message(one) for one in answer["segments"]]

    ids = [one["footage_id"].replace(".", "/") for one in document["tracks"]]
    return dict(await asyncio.gather(*(of(one) for one in ids[:_OPEN_TRACKS_LIMIT])))
