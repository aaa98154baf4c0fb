"""Days of the tables that grow without end, as partitions on PostgreSQL.

Rows of a day lie together: what is asked of a day reads that day, and a day that retention has
emptied goes as one file. :func:`keep_partitions` makes them a week ahead and drops those that
are over and empty: a row is deleted first, in retention's own order, its day afterwards. What
belongs to no day that there is (footage imported from years ago, a camera's wrong clock) lies in
``TABLE_other`` and moves to its day when that is made. SQLite has one table each, and none of this.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import sqlalchemy as sa

from recorder.rows import row_operation
from search.passages import first_id_at

DAY_US = 86_400_000_000
DAYS_AHEAD = 7
# An empty day is kept that long: footage that waited for its store comes late.
_DAYS_EMPTY = 7
# Making and dropping wait for readers, and new readers wait behind them: not for long.
_LOCK_LIMIT_MS = 500
_NAME = re.compile(r"(?P<table>\w+)_(?:(?P<day>\d{8})|other)")


@dataclass(frozen=True, slots=True)
class Partitioned:
    """A table, the column that tells a row's day, and where a day begins in it."""

    table: str
    column: str
    bound: Callable[[int], int]


def _microseconds(day: int) -> int:
    return day * DAY_US


def _passage_ids(day: int) -> int:
    return first_id_at(day * DAY_US)


PARTITIONED = (
    Partitioned("segments", "start_us", _microseconds),
    Partitioned("passages", "id", _passage_ids),
    Partitioned("passage_details", "id", _passage_ids),
    Partitioned("passage_crossings", "id", _passage_ids),
)


def is_partition(name: str) -> bool:
    """Whether a table of that name is a part of another."""
    found = _NAME.fullmatch(name)
    return found is not None and any(one.table == found["table"] for one in PARTITIONED)


@row_operation("database.keep_partitions")
def keep_partitions(connection: sa.Connection, now_us: int) -> dict[str, list[str]]:
    """Make the partitions of yesterday, today and the week to come, drop those that are over and
    empty. Gives the names: ``made``, ``dropped``. May be repeated; does nothing on SQLite.
    """
    if connection.dialect.name != "postgresql":
        return {"made": [], "dropped": []}
    today = now_us // DAY_US
    connection.exec_driver_sql(f"SET LOCAL lock_timeout = {_LOCK_LIMIT_MS}")
    made = make_days(connection, range(today - 1, today + DAYS_AHEAD + 1))
    dropped = [
        name
        for one in PARTITIONED
        for day, name in sorted(_days(connection, one.table).items())
        if day < today - _DAYS_EMPTY and _drop_if_empty(connection, name)
    ]
    connection.exec_driver_sql("SET LOCAL lock_timeout = 0")
    return {"made": made, "dropped": dropped}


def make_days(connection: sa.Connection, days: Iterable[int]) -> list[str]:
    """Make the partitions of these days (since 1970-01-01 UTC) that are not there."""
    wanted = list(days)
    made: list[str] = []
    for one in PARTITIONED:
        known = _days(connection, one.table)
        made += [_make(connection, one, day) for day in wanted if day not in known]
    return made


def _days(connection: sa.Connection, table: str) -> dict[int, str]:
    """The partitions of a table, by day."""
    names = connection.execute(
        sa.text(
            "SELECT child.relname FROM pg_inherits "
            "JOIN pg_class AS child ON child.oid = inhrelid "
            "WHERE inhparent = CAST(:table AS regclass)"
        ),
        {"table": table},
    ).scalars()
    found = {}
    for name in names:
        match = _NAME.fullmatch(name)
        if match is not None and match["day"] is not None:
            date = datetime.datetime.strptime(match["day"], "%Y%m%d").date()
            found[(date - datetime.date(1970, 1, 1)).days] = name
    return found


def _make(connection: sa.Connection, one: Partitioned, day: int) -> str:
    date = datetime.date(1970, 1, 1) + datetime.timedelta(days=day)
    name = f"{one.table}_{date:%Y%m%d}"
    low, high = one.bound(day), one.bound(day + 1)
    # Made apart and then attached: who reads and writes the other days is not kept waiting.
    connection.exec_driver_sql(
        f"CREATE TABLE {name} (LIKE {one.table} INCLUDING DEFAULTS INCLUDING CONSTRAINTS)"
    )
    connection.exec_driver_sql(
        f"WITH moved AS (DELETE FROM {one.table}_other "
        f"WHERE {one.column} >= {low} AND {one.column} < {high} RETURNING *) "
        f"INSERT INTO {name} SELECT * FROM moved"
    )
    connection.exec_driver_sql(
        f"ALTER TABLE {one.table} ATTACH PARTITION {name} FOR VALUES FROM ({low}) TO ({high})"
    )
    return name


def _drop_if_empty(connection: sa.Connection, name: str) -> bool:
    # Nobody else writes: this transaction holds the lock of all writers.
    if connection.exec_driver_sql(f"SELECT 1 FROM {name} LIMIT 1").first() is not None:
        return False
    connection.exec_driver_sql(f"DROP TABLE {name}")
    return True
