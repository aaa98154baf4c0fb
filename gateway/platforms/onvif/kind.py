"""All ONVIF devices of this process: thousands, each with one task, begun one after the other."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ParamSpec, TypeVar

import aiohttp
import structlog

from camera_adapters.onvif.exchange import create_session
from camera_adapters.onvif.notifications import NotificationServer
from camera_adapters.onvif.password_tries import PasswordTries
from gateway.cluster.child import ConfigurationError
from gateway.platforms.calls import answering
from gateway.platforms.context import SignallingContext
from gateway.platforms.onvif.device_operations import OnvifOperations
from gateway.platforms.onvif.finding import Finding
from gateway.platforms.onvif.held_device import HeldDevice, Shared
from gateway.platforms.operations import DesiredPlatform, DeviceRefused, Direction

_log = structlog.get_logger(__name__)

_P = ParamSpec("_P")
_R = TypeVar("_R")

# Each device's clock is compared once in so many seconds, all of them one after the other.
CLOCK_ROUND_S = 600.0
_CLOCKS_AT_ONCE = 16
_NOBODY_S = 10.0
_BEGIN_EVERY_S = 0.02


class OnvifPlatforms:
    """A :class:`gateway.platforms.operations.PlatformKind`."""

    kind = "onvif"
    direction: Direction = "below"

    def __init__(self, context: SignallingContext) -> None:
        self._context = context
        self._settings = context.settings.onvif
        self._held: dict[str, HeldDevice] = {}
        self._closing: set[asyncio.Task[None]] = set()
        self._clocks: asyncio.Task[None] | None = None
        self._session: aiohttp.ClientSession | None = None
        self._shared: Shared | None = None
        self._finding: Finding | None = None

    async def start(self) -> None:
        """Listen for posted events where that is configured. Raises ConfigurationError."""
        settings = self._settings
        notifications: NotificationServer | None = None
        if settings.notification_url:
            notifications = NotificationServer(
                settings.notification_address, settings.notification_port, settings.notification_url
            )
            try:
                await notifications.start()
            except OSError as error:
                raise ConfigurationError(
                    f"onvif.notification_address: {settings.notification_address} port "
                    f"{settings.notification_port} cannot be listened on ({error.strerror})"
                ) from None
        self._session = create_session()
        self._shared = Shared(
            self._context,
            self._session,
            PasswordTries(),
            asyncio.Semaphore(settings.sessions),
            notifications,
        )
        self._clocks = asyncio.create_task(self._compare_clocks())

    async def close(self) -> None:
        """Give subscriptions back, as devices have few."""
        if self._clocks is not None:
            self._clocks.cancel()
            await asyncio.gather(self._clocks, return_exceptions=True)
        ending = [asyncio.create_task(one.close()) for one in self._held.values()]
        self._held.clear()
        if ending or self._closing:
            await asyncio.wait([*ending, *self._closing], timeout=4.0)
        if self._shared is not None and self._shared.notifications is not None:
            await self._shared.notifications.close()
        if self._session is not None:
            await self._session.close()

    async def reconcile(self, platforms: Mapping[str, DesiredPlatform]) -> None:
        """See PlatformKind."""
        shared = self._with()
        for platform_id, held in tuple(self._held.items()):
            platform = platforms.get(platform_id)
            if platform is not None and _reached(platform) == _reached(held.platform):
                # Another name or area is no reason to leave the device.
                held.platform = platform
                continue
            del self._held[platform_id]
            if platform is not None and _account(platform) != _account(held.platform):
                # Somebody has changed the account: what the old one did is over.
                shared.tries.forget(held.client.device_key)
            closing = asyncio.create_task(held.close())
            self._closing.add(closing)
            closing.add_done_callback(self._closing.discard)
        begun = 0
        for platform_id, platform in platforms.items():
            if platform_id not in self._held:
                held = self._held[platform_id] = HeldDevice(platform, shared)
                held.start(begun * _BEGIN_EVERY_S)
                begun += 1

    async def refresh(self, platform_id: str) -> None:
        """See PlatformKind."""
        await self._device(platform_id).refresh()

    def operations(self, platform_id: str) -> OnvifOperations:
        """See PlatformKind."""
        return OnvifOperations(self._device(platform_id))

    def calls(self) -> Mapping[str, Callable[..., Any]]:
        """``platforms.probe``, ``platforms.probe_many``, ``platforms.discover``; ``onvif.*``: what
        only ONVIF devices can be asked, by platform and channel.
        """
        finding = Finding(self._with())

        async def position(platform_id: str, channel: str) -> dict[str, Any]:
            return await self.operations(platform_id).position(channel)

        async def set_home(platform_id: str, channel: str) -> None:
            await self.operations(platform_id).set_home(channel)

        async def tours(platform_id: str, channel: str) -> list[dict[str, Any]]:
            return await self.operations(platform_id).tours(channel)

        async def set_tour(
            platform_id: str,
            channel: str,
            token: str | None,
            name: str,
            stops: Sequence[Mapping[str, Any]],
        ) -> str:
            return await self.operations(platform_id).set_tour(channel, token, name, stops)

        async def operate_tour(platform_id: str, channel: str, token: str, operation: str) -> None:
            await self.operations(platform_id).operate_tour(channel, token, operation)

        async def remove_tour(platform_id: str, channel: str, token: str) -> None:
            await self.operations(platform_id).remove_tour(channel, token)

        async def snapshot(platform_id: str, channel: str) -> bytes:
            return await self.operations(platform_id).snapshot(channel)

        return {
            "platforms.probe": finding.probe,
            "platforms.probe_many": finding.probe_many,
            "platforms.discover": finding.discover,
            "onvif.position": answering(position),
            "onvif.set_home": answering(set_home),
            "onvif.tours": answering(tours),
            "onvif.set_tour": answering(set_tour),
            "onvif.operate_tour": answering(operate_tour),
            "onvif.remove_tour": answering(remove_tour),
            "onvif.snapshot": answering(snapshot),
        }

    def figures(self) -> Mapping[str, float]:
        """See PlatformKind."""
        states = [held.state.state for held in self._held.values()]
        return {
            "onvif_devices": float(len(states)),
            "onvif_devices_online": float(states.count("online")),
            "onvif_devices_refused": float(states.count("refused")),
            "onvif_notifications_total": float(
                sum(held.events_received for held in self._held.values())
            ),
        }

    def _device(self, platform_id: str) -> HeldDevice:
        held = self._held.get(platform_id)
        if held is None:
            raise DeviceRefused("not_found", "this device is not held here: is it switched on?")
        return held

    def _with(self) -> Shared:
        assert self._shared is not None, "start() comes first"
        return self._shared

    async def _compare_clocks(self) -> None:
        """One device after the other; those that are slow to answer hold nobody up."""
        asking: set[asyncio.Task[None]] = set()
        try:
            while True:
                held = list(self._held.values())
                for one in held:
                    if len(asking) >= _CLOCKS_AT_ONCE:
                        await asyncio.wait(asking, return_when=asyncio.FIRST_COMPLETED)
                    task = asyncio.create_task(one.compare_clock())
                    asking.add(task)
                    task.add_done_callback(asking.discard)
                    await asyncio.sleep(CLOCK_ROUND_S / len(held))
                if not held:
                    await asyncio.sleep(_NOBODY_S)
        finally:
            for task in tuple(asking):
                task.cancel()
            await asyncio.gather(*asking, return_exceptions=True)


def _reached(platform: DesiredPlatform) -> tuple[object, ...]:
    return platform.host, platform.port, _account(platform), dict(platform.options)


def _account(platform: DesiredPlatform) -> tuple[str | None, str | None]:
    return platform.username, platform.password


def build(context: SignallingContext) -> OnvifPlatforms | None:
    """See :data:`gateway.platforms.kinds.KINDS`."""
    return OnvifPlatforms(context) if context.settings.onvif.enabled else None
