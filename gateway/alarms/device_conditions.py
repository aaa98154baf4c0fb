"""What devices and zones tell that is wrong now.

What happened at an instant stands for a minute. That is few rows, and all are read; in a storm it
is tens of thousands, and only those that happened since the last look are. What comes late then,
because a device's clock is behind or a database was away, is found when all are read, every half
minute.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.alarms.conditions import PULSE_US, event_conditions
from gateway.alarms.judge import Condition, Key
from gateway.database.operating_tables import device_events
from gateway.database.zone_tables import ZONE_SOURCE
from gateway.identifiers import US_PER_S

# A pulse is grouped for ten seconds at most.
_STANDS_US = PULSE_US + 10 * US_PER_S
# Those who write are not always in the order of what they write.
_LATE_US = 2 * US_PER_S
_ALL_EVERY_US = 30 * US_PER_S
_MANY_ROWS = 500
_ROWS_AT_ONCE = 500


class DeviceConditions:
    """Of rows of ``device_events``: of ``kinds`` that devices tell, and all that zones do."""

    def __init__(self, kinds: Sequence[str]) -> None:
        self._kinds = kinds
        self._lasting: dict[Key, Condition] = {}
        # By when it happened last.
        self._happened: OrderedDict[Key, tuple[Condition, int]] = OrderedDict()
        self._newest_us = 0
        self._all_read_us = 0
        # How many there were when all were read.
        self._rows = 0

    def all(self) -> dict[Key, Condition]:
        """By key, each since when it is wrong."""
        found = {key: condition for key, (condition, _) in self._happened.items()}
        for key, condition in self._lasting.items():
            earlier = found.get(key)
            if earlier is None or condition.since_us < earlier.since_us:
                found[key] = condition
        return found

    async def read(self, connection: AsyncConnection, at_us: int) -> bool:
        """Read what is new; gives whether something is wrong now that was not, or the other way
        round. Raises what the database raises.
        """
        lasting: dict[Key, Condition] = {}
        async for rows in _in_parts(connection, _open_events(self._kinds)):
            lasting |= event_conditions(rows)
        is_other = lasting.keys() != self._lasting.keys()
        self._lasting = lasting
        stands_from_us = at_us - _STANDS_US
        reads_all = self._rows < _MANY_ROWS or at_us - self._all_read_us >= _ALL_EVERY_US
        if reads_all:
            since_us, self._all_read_us, self._rows = stands_from_us, at_us, 0
        else:
            since_us = max(min(self._newest_us, at_us) - _LATE_US, stands_from_us)
        async for rows in _in_parts(connection, _pulses(self._kinds, since_us)):
            is_other |= self._take(rows)
            self._rows += len(rows) if reads_all else 0
        return is_other | self._forget(stands_from_us)

    def _take(self, rows: Sequence[Mapping[str, Any]]) -> bool:
        is_other = False
        for row in rows:
            ((key, condition),) = event_conditions((row,)).items()
            known = self._happened.get(key)
            if known is None:
                is_other = True
                self._happened[key] = (condition, row["begin_us"])
            elif row["begin_us"] > known[1]:
                self._happened[key] = (known[0], row["begin_us"])
                self._happened.move_to_end(key)
            self._newest_us = max(self._newest_us, row["begin_us"])
        return is_other

    def _forget(self, before_us: int) -> bool:
        over = []
        for key, (_, last_us) in self._happened.items():
            # Some came late, and stand behind newer ones: they go when their turn comes.
            if last_us >= before_us:
                break
            over.append(key)
        for key in over:
            del self._happened[key]
        return bool(over)


async def _in_parts(
    connection: AsyncConnection, statement: sa.Select[Any]
) -> AsyncIterator[Sequence[Mapping[str, Any]]]:
    """Tens of thousands of rows, and the loop goes on between."""
    result = await connection.stream(statement)
    async for rows in result.mappings().partitions(_ROWS_AT_ONCE):
        yield rows


def _told(kinds: Sequence[str]) -> sa.Select[Any]:
    table = device_events.c
    return sa.select(
        table.kind, table.camera_id, table.platform_id, table.begin_us, table.source, table.detail
    ).where(sa.or_(table.kind.in_(kinds), table.source.startswith(ZONE_SOURCE)))


def _open_events(kinds: Sequence[str]) -> sa.Select[Any]:
    table = device_events.c
    # The earliest last: of one key it is the one that stays.
    return _told(kinds).where(table.state == "open").order_by(table.begin_us.desc())


def _pulses(kinds: Sequence[str], since_us: int) -> sa.Select[Any]:
    table = device_events.c
    return (
        _told(kinds)
        .where(table.state == "pulse", table.begin_us >= since_us)
        .order_by(table.begin_us)
    )
