"""Alarms as the API shows them, and the news of them to whoever listens."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
import structlog
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from gateway.alarms.priorities import priority_of
from gateway.alarms.watch import AlarmWatch
from gateway.api.alarm_audience import Audience, audiences
from gateway.api.masked_alarms import for_unlifted, may_lift
from gateway.cameras import place_columns, place_of
from gateway.database.operating_tables import alarms, device_events, switches
from gateway.database.platform_tables import platforms
from gateway.database.tables import areas, cameras
from gateway.identifiers import now_us
from gateway.news import Listeners
from gateway.people.areas import area_names
from gateway.people.authorize import COUNTY, AreaPlace, Place, Principal
from gateway.people.roles import Right

_log = structlog.get_logger(__name__)

_LISTED_LIMIT = 200


@dataclass(frozen=True, slots=True)
class ToldAlarm:
    """An alarm that is new or another one, where it is, and who may hear of it. ``unlifted``: the
    document for who may not lift masks there, see :mod:`gateway.api.masked_alarms`. An ``audience``
    are the only ones who may hear of it.
    """

    place: Place
    document: dict[str, Any]
    unlifted: dict[str, Any]
    audience: Audience | None

    def document_for(self, principal: Principal) -> dict[str, Any] | None:
        """As somebody may see it: where they may look live, in its audience where there is one,
        without what lies beneath masks that they may not lift. None: they may not hear of it.
        """
        if self.audience is not None and not self.audience.includes(principal, self.place):
            return None
        if Right.LIVE not in principal.rights_at(self.place, now_us()):
            return None
        return self.document if may_lift(principal, self.place, self.document) else self.unlifted


@dataclass(frozen=True, slots=True)
class ToldAlarms:
    """What is told at once, the newest first. ``more``: of others nothing is told but that they
    are; who wants to know them asks.
    """

    alarms: Sequence[ToldAlarm]
    more: bool = False


_TOLD_AT_ONCE = 50
"""A thousand alarms a second are read by nobody as they come."""

_SHOWN = (
    "id", "kind", "begin_us", "end_us", "area_id", "camera_id", "platform_id", "switch_id",
    "network", "folded_into", "detail", "acknowledged_us", "note", "snoozed_until_us", "silent",
    "again_us", "escalated_us", "escalated_words",
)  # fmt: skip


async def alarm_documents(
    connection: AsyncConnection, *where: sa.ColumnElement[bool], limit: int = _LISTED_LIMIT
) -> list[tuple[Place, dict[str, Any]]]:
    """The alarms that meet conditions on ``alarms``, the newest first, each with where it is."""
    folded = alarms.alias("folded")
    count = (
        sa.select(sa.func.count())
        .select_from(folded)
        .where(folded.c.folded_into == alarms.c.id)
        .scalar_subquery()
    )
    told, last_told_us = _told_by_devices()
    own = areas.alias("own")
    rows = await connection.execute(
        sa.select(
            alarms,
            count.label("folded"),
            told.label("told"),
            last_told_us.label("last_told_us"),
            own.c.path.label("own_path"),
            cameras.c.name.label("camera_name"),
            platforms.c.name.label("platform_name"),
            switches.c.name.label("switch_name"),
            *place_columns(),
        )
        .select_from(
            alarms.outerjoin(own, own.c.id == alarms.c.area_id)
            .outerjoin(cameras, cameras.c.id == alarms.c.camera_id)
            .outerjoin(areas, areas.c.id == cameras.c.area_id)
            .outerjoin(platforms, platforms.c.id == alarms.c.platform_id)
            .outerjoin(switches, switches.c.id == alarms.c.switch_id)
        )
        .where(*where)
        .order_by(alarms.c.begin_us.desc(), alarms.c.id.desc())
        .limit(limit)
    )
    found = [dict(row) for row in rows.mappings()]
    names = await area_names(connection, [row["own_path"] for row in found if row["own_path"]])
    return [(_place(row), _document(row, names)) for row in found]


async def told_alarms(connection: AsyncConnection, alarm_ids: Sequence[str]) -> list[ToldAlarm]:
    """These, with who may hear of each."""
    documents = await alarm_documents(connection, alarms.c.id.in_(alarm_ids))
    only = await audiences(connection, alarm_ids)
    unlifted = await for_unlifted(connection, [document for _, document in documents])
    return [
        ToldAlarm(place, document, unlifted.get(document["id"], document), only.get(document["id"]))
        for place, document in documents
    ]


class AlarmNews:
    """Told ids by :class:`gateway.alarms.watch.AlarmWatch`, tells documents."""

    def __init__(self, reader: AsyncEngine, watch: AlarmWatch) -> None:
        self._reader = reader
        self._watch = watch
        self._listeners = Listeners[ToldAlarms]()
        # In the order in which they changed.
        self._changed: dict[str, None] = {}
        self._wake = asyncio.Event()

    def listening(self, listener: Callable[[ToldAlarms], None]) -> AbstractContextManager[None]:
        """Have it called at each change, with some at once."""
        return self._listeners.listening(listener)

    async def run(self) -> None:
        """Read and tell, for ever."""
        with self._watch.listening(self._take):
            while True:
                await self._wake.wait()
                self._wake.clear()
                ids = list(self._changed)
                self._changed.clear()
                try:
                    await self._tell(ids)
                except sa.exc.DBAPIError as error:
                    _log.warning("news of alarms cannot be read", why=str(error))

    async def _tell(self, ids: Sequence[str]) -> None:
        if not self._listeners:
            return
        told = ids[-_TOLD_AT_ONCE:]
        async with self._reader.connect() as connection:
            found = await told_alarms(connection, told)
        self._listeners.tell(ToldAlarms(found, more=len(told) < len(ids)))

    def _take(self, alarm_ids: Sequence[str]) -> None:
        for one in alarm_ids:
            self._changed.pop(one, None)
            self._changed[one] = None
        self._wake.set()


def _told_by_devices() -> tuple[sa.ScalarSelect[Any], sa.ScalarSelect[Any]]:
    """How often what it is about told of it, and when last, where a device or a zone did."""
    event = device_events.c
    is_its = sa.and_(
        event.camera_id == alarms.c.camera_id,
        event.kind == alarms.c.kind,
        event.begin_us >= alarms.c.begin_us,
        sa.or_(alarms.c.end_us.is_(None), event.begin_us <= alarms.c.end_us),
        # Zones of one camera have alarms of their own.
        sa.or_(
            alarms.c.subject == sa.literal("camera:").concat(event.camera_id),
            alarms.c.subject == event.source,
        ),
    )
    times = sa.func.sum(event.count), sa.func.max(event.begin_us)
    counted, last_us = (sa.select(one).where(is_its).scalar_subquery() for one in times)
    return counted, last_us


def _place(row: dict[str, Any]) -> Place:
    if row["camera_id"] is not None and row["area_path"] is not None:
        return place_of(row["area_path"], row["area_paths"])
    return AreaPlace(row["own_path"]) if row["own_path"] else COUNTY


def _document(row: dict[str, Any], names: dict[str, list[str]]) -> dict[str, Any]:
    return {
        **{name: row[name] for name in _SHOWN},
        "state": "open" if row["end_us"] is None else "ended",
        "area_path": names.get(row["own_path"] or "", []),
        "camera_name": row["camera_name"],
        "platform_name": row["platform_name"],
        "switch_name": row["switch_name"],
        "folded": row["folded"],
        "times": max(row["told"] or 0, 1 + row["again"]),
        "last_us": max(row["begin_us"], row["again_us"] or 0, row["last_told_us"] or 0),
        "acknowledged_by": row["acknowledged_name"],
        "snoozed_by": row["snoozed_name"],
        "escalated_by": row["escalated_name"],
        "priority": row["priority"] or priority_of(row["kind"]),
    }
