"""``gridsight hotline-adapter``: serve until told to stop."""

from __future__ import annotations

import asyncio
import sqlite3

import aiohttp
import structlog

from gateway.cluster.child import ConfigurationError
from gateway.cluster.lifetime import run_until_stopped
from gateway.hotline_adapter.adapter import Adapter
from gateway.hotline_adapter.application import hotline_application
from gateway.hotline_adapter.gateway_client import GatewayClient
from gateway.hotline_adapter.memory import Memory
from gateway.settings import Settings
from gateway.transport.outpost import answering, public_context, upstream_client

_log = structlog.get_logger(__name__)

_REQUESTS_AT_ONCE = 100
_FILE = "hotline-adapter.sqlite3"


async def serve_hotline_adapter(settings: Settings) -> None:
    """Run until SIGTERM or SIGINT. Raises ConfigurationError, saying what to set."""
    wanted = settings.hotline_adapter
    for name in ("upstream", "token", "webhook_secret", "hotline_url", "hotline_secret"):
        if not getattr(wanted, name):
            raise ConfigurationError(f"hotline_adapter.{name} is not set: see integration.md")
    path = settings.data_directory / _FILE
    try:
        memory = await asyncio.to_thread(Memory, path)
    except (OSError, sqlite3.Error) as error:
        raise ConfigurationError(f"{path} cannot be used: {error}") from None
    context = await asyncio.to_thread(public_context, wanted)
    try:
        async with upstream_client(wanted) as upstream, _hotline_client() as hotline:
            adapter = Adapter(wanted, GatewayClient(wanted, upstream), hotline, memory)
            app = hotline_application(wanted, adapter, memory)
            async with answering(app, wanted, context, _REQUESTS_AT_ONCE) as port:
                _log.info("the hotline adapter answers", address=wanted.address, port=port)
                await run_until_stopped(http_port=port)
    finally:
        memory.close()


def _hotline_client() -> aiohttp.ClientSession:
    return aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar())
