"""Dialogs in which a platform above is sent media, written down: a process that is killed leaves
them open up there, with a black picture and a stream that is counted. The next one ends them.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
import structlog
from sqlalchemy.ext.asyncio import AsyncEngine

from camera_adapters.sip.endpoint import SipEndpoint, SipSession
from camera_adapters.sip.peer import Peer
from gateway.control.channel import ControlError
from gateway.database.gb28181_tables import gb28181_dialogs
from gateway.identifiers import now_us
from gateway.platforms.operations import DesiredPlatform
from recorder.rows import RowError, RowWriter

_log = structlog.get_logger(__name__)

_FAULTS = (ConnectionError, TimeoutError, ControlError, RowError)


async def keep_dialog(
    rows: RowWriter,
    platform_id: str,
    session: SipSession,
    purpose: str,
    channel: str,
    facts: Mapping[str, Any],
) -> None:
    """Write a dialog down, before its first packet. A failure costs no session."""
    try:
        await rows.write(
            "gb28181.keep_dialog",
            columns={
                "call_id": session.call_id,
                "platform_id": platform_id,
                "channel": channel,
                "purpose": purpose,
                "ssrc": 0,
                "journal": session.to_journal(),
                "answer": dict(facts),
                "created_us": now_us(),
            },
        )
    except _FAULTS as error:
        _log.warning("a dialog with a platform above could not be written down", why=str(error))


async def forget_dialog(rows: RowWriter, call_id: str) -> None:
    """It is over."""
    with contextlib.suppress(*_FAULTS):
        await rows.write("gb28181.end_dialogs", call_ids=[call_id])


async def end_left_behind(
    reader: AsyncEngine, rows: RowWriter, endpoint: SipEndpoint, platform: DesiredPlatform
) -> list[Mapping[str, Any]]:
    """Say BYE in each dialog of an earlier process with this platform; gives their rows.

    Raises what reading and writing rows raise.
    """
    statement = sa.select(gb28181_dialogs).where(gb28181_dialogs.c.platform_id == platform.id)
    async with reader.connect() as connection:
        rows_found = (await connection.execute(statement)).mappings()
        found: list[Mapping[str, Any]] = [dict(row) for row in rows_found]
    sessions: list[SipSession] = []
    for row in found:
        try:
            session = endpoint.resume(row["journal"])
        except (KeyError, ValueError, TypeError):
            _log.error("a dialog cannot be read", call_id=row["call_id"])
            continue
        if session.peer.transport == "tcp":
            # Its connection went with the earlier process.
            session.peer = Peer(session.peer.host, platform.port or 5060, "tcp")
        sessions.append(session)
    # One that does not answer is waited for no longer than all.
    await asyncio.gather(*(session.end() for session in sessions), return_exceptions=True)
    if found:
        await rows.write("gb28181.end_dialogs", call_ids=[row["call_id"] for row in found])
    return found
