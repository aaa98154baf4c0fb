"""The signalling process: every conversation with devices and platforms but the media itself."""

from __future__ import annotations

import asyncio
import contextlib
import gc
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import structlog
from sqlalchemy.ext.asyncio import AsyncEngine

from gateway.cluster.interface import SIGNALLING
from gateway.cluster.lifetime import LoopLag, run, run_until_stopped
from gateway.control.serving import control_server
from gateway.database.engine import create_reader_engine
from gateway.database.writer_process import RemoteRowWriter
from gateway.meetings.telephone.exchange import TelephoneExchange
from gateway.platforms.calls import device_calls, platform_calls
from gateway.platforms.context import SignallingContext
from gateway.platforms.desired import DesiredPlatforms
from gateway.platforms.event_storing import EventStoring
from gateway.platforms.held import HeldPlatforms
from gateway.platforms.kinds import KINDS
from gateway.platforms.operations import DeviceOperations, PlatformKind
from gateway.platforms.patrolling import Patrolling
from gateway.platforms.reporting import Reporting
from gateway.platforms.standby import standing_by
from gateway.platforms.steering import CameraSteering
from gateway.platforms.steering_calls import steering_calls
from gateway.secrets import cluster_secret
from gateway.settings import Settings
from recorder.rows import RowWriter

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
        port = await stack.enter_async_context(standing(settings, name, secret, reader, rows, lag))
        await run_until_stopped(lag, control_port=port)


@contextlib.asynccontextmanager
async def standing(
    settings: Settings,
    name: str,
    secret: bytes,
    reader: AsyncEngine,
    rows: RowWriter,
    lag: LoopLag,
) -> AsyncIterator[int | None]:
    """Speak, or on several machines wait for the lease and then speak; gives the port at which
    other machines reach this process. Raises ConfigurationError.
    """
    if settings.cluster.listen_address is None:
        async with speaking(settings, secret, reader, rows, lag) as port:
            yield port
        return

    def speak(fenced: RowWriter) -> contextlib.AbstractAsyncContextManager[int | None]:
        return speaking(settings, secret, reader, fenced, lag)

    async with standing_by(settings, name, secret, reader, rows, speak, lag) as port:
        yield port


@contextlib.asynccontextmanager
async def speaking(
    settings: Settings, secret: bytes, reader: AsyncEngine, rows: RowWriter, lag: LoopLag
) -> AsyncIterator[int | None]:
    """Hold all conversations, and answer on the control channel ``signalling``; gives its port for
    other machines. Raises ConfigurationError.
    """
    name = SIGNALLING
    async with contextlib.AsyncExitStack() as stack:
        reporting = Reporting(rows, name)
        events = EventStoring(rows, reader, default_days=settings.retention.days)

        async def device_of(camera_id: str) -> tuple[DeviceOperations, str]:
            return await held.device_of(camera_id)

        steering = CameraSteering(
            rows,
            reader,
            device_of,
            idle_s=settings.steering.idle_s,
            move_timeout_s=settings.steering.move_timeout_s,
        )
        patrolling = Patrolling(steering, reader)
        context = SignallingContext(
            settings=settings,
            secret=secret,
            owner=name,
            reader=reader,
            rows=rows,
            sink=reporting,
            on_event=events.take,
            steer=steering.command,
        )
        kinds = [kind for build in KINDS if (kind := build(context)) is not None]
        held = HeldPlatforms(DesiredPlatforms(reader, secret), reader, rows, reporting, kinds, name)
        # Before the kinds close: a goodbye is a state, too.
        writing = asyncio.create_task(reporting.run())
        stack.push_async_callback(_finish, reporting.flush, writing)
        storing = asyncio.create_task(events.run())
        stack.push_async_callback(_finish, events.flush, storing)
        for kind in kinds:
            await kind.start()
            stack.push_async_callback(kind.close)
        telephones = None
        if settings.meetings.sip.enabled:
            telephones = TelephoneExchange(settings, secret, reader, rows)
            await telephones.start()
            stack.push_async_callback(telephones.close)
        handlers: dict[str, Callable[..., Any]] = {
            **platform_calls(held, reporting),
            **device_calls(held),
            **steering_calls(steering, patrolling),
            "events.watch": events.watch,
        }
        for kind in kinds:
            handlers.update(kind.calls())

        async def status() -> dict[str, Any]:
            return {
                "event_loop_lag_ms": lag.worst_ms(),
                **events.figures(),
                **_figures(kinds),
                **({} if telephones is None else telephones.figures()),
            }

        server = control_server(settings, name, secret, {**handlers, "process.status": status})
        await server.start()
        stack.push_async_callback(server.close)
        holding = asyncio.create_task(held.run())
        stack.callback(holding.cancel)
        # Before the devices are out of reach: what moves is stopped.
        stack.push_async_callback(steering.close)
        for work in (steering.run(), patrolling.run()):
            stack.callback(asyncio.create_task(work).cancel)
        yield server.port


def _figures(kinds: list[PlatformKind]) -> dict[str, float]:
    figures: dict[str, float] = {}
    for kind in kinds:
        figures.update(kind.figures())
    return figures


async def _finish(flush: Callable[[], Awaitable[None]], writing: asyncio.Task[None]) -> None:
    writing.cancel()
    with contextlib.suppress(Exception):
        await flush()


def main(settings: Settings, name: str) -> None:
    """Entry point for the supervisor."""
    # What is held of platforms lives long, and most of what they send dies at once: looking through
    # all of it every few thousand allocations holds the loop for a tenth of a second at a time.
    gc.set_threshold(20_000, 10, 100)
    gc.freeze()
    run(serve(settings, name))
