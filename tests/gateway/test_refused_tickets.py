"""Forged and expired tickets are on record, with the address that they came from."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from pathlib import Path

import httpx
import sqlalchemy as sa
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from gateway.database.tables import audit_log
from gateway.database.writer_process import load_operations
from gateway.identifiers import now_us
from gateway.live.whep import SessionRefused
from gateway.refused_tickets import KnownPeer, RefusedTickets
from gateway.settings import Settings
from gateway.shard.sessions import LiveSessions
from gateway.tickets import Ticket, TicketSigner
from recorder.rows import LocalRowWriter
from tests.gateway.kept import new_database

SIGNER = TicketSigner(bytes(32))
TICKET = Ticket(
    session_id="ses_1",
    user_id="usr_1",
    user_name="chen",
    camera_ids=("cam_1",),
    variant="main",
    action="live",
    start_us=None,
    end_us=None,
    expires_us=0,
    may_lift_masks=False,
)


async def test_each_kind_of_refusal_is_on_record_once_a_minute_from_each_address(
    tmp_path: Path,
) -> None:
    load_operations()
    engine = new_database(Settings(data_directory=tmp_path))
    rows = LocalRowWriter(engine)
    refused = RefusedTickets(rows, "shard-1")
    sessions = LiveSessions(SIGNER, on_refused=refused.note)

    async def open_live(request: Request) -> Response:
        try:
            sessions.open(request.query_params["ticket"])
        except SessionRefused as error:
            return Response(status_code=error.status)
        return Response()

    app = KnownPeer(Starlette(routes=[Route("/", open_live)]))
    valid = replace(TICKET, expires_us=now_us() + 600_000_000)
    good = SIGNER.sign(valid)
    expired = SIGNER.sign(TICKET)
    forged = TicketSigner(b"x" * 32).sign(valid)

    async def ask(address: str, ticket: str) -> int:
        transport = httpx.ASGITransport(app, client=(address, 4000))
        async with httpx.AsyncClient(transport=transport, base_url="http://shard") as client:
            return (await client.get("/", params={"ticket": ticket})).status_code

    assert await ask("10.0.0.1", good) == 200
    for address, ticket in (("10.0.0.1", expired), ("10.0.0.1", forged), ("10.0.0.2", forged)):
        assert [await ask(address, ticket) for _ in range(20)] == [401] * 20
    await asyncio.gather(*refused._writing)
    await asyncio.to_thread(rows.close)
    with engine.connect() as connection:
        found = connection.execute(sa.select(audit_log).order_by(audit_log.c.sequence)).all()
    engine.dispose()
    assert {row.action for row in found} == {"ticket.refused"}
    assert [(row.address, json.loads(row.detail)["why"]) for row in found] == [
        ("10.0.0.1", "the ticket has expired: ask for a new one"),
        ("10.0.0.1", "the ticket's signature is wrong"),
        ("10.0.0.2", "the ticket's signature is wrong"),
    ]
