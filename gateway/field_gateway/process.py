"""``gridsight field-gateway``: serve until told to stop."""

from __future__ import annotations

import asyncio
import socket
import ssl
from pathlib import Path

import aiohttp
import structlog
import uvicorn

from gateway.cluster.child import ConfigurationError
from gateway.cluster.lifetime import run_until_stopped
from gateway.field_gateway.page import read_page
from gateway.field_gateway.proxy import FieldGateway
from gateway.settings import Settings
from gateway.settings.field import FieldGatewaySettings
from gateway.transport.serving import serving

_log = structlog.get_logger(__name__)

CONSOLE = Path(__file__).resolve().parent.parent / "console"
_CONNECTIONS = 200
_RELOADED_S = 3600.0


async def serve_field_gateway(settings: Settings) -> None:
    """Run until SIGTERM or SIGINT. Raises ConfigurationError, saying what to set."""
    wanted = settings.field_gateway
    if not wanted.upstream:
        raise ConfigurationError("say in field_gateway.upstream where the gateway is: https://…")
    try:
        page = await asyncio.to_thread(read_page, CONSOLE)
    except OSError as error:
        raise ConfigurationError(f"the phone page is not built: {error}") from None
    context = await asyncio.to_thread(_public_context, wanted)
    listening = _bind(wanted)
    async with upstream_client(wanted) as client:
        app = FieldGateway(wanted, page, client, encrypted=context is not None or wanted.behind_tls)
        config = uvicorn.Config(
            app,
            log_config=None,
            log_level="warning",
            access_log=False,
            lifespan="off",
            server_header=False,
            ws="none",
            limit_concurrency=wanted.requests_at_once * 4,
            timeout_keep_alive=20,
            timeout_graceful_shutdown=5,
            h11_max_incomplete_event_size=32 * 1024,
            proxy_headers=bool(wanted.trusted_proxies),
            forwarded_allow_ips=list(wanted.trusted_proxies),
            ssl_context_factory=None if context is None else lambda *_: context,
        )
        renewing = asyncio.create_task(_renew(context, wanted))
        try:
            async with serving(config, listening):
                _log.info("the field gateway answers", address=wanted.address, port=wanted.port)
                await run_until_stopped(http_port=listening.getsockname()[1])
        finally:
            renewing.cancel()


def upstream_client(settings: FieldGatewaySettings) -> aiohttp.ClientSession:
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
                f"field_gateway.upstream_authority or client_certificate: {error}"
            ) from None
        context.minimum_version = ssl.TLSVersion.TLSv1_2
    connector = aiohttp.TCPConnector(limit=_CONNECTIONS, ssl=context)
    return aiohttp.ClientSession(
        connector=connector, cookie_jar=aiohttp.DummyCookieJar(), auto_decompress=False
    )


def _bind(settings: FieldGatewaySettings) -> socket.socket:
    family = socket.AF_INET6 if ":" in settings.address else socket.AF_INET
    try:
        listening = socket.create_server((settings.address, settings.port), family=family)
    except OSError as error:
        raise ConfigurationError(
            f"cannot listen on {settings.address}:{settings.port}: {error.strerror or error}; "
            "choose another with field_gateway.address and field_gateway.port"
        ) from None
    listening.setblocking(False)
    return listening


def _public_context(settings: FieldGatewaySettings) -> ssl.SSLContext | None:
    if settings.certificate is None or settings.key is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    _load(context, settings.certificate, settings.key)
    return context


def _load(context: ssl.SSLContext, certificate: Path, key: Path) -> None:
    try:
        context.load_cert_chain(certificate, key)
    except OSError as error:
        raise ConfigurationError(f"field_gateway.certificate cannot be served: {error}") from None


async def _renew(context: ssl.SSLContext | None, settings: FieldGatewaySettings) -> None:
    """Public certificates last weeks: what lies in their place is served within the hour."""
    while context is not None and settings.certificate is not None and settings.key is not None:
        await asyncio.sleep(_RELOADED_S)
        try:
            await asyncio.to_thread(_load, context, settings.certificate, settings.key)
        except ConfigurationError as error:
            _log.error("the certificate is not renewed", why=str(error))
