"""Platforms and devices below: they register here and tell; at libraries we subscribe."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
import structlog

from camera_adapters.gat1400.client import RefusedByPeer
from camera_adapters.gat1400.fields import write_moment
from camera_adapters.gat1400.objects import SightingKind
from camera_adapters.gat1400.registrations import Account
from camera_adapters.gat1400.subscriptions import (
    KIND_DETAILS,
    OPERATE_CANCEL,
    OPERATE_SUBSCRIBE,
    Subscription,
    read_devices,
    write_subscription,
)
from gateway.audit import AuditRecord
from gateway.control.channel import ControlError
from gateway.database.platform_tables import platform_states
from gateway.database.sighting_tables import sighting_places, sighting_subscriptions
from gateway.identifiers import now_us
from gateway.platforms.gat1400.asking import Peer, Unreachable
from gateway.platforms.gat1400.clock import now_s
from gateway.platforms.gat1400.hub import Hub
from gateway.platforms.gat1400.no_device import NoDevice
from gateway.platforms.gat1400.taking import take_channels
from gateway.platforms.operations import (
    DesiredPlatform,
    DeviceOperations,
    DeviceRefused,
    Direction,
)
from recorder.rows import RowError

_log = structlog.get_logger(__name__)

_TURN_S = 5.0
_AGAIN_S = 60.0
_KINDS: dict[str, SightingKind] = {
    "motor_vehicles": "vehicle",
    "non_motor_vehicles": "non_motor",
    "persons": "person",
}
_LISTS = (
    ("/VIID/APEs", "APEListObject", "APEObject", "ApeID", "camera"),
    ("/VIID/Tollgates", "TollgateListObject", "TollgateObject", "TollgateID", "group"),
)


@dataclass(frozen=True, slots=True)
class _Taken:
    """A subscription of ours at one below."""

    id: str
    detail: str
    receive_address: str


class Below:
    """All of them; a :class:`gateway.platforms.operations.PlatformKind`."""

    kind = "gat1400"
    direction: Direction = "below"

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._platforms: dict[str, DesiredPlatform] = {}
        self._taken: dict[str, _Taken] = {}
        self._again_s: dict[str, float] = {}
        self._restored = False
        self._turning: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """See PlatformKind."""
        await self._hub.open()
        self._turning = asyncio.create_task(self._run())

    async def close(self) -> None:
        """See PlatformKind."""
        if self._turning is not None:
            self._turning.cancel()
            await asyncio.gather(self._turning, return_exceptions=True)
        await self._hub.close()

    async def reconcile(self, platforms: Mapping[str, DesiredPlatform]) -> None:
        """See PlatformKind."""
        hub = self._hub
        if not self._restored:
            await self._load_subscriptions()
        accounts = {
            one.code: Account(one.id, one.code, one.username or one.code, one.password or "")
            # Without a password anybody could come in its name.
            for one in platforms.values()
            if one.code and one.password
        }
        hub.below.hold(accounts)
        if not self._restored:
            await self._restore(platforms)
            self._restored = True
        for platform in platforms.values():
            if hub.states.get(platform.id) is None or self._platforms.get(platform.id) != platform:
                self._expect(platform)
                self._again_s.pop(platform.id, None)
        self._platforms = dict(platforms)

    async def refresh(self, platform_id: str) -> None:
        """See PlatformKind."""
        platform = self._platforms.get(platform_id)
        if platform is None:
            raise DeviceRefused("not_found", "this platform is not held here")
        if platform.host is None or platform.port is None:
            raise DeviceRefused("unsupported", "say where it answers: it has no host and port")
        peer = Peer(self._hub.http, platform, self._hub.settings.code)
        found = 0
        for path, outer, inner, code_name, kind in _LISTS:
            try:
                answer = await peer.ask("GET", path)
            except Unreachable as error:
                raise DeviceRefused("offline", str(error)) from None
            except RefusedByPeer as error:
                if error.code == "password":
                    raise DeviceRefused("refused", str(error)) from None
                continue  # it serves no list of this kind
            held = answer.document.get(outer)
            listed = held.get(inner) if isinstance(held, Mapping) else None
            devices = read_devices(listed if isinstance(listed, list) else [], code_name, kind)
            await take_channels(self._hub, platform_id, devices)
            found += len(devices)
        await self._hub.context.rows.write("sightings.link_places")
        _log.info("a catalogue was fetched", platform=platform_id, devices=found)

    def operations(self, platform_id: str) -> DeviceOperations:
        """See PlatformKind."""
        if platform_id not in self._platforms:
            raise DeviceRefused("not_found", "this platform is not held here")
        return NoDevice()

    def calls(self) -> Mapping[str, Callable[..., Any]]:
        """See PlatformKind."""
        return {}

    def figures(self) -> Mapping[str, float]:
        """See PlatformKind."""
        return self._hub.figures

    def _expect(self, platform: DesiredPlatform) -> None:
        """What is known of one that was added or changed just now."""
        states = self._hub.states
        if not platform.password:
            states.tell(
                platform.id,
                "refused",
                "no_password",
                "set a password: without one it is not let in",
            )
            return
        alive = self._hub.below.alive(platform.code or "")
        if alive is not None:
            states.tell(
                platform.id, "online", host=alive.address, seen_us=round(alive.heard_s * 1e6)
            )
        else:
            states.tell(platform.id, "offline", "not_registered", "it has not registered yet")

    async def _restore(self, platforms: Mapping[str, DesiredPlatform]) -> None:
        """Who was registered when this process ended is so still, if it has spoken lately."""
        since_us = now_us() - round(self._hub.below.silent_s * 1e6) - 30_000_000
        table = platform_states.c
        async with self._hub.context.reader.connect() as connection:
            rows = await connection.execute(
                sa.select(table.platform_id, table.host, table.since_us, table.seen_us).where(
                    table.platform_id.in_(platforms), table.state == "online",
                    table.seen_us > since_us, table.host.is_not(None),
                )
            )  # fmt: skip
            for row in rows:
                code = platforms[row.platform_id].code
                if code:
                    self._hub.below.restore(code, row.host, row.since_us / 1e6, now_s())

    async def _load_subscriptions(self) -> None:
        table = sighting_subscriptions
        async with self._hub.context.reader.connect() as connection:
            rows = (
                await connection.execute(sa.select(table).where(table.c.direction == "taken"))
            ).all()
        for row in rows:
            document = row.document
            self._hold(
                row.platform_id,
                _Taken(
                    row.id, document.get("SubscribeDetail", ""), document.get("ReceiveAddr", "")
                ),
            )

    def _hold(self, platform_id: str, taken: _Taken | None) -> None:
        if taken is None:
            self._taken.pop(platform_id, None)
            self._hub.subscriptions_taken.pop(platform_id, None)
        else:
            self._taken[platform_id] = taken
            self._hub.subscriptions_taken[platform_id] = frozenset({taken.id})

    async def _run(self) -> None:
        """See who has fallen silent, subscribe where we should, find the cameras of devices."""
        while True:
            await asyncio.sleep(_TURN_S)
            try:
                for registration in self._hub.below.expire(now_s()):
                    self._hub.on_below_gone(registration, "silent")
                for platform in tuple(self._platforms.values()):
                    await self._subscribe(platform)
                await self._link_places()
            except (RowError, ControlError, ConnectionError, sa.exc.DBAPIError) as error:
                _log.warning("GA/T 1400 below: trying again", why=str(error))
            except Exception:
                _log.exception("GA/T 1400 below: trying again")

    async def _link_places(self) -> None:
        unlinked = sa.select(sighting_places.c.id).where(sighting_places.c.camera_id.is_(None))
        async with self._hub.context.reader.connect() as connection:
            if (await connection.execute(unlinked.limit(1))).first() is None:
                return
        at_s = now_s()
        if at_s < self._again_s.get("", 0.0):
            return
        self._again_s[""] = at_s + _AGAIN_S
        await self._hub.context.rows.write("sightings.link_places")

    async def _subscribe(self, platform: DesiredPlatform) -> None:
        """Bring what we have subscribed to there into line with what is wanted."""
        wanted = sorted(
            KIND_DETAILS[_KINDS[one]]
            for one in platform.options.get("subscribe", ())
            if one in _KINDS
        )
        detail = ",".join(str(one) for one in wanted)
        address = f"{self._hub.own_url}/VIID/SubscribeNotifications"
        taken = self._taken.get(platform.id)
        if taken is not None and (taken.detail, taken.receive_address) == (detail, address):
            return
        if taken is None and not detail:
            return
        state = self._hub.states.get(platform.id)
        if platform.host is None or platform.port is None or state is None:
            return
        if state.state != "online" or now_s() < self._again_s.get(platform.id, 0.0):
            return
        self._again_s[platform.id] = now_s() + _AGAIN_S
        peer = Peer(self._hub.http, platform, self._hub.settings.code)
        try:
            if taken is not None:
                await self._cancel(platform, peer, taken)
            if detail:
                await self._begin(platform, peer, detail, address)
        except (Unreachable, RefusedByPeer) as error:
            _log.warning("a subscription below failed", platform=platform.id, why=str(error))
            self._hub.states.facts(platform.id, subscription_fault=str(error)[:200])
            return
        self._again_s.pop(platform.id, None)
        self._hub.states.facts(platform.id, subscription_fault=None)

    async def _begin(
        self, platform: DesiredPlatform, peer: Peer, detail: str, address: str
    ) -> None:
        hub = self._hub
        at_us = now_us()
        stamp = write_moment(at_us, hub.utc_offset_minutes)
        one = Subscription(
            id=f"{hub.settings.code[:12]}03{stamp}{random.randrange(100_000):05d}",
            title="gridsight",
            detail=detail,
            resources=platform.code,
            applicant="gridsight",
            applicant_org=hub.settings.code,
            begins_us=at_us,
            ends_us=at_us + 10 * 365 * 86_400_000_000,
            receive_address=address,
            interval_s=1,
            reason="cascade",
            operation=OPERATE_SUBSCRIBE,
            status=0,
            with_pictures="-1",
        )
        document = write_subscription(one, utc_offset_minutes=hub.utc_offset_minutes)
        # Held before it is sent: the first notification may be here before the answer.
        await hub.context.rows.write(
            "audit.act",
            operation="sightings.subscribe",
            arguments={
                "platform_id": platform.id, "subscription_id": one.id, "direction": "taken",
                "document": document, "ends_us": one.ends_us,
            },
            records=[_record("cascade.subscribe_below", platform, one.id)],
        )  # fmt: skip
        taken = _Taken(one.id, detail, address)
        self._hold(platform.id, taken)
        try:
            body = {"SubscribeListObject": {"SubscribeObject": [document]}}
            await peer.tell("POST", "/VIID/Subscribes", body)
        except (Unreachable, RefusedByPeer):
            await self._forget(platform, taken)
            raise

    async def _cancel(self, platform: DesiredPlatform, peer: Peer, taken: _Taken) -> None:
        one = Subscription(id=taken.id, operation=OPERATE_CANCEL, detail=taken.detail)
        document = write_subscription(one, utc_offset_minutes=self._hub.utc_offset_minutes)
        body = {"SubscribeListObject": {"SubscribeObject": [document]}}
        try:
            await peer.ask("PUT", "/VIID/Subscribes", body)
        except RefusedByPeer as error:
            _log.info("a subscription was unknown there", platform=platform.id, why=str(error))
        await self._forget(platform, taken)

    async def _forget(self, platform: DesiredPlatform, taken: _Taken) -> None:
        self._hold(platform.id, None)
        await self._hub.context.rows.write(
            "audit.act",
            operation="sightings.unsubscribe",
            arguments={"platform_id": platform.id, "subscription_ids": [taken.id]},
            records=[_record("cascade.unsubscribe_below", platform, taken.id)],
        )


def _record(action: str, platform: DesiredPlatform, subscription_id: str) -> dict[str, Any]:
    detail = {"platform_id": platform.id, "subscription": subscription_id}
    return AuditRecord(action, detail=detail).to_message()
