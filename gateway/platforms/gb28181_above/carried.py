"""Steering that a platform above is granted: carried through the same arbitration as everybody's.

GB/T 28181 moves a camera until it is told to stop; here a movement must be renewed. So it is
renewed for the platform, for a minute at most: one whose stop got lost must not turn for ever.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

import structlog

from camera_adapters.gb28181.device_control import Control, Steer
from camera_adapters.gb28181.steering import Auxiliary, Lens, Move, Preset
from gateway.control.channel import ControlError
from gateway.platforms.operations import SteerCommand

_log = structlog.get_logger(__name__)

RENEW_S = 1.0
LONGEST_S = 60.0

SendCommand = Callable[[str, SteerCommand], Awaitable[None]]
"""``(camera_id, command)``; raises ControlError with a stable code when it is refused."""


class NotCarried(Exception):
    """This command is not one that a platform above is given."""


def steer_command(control: Control) -> SteerCommand:
    """What a GB/T 28181 command means to every kind of camera. Raises NotCarried."""
    if not isinstance(control, Steer):
        raise NotCarried("only steering is carried")
    match control.command:
        case Move() as move if move.is_stop:
            return SteerCommand("stop")
        case Move(pan, tilt, zoom):
            return SteerCommand("move", pan=pan, tilt=tilt, zoom=zoom)
        case Lens(focus, iris):
            if focus:
                return SteerCommand("focus", zoom=focus)
            return SteerCommand("iris", zoom=iris) if iris else SteerCommand("stop")
        case Preset("call", number):
            return SteerCommand("goto_preset", preset=str(number))
        case Preset():
            raise NotCarried("presets are set by those whose camera it is")
        case Auxiliary(switch, on):
            return SteerCommand("auxiliary", number=switch, on=on)
    raise NotCarried("patrols and scans are run by those whose camera it is")


class HeldMovements:
    """Renews what one platform has set in motion, until it stops it or something refuses."""

    def __init__(self, send: SendCommand) -> None:
        self._send = send
        self._renewing: dict[str, asyncio.Task[None]] = {}

    async def carry(self, camera_id: str, command: SteerCommand) -> None:
        """Send a command, and keep a movement alive. Raises ControlError."""
        self._let_go(camera_id)
        await self._send(camera_id, command)
        if command.action in ("move", "focus", "iris"):
            self._let_go(camera_id)
            task = asyncio.create_task(self._renew(camera_id, command))
            self._renewing[camera_id] = task

    def close(self) -> None:
        """Renew nothing any more: the arbitration then stops what still moves."""
        for camera_id in tuple(self._renewing):
            self._let_go(camera_id)

    def _let_go(self, camera_id: str) -> None:
        task = self._renewing.pop(camera_id, None)
        if task is not None:
            task.cancel()

    async def _renew(self, camera_id: str, command: SteerCommand) -> None:
        with contextlib.suppress(ControlError, ConnectionError, TimeoutError):
            for _ in range(int(LONGEST_S / RENEW_S)):
                await asyncio.sleep(RENEW_S)
                await self._send(camera_id, command)
            await self._send(camera_id, SteerCommand("stop"))
        if self._renewing.get(camera_id) is asyncio.current_task():
            del self._renewing[camera_id]
