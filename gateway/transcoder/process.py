"""The transcoder process: the pool behind the control channel."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

from camera_adapters.stream import Track
from gateway.cluster.lifetime import LoopLag, run, run_until_stopped
from gateway.control.channel import ControlError
from gateway.control.serving import control_server
from gateway.secrets import cluster_secret
from gateway.settings import Settings
from gateway.transcoder.errors import TranscodeError
from gateway.transcoder.pool import Event, Job, TranscoderPool
from gateway.transcoder.stamp import Stamp
from gateway.transcoder.wire import track_from_wire, units_from_wire

EVENTS_WAITING_LIMIT = 1000


def handlers(pool: TranscoderPool) -> dict[str, Callable[..., Any]]:
    """What this process answers: ``transcode.open``, ``picture.jpeg``, ``transcode.status``."""

    async def transcode_open(
        kind: str,
        track: dict[str, Any],
        live: bool,
        masks: list[Any],
        incoming: Any,
        stamp: Any = None,
    ) -> AsyncIterator[Event]:
        if kind not in ("video", "aac", "opus"):
            raise ControlError("unsupported", f"no such kind of job: {kind}")
        events: asyncio.Queue[Event | None] = asyncio.Queue()
        job = pool.open(
            kind,  # type: ignore[arg-type]
            _track(track),
            live=live,
            deliver=events.put_nowait,
            masks=masks,
            stamp=_stamp(stamp),
        )
        feeding = asyncio.ensure_future(_feed(pool, job, incoming))
        try:
            while (event := await events.get()) is not None:
                if events.qsize() > EVENTS_WAITING_LIMIT:
                    raise ControlError("too_slow", "the caller does not take what is made for it")
                yield event
        finally:
            feeding.cancel()
            pool.close_job(job)

    async def picture_jpeg(
        track: dict[str, Any],
        units: list[Any],
        at_90k: int | None,
        width: int | None,
        masks: list[Any],
        lines: list[str],
    ) -> bytes:
        try:
            return await pool.picture(
                _track(track), units_from_wire(units), at_90k, width, masks=masks, lines=lines
            )
        except TranscodeError as error:
            raise ControlError(error.code, str(error)) from error

    async def transcode_status() -> dict[str, int]:
        return pool.status()

    return {
        "transcode.open": transcode_open,
        "picture.jpeg": picture_jpeg,
        "transcode.status": transcode_status,
    }


def _stamp(value: dict[str, Any] | None) -> Stamp | None:
    try:
        return Stamp.from_wire(value) if value is not None else None
    except (KeyError, TypeError) as error:
        raise ControlError("unsupported", f"not a stamp: {error}") from error


def _track(value: dict[str, Any]) -> Track:
    try:
        return track_from_wire(value)
    except (KeyError, TypeError, ValueError) as error:
        raise ControlError("unsupported", f"not a track: {error}") from error


async def _feed(pool: TranscoderPool, job: Job, incoming: Any) -> None:
    """What the caller sends up: units, where to start, when to finish."""
    try:
        async for item in incoming:
            match item["type"]:
                case "units":
                    units = units_from_wire(item["units"])
                    pool.push(job, units, catching_up=bool(item.get("catching_up")))
                case "start_at":
                    pool.start_at(job, item["pts_90k"], item["keyframes_90k"])
                case "finish":
                    pool.finish(job, item["token"])
    except (ConnectionError, ControlError):
        pass
    except (KeyError, TypeError, ValueError) as error:
        job.fail("unsupported", f"not a message of this stream: {error}")


async def serve(settings: Settings, name: str) -> None:
    """Run until told to stop."""
    pool = TranscoderPool(settings.transcoder.workers)
    lag = LoopLag()

    async def figures() -> dict[str, Any]:
        return {"event_loop_lag_ms": lag.worst_ms(), **pool.status()}

    server = control_server(
        settings, name, cluster_secret(settings), {**handlers(pool), "process.status": figures}
    )
    await server.start()
    pool.warm_up()
    try:
        await run_until_stopped(lag, control_port=server.port)
    finally:
        await server.close()
        await pool.close()


def main(settings: Settings, name: str) -> None:
    """Entry point for the supervisor."""
    run(serve(settings, name))
