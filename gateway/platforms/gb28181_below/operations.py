"""What can be asked of a channel by GB/T 28181 (DeviceOperations).

Steering and the like are MESSAGEs with a Control (§9.3); they count as done when the device has
taken the MESSAGE, since the standard has no other answer to them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from camera_adapters.gb28181 import device_information, record_information, steering
from camera_adapters.gb28181.device_control import (
    Control,
    DeviceControl,
    PrecisePosition,
    Restart,
    SendKeyframe,
    Steer,
)
from camera_adapters.gb28181.device_information import Presets
from camera_adapters.gb28181.envelope import Envelope
from camera_adapters.gb28181.record_information import (
    RecordAssembly,
    RecordPage,
    RecordQuery,
)
from camera_adapters.gb28181.steering import Steering, SteeringError
from gateway.identifiers import now_us
from gateway.platforms.gb28181_below.devices import Device
from gateway.platforms.gb28181_below.fetching import Fetching
from gateway.platforms.gb28181_below.queries import Queries
from gateway.platforms.gb28181_below.speaking import Speaker
from gateway.platforms.operations import (
    DeviceRecording,
    DeviceRefused,
    Preset,
    SteerCommand,
)

_PRESETS_LIMIT = 255
_DAY_US = 86_400 * 1_000_000
_RANGE_LIMIT_US = 31 * _DAY_US


class GbOperations:
    """Of one platform."""

    def __init__(
        self, device: Device, speaker: Speaker, queries: Queries, fetching: Fetching, zone: str
    ) -> None:
        self._device = device
        self._speaker = speaker
        self._queries = queries
        self._fetching = fetching
        self._zone = zone

    async def steer(self, channel: str, command: SteerCommand) -> None:
        """See DeviceOperations."""
        await self._control(channel, _control_of(command, self._device.version))

    async def presets(self, channel: str) -> list[Preset]:
        """Those that have a name; a device of 2016 may not know the question."""
        peer = self._device.reach()

        async def send(number: int) -> None:
            query = device_information.query(device_information.PRESETS, number, channel)
            await self._speaker.tell(self._device.code, peer, query)

        envelope = await self._queries.ask(self._device.id, device_information.PRESETS, send)
        names = Presets.read(envelope).names
        return [Preset(str(number), name) for number, name in sorted(names.items())]

    async def set_preset(self, channel: str, token: str | None, name: str) -> Preset:
        """A new one takes the lowest free number. The standard has no way to send its name."""
        if token is None:
            taken = {one.token for one in await self.presets(channel)}
            numbers = map(str, range(1, _PRESETS_LIMIT + 1))
            free = next((number for number in numbers if number not in taken), None)
            if free is None:
                raise DeviceRefused("device_error", f"all {_PRESETS_LIMIT} presets are taken")
            token = free
        number = _preset_number(token)
        await self._control(channel, Steer(steering.Preset("set", number)))
        return Preset(token, name)

    async def remove_preset(self, channel: str, token: str) -> None:
        """See DeviceOperations."""
        await self._control(channel, Steer(steering.Preset("delete", _preset_number(token))))

    async def keyframe(self, channel: str, variant: str) -> None:
        """IFameCmd (A.2.3.1.7): it has no variant, and concerns every stream of the channel."""
        await self._control(channel, SendKeyframe())

    async def recordings(self, channel: str, start_us: int, end_us: int) -> list[DeviceRecording]:
        """RecordInfo (§9.7), all pages. ``reference`` is the path on the device, if it has one."""
        if not start_us < end_us <= start_us + _RANGE_LIMIT_US:
            raise DeviceRefused("device_error", "a device is asked for at most 31 days at a time")
        loop = asyncio.get_running_loop()
        peer = self._device.reach()
        number = self._queries.next_number()
        assembly = RecordAssembly(number, loop.time())

        def take(envelope: Envelope) -> None:
            assembly.add(RecordPage.read(envelope), loop.time())

        async def send(number: int) -> None:
            query = RecordQuery(number, channel, start_us, end_us)
            await self._speaker.tell(self._device.code, peer, query.to_element())

        command = record_information.COMMAND
        await self._queries.collect(self._device.id, command, number, assembly, take, send)
        return [
            DeviceRecording(
                max(item.start_us, start_us),
                min(item.end_us, end_us),
                item.path,
                item.file_bytes,
            )
            for item in assembly.items()
            if item.end_us > start_us and item.start_us < end_us
        ]

    async def encoder(self, channel: str) -> list[dict[str, Any]]:
        """Not in GB/T 28181-2016."""
        raise DeviceRefused(
            "unsupported", "GB/T 28181 does not tell a camera's encoder settings: use ONVIF"
        )

    async def set_encoder(self, channel: str, variant: str, settings: Mapping[str, Any]) -> None:
        """Not in GB/T 28181-2016."""
        raise DeviceRefused(
            "unsupported", "GB/T 28181 does not change a camera's encoder settings: use ONVIF"
        )

    async def time(self) -> dict[str, Any]:
        """From DeviceStatus, to the second."""
        offset_us = await self._fetching.clock_offset_us(self._device)
        if offset_us is None:
            raise DeviceRefused("unsupported", "the device does not tell its time")
        return {
            "device_us": now_us() + offset_us,
            "offset_us": offset_us,
            "zone": self._zone,
            "source": "registration",
        }

    async def set_time(self) -> None:
        """Only its registration sets it (§9.10.1)."""
        raise DeviceRefused(
            "unsupported",
            "a GB/T 28181 device sets its clock by our answer when it registers: "
            "have it register again",
        )

    async def reboot(self) -> None:
        """TeleBoot (A.2.3.1.3)."""
        await self._control(self._device.code, Restart())

    async def _control(self, channel: str, control: Control) -> None:
        peer = self._device.reach()
        document = DeviceControl(self._queries.next_number(), channel, control)
        try:
            element = document.to_element()
        except SteeringError as error:
            raise DeviceRefused("unsupported", str(error)) from None
        await self._speaker.tell(self._device.code, peer, element)


def _control_of(command: SteerCommand, version: str) -> Control:
    """The command in bytes' terms. Raises DeviceRefused ``unsupported``."""
    steered: Steering
    match command.action:
        case "move":
            steered = steering.Move(command.pan, command.tilt, command.zoom)
        case "stop":
            steered = steering.Move()
        case "focus":
            steered = steering.Lens(focus=command.zoom)
        case "iris":
            steered = steering.Lens(iris=command.zoom)
        case "goto_preset":
            steered = steering.Preset("call", _preset_number(command.preset))
        case "auxiliary":
            steered = steering.Auxiliary(command.number or steering.WIPER, command.on)
        case "absolute" if version.startswith("3"):
            # 2022 §A.2.3.1.11: degrees, over a whole circle and the half one above and below.
            return PrecisePosition(command.pan * 180.0, command.tilt * 90.0, None)
        case _:
            raise DeviceRefused(
                "unsupported", f"GB/T 28181 has no command {command.action!r} for this device"
            )
    return Steer(steered)


def _preset_number(token: str) -> int:
    if not (token.isascii() and token.isdigit() and 1 <= int(token[:4]) <= _PRESETS_LIMIT):
        raise DeviceRefused("not_found", f"a preset is a number from 1 to {_PRESETS_LIMIT}")
    return int(token)
