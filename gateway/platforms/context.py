"""What every kind of platform is given by the signalling process."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from sqlalchemy.ext.asyncio import AsyncEngine

from camera_adapters.device_events import DeviceEvent
from gateway.platforms.operations import StateSink, SteerCommand
from gateway.platforms.ptz import Holder
from gateway.settings import Settings
from recorder.rows import RowWriter


@dataclass(frozen=True, slots=True)
class SignallingContext:
    """``on_event(platform_id, event)`` stores an event; it returns at once and may be called
    thousands of times a second. ``owner`` is this process's name in leases and dialogs.
    ``steer(camera_id, holder, command)`` goes through priority, lock and register, for platforms
    above; it raises :class:`gateway.platforms.ptz.Held` and DeviceRefused.
    """

    settings: Settings
    secret: bytes = field(repr=False)
    owner: str
    reader: AsyncEngine
    rows: RowWriter
    sink: StateSink
    on_event: Callable[[str, DeviceEvent], None]
    steer: Callable[[str, Holder, SteerCommand], Awaitable[None]]
