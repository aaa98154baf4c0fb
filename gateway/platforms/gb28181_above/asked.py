"""What platforms above need of the gateway's other parts, each behind one small method."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from gateway.api.open_segments import read_open_segments
from gateway.api.processes import Processes
from gateway.control.channel import ControlClient, ControlError
from gateway.database.tables import areas
from gateway.footage.camera_timeline import camera_timeline
from gateway.identifiers import now_us
from gateway.platforms.gb28181_above.sending import Sender
from gateway.platforms.operations import (
    DesiredPlatform,
    DeviceRefused,
    PlatformState,
    SteerCommand,
)
from gateway.platforms.ptz import Held, Holder
from recorder.rows import RowWriter

_PRESETS_LIMIT = 255
_RECORDINGS_RANGE_LIMIT_US = 32 * 86_400 * 1_000_000


class Asked:
    """``signalling`` is the process that answers ``device.*``."""

    def __init__(
        self,
        signalling: str,
        processes: Processes,
        reader: AsyncEngine,
        rows: RowWriter,
        report: Callable[[str, PlatformState], None],
        steer: Callable[[str, Holder, SteerCommand], Awaitable[None]],
    ) -> None:
        self.report = report
        self.sender = Sender(rows, self._shard_of, self._footage)
        self._signalling = signalling
        self._steer = steer
        self._processes = processes
        self.reader = reader

    async def steer(self, platform: DesiredPlatform, camera_id: str, command: SteerCommand) -> None:
        """Through the arbitration, as the platform. Raises ControlError when it is refused."""
        holder = Holder(
            kind="platform",
            id=platform.id,
            name=platform.name,
            display_name=platform.name,
            priority=int(platform.options.get("ptz_priority", 10)),
            address=platform.host,
        )
        try:
            await self._steer(camera_id, holder, command)
        except Held as error:
            raise ControlError("ptz_held", str(error)) from None
        except DeviceRefused as error:
            raise ControlError(error.code, str(error)) from None

    async def preset_command(self, camera_id: str, command: SteerCommand) -> SteerCommand:
        """The command with the device's own token for the number. Raises ControlError."""
        tokens = numbered(await self._call("device.presets", camera_id=camera_id))
        found = tokens.get(int(command.preset))
        if found is None:
            raise ControlError("not_found", f"there is no preset {command.preset}")
        return replace(command, preset=str(found["token"]))

    async def preset_names(self, camera_id: str) -> dict[int, str]:
        """Names of presets by number. Raises ControlError."""
        presets = numbered(await self._call("device.presets", camera_id=camera_id))
        return {number: str(one["name"]) for number, one in presets.items()}

    async def keyframe(self, camera_id: str) -> None:
        """Raises ControlError when the device has no such command."""
        await self._call("device.keyframe", camera_id=camera_id, variant="main")

    async def recordings(self, camera_id: str, start_us: int, end_us: int) -> list[tuple[int, int]]:
        """What we have recorded to this minute, and what was imported, of this range, a month at
        most.
        """
        end_us = min(end_us, start_us + _RECORDINGS_RANGE_LIMIT_US)
        open_segments, silent_shard = await read_open_segments(self._processes, camera_id)
        async with self.reader.connect() as connection:
            found = await camera_timeline(
                connection,
                camera_id,
                start_us,
                end_us,
                now_us=now_us(),
                resolution_us=1_000_000,
                open_segments=open_segments,
                held_on=silent_shard,
            )
        # Whole seconds are all that the protocol can say: a second too little, never one too much.
        return [
            (-(-start // 1_000_000) * 1_000_000, end // 1_000_000 * 1_000_000)
            for start, end in found.spans
            if end // 1_000_000 > -(-start // 1_000_000)
        ]

    async def _call(self, name: str, **arguments: Any) -> Any:
        return await self._processes.client(self._signalling).call(name, **arguments)

    async def _shard_of(self, camera_id: str) -> ControlClient | None:
        name = await self._processes.shard_of(camera_id)
        return self._processes.client(name) if name else None

    async def _footage(self) -> ControlClient | None:
        names = await self._processes.at_hand("footage")
        return self._processes.client(names[0]) if names else None


def numbered(presets: list[Mapping[str, Any]]) -> dict[int, Mapping[str, Any]]:
    """Presets by the number that GB/T 28181 knows them by: a device's own numbers where all tokens
    are such, else their order.
    """
    tokens = [str(one["token"]) for one in presets]
    numeric = all(token.isascii() and token.isdigit() for token in tokens)
    if numeric and all(1 <= int(token) <= _PRESETS_LIMIT for token in tokens):
        return {int(one["token"]): one for one in presets}
    return dict(enumerate(presets[:_PRESETS_LIMIT], start=1))


async def county_name(reader: AsyncEngine) -> str:
    """The name of the topmost area, which is what we are called upwards."""
    async with reader.connect() as connection:
        name = await connection.scalar(
            sa.select(areas.c.name)
            .where(areas.c.parent_id.is_(None), areas.c.axis == "area")
            .order_by(areas.c.position)
            .limit(1)
        )
    return name or "gridsight"
