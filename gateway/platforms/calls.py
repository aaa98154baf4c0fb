"""What signalling answers on its control socket for all kinds; see docs/architecture.md."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict
from functools import wraps
from typing import Any, ParamSpec, TypeVar

from gateway.control.channel import ControlError
from gateway.platforms.held import HeldPlatforms
from gateway.platforms.operations import DeviceRefused, SteerCommand
from gateway.platforms.reporting import Reporting

_P = ParamSpec("_P")
_R = TypeVar("_R")

Handler = Callable[..., Any]


def answering(call: Callable[_P, Awaitable[_R]]) -> Callable[_P, Awaitable[_R]]:
    """The same handler, its DeviceRefused as a ControlError of the same code."""

    @wraps(call)
    async def guarded(*arguments: _P.args, **named: _P.kwargs) -> _R:
        try:
            return await call(*arguments, **named)
        except DeviceRefused as error:
            raise ControlError(error.code, str(error)) from None

    return guarded


def platform_calls(held: HeldPlatforms, reporting: Reporting) -> dict[str, Handler]:
    """``platforms.reconcile``, ``platforms.status``, ``platforms.refresh``."""

    async def reconcile() -> None:
        await held.reconcile()

    async def status() -> list[dict[str, Any]]:
        return [
            {"platform_id": one, **state.to_message()}
            for one, state in tuple(reporting.states.items())
        ]

    async def refresh(platform_id: str) -> None:
        await held.kind_of(platform_id).refresh(platform_id)

    return {
        "platforms.reconcile": reconcile,
        "platforms.status": status,
        "platforms.refresh": answering(refresh),
    }


def device_calls(held: HeldPlatforms) -> dict[str, Handler]:
    """``device.*``: what is asked of one camera, or of one platform's device."""

    async def steer(camera_id: str, command: Mapping[str, Any]) -> None:
        device, channel = await held.device_of(camera_id)
        await device.steer(channel, SteerCommand.from_message(command))

    async def presets(camera_id: str) -> list[dict[str, Any]]:
        device, channel = await held.device_of(camera_id)
        return [asdict(one) for one in await device.presets(channel)]

    async def set_preset(camera_id: str, token: str | None, name: str) -> dict[str, Any]:
        device, channel = await held.device_of(camera_id)
        return asdict(await device.set_preset(channel, token, name))

    async def remove_preset(camera_id: str, token: str) -> None:
        device, channel = await held.device_of(camera_id)
        await device.remove_preset(channel, token)

    async def keyframe(camera_id: str, variant: str) -> None:
        device, channel = await held.device_of(camera_id)
        await device.keyframe(channel, variant)

    async def recordings(camera_id: str, start_us: int, end_us: int) -> list[dict[str, Any]]:
        device, channel = await held.device_of(camera_id)
        return [asdict(one) for one in await device.recordings(channel, start_us, end_us)]

    async def encoder(camera_id: str) -> list[dict[str, Any]]:
        device, channel = await held.device_of(camera_id)
        return await device.encoder(channel)

    async def set_encoder(camera_id: str, variant: str, settings: Mapping[str, Any]) -> None:
        device, channel = await held.device_of(camera_id)
        await device.set_encoder(channel, variant, settings)

    async def time(platform_id: str) -> dict[str, Any]:
        return await held.kind_of(platform_id).operations(platform_id).time()

    async def set_time(platform_id: str) -> None:
        await held.kind_of(platform_id).operations(platform_id).set_time()

    async def reboot(platform_id: str) -> None:
        await held.kind_of(platform_id).operations(platform_id).reboot()

    handlers: dict[str, Handler] = {
        "device.steer": steer,
        "device.presets": presets,
        "device.set_preset": set_preset,
        "device.remove_preset": remove_preset,
        "device.keyframe": keyframe,
        "device.recordings": recordings,
        "device.encoder": encoder,
        "device.set_encoder": set_encoder,
        "device.time": time,
        "device.set_time": set_time,
        "device.reboot": reboot,
    }
    return {name: answering(handler) for name, handler in handlers.items()}
