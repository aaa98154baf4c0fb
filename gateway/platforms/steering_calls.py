"""``ptz.*`` on the control socket: steering through priority and lock."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import asdict
from functools import wraps
from typing import Any, ParamSpec, TypeVar

from gateway.control.channel import ControlError
from gateway.identifiers import US_PER_S
from gateway.platforms.operations import (
    DeviceOperations,
    DeviceRefused,
    SteerCommand,
)
from gateway.platforms.patrolling import Patrolling
from gateway.platforms.ptz import EndCause, Held, Holder
from gateway.platforms.steering import CameraSteering

_P = ParamSpec("_P")
_R = TypeVar("_R")

Handler = Callable[..., Any]


def _answering(call: Callable[_P, Awaitable[_R]]) -> Callable[_P, Awaitable[_R]]:
    @wraps(call)
    async def guarded(*arguments: _P.args, **named: _P.kwargs) -> _R:
        try:
            return await call(*arguments, **named)
        except Held as error:
            raise ControlError("ptz_held", str(error)) from None
        except DeviceRefused as error:
            raise ControlError(error.code, str(error)) from None

    return guarded


def steering_calls(steering: CameraSteering, patrolling: Patrolling) -> dict[str, Handler]:
    """The calls by name. A ``holder`` is :meth:`gateway.platforms.ptz.Holder.to_message`; they give
    the camera's new state, as :func:`ptz_state`; ``ptz_held`` refuses.
    """

    def state(camera_id: str) -> dict[str, Any]:
        return ptz_state(steering, patrolling, camera_id)

    async def command(
        camera_id: str, holder: Mapping[str, Any], command: Mapping[str, Any]
    ) -> dict[str, Any]:
        await steering.command(
            camera_id, Holder.from_message(holder), SteerCommand.from_message(command)
        )
        return state(camera_id)

    async def take(camera_id: str, holder: Mapping[str, Any], hold_s: int) -> dict[str, Any]:
        await steering.take(camera_id, Holder.from_message(holder), hold_s * US_PER_S)
        return state(camera_id)

    async def release(camera_id: str, holder: Mapping[str, Any]) -> dict[str, Any]:
        await steering.release(camera_id, Holder.from_message(holder))
        return state(camera_id)

    async def end(camera_id: str, cause: EndCause, token_hash: str | None = None) -> dict[str, Any]:
        await steering.end(camera_id, cause, token_hash=token_hash)
        return state(camera_id)

    async def state_now(camera_id: str) -> dict[str, Any]:
        return state(camera_id)

    async def set_preset(
        camera_id: str, holder: Mapping[str, Any], token: str | None, name: str
    ) -> dict[str, Any]:
        async def ask(device: DeviceOperations, channel: str) -> dict[str, Any]:
            return asdict(await device.set_preset(channel, token, name))

        return await steering.with_device(camera_id, Holder.from_message(holder), ask)

    async def remove_preset(camera_id: str, holder: Mapping[str, Any], token: str) -> None:
        async def ask(device: DeviceOperations, channel: str) -> None:
            await device.remove_preset(channel, token)

        await steering.with_device(camera_id, Holder.from_message(holder), ask)

    async def reconcile() -> None:
        await patrolling.read()

    async def watch() -> AsyncIterator[dict[str, Any]]:
        first = {*steering.held_ids(), *patrolling.runs}
        yield {"cameras": {one: state(one) for one in first}}
        async for changed in steering.changes():
            yield {"cameras": {one: state(one) for one in changed}}

    handlers: dict[str, Handler] = {
        "ptz.command": command,
        "ptz.take": take,
        "ptz.release": release,
        "ptz.end": end,
        "ptz.state": state_now,
        "ptz.set_preset": set_preset,
        "ptz.remove_preset": remove_preset,
        "ptz.reconcile": reconcile,
    }
    return {name: _answering(one) for name, one in handlers.items()} | {"ptz.watch": watch}


def ptz_state(steering: CameraSteering, patrolling: Patrolling, camera_id: str) -> dict[str, Any]:
    """{holder: {…Holder, since_us, until_us} | None, moving, patrol | None}."""
    holding = steering.holding(camera_id)
    if holding is None:
        held = None
    else:
        held = {
            **holding.holder.to_message(),
            "since_us": holding.since_us,
            "until_us": holding.until_us,
        }
    return {
        "holder": held,
        "moving": holding is not None and holding.moving_until_us is not None,
        "patrol": patrolling.state(camera_id),
    }
