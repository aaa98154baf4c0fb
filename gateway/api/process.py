"""The API process: FastAPI on uvicorn in one uvloop loop; no media, no state to lose."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Sequence
from typing import Any

import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send

from gateway.api.application import create_app
from gateway.api.hearing import hear
from gateway.api.leader import standing_for_leader
from gateway.api.neighbours import HEAR
from gateway.api.passthrough import open_client
from gateway.api.processes import Processes
from gateway.api.services import Services
from gateway.api.states import CameraStates
from gateway.api.storage import StorageWatch
from gateway.api.sweep import prolong_for_ever
from gateway.api.withdrawal import refresh_for_ever
from gateway.cluster.child import ConfigurationError
from gateway.cluster.lifetime import LoopLag, run, run_until_stopped
from gateway.control.channel import Handler
from gateway.control.serving import control_server
from gateway.database.engine import create_reader_engine
from gateway.database.writer_process import RemoteRowWriter
from gateway.secrets import cluster_secret
from gateway.settings import ListenSettings, Settings
from gateway.store import open_configured_store
from gateway.tickets import TicketSigner
from gateway.transport.machines import serve_machines
from gateway.transport.serving import serving
from gateway.transport.tls import ServedCertificate, TlsError, open_certificate
from gateway.transport.trust_page import trust_app

_STOP_S = 3
_BACKLOG = 512
# Set by nginx alone: see gateway.front.nginx.
PLAIN_HEADER = b"x-gridsight-plain"
_ANY_ON_LOOPBACK = ListenSettings(address="127.0.0.1", port=0)


@contextlib.asynccontextmanager
async def open_services(settings: Settings, name: str = "") -> AsyncIterator[Services]:
    """Everything that the routes work with, and its orderly end. ``name``: of this process, where
    there are several.
    """
    async with contextlib.AsyncExitStack() as stack:
        secret = cluster_secret(settings)
        reader = create_reader_engine(settings)
        stack.push_async_callback(reader.dispose)
        rows = RemoteRowWriter.from_settings(settings)
        stack.push_async_callback(rows.close)
        processes = Processes(settings, secret, reader)
        stack.push_async_callback(processes.close)
        states = CameraStates(reader, processes)
        watching = asyncio.create_task(states.run())
        stack.push_async_callback(_cancelled, watching)
        store = open_configured_store(settings)
        stack.push_async_callback(store.close)
        storage = StorageWatch(settings, reader, store)
        forecasting = asyncio.create_task(storage.run())
        stack.push_async_callback(_cancelled, forecasting)
        services = Services(
            settings=settings,
            secret=secret,
            reader=reader,
            rows=rows,
            signer=TicketSigner(secret),
            processes=processes,
            states=states,
            storage=storage,
            http=await stack.enter_async_context(open_client()),
            lag=LoopLag(),
            name=name,
        )
        stack.push_async_callback(services.neighbours.close)
        await services.imports.open()
        stack.push_async_callback(services.imports.close)
        for work in (
            services.steering.run(),
            services.analysis.run(),
            services.alarm_watch.run(),
            services.alarms.run(),
            services.alarm_notices.run(),
            services.meetings.run(),
            services.incidents.run(),
            services.assist.run(),
            services.notices.run(),
            prolong_for_ever(services),
            refresh_for_ever(services),
        ):
            stack.push_async_callback(_cancelled, asyncio.create_task(work))
        await stack.enter_async_context(standing_for_leader(services))
        yield services


@contextlib.asynccontextmanager
async def serve_http(
    app: ASGIApp,
    listening: socket.socket,
    certificate: ServedCertificate | None = None,
    trusted_proxies: Sequence[str] = (),
) -> AsyncIterator[None]:
    """Answer HTTP on a bound socket, HTTPS where there is a certificate.

    ``trusted_proxies`` may say whom they speak for.
    """
    context = certificate.context if certificate is not None else None
    config = uvicorn.Config(
        app,
        log_config=None,
        log_level="warning",
        access_log=False,
        lifespan="off",
        server_header=False,
        ws_per_message_deflate=False,
        proxy_headers=bool(trusted_proxies),
        forwarded_allow_ips=list(trusted_proxies),
        timeout_graceful_shutdown=_STOP_S,
        ssl_context_factory=None if context is None else lambda *_: context,
    )
    async with serving(config, listening):
        yield


@contextlib.asynccontextmanager
async def serve_guide(
    certificate: ServedCertificate | None, listening: socket.socket | None, https_port: int
) -> AsyncIterator[None]:
    """Answer plain HTTP with the way to HTTPS, and keep the certificate good, if there is one."""
    if certificate is None or listening is None:
        yield
        return
    app = trust_app(certificate.authority, certificate.names, https_port)
    renewing = asyncio.create_task(certificate.look_again_for_ever())
    try:
        async with serve_http(app, listening):
            yield
    finally:
        await _cancelled(renewing)


def bind(listen: ListenSettings, setting: str = "listen.port") -> socket.socket:
    """Bind before anything is started, so that a taken port is said plainly.

    Raises ConfigurationError.
    """
    family = socket.AF_INET6 if ":" in listen.address else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((listen.address, listen.port))
    except OSError as error:
        listening.close()
        raise ConfigurationError(
            f"cannot listen on {listen.address}:{listen.port}: {error.strerror or error}; "
            f"choose another with listen.address and {setting}"
        ) from None
    listening.listen(_BACKLOG)
    listening.setblocking(False)
    return listening


async def serve_api(settings: Settings, name: str) -> None:
    """Serve until told to stop. Raises ConfigurationError.

    Alone it answers where people come. One of several answers on loopback, in plain HTTP, and nginx
    stands in front of them all.
    """
    alone = settings.api.count == 1
    try:
        certificate = await asyncio.to_thread(open_certificate, settings)
    except TlsError as error:
        raise ConfigurationError(str(error)) from None
    listening = bind(settings.listen if alone else _ANY_ON_LOOPBACK)
    port = listening.getsockname()[1]
    plain = None
    if certificate is not None and alone:
        plain_port = settings.tls.http_port
        address = settings.listen.model_copy(update={"port": plain_port})
        plain = bind(address, "tls.http_port")
    async with open_services(settings, "" if alone else name) as services:

        async def status() -> dict[str, Any]:
            return {"event_loop_lag_ms": services.lag.worst_ms(), "leading": services.leading}

        async def heard(kind: str, what: dict[str, Any]) -> None:
            hear(services, kind, what)

        handlers: dict[str, Handler] = {"process.status": status, HEAR: heard}
        control = control_server(settings, name, services.secret, handlers)
        await control.start()
        app: ASGIApp = create_app(services)
        others = serve_machines(settings, name, services.secret, app)
        if certificate is not None and not alone:
            app = with_guide(app, certificate, settings.listen.port)
        try:
            async with (
                serve_http(
                    app,
                    listening,
                    certificate if alone else None,
                    settings.listen.trusted_proxies,
                ),
                serve_guide(certificate, plain, port),
                others as peer_http_port,
            ):
                await run_until_stopped(
                    services.lag,
                    http_port=port,
                    control_port=control.port,
                    peer_http_port=peer_http_port,
                )
        finally:
            await control.close()


def with_guide(app: ASGIApp, certificate: ServedCertificate, https_port: int) -> ASGIApp:
    """The application, and for what came to nginx by plain HTTP, of which it says so in a header,
    the way to HTTPS.
    """
    guide = trust_app(certificate.authority, certificate.names, https_port)

    async def either(scope: Scope, receive: Receive, send: Send) -> None:
        came_plain = scope["type"] == "http" and (PLAIN_HEADER, b"1") in scope["headers"]
        await (guide if came_plain else app)(scope, receive, send)

    return either


async def _cancelled(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def main(settings: Settings, name: str) -> None:
    """Entry point for the supervisor."""
    run(serve_api(settings, name))
