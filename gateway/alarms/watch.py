"""The loop of alarms: looks at everything every few seconds, writes what changed, tells of it.

It runs in the API process that leads, which hears the shards as all of them do; its memory is the
rows, so that it may be killed at any time. In the others it follows: it knows what depends on what,
and reads which switches are down.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import sqlalchemy as sa
import structlog
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from gateway.alarms.conditions import CameraConditions, platform_conditions
from gateway.alarms.device_conditions import DeviceConditions
from gateway.alarms.judge import (
    AGAIN_US,
    NETWORK_DOWN,
    Again,
    Change,
    Changed,
    Closed,
    Condition,
    Group,
    Judge,
    Key,
    OpenAlarm,
    Opened,
    Seen,
)
from gateway.alarms.topology import Topology, common_area, read_topology
from gateway.cameras import sum_of_times
from gateway.control.channel import ControlError
from gateway.database.operating_tables import alarms, switches
from gateway.database.platform_tables import platform_states, platforms
from gateway.database.tables import areas, cameras
from gateway.identifiers import US_PER_S, new_id, now_us
from gateway.settings import AlarmSettings
from recorder.rows import RowError, RowWriter

_log = structlog.get_logger(__name__)

INTERVAL_S = 2.0
_GLANCES_EVERY_S = 0.2
_RESTS = 3
_ASK_EVERY_S = 20.0
_CONNECT_S = 3.0
_MANAGEMENT_PORT = 80
_MANY_CONDITIONS = 500
# Others write, too.
_WRITTEN_AT_ONCE = 500
# Longer than it takes another process to judge when one has died.
_RECENT_US = 30 * US_PER_S
_RECENT_LIMIT = 500
_WRITE_FAULTS = (ConnectionError, TimeoutError, ControlError, RowError, sa.exc.DBAPIError)

StateListener = Callable[[str, str, dict[str, Any]], None]
Listener = Callable[[Sequence[str]], None]


class States(Protocol):
    """The part of :class:`gateway.api.states.CameraStates` that is needed here."""

    def all(self) -> Iterator[tuple[str, str, dict[str, Any]]]:
        """Every known (camera id, variant, state)."""

    def listening(self, listener: StateListener) -> contextlib.AbstractContextManager[None]:
        """Have ``listener`` called at each change."""


@dataclass(frozen=True, slots=True)
class Management:
    """Whether a switch itself answers."""

    reachable: bool
    at_us: int


class AlarmWatch:
    """Knows what depends on what, and which alarms are open."""

    def __init__(
        self, settings: AlarmSettings, reader: AsyncEngine, rows: RowWriter, states: States
    ) -> None:
        self.topology = Topology()
        self.management: dict[str, Management] = {}
        self._offline_after_us = round(settings.camera_offline_after_s * US_PER_S)
        self._clock_drift_us = round(settings.clock_drift_s * US_PER_S)
        self.cameras = CameraConditions(
            offline_after_us=self._offline_after_us, clock_drift_us=self._clock_drift_us
        )
        self._reader = reader
        self._rows = rows
        self._states = states
        self._judge: Judge | None = None
        self._devices = DeviceConditions(settings.device_kinds)
        self._judges = False
        self._switches_down: dict[Key, OpenAlarm] = {}
        self._stamp: object = None
        self._platform_areas: dict[str, str] = {}
        self._listeners: set[Listener] = set()
        self.tell_others: Listener = _tell_nobody
        # Further things that may be wrong, asked at each look.
        self.further: list[Callable[[], dict[Key, Condition]]] = []
        # The same, of what is read from rows.
        self.further_rows: list[Callable[[AsyncConnection], Awaitable[dict[Key, Condition]]]] = []
        # Subjects of which nothing is known now, so that nothing about them ends.
        self.further_unknown: list[Callable[[], frozenset[str]]] = []

    @contextlib.contextmanager
    def listening(self, listener: Listener) -> Iterator[None]:
        """Have ``listener(alarm_ids)`` called at changes of alarms that stand for themselves."""
        self._listeners.add(listener)
        try:
            yield
        finally:
            self._listeners.discard(listener)

    def tell(self, alarm_ids: Sequence[str]) -> None:
        """These are new or changed: here, and in other processes that have listeners."""
        self.hear(alarm_ids)
        self.tell_others(alarm_ids)

    def hear(self, alarm_ids: Sequence[str]) -> None:
        """Another process says that these are new or changed."""
        for listener in tuple(self._listeners):
            listener(alarm_ids)

    async def run(self) -> None:
        """Hear the shards and ask the switches for ever, and follow while nobody judges here."""
        asking = asyncio.create_task(self._ask_for_ever())
        try:
            with self._states.listening(self._take_state):
                for camera_id, variant, state in self._states.all():
                    self._take_state(camera_id, variant, state)
                while True:
                    if not self._judges:
                        await self._follow()
                    await asyncio.sleep(INTERVAL_S)
        finally:
            asking.cancel()

    async def judge(self, rows: RowWriter) -> None:
        """Judge for ever and write to ``rows``; a failure is logged and tried again. In one process
        at a time, beside :meth:`run`.
        """
        written, self._rows, self._judges = self._rows, rows, True
        try:
            await self._tell_recent()
            loop = asyncio.get_running_loop()
            looked_s = 0.0
            while True:
                began_s = loop.time()
                try:
                    if began_s - looked_s >= INTERVAL_S or await self._is_news():
                        await self.look(now_us())
                        looked_s = began_s
                except _WRITE_FAULTS as error:
                    # What was not written is found again.
                    self._judge = None
                    _log.warning("alarms cannot be judged now; trying again", why=str(error))
                    await asyncio.sleep(INTERVAL_S)
                except Exception:
                    self._judge = None
                    _log.exception("alarms cannot be judged now; trying again")
                    await asyncio.sleep(INTERVAL_S)
                # In a storm it leaves most of the time to others.
                took_s = loop.time() - began_s
                await asyncio.sleep(max(_GLANCES_EVERY_S, _RESTS * took_s))
        finally:
            self._rows, self._judges, self._judge = written, False, None

    async def _is_news(self) -> bool:
        """Whether a device or a zone tells of something else than at the last look: people wait for
        that, and it costs two small questions.
        """
        async with self._reader.connect() as connection:
            return await self._devices.read(connection, now_us())

    async def _tell_recent(self) -> None:
        """Tell what the one who judged before may have written last, and not told any more."""
        since_us = now_us() - _RECENT_US
        recent = sa.or_(alarms.c.begin_us > since_us, alarms.c.end_us > since_us)
        try:
            async with self._reader.connect() as connection:
                ids = await connection.scalars(
                    sa.select(alarms.c.id)
                    .where(recent, alarms.c.folded_into.is_(None))
                    .order_by(alarms.c.begin_us.desc())
                    .limit(_RECENT_LIMIT)
                )
                told = list(ids)
        except sa.exc.DBAPIError as error:
            _log.warning("recent alarms cannot be read", why=str(error))
            return
        if told:
            self.tell(told)

    async def _follow(self) -> None:
        down = sa.and_(alarms.c.end_us.is_(None), alarms.c.kind == "network_down")
        try:
            async with self._reader.connect() as connection:
                await self._read_topology(connection)
                found = await _open_alarms(connection, down)
        except Exception as error:
            _log.warning("alarms cannot be followed now; trying again", why=str(error))
            return
        self._switches_down = {one.key: one for one in found}

    async def look(self, at_us: int) -> list[Change]:
        """One comparison; gives what changed, written. Raises what the writer raises."""
        async with self._reader.connect() as connection:
            await self._read_topology(connection)
            conditions = {
                key: one
                for key, one in self.cameras.all().items()
                if one.camera_id not in self.topology.telephones
            }
            rows = await _platform_rows(connection, self._clock_drift_us)
            conditions |= platform_conditions(
                rows,
                offline_after_us=self._offline_after_us,
                clock_drift_us=self._clock_drift_us,
            )
            await self._devices.read(connection, at_us)
            conditions |= self._devices.all()
            for ask in self.further:
                conditions |= ask()
            for read in self.further_rows:
                conditions |= await read(connection)
            if self._judge is None:
                self._judge = Judge(
                    lambda: new_id("alm"),
                    await _open_alarms(connection),
                    await _over_alarms(connection, at_us - AGAIN_US),
                )
            await self._settle(connection, self._judge, conditions)
        connecting = {
            f"platform:{row['platform_id']}" for row in rows if row["state"] == "connecting"
        }
        seen = Seen(
            at_us,
            conditions,
            tuple(self._groups()),
            self.cameras.judged,
            self.cameras.unknown.union(connecting, *(ask() for ask in self.further_unknown)),
        )
        hidden = {one.id for one in self._judge.open.values() if one.folded_into is not None}
        if len(conditions) < _MANY_CONDITIONS:
            changes = self._judge.look(seen)
        else:
            # Half the county has failed: the console must be able to say so.
            changes = await asyncio.to_thread(self._judge.look, seen)
        if changes:
            await self._write(changes)
            # Two hundred cameras of a dead switch are not news, the switch is.
            told = {
                one.alarm.id
                for one in changes
                if one.alarm.folded_into is None
                or (one.alarm.id not in hidden and not isinstance(one, Opened))
            }
            if told:
                self.tell(sorted(told))
        return changes

    async def _settle(
        self, connection: AsyncConnection, judge: Judge, conditions: Mapping[Key, Condition]
    ) -> None:
        ids = judge.returning(conditions)
        for at in range(0, len(ids), _WRITTEN_AT_ONCE):
            seen_to = sa.select(alarms.c.id).where(
                alarms.c.id.in_(ids[at : at + _WRITTEN_AT_ONCE]),
                alarms.c.acknowledged_us.is_not(None),
            )
            judge.settled(set(await connection.scalars(seen_to)))

    def is_down(self, switch_id: str) -> OpenAlarm | None:
        """The open alarm of a switch."""
        known = self._switches_down if self._judge is None else self._judge.open
        return known.get(("network_down", f"switch:{switch_id}"))

    def failed(self, camera_ids: frozenset[str]) -> tuple[int, int]:
        """Of these cameras: how many fail, of how many it is known."""
        judged = camera_ids & self.cameras.judged
        conditions = self.cameras.all()
        return (
            sum(("camera_offline", f"camera:{one}") in conditions for one in judged),
            len(judged),
        )

    def _groups(self) -> Iterator[Group]:
        for group in self.topology.groups:
            asked = self.management.get(group.id) if group.kind == "switch" else None
            silent = asked is not None and not asked.reachable
            yield replace(group, unreachable=True) if silent else group

    def _take_state(self, camera_id: str, variant: str, state: dict[str, Any]) -> None:
        if variant == "main":
            self.cameras.take(camera_id, state)

    async def _write(self, changes: Sequence[Change]) -> None:
        # What others are folded into goes before them; what is over goes last.
        order = sorted(
            changes,
            key=lambda one: (
                isinstance(one, Closed),
                not isinstance(one, Opened),
                one.alarm.folded_into is not None,
            ),
        )
        for at in range(0, len(order), _WRITTEN_AT_ONCE):
            await self._write_some(order[at : at + _WRITTEN_AT_ONCE])

    async def _write_some(self, changes: Sequence[Change]) -> None:
        opened: list[dict[str, Any]] = []
        changed: list[dict[str, Any]] = []
        closed: list[dict[str, Any]] = []
        again: list[dict[str, Any]] = []
        for one in changes:
            alarm = one.alarm
            match one:
                case Opened():
                    opened.append(self._row(one))
                case Again():
                    again.append(
                        {"id": alarm.id, "since_us": one.since_us, "detail": dict(alarm.detail)}
                    )
                case Changed():
                    changed.append(
                        {
                            "id": alarm.id,
                            "folded_into": alarm.folded_into,
                            "detail": dict(alarm.detail),
                        }
                    )
                case Closed():
                    closed.append({"id": alarm.id, "end_us": one.end_us})
        await self._rows.write(
            "alarms.apply", opened=opened, changed=changed, closed=closed, again=again
        )

    def _row(self, opened: Opened) -> dict[str, Any]:
        alarm, condition, group = opened.alarm, opened.condition, opened.group
        row: dict[str, Any] = {
            "id": alarm.id,
            "kind": alarm.key[0],
            "subject": alarm.key[1],
            "begin_us": alarm.begin_us,
            "folded_into": alarm.folded_into,
            "detail": dict(alarm.detail),
            "camera_id": condition.camera_id if condition is not None else None,
            "platform_id": condition.platform_id if condition is not None else None,
            "switch_id": None,
            "network": None,
            "area_id": None,
        }
        if group is not None:
            places = [self.topology.places[one] for one in group.cameras]
            row["area_id"] = common_area([one.area_path for one in places])
            if group.kind == "switch":
                row["switch_id"] = group.id
                row["area_id"] = self.topology.switches[group.id].area_id
            elif group.kind == "platform":
                row["platform_id"] = group.id
            else:
                row["network"] = group.id
        elif row["camera_id"] is not None and row["camera_id"] in self.topology.places:
            row["area_id"] = self.topology.places[row["camera_id"]].area_id
        elif row["platform_id"] is not None:
            row["area_id"] = self._platform_areas.get(row["platform_id"])
        return row

    async def _read_topology(self, connection: AsyncConnection) -> None:
        found = await connection.execute(
            sa.select(sa.func.count(), sum_of_times(cameras.c.changed_us)).select_from(cameras)
        )
        known = await connection.execute(
            sa.select(sa.func.count(), sum_of_times(switches.c.changed_us)).select_from(switches)
        )
        listed = await connection.execute(
            sa.select(sa.func.count(), sum_of_times(platforms.c.changed_us)).select_from(platforms)
        )
        moved_us = await connection.scalar(sa.select(sum_of_times(areas.c.moved_us)))
        stamp = (*found.one(), *known.one(), *listed.one(), moved_us)
        if stamp != self._stamp:
            self.topology = await read_topology(connection)
            rows = await connection.execute(sa.select(platforms.c.id, platforms.c.area_id))
            self._platform_areas = {row.id: row.area_id for row in rows}
            self._stamp = stamp
            self.cameras.forget(self.topology.places)

    async def _ask_for_ever(self) -> None:
        while True:
            with contextlib.suppress(Exception):
                await self._ask_switches()
            await asyncio.sleep(_ASK_EVERY_S)

    async def _ask_switches(self) -> None:
        asked = [one for one in self.topology.switches.values() if one.management_host]
        for one in asked:
            reachable = await answers(
                one.management_host or "", one.management_port or _MANAGEMENT_PORT
            )
            self.management[one.id] = Management(reachable, now_us())
        self.management = {
            one.id: self.management[one.id] for one in asked if one.id in self.management
        }


def _tell_nobody(_: Sequence[str]) -> None:
    """There is no other process."""


async def answers(host: str, port: int) -> bool:
    """Whether a host answers to TCP at all: a refusal is an answer, too."""
    try:
        async with asyncio.timeout(_CONNECT_S):
            _, writer = await asyncio.open_connection(host, port)
    except ConnectionRefusedError:
        return True
    except (OSError, TimeoutError):
        return False
    writer.close()
    return True


async def _platform_rows(connection: AsyncConnection, clock_drift_us: int) -> list[dict[str, Any]]:
    rows = await connection.execute(
        sa.select(
            platform_states.c.platform_id,
            platform_states.c.state,
            platform_states.c.since_us,
            platform_states.c.fault,
            platform_states.c.facts,
        )
        .join(platforms, platforms.c.id == platform_states.c.platform_id)
        .where(
            platforms.c.enabled,
            platforms.c.deleted_us.is_(None),
            # Thousands are well: only what is not is read.
            sa.or_(
                platform_states.c.state != "online",
                sa.func.abs(platform_states.c.facts["clock_offset_us"].as_integer())
                >= clock_drift_us,
            ),
        )
    )
    return [dict(row) for row in rows.mappings()]


async def _open_alarms(
    connection: AsyncConnection, *where: sa.ColumnElement[bool]
) -> list[OpenAlarm]:
    rows = await connection.execute(_judged_alarms().where(alarms.c.end_us.is_(None), *where))
    return [_as_judged(row) for row in rows]


async def _over_alarms(connection: AsyncConnection, since_us: int) -> list[tuple[OpenAlarm, int]]:
    rows = await connection.execute(
        _judged_alarms().where(
            alarms.c.end_us >= since_us,
            alarms.c.folded_into.is_(None),
            alarms.c.acknowledged_us.is_(None),
            alarms.c.kind != NETWORK_DOWN,
        )
    )
    return [(_as_judged(row), row.end_us) for row in rows]


def _judged_alarms() -> sa.Select[Any]:
    # Those about searches are nobody's condition: they are ended where they were raised.
    return sa.select(alarms).where(alarms.c.search_request_id.is_(None))


def _as_judged(row: sa.Row[Any]) -> OpenAlarm:
    key = (row.kind, row.subject)
    return OpenAlarm(row.id, key, row.begin_us, row.folded_into, dict(row.detail))
