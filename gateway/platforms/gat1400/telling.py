"""Notifications to those above: what arrived since the last one that they confirmed.

The queue is the rows themselves: each subscription remembers how far it was told
(``sighting_subscriptions.told_id``), so that nothing is lost by an end of this process or of the
network, and nothing waits in memory. What lies further back than a day is passed over, and said so.
"""

from __future__ import annotations

import asyncio
import itertools
import random
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import sqlalchemy as sa
import structlog

from camera_adapters.gat1400.fields import write_moment
from camera_adapters.gat1400.objects import SightingKind
from camera_adapters.gat1400.subscriptions import (
    Subscription,
    read_subscription,
    write_notification,
)
from gateway.audit import AuditRecord, append
from gateway.database.sighting_tables import sighting_subscriptions, sightings
from gateway.identifiers import now_us
from gateway.platforms.gat1400.asking import Peer
from gateway.platforms.gat1400.serving import receive_trouble
from gateway.platforms.gat1400.shares import shared_places
from gateway.platforms.operations import DesiredPlatform
from gateway.sightings.places import SightingPlace
from gateway.sightings.search import read_after
from recorder.retention import DAY_US

if TYPE_CHECKING:
    from gateway.platforms.gat1400.hub import Hub

_log = structlog.get_logger(__name__)

AT_ONCE = 20
BYTES_AT_ONCE = 8 * 1024**2
_BACKLOG_US = DAY_US
_numbers = itertools.count(random.randrange(100_000))


@dataclass(frozen=True, slots=True)
class Held:
    """A subscription that is in force, and how far it was told."""

    subscription: Subscription
    told_id: int


class Teller:
    """All notifications of one platform above."""

    def __init__(self, hub: Hub, platform: DesiredPlatform, peer: Peer) -> None:
        self._hub = hub
        self._platform = platform
        self._peer = peer
        self._told_at: dict[str, float] = {}

    async def turn(self) -> bool:
        """Tell each subscription its next portion; True when there is more. Raises Unreachable,
        RefusedByPeer, StoreError, ConnectionError: it is told again from there.
        """
        more = False
        held = await self._subscriptions()
        if not held:
            return False
        async with self._hub.context.reader.connect() as connection:
            places = await shared_places(connection, self._platform.id)
        for one in held:
            if self._is_due(one.subscription):
                more = await self._tell(one, places) or more
        return more

    def _is_due(self, one: Subscription) -> bool:
        """Not more often than it wants (ReportInterval)."""
        at_s = asyncio.get_running_loop().time()
        before_s = self._told_at.get(one.id)
        return before_s is None or at_s - before_s >= min(one.interval_s or 0, 3600)

    async def _subscriptions(self) -> list[Held]:
        table = sighting_subscriptions
        at_us = now_us()
        async with self._hub.context.reader.connect() as connection:
            rows = await connection.execute(
                sa.select(table.c.document, table.c.told_id).where(
                    table.c.platform_id == self._platform.id,
                    table.c.direction == "given",
                    table.c.active,
                    sa.or_(table.c.ends_us.is_(None), table.c.ends_us > at_us),
                )
            )
            found = [
                Held(
                    read_subscription(
                        row.document, "", utc_offset_minutes=self._hub.utc_offset_minutes
                    ),
                    row.told_id,
                )
                for row in rows
            ]
        return [one for one in found if (one.subscription.begins_us or 0) <= at_us]

    async def _tell(self, held: Held, places: Mapping[int, SightingPlace]) -> bool:
        one = held.subscription
        wanted = {
            place.id: place
            for place in places.values()
            if not one.codes
            or place.code in one.codes
            or self._hub.settings.code in one.codes  # all that we have
        }
        after_id = await self._within_backlog(held)
        async with self._hub.context.reader.connect() as connection:
            rows, looked_id = await read_after(
                connection, after_id, sorted(wanted), sorted(one.kinds), AT_ONCE
            )
        if rows:
            kept: list[Any] = []
            size = 0
            for row in rows:
                size += sum(picture[2] for picture in row.pictures) * 4 // 3
                if kept and size > BYTES_AT_ONCE:
                    looked_id = kept[-1].id
                    break
                kept.append(row)
            await self._send(one, kept, wanted)
        if looked_id > held.told_id:
            await self._hub.context.rows.write(
                "sightings.told",
                platform_id=self._platform.id,
                subscription_id=one.id,
                told_id=looked_id,
            )
        if rows:
            self._told_at[one.id] = asyncio.get_running_loop().time()
        return looked_id > after_id

    async def _within_backlog(self, held: Held) -> int:
        """From where on; what is too old is passed over."""
        oldest_us = now_us() - _BACKLOG_US
        async with self._hub.context.reader.connect() as connection:
            following = (
                await connection.execute(
                    sa.select(sightings.c.id, sightings.c.received_us)
                    .where(sightings.c.id > held.told_id)
                    .order_by(sightings.c.id)
                    .limit(1)
                )
            ).one_or_none()
            if following is None or following.received_us >= oldest_us:
                return held.told_id
            # Ids count up with arrival: halve towards the first that is young enough.
            low, high = (
                following.id,
                await connection.scalar(sa.select(sa.func.max(sightings.c.id))),
            )
            while low < high:
                middle = (low + high) // 2
                received_us = await connection.scalar(
                    sa.select(sightings.c.received_us)
                    .where(sightings.c.id >= middle)
                    .order_by(sightings.c.id)
                    .limit(1)
                )
                if received_us is not None and received_us < oldest_us:
                    low = middle + 1
                else:
                    high = middle
        passed_over = int(low) - 1
        _log.error(
            "what passed is too old to be told upwards, and is passed over",
            platform=self._platform.id,
            subscription=held.subscription.id,
            ids=passed_over - held.told_id,
        )
        return passed_over

    async def _send(
        self, one: Subscription, rows: list[Any], places: Mapping[int, SightingPlace]
    ) -> None:
        hub = self._hub
        trouble = receive_trouble(
            one, hub.above_addresses.get(self._platform.id, frozenset()), self._platform
        )
        if trouble:
            raise ConnectionError(trouble)
        objects: dict[SightingKind, list[Mapping[str, Any]]] = defaultdict(list)
        pictures = 0
        for row in rows:
            document, count = await hub.giver.give(row, places[row.place_id], with_pictures=True)
            objects[row.kind].append(document)
            pictures += count
        # On record before it leaves.
        await append(
            hub.context.rows,
            [
                AuditRecord(
                    "cascade.sightings",
                    user_name=self._platform.name[:100],
                    address=self._platform.host,
                    start_us=min(row.at_us for row in rows),
                    end_us=max(row.at_us for row in rows) + 1,
                    detail={
                        "platform_id": self._platform.id,
                        "subscription": one.id,
                        "sightings": len(rows),
                        "pictures": pictures,
                        "first_id": rows[0].id,
                        "last_id": rows[-1].id,
                    },
                )
            ],
        )
        triggered = write_moment(now_us(), hub.utc_offset_minutes)
        number = next(_numbers) % 100_000
        notification = write_notification(
            f"{hub.settings.code[:12]}04{triggered}{number:05d}",
            one,
            triggered,
            objects,
            [row.facts["own_id"] for row in rows],
        )
        found = urlsplit(one.receive_address or "")
        body = {"SubscribeNotificationListObject": {"SubscribeNotificationObject": [notification]}}
        await self._peer.tell_at(
            f"{found.scheme}://{found.netloc}", found.path or "/VIID/SubscribeNotifications", body
        )
        hub.figures["gat1400_told"] += len(rows)
