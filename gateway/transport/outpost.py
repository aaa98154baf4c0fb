"""What processes that stand alone have in common: how they are reached, and reach the gateway."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import structlog
import uvicorn

from gateway.cluster.child import ConfigurationError
from gateway.settings.outpost import OutpostSettings
from gateway.transport.serving import serving

_log = structlog.get_logger(__name__)

_CONNECTIONS = 200
_RELOADED_S = 3600.0


@contextlib.asynccontextmanager
async def answering(
    app: Any, settings: OutpostSettings, context: ssl.SSLContext | None, requests_at_once: int
) -> AsyncIterator[int]:
    """Answer where the settings say, and give the port. Public certificates last weeks: what lies
    in their place is served within the hour. Raises ConfigurationError.
    """
    listening = _bind(settings)
    config = uvicorn.Config(
        app,
        log_config=None,
        log_level="warning",
        access_log=False,
        lifespan="off",
        server_header=False,
        ws="none",
        limit_concurrency=requests_at_once,
        timeout_keep_alive=20,
        timeout_graceful_shutdown=5,
        h11_max_incomplete_event_size=32 * 1024,
        proxy_headers=bool(settings.trusted_proxies),
        forwarded_allow_ips=list(settings.trusted_proxies),
        ssl_context_factory=None if context is None else lambda *_: context,
    )
    renewing = asyncio.create_task(_renew(context, settings))
    try:
        async with serving(config, listening):
            port: int = listening.getsockname()[1]
            yield port
    finally:
        renewing.cancel()


def upstream_client(settings: OutpostSettings) -> aiohttp.ClientSession:
    """Connections to the gateway, whose certificate is checked against the authority that is
    configured, and no other. Raises ConfigurationError.
    """
    context: ssl.SSLContext | bool = True
    if settings.upstream.startswith("https://"):
        try:
            context = ssl.create_default_context(cafile=settings.upstream_authority)
            if settings.client_certificate is not None:
                context.load_cert_chain(settings.client_certificate, settings.client_key)
        except OSError as error:
            raise ConfigurationError(
                f"{settings.section}.upstream_authority or client_certificate: {error}"
            ) from None
        context.minimum_version = ssl.TLSVersion.TLSv1_2
    connector = aiohttp.TCPConnector(limit=_CONNECTIONS, ssl=context)
    return aiohttp.ClientSession(
        connector=connector, cookie_jar=aiohttp.DummyCookieJar(), auto_decompress=False
    )


def public_context(settings: OutpostSettings) -> ssl.SSLContext | None:
    """What others see; None where no certificate is configured. Raises ConfigurationError."""
    if settings.certificate is None or settings.key is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    _load(context, settings.section, settings.certificate, settings.key)
    return context


def _bind(settings: OutpostSettings) -> socket.socket:
    family = socket.AF_INET6 if ":" in settings.address else socket.AF_INET
    try:
        listening = socket.create_server((settings.address, settings.port), family=family)
    except OSError as error:
        raise ConfigurationError(
            f"cannot listen on {settings.address}:{settings.port}: {error.strerror or error}; "
            f"choose another with {settings.section}.address and {settings.section}.port"
        ) from None
    listening.setblocking(False)
    return listening


def _load(context: ssl.SSLContext, section: str, certificate: Path, key: Path) -> None:
    try:
        context.load_cert_chain(certificate, key)
    except OSError as error:
        raise ConfigurationError(f"{section}.certificate cannot be served: {error}") from None


async def _renew(context: ssl.SSLContext | None, settings: OutpostSettings) -> None:
    while context is not None and settings.certificate is not None and settings.key is not None:
        await asyncio.sleep(_RELOADED_S)
        try:
            await asyncio.to_thread(
                _load, context, settings.section, settings.certificate, settings.key
            )
        except ConfigurationError as error:
            _log.error("the certificate is not renewed", why=str(error))
