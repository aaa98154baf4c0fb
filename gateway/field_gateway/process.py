"""``gridsight field-gateway``: serve until told to stop."""

from __future__ import annotations

import asyncio
from pathlib import Path

import structlog

from gateway.cluster.child import ConfigurationError
from gateway.cluster.lifetime import run_until_stopped
from gateway.field_gateway.page import read_page
from gateway.field_gateway.proxy import FieldGateway
from gateway.settings import Settings
from gateway.transport.outpost import answering, public_context, upstream_client

_log = structlog.get_logger(__name__)

CONSOLE = Path(__file__).resolve().parent.parent / "console"


async def serve_field_gateway(settings: Settings) -> None:
    """Run until SIGTERM or SIGINT. Raises ConfigurationError, saying what to set."""
    wanted = settings.field_gateway
    if not wanted.upstream:
        raise ConfigurationError("say in field_gateway.upstream where the gateway is: https://…")
    try:
        page = await asyncio.to_thread(read_page, CONSOLE)
    except OSError as error:
        raise ConfigurationError(f"the phone page is not built: {error}") from None
    context = await asyncio.to_thread(public_context, wanted)
    async with upstream_client(wanted) as client:
        app = FieldGateway(wanted, page, client, encrypted=context is not None or wanted.behind_tls)
        async with answering(app, wanted, context, wanted.requests_at_once * 4) as port:
            _log.info("the field gateway answers", address=wanted.address, port=port)
            await run_until_stopped(http_port=port)
