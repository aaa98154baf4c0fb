"""All platforms above us that speak GB/T 28181: one SIP socket, what each is shared, its alarms."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Mapping
from typing import Any

import sqlalchemy as sa
import structlog

from camera_adapters.sip.endpoint import IncomingRequest, SipEndpoint
from camera_adapters.sip.fields import parse_name_address
from camera_adapters.sip.messages import MessageError
from gateway.api.processes import Processes
from gateway.api.states import CameraStates
from gateway.cluster.child import ConfigurationError
from gateway.control.channel import ControlError
from gateway.identifiers import now_us
from gateway.platforms.context import SignallingContext
from gateway.platforms.gb28181_above.alarms import AlarmFeed
from gateway.platforms.gb28181_above.asked import Asked, county_name
from gateway.platforms.gb28181_above.shared import build_catalog, give_codes, read_shared
from gateway.platforms.gb28181_above.upward import PlatformAbove
from gateway.platforms.operations import (
    DesiredPlatform,
    DeviceOperations,
    DeviceRefused,
    Direction,
    PlatformState,
)
from recorder.rows import RowError

_log = structlog.get_logger(__name__)

_SHARE_INTERVAL_S = 10.0
_ALARM_INTERVAL_S = 1.0
_FAULTS = (ConnectionError, TimeoutError, ControlError, RowError, sa.exc.DBAPIError)
# Of an on-demand camera that nobody looks at it is not known whether it would answer: it is on.
_NOT_ONLINE = frozenset({"offline", "refused"})


class PlatformsAbove:
    """A :class:`gateway.platforms.operations.PlatformKind`. Nothing is sent anywhere before a
    person has made and enabled a row of a platform above.
    """

    kind = "gb28181"
    direction: Direction = "above"

    def __init__(self, context: SignallingContext) -> None:
        self._context = context
        self._settings = context.settings.cascade
        self._endpoint = SipEndpoint(self._take, advertise=self._settings.advertise_address or "")
        self._opened = False
        self._processes = Processes(context.settings, context.secret, context.reader)
        self._states = CameraStates(context.reader, self._processes)
        self._held: dict[str, PlatformAbove] = {}
        self._alarms = AlarmFeed(context.reader)
        self._tasks: list[asyncio.Task[None]] = []
        self._share_now = asyncio.Event()

    async def start(self) -> None:
        """Nothing is opened before there is a platform: see :meth:`reconcile`."""

    async def close(self) -> None:
        """Say goodbye to each, and end what is sent."""
        await asyncio.gather(*(one.close() for one in self._held.values()), return_exceptions=True)
        self._held.clear()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._opened:
            self._opened = False
            await self._endpoint.close()
        await self._processes.close()

    async def reconcile(self, platforms: Mapping[str, DesiredPlatform]) -> None:
        """See PlatformKind."""
        if platforms and not self._opened:
            await self._open()
        for platform_id, held in tuple(self._held.items()):
            if platforms.get(platform_id) != held.platform:
                del self._held[platform_id]
                await held.close()
        for platform_id, platform in platforms.items():
            if platform_id not in self._held:
                self._hold(platform)
        self._share_now.set()

    async def refresh(self, platform_id: str) -> None:
        """Read at once what is shared."""
        if platform_id not in self._held:
            raise DeviceRefused("not_found", "this platform is not held here")
        await self._share(self._held[platform_id])

    def operations(self, platform_id: str) -> DeviceOperations:
        """Nothing is asked of a platform above."""
        raise DeviceRefused("unsupported", "a platform above us brings no cameras")

    def calls(self) -> Mapping[str, Callable[..., Any]]:
        """``cascade.status``: what each is given now."""

        async def status() -> list[dict[str, Any]]:
            return [
                {
                    "platform_id": platform_id,
                    "sessions": held.sessions,
                    "shared_cameras": len(held.catalog.cameras) if held.catalog else 0,
                }
                for platform_id, held in self._held.items()
            ]

        return {"cascade.status": status}

    def figures(self) -> Mapping[str, float]:
        """See PlatformKind."""
        return {
            "cascade_platforms": float(len(self._held)),
            "cascade_sessions": float(sum(held.sessions for held in self._held.values())),
        }

    # ------------------------------------------------------------ its parts

    async def _open(self) -> None:
        settings = self._settings
        try:
            await self._endpoint.open(settings.address, settings.port)
        except OSError as error:
            raise ConfigurationError(
                f"cascade cannot listen on {settings.address}:{settings.port}: {error}"
            ) from None
        self._opened = True
        for loop in (self._states.run(), self._share_for_ever(), self._tell_alarms()):
            self._tasks.append(asyncio.create_task(loop))

    def _hold(self, platform: DesiredPlatform) -> None:
        own = self._context.settings.gb28181.code
        local_code = str(platform.options.get("local_code") or own)
        if not local_code:
            self._context.sink.state(
                platform.id,
                PlatformState(
                    "offline",
                    now_us(),
                    fault="no_code",
                    detail="we have no code: set gb28181.code, or local_code of this platform",
                ),
            )
            return
        asked = Asked(
            self._context.owner,
            self._processes,
            self._context.reader,
            self._context.rows,
            self._context.sink.state,
            self._context.steer,
        )
        held = PlatformAbove(platform, local_code, self._endpoint, asked)
        self._held[platform.id] = held
        held.start()

    def _take(self, incoming: IncomingRequest) -> None:
        try:
            sender = parse_name_address(incoming.request.headers.get("from")).uri.user
        except MessageError:
            incoming.respond(400)
            return
        for held in self._held.values():
            if held.owns(incoming, sender):
                held.take(incoming)
                return
        incoming.respond(403)

    async def _share_for_ever(self) -> None:
        while True:
            for held in tuple(self._held.values()):
                try:
                    await self._share(held)
                except _FAULTS as error:
                    _log.warning("what is shared cannot be read yet", why=str(error))
                except Exception:
                    _log.exception("what is shared cannot be read yet")
            self._share_now.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_SHARE_INTERVAL_S):
                    await self._share_now.wait()

    async def _share(self, held: PlatformAbove) -> None:
        platform = held.platform
        name = await county_name(self._context.reader)
        async with self._context.reader.connect() as connection:
            shared = await read_shared(connection, platform.id)
        codes = await give_codes(self._context.rows, platform.id, held.local_code, shared)
        catalog = await asyncio.to_thread(
            build_catalog,
            platform.id,
            held.local_code,
            name,
            shared,
            codes,
            self._is_online,
        )
        if self._held.get(platform.id) is held:
            held.share(catalog)

    def _is_online(self, camera_id: str) -> bool:
        state = self._states.of(camera_id).get("main", {}).get("state")
        return state not in _NOT_ONLINE

    async def _tell_alarms(self) -> None:
        while True:
            await asyncio.sleep(_ALARM_INTERVAL_S)
            try:
                for told in await self._alarms.read():
                    for held in self._held.values():
                        held.tell_alarm(told)
            except _FAULTS as error:
                _log.warning("alarms cannot be read; trying again", why=str(error))
            except Exception:
                _log.exception("alarms cannot be read; trying again")


def build(context: SignallingContext) -> PlatformsAbove:
    """For :data:`gateway.platforms.kinds.KINDS`."""
    return PlatformsAbove(context)
