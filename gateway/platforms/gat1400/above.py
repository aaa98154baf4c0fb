"""Platforms above: we register there, say that we live, and tell what they subscribed to."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

import sqlalchemy as sa
import structlog

from camera_adapters.gat1400.client import (
    RefusedByPeer,
    keepalive_document,
    register_document,
    unregister_document,
)
from gateway.control.channel import ControlError
from gateway.platforms.gat1400.asking import Peer, Unreachable
from gateway.platforms.gat1400.hub import Hub, addresses_of
from gateway.platforms.gat1400.no_device import NoDevice
from gateway.platforms.gat1400.telling import Teller
from gateway.platforms.operations import (
    DesiredPlatform,
    DeviceOperations,
    DeviceRefused,
    Direction,
)
from recorder.rows import RowError
from recorder.stores import StoreError

_log = structlog.get_logger(__name__)

_AGAIN_S = (1.0, 2.0, 5.0, 10.0, 30.0, 60.0)
_IDLE_S = 2.0
_GOODBYE_S = 2.0


class Above:
    """All of them; a :class:`gateway.platforms.operations.PlatformKind`."""

    kind = "gat1400"
    direction: Direction = "above"

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._held: dict[str, _Registered] = {}

    async def start(self) -> None:
        """See PlatformKind."""
        await self._hub.open()

    async def close(self) -> None:
        """See PlatformKind."""
        await asyncio.gather(*(one.close() for one in self._held.values()))
        self._held.clear()
        await self._hub.close()

    async def reconcile(self, platforms: Mapping[str, DesiredPlatform]) -> None:
        """See PlatformKind."""
        changed = [one for one, held in self._held.items() if platforms.get(one) != held.platform]
        await asyncio.gather(*(self._held.pop(one).close() for one in changed))
        self._hub.above = {one.code: one for one in platforms.values() if one.code}
        for platform_id, platform in platforms.items():
            if platform_id not in self._held:
                self._held[platform_id] = _Registered(self._hub, platform)

    async def refresh(self, platform_id: str) -> None:
        """See PlatformKind."""
        raise DeviceRefused("unsupported", "a platform above has no channels of ours")

    def operations(self, platform_id: str) -> DeviceOperations:
        """See PlatformKind."""
        if platform_id not in self._held:
            raise DeviceRefused("not_found", "this platform is not held here")
        return NoDevice()

    def calls(self) -> Mapping[str, Callable[..., Any]]:
        """See PlatformKind."""
        return {}

    def figures(self) -> Mapping[str, float]:
        """See PlatformKind."""
        return {}


class _Registered:
    """One of them: a task that keeps us registered, and one that tells."""

    def __init__(self, hub: Hub, platform: DesiredPlatform) -> None:
        self.platform = platform
        self._hub = hub
        self._own_code = platform.options.get("local_code") or hub.settings.code
        self._peer = Peer(hub.http, platform, self._own_code)
        self._registered = asyncio.Event()
        self._tasks = [
            asyncio.create_task(self._keep_registered()),
            asyncio.create_task(self._tell()),
        ]
        hub.states.tell(platform.id, "connecting")

    async def close(self) -> None:
        """Say goodbye, and stop."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._registered.is_set():
            self._registered.clear()
            try:
                async with asyncio.timeout(_GOODBYE_S):
                    await self._peer.ask(
                        "POST", "/VIID/System/UnRegister", unregister_document(self._own_code)
                    )
            except (Unreachable, RefusedByPeer, TimeoutError) as error:
                _log.info(
                    "a platform above was not told", platform=self.platform.id, why=str(error)
                )

    async def _keep_registered(self) -> None:
        platform, states = self.platform, self._hub.states
        assert platform.host is not None
        failures = 0
        while True:
            self._hub.above_addresses[platform.id] = await addresses_of(platform.host)
            try:
                await self._peer.tell(
                    "POST", "/VIID/System/Register", register_document(self._own_code)
                )
                failures = 0
                self._registered.set()
                states.heard(platform.id, platform.host, platform.port or 0)
                await self._keep_alive()
                self._registered.clear()
                states.tell(platform.id, "offline", "silent", "it does not answer any more")
            except RefusedByPeer as error:
                fault = "wrong_password" if error.code == "password" else "refused"
                states.tell(platform.id, "refused", fault, str(error))
                # Passwords are not tried in a loop: others lock who does.
                failures = len(_AGAIN_S)
            except Unreachable as error:
                states.tell(platform.id, "offline", "unreachable", str(error))
            await asyncio.sleep(_AGAIN_S[min(failures, len(_AGAIN_S) - 1)])
            failures += 1

    async def _keep_alive(self) -> None:
        """Until so many in a row are missed."""
        missed = 0
        while missed < self._hub.settings.keepalives_missed:
            await asyncio.sleep(self._hub.settings.keepalive_s if missed == 0 else 2.0)
            try:
                await self._peer.tell(
                    "POST", "/VIID/System/Keepalive", keepalive_document(self._own_code)
                )
            except RefusedByPeer:
                # It has forgotten us: register anew.
                return
            except Unreachable:
                missed += 1
                continue
            missed = 0
            host = self.platform.host or ""
            self._hub.states.heard(self.platform.id, host, self.platform.port or 0)

    async def _tell(self) -> None:
        teller = Teller(self._hub, self.platform, self._peer)
        failures = 0
        while True:
            await self._registered.wait()
            arrived = self._hub.arrived
            try:
                more = await teller.turn()
                failures = 0
            except (
                Unreachable, RefusedByPeer, StoreError, RowError, ControlError, ConnectionError,
                TimeoutError, sa.exc.DBAPIError,
            ) as error:  # fmt: skip
                self._hub.figures["gat1400_told_again"] += 1
                _log.warning(
                    "a platform above could not be told; trying again",
                    platform=self.platform.id,
                    why=str(error),
                )
                await asyncio.sleep(_AGAIN_S[min(failures, len(_AGAIN_S) - 1)])
                failures += 1
                continue
            except Exception:
                _log.exception("a platform above could not be told", platform=self.platform.id)
                await asyncio.sleep(_AGAIN_S[-1])
                continue
            if not more:
                # Subscriptions with an interval are due without anything that arrives.
                try:
                    async with asyncio.timeout(_IDLE_S):
                        await arrived.wait()
                except TimeoutError:
                    continue
