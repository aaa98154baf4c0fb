"""The state of the whole: for people, for Prometheus, for a load balancer."""

from __future__ import annotations

import asyncio
import hmac
from typing import Any

import sqlalchemy as sa
from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse, PlainTextResponse

from gateway.api.access import Caller, check, client_address, find_caller
from gateway.api.errors import ApiError
from gateway.api.exposition import exposition
from gateway.api.outbox_figures import outbox_families
from gateway.api.services import Services, ServicesDep
from gateway.api.system_answers import Health, SystemState
from gateway.people.authorize import COUNTY
from gateway.people.roles import Right
from gateway.transcoder.choosing import places
from gateway.version import VERSION

router = APIRouter(tags=["system"])

_LOOPBACK = ("127.0.0.1", "::1")


@router.get("/api/system", response_model=SystemState)
async def read_system(caller: Caller, services: ServicesDep) -> dict[str, Any]:
    """Processes, storage and its forecast, the transcoder's queue."""
    check(caller, Right.SYSTEM, COUNTY)
    statuses, storage = await asyncio.gather(services.processes.statuses(), services.storage.look())
    shards = []
    for name in await services.processes.names("shard"):
        status = statuses.get(name) or {}
        shards.append(
            {
                "name": name,
                "up": statuses.get(name) is not None,
                "cameras": status.get("cameras", 0),
                "event_loop_lag_ms": status.get("event_loop_lag_ms"),
                "spool_bytes": status.get("spool_bytes"),
            }
        )
    return {
        "version": VERSION,
        "demo": services.settings.demo,
        "shards": shards,
        "processes": [
            {"name": name, "up": status is not None, **_loop(status)}
            for name, status in sorted(statuses.items())
        ],
        "storage": storage,
        "store": services.storage.state.document() if services.storage.state else None,
        "transcoder": await _transcoder(services),
    }


@router.get("/healthz", response_model=Health, responses={503: {"model": Health}})
async def healthz(services: ServicesDep) -> Response:
    """200 while everything that is needed answers, 503 otherwise. Names processes and the store,
    nothing else; a store that is away does not change the answer's status.
    """
    checks: dict[str, str] = {}
    try:
        async with services.reader.connect() as connection:
            await connection.execute(sa.select(1))
        checks["database"] = "ok"
        for name, status in (await services.processes.statuses()).items():
            checks[name] = "ok" if status is not None else "does not answer"
    except sa.exc.DBAPIError:
        checks["database"] = "cannot be read"
    healthy = all(value == "ok" for value in checks.values())
    store = services.storage.state
    if store is not None:
        # Footage waits in the spool meanwhile: nobody is served better by another process.
        checks["store"] = "ok" if store.problem is None else "takes nothing; footage waits"
    body = {"status": "ok" if healthy else "degraded", "checks": checks}
    return JSONResponse(body, 200 if healthy else 503, {"Cache-Control": "no-store"})


@router.get("/metrics", response_class=PlainTextResponse)
async def metrics(request: Request, services: ServicesDep) -> Response:
    """Prometheus text. With ``metrics.token`` set, ask with it as a bearer token; else from
    loopback, or signed in with the right to see the system.
    """
    await _may_scrape(request, services)
    statuses = await services.processes.statuses()
    text = exposition(services, statuses, await outbox_families(services.reader))
    return PlainTextResponse(text, media_type="text/plain; version=0.0.4; charset=utf-8")


async def _may_scrape(request: Request, services: Services) -> None:
    token = services.settings.metrics.token
    given = request.headers.get("authorization", "")
    if token is not None:
        expected = f"Bearer {token.get_secret_value()}"
        if hmac.compare_digest(given.encode(), expected.encode()):
            return
    elif client_address(request) in _LOOPBACK and "x-forwarded-for" not in request.headers:
        return
    principal = await find_caller(request, services)
    if principal is None:
        raise ApiError(401, "sign_in_required", "sign in, or ask with the metrics token")
    check(principal, Right.SYSTEM, COUNTY)


def _loop(status: dict[str, Any] | None) -> dict[str, Any]:
    return {"event_loop_lag_ms": (status or {}).get("event_loop_lag_ms")}


async def _transcoder(services: Services) -> dict[str, Any]:
    try:
        status = await places(services.processes.transcoders())
    except ConnectionError:
        return {"running": 0, "queued": 0, "limit": 0, "up": False}
    names = ("running", "queued", "limit")
    return {**{name: status.get(name, 0) for name in names}, "up": True}
