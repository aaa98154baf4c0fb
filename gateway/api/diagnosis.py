"""What is wrong with this camera? Every step on the way to its pictures, looked at now.

Nothing is opened beside what the shard has open: a camera that is recorded is looked at as it is,
and an idle one is pulled as for a viewer. A refused password is not tried again.
"""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Awaitable
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import urlsplit

import sqlalchemy as sa
from fastapi import APIRouter, Request
from fastapi.responses import StreamingResponse

from gateway.alarms.topology import address_of
from gateway.api.access import Caller, permitted_camera, record
from gateway.api.json_lines import json_line, json_lines
from gateway.api.services import Services, ServicesDep
from gateway.cameras import Camera
from gateway.control.channel import ControlError
from gateway.database.operating_tables import alarms
from gateway.database.platform_tables import platform_channels, platform_states, platforms
from gateway.database.tables import cameras
from gateway.identifiers import US_PER_S, now_us
from gateway.people.roles import Right

router = APIRouter(prefix="/api/cameras", tags=["cameras"])

Result = Literal["ok", "warn", "fail", "skip"]

SAMPLE_S = 10.0
_CONNECT_S = 5.0
_RESOLVE_S = 5.0
_PORTS = {"rtsp": 554, "rtsps": 322, "http": 80, "https": 443, "rtmp": 1935}
_RANK: dict[str, int] = {"skip": 0, "ok": 0, "warn": 1, "fail": 2}

_LONG_GOP_S = 4.0
_SOME_LOSS_PERCENT = 0.5
_OFF_US = 1 * US_PER_S
_FAR_OFF_US = 60 * US_PER_S
_HISTORY_US = 7 * 86_400 * US_PER_S
_FAULTS_SHOWN = 20
_FLAPPING = 5
_FAULT_KINDS = ("camera_offline", "camera_refused", "video_loss", "network_down")


@dataclass(slots=True)
class Step:
    """One line of the answer."""

    step: str
    result: Result
    code: str
    took_ms: float = 0.0
    figures: dict[str, Any] = field(default_factory=dict)

    def to_line(self) -> bytes:
        """As JSON."""
        document = {
            "step": self.step,
            "result": self.result,
            "code": self.code,
            "took_ms": round(self.took_ms, 1),
            **self.figures,
        }
        return json_line(document)


@router.post("/{camera_id}/diagnosis")
async def diagnose(
    camera_id: str, caller: Caller, request: Request, services: ServicesDep
) -> StreamingResponse:
    """Look at every step; JSON lines as they end."""
    async with services.reader.connect() as connection:
        camera, _ = await permitted_camera(connection, caller, Right.CONFIGURE, camera_id)
    await record(services, request, caller, "camera.diagnosis", cameras=[camera])
    return json_lines(_lines(services, camera))


async def _lines(services: Services, camera: Camera) -> AsyncIterator[bytes]:
    worst = Step("done", "ok", "good")
    samples = asyncio.create_task(_samples(services, camera))
    try:
        begun = time.monotonic()
        async for step in _steps(services, camera, samples):
            if _RANK[step.result] > _RANK[worst.result]:
                worst = Step("done", step.result, step.code)
            yield step.to_line()
        worst.took_ms = (time.monotonic() - begun) * 1000
        yield worst.to_line()
    finally:
        samples.cancel()
        await asyncio.gather(samples, return_exceptions=True)


async def _steps(
    services: Services, camera: Camera, samples: asyncio.Task[dict[str, dict[str, Any]]]
) -> AsyncIterator[Step]:
    host, port = _endpoint(camera)
    yield await _timed(_resolve(host))
    yield await _timed(_reach(host, port))
    platform = await _timed(_platform(services, camera.id))
    yield platform
    # The pictures are measured while the steps above are gone through.
    begun = time.monotonic()
    sampled = await samples
    for variant in ("main", "sub"):
        step = stream_step(variant, sampled.get(variant), enabled=camera.enabled)
        step.took_ms = (time.monotonic() - begun) * 1000
        yield step
        yield picture_step(variant, sampled.get(variant))
    yield same_picture_step(sampled.get("main"), sampled.get("sub"))
    yield loss_step(sampled.get("main"))
    yield clock_step(sampled.get("main"), platform.figures.get("device_offset_us"))
    yield recording_step(camera, services.states.of(camera.id).get("main"))
    yield await _timed(_history(services, camera.id))


async def _timed(work: Awaitable[Step]) -> Step:
    begun = time.monotonic()
    step = await work
    step.took_ms = (time.monotonic() - begun) * 1000
    return step


def _endpoint(camera: Camera) -> tuple[str | None, int | None]:
    try:
        parts = urlsplit(camera.main_url)
        if parts.scheme not in _PORTS:
            return None, None
        return parts.hostname, parts.port or _PORTS[parts.scheme]
    except ValueError:
        return None, None


async def _resolve(host: str | None) -> Step:
    if host is None:
        return Step("name", "skip", "no_address")
    if address_of(f"//{host}") is not None:
        return Step("name", "ok", "is_address", figures={"addresses": [host]})
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(_RESOLVE_S):
            found = await loop.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, TimeoutError, UnicodeError):
        return Step("name", "fail", "unresolved", figures={"host": host})
    addresses = sorted({str(one[4][0]) for one in found})
    return Step("name", "ok", "resolved", figures={"addresses": addresses})


async def _reach(host: str | None, port: int | None) -> Step:
    if host is None or port is None:
        return Step("reach", "skip", "no_address")
    figures: dict[str, Any] = {"host": host, "port": port}
    begun = time.monotonic()
    try:
        async with asyncio.timeout(_CONNECT_S):
            _, writer = await asyncio.open_connection(host, port)
    except ConnectionRefusedError:
        return Step("reach", "fail", "closed_port", figures=figures)
    except TimeoutError:
        return Step("reach", "fail", "timed_out", figures=figures)
    except (OSError, UnicodeError):
        return Step("reach", "fail", "unreachable", figures=figures)
    figures["connect_ms"] = round((time.monotonic() - begun) * 1000, 1)
    writer.close()
    return Step("reach", "ok", "reachable", figures=figures)


async def _platform(services: Services, camera_id: str) -> Step:
    async with services.reader.connect() as connection:
        row = (
            await connection.execute(
                sa.select(
                    cameras.c.platform_id,
                    platforms.c.kind,
                    platforms.c.enabled,
                    platform_states.c.state,
                    platform_states.c.fault,
                    platform_states.c.detail,
                    platform_states.c.seen_us,
                    platform_states.c.facts,
                    platform_channels.c.status,
                    platform_channels.c.gone_us,
                )
                .select_from(
                    cameras.outerjoin(platforms, platforms.c.id == cameras.c.platform_id)
                    .outerjoin(
                        platform_states, platform_states.c.platform_id == cameras.c.platform_id
                    )
                    .outerjoin(
                        platform_channels,
                        (platform_channels.c.platform_id == cameras.c.platform_id)
                        & (platform_channels.c.code == cameras.c.channel),
                    )
                )
                .where(cameras.c.id == camera_id)
            )
        ).one()
    if row.platform_id is None:
        return Step("platform", "skip", "no_platform")
    state = (row.state or "connecting") if row.enabled else "disabled"
    status = "gone" if row.gone_us is not None else row.status
    result: Result = "ok" if state == "online" else "warn" if state == "connecting" else "fail"
    if result == "ok" and status in ("off", "gone"):
        result = "warn"
    figures = {
        "platform_id": row.platform_id,
        "kind": row.kind,
        "fault": row.fault,
        "detail": row.detail,
        "seen_us": row.seen_us,
        "channel_status": status,
    }
    step = Step("platform", result, state, figures=figures)
    device_offset_us = (row.facts or {}).get("clock_offset_us")
    if device_offset_us is not None:
        step.figures["device_offset_us"] = device_offset_us
    return step


async def _samples(services: Services, camera: Camera) -> dict[str, dict[str, Any]]:
    """What each variant did over ten seconds; one that cannot be looked at is left out."""
    if not camera.enabled:
        return {}
    shard = await services.processes.shard_of(camera.id)
    if shard is None:
        return {}
    client = services.processes.client(shard)

    async def sample(variant: str) -> dict[str, Any] | None:
        try:
            async with client.stream(
                "source.sample", camera_id=camera.id, variant=variant, seconds=SAMPLE_S
            ) as found:
                async for item in found:
                    return dict(item)
        except (ConnectionError, TimeoutError, ControlError):
            pass
        return None

    variants = ("main", "sub") if camera.sub_url else ("main",)
    found = await asyncio.gather(*(sample(one) for one in variants))
    return {variant: one for variant, one in zip(variants, found, strict=True) if one is not None}


def stream_step(variant: str, sample: dict[str, Any] | None, *, enabled: bool = True) -> Step:
    """Whether it is live, and why not."""
    name = f"stream.{variant}"
    if not enabled:
        return Step(name, "skip", "camera_disabled")
    if sample is None:
        if variant == "sub":
            return Step(name, "skip", "no_sub")
        return Step(name, "fail", "not_held")
    state = sample["state"]
    figures = {name: state[name] for name in ("state", "since_us", "detail") if name in state}
    if state["state"] == "live":
        return Step(name, "ok", "live", figures=figures)
    code = state.get("fault") or state["state"]
    return Step(name, "fail", code, figures=figures)


def picture_step(variant: str, sample: dict[str, Any] | None) -> Step:
    """What its pictures are like."""
    name = f"picture.{variant}"
    if sample is None:
        return Step(name, "skip", "no_sub" if variant == "sub" else "no_picture")
    state = sample["state"]
    if state["state"] != "live" or "codec" not in state:
        return Step(name, "fail", "no_picture")
    names = (
        "codec", "width", "height", "frames_per_second", "gop_s", "bitrate_bps", "has_b_frames",
        "audio_codec",
    )  # fmt: skip
    figures = {one: state[one] for one in names if one in state}
    figures |= {one: sample[one] for one in ("profile", "codec_string") if one in sample}
    if state["codec"] not in ("h264", "h265"):
        return Step(name, "warn", "not_h264_h265", figures=figures)
    if (state.get("gop_s") or 0.0) > _LONG_GOP_S:
        return Step(name, "warn", "long_gop", figures=figures)
    if state.get("has_b_frames"):
        return Step(name, "warn", "b_frames", figures=figures)
    if state["codec"] == "h265":
        return Step(name, "warn", "h265", figures=figures)
    return Step(name, "ok", "good", figures=figures)


def same_picture_step(main: dict[str, Any] | None, sub: dict[str, Any] | None) -> Step:
    """Whether the sub-stream shows the same view, smaller."""
    if main is None or sub is None:
        return Step("same_picture", "skip", "no_sub")
    sizes = [(one["state"].get("width"), one["state"].get("height")) for one in (main, sub)]
    if not all(width and height for width, height in sizes):
        return Step("same_picture", "skip", "no_picture")
    (wide, high), (sub_wide, sub_high) = sizes
    if sub_high >= high:
        return Step("same_picture", "warn", "sub_not_smaller")
    # Sub-streams of 704×576 stand for 16:9 with pixels that are not square: that is usual.
    ratio = (wide / high) / (sub_wide / sub_high)
    if not 0.7 <= ratio <= 1.5:
        return Step("same_picture", "warn", "other_shape")
    return Step("same_picture", "ok", "same_shape")


def loss_step(sample: dict[str, Any] | None) -> Step:
    """How much was lost on the way within the sample."""
    if sample is None or sample["before"] is None or sample["after"] is None:
        return Step("loss", "skip", "not_measured")
    moved = {
        name: max(0, sample["after"][name] - sample["before"][name])
        for name in ("packets", "lost", "bytes", "damaged")
    }
    total = moved["packets"] + moved["lost"]
    percent = 100 * moved["lost"] / total if total else 0.0
    figures = {"seconds": SAMPLE_S, **moved, "lost_percent": round(percent, 3)}
    if not moved["bytes"]:
        return Step("loss", "skip", "not_measured", figures=figures)
    if moved["lost"] == 0:
        return Step("loss", "ok", "none", figures=figures)
    if percent <= _SOME_LOSS_PERCENT:
        return Step("loss", "warn", "some", figures=figures)
    return Step("loss", "fail", "much", figures=figures)


def clock_step(sample: dict[str, Any] | None, device_offset_us: int | None) -> Step:
    """How far its clocks are from ours: by the times on its pictures, and as the device says."""
    stream_offset_us = None
    if sample is not None and sample["after"] is not None:
        stream_offset_us = sample["after"].get("camera_clock_offset_us")
    figures = {"stream_offset_us": stream_offset_us, "device_offset_us": device_offset_us}
    known = [abs(one) for one in (stream_offset_us, device_offset_us) if one is not None]
    if not known:
        return Step("clock", "skip", "unknown", figures=figures)
    worst = max(known)
    if worst >= _FAR_OFF_US:
        return Step("clock", "fail", "far_off", figures=figures)
    if worst >= _OFF_US:
        return Step("clock", "warn", "off", figures=figures)
    return Step("clock", "ok", "right", figures=figures)


def recording_step(camera: Camera, state: dict[str, Any] | None) -> Step:
    """Whether it is recorded, where it should be."""
    if camera.record == "off" or not camera.enabled:
        return Step("recording", "skip", "off")
    if state is not None and state.get("recording"):
        return Step("recording", "ok", "recording")
    return Step("recording", "fail", "not_recording")


async def _history(services: Services, camera_id: str) -> Step:
    own = alarms.alias("own")
    async with services.reader.connect() as connection:
        rows = await connection.execute(
            sa.select(own.c.begin_us, own.c.end_us, own.c.kind, own.c.detail)
            .where(
                own.c.camera_id == camera_id,
                own.c.begin_us >= now_us() - _HISTORY_US,
                own.c.kind.in_(_FAULT_KINDS),
            )
            .order_by(own.c.begin_us.desc())
            .limit(_FAULTS_SHOWN)
        )
        faults = [
            {
                "begin_us": row.begin_us,
                "end_us": row.end_us,
                "kind": row.kind,
                "fault": row.detail.get("fault", ""),
            }
            for row in rows
        ]
    flapping = len(faults) >= _FLAPPING
    return Step(
        "history",
        "warn" if flapping else "ok",
        "flapping" if flapping else "steady",
        figures={"faults": faults},
    )
