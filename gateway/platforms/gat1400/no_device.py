"""What can be asked of a device of GA/T 1400: nothing that moves, records or reboots."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gateway.platforms.operations import DeviceRecording, DeviceRefused, Preset, SteerCommand


def _unsupported() -> DeviceRefused:
    return DeviceRefused(
        "unsupported", "GA/T 1400 tells what passed: steer this device by ONVIF or GB/T 28181"
    )


class NoDevice:
    """A :class:`gateway.platforms.operations.DeviceOperations` that refuses all of it."""

    async def steer(self, channel: str, command: SteerCommand) -> None:
        """See DeviceOperations."""
        raise _unsupported()

    async def presets(self, channel: str) -> list[Preset]:
        """See DeviceOperations."""
        raise _unsupported()

    async def set_preset(self, channel: str, token: str | None, name: str) -> Preset:
        """See DeviceOperations."""
        raise _unsupported()

    async def remove_preset(self, channel: str, token: str) -> None:
        """See DeviceOperations."""
        raise _unsupported()

    async def keyframe(self, channel: str, variant: str) -> None:
        """See DeviceOperations."""
        raise _unsupported()

    async def recordings(self, channel: str, start_us: int, end_us: int) -> list[DeviceRecording]:
        """See DeviceOperations."""
        raise _unsupported()

    async def encoder(self, channel: str) -> list[dict[str, Any]]:
        """See DeviceOperations."""
        raise _unsupported()

    async def set_encoder(self, channel: str, variant: str, settings: Mapping[str, Any]) -> None:
        """See DeviceOperations."""
        raise _unsupported()

    async def time(self) -> dict[str, Any]:
        """See DeviceOperations."""
        raise _unsupported()

    async def set_time(self) -> None:
        """See DeviceOperations."""
        raise _unsupported()

    async def reboot(self) -> None:
        """See DeviceOperations."""
        raise _unsupported()
