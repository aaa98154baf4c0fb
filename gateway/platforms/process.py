"""The signalling process: every conversation with devices and platforms but the media itself."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any

import structlog

from camera_adapters.device_events import DeviceEvent
from gateway.cluster.lifetime import LoopLag, run, run_until_stopped
from gateway.control.channel import ControlServer, control_path
from gateway.database.engine import create_reader_engine
from gateway.database.writer_process import RemoteRowWriter
from gateway.platforms.calls import device_calls, platform_calls
from gateway.platforms.context import SignallingContext
from gateway.platforms.desired import DesiredPlatforms
from gateway.platforms.held import HeldPlatforms
from gateway.platforms.kinds import KINDS
from gateway.platforms.operations import PlatformKind
from gateway.platforms.reporting import Reporting
from gateway.secrets import cluster_secret
from gateway.settings import Settings

_log = structlog.get_logger(__name__)


async def serve(settings: Settings, name: str) -> None:
    """Run until told to stop. Raises ConfigurationError."""
    async with contextlib.AsyncExitStack() as stack:
        secret = cluster_secret(settings)
        lag = LoopLag()
        rows = RemoteRowWriter.from_settings(settings)
        stack.push_async_callback(rows.close)
        reader = create_reader_engine(settings)
        stack.push_async_callback(reader.dispose)
        reporting = Reporting(rows, name)
        context = SignallingContext(
            settings=settings,
            secret=secret,
            owner=name,
            reader=reader,
            rows=rows,
            sink=reporting,
            on_event=_log_event,
        )
        kinds = [kind for build in KINDS if (kind := build(context)) is not None]
        held = HeldPlatforms(DesiredPlatforms(reader, secret), reader, rows, reporting, kinds, name)
        # Before the kinds close: a goodbye is a state, too.
        writing = asyncio.create_task(reporting.run())
        stack.push_async_callback(_finish, reporting, writing)
        for kind in kinds:
            await kind.start()
            stack.push_async_callback(kind.close)
        handlers: dict[str, Callable[..., Any]] = {
            **platform_calls(held, reporting),
            **device_calls(held),
        }
        for kind in kinds:
            handlers.update(kind.calls())

        async def status() -> dict[str, Any]:
            return {"event_loop_lag_ms": lag.worst_ms(), **_figures(kinds)}

        server = ControlServer(
            control_path(settings, name), secret, {**handlers, "process.status": status}
        )
        await server.start()
        stack.push_async_callback(server.close)
        holding = asyncio.create_task(held.run())
        stack.callback(holding.cancel)
        await run_until_stopped(lag)


def _log_event(platform_id: str, event: DeviceEvent) -> None:
    _log.info("a device tells", platform=platform_id, kind=str(event.kind), channel=event.channel)


def _figures(kinds: list[PlatformKind]) -> dict[str, float]:
    figures: dict[str, float] = {}
    for kind in kinds:
        figures.update(kind.figures())
    return figures


async def _finish(reporting: Reporting, writing: asyncio.Task[None]) -> None:
    writing.cancel()
    with contextlib.suppress(Exception):
        await reporting.flush()


def main(settings: Settings, name: str) -> None:
    """Entry point for the supervisor."""
    run(serve(settings, name))
