"""All rows of a SQLite database into an empty PostgreSQL one, compared before they are kept.

One transaction of PostgreSQL holds the whole copy: whatever ends it, the target is as empty as
before, and the copy is begun anew. While it runs nobody else writes there. Each table is read back
and compared by its count and by a sum over all its rows, whatever their order, and only what is
equal is committed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import msgpack
import sqlalchemy as sa

from gateway.database.migrate import load_tables
from gateway.database.partitions import DAY_US, make_days
from gateway.database.postgresql import advance_sequences
from search.passages import began_us

_BATCH = 5000
# Older days stay in the partition of what has none: few rows, mostly imported.
_DAYS = 400
_SUM = 1 << 64

Say = Callable[[str], object]


class CopyError(Exception):
    """The copy was refused or is not equal; the target is as it was. The message says why."""


@dataclass(slots=True)
class Digest:
    """How many rows, and the sum of their hashes."""

    rows: int = 0
    total: int = 0

    def add(self, row: Sequence[Any]) -> None:
        """One row, as a driver gives it."""
        packed = msgpack.packb([bytes(one) if isinstance(one, memoryview) else one for one in row])
        hashed = hashlib.blake2b(packed, digest_size=8).digest()
        self.rows += 1
        self.total = (self.total + int.from_bytes(hashed)) % _SUM

    def __str__(self) -> str:
        return f"{self.rows} rows, sum {self.total:016x}"


def copy_rows(source: sa.Connection, target: sa.Connection, say: Say) -> dict[str, Digest]:
    """Copy every table, within the target's transaction, and compare. Gives what was compared, by
    table. Raises CopyError; then the caller must roll back.
    """
    tables = load_tables().sorted_tables
    _refuse_filled(target, tables)
    target.exec_driver_sql("SET LOCAL idle_in_transaction_session_timeout = 0")
    make_days(target, _days(source))
    done = {}
    for table in tables:
        sent = _send(source, target, table, say)
        kept = _read_back(target, table)
        if sent != kept:
            raise CopyError(f"{table.name}: {sent} were read, but {kept} arrived")
        done[table.name] = kept
        say(f"{table.name}: {kept}")
    advance_sequences(target, tables)
    return done


def _refuse_filled(target: sa.Connection, tables: Sequence[sa.Table]) -> None:
    filled = [
        table.name
        for table in tables
        if target.execute(sa.select(sa.literal(1)).select_from(table).limit(1)).first() is not None
    ]
    if filled:
        raise CopyError(
            f"the target is not empty ({', '.join(filled[:5])}): make a new database for the copy"
        )


def _days(source: sa.Connection) -> range:
    """The days for which there are rows that lie by day."""
    bounds = source.exec_driver_sql(
        "SELECT (SELECT min(start_us) FROM segments), (SELECT max(start_us) FROM segments), "
        "(SELECT min(id) FROM passages), (SELECT max(id) FROM passages)"
    ).one()
    times = [one for one in bounds[:2] if one is not None]
    times += [began_us(one) for one in bounds[2:] if one is not None]
    if not times:
        return range(0)
    last = max(times) // DAY_US
    return range(max(min(times) // DAY_US, last - _DAYS), last + 1)


def _columns(table: sa.Table) -> str:
    return ", ".join(f'"{column.name}"' for column in table.columns)


def _send(source: sa.Connection, target: sa.Connection, table: sa.Table, say: Say) -> Digest:
    import psycopg

    sent = Digest()
    cursor = target.connection.cursor()
    try:
        with cursor.copy(f'COPY "{table.name}" ({_columns(table)}) FROM STDIN') as copy:
            for row in _rows(source, table, say):
                copy.write_row(row)
                sent.add(row)
    except psycopg.Error as error:
        said = " ".join(str(error).split())
        raise CopyError(f"{table.name}, about row {sent.rows + 1}: {said}") from None
    finally:
        cursor.close()
    return sent


def _rows(source: sa.Connection, table: sa.Table, say: Say) -> Iterator[tuple[Any, ...]]:
    """As SQLite holds them, but for booleans, which it holds as numbers."""
    total = source.exec_driver_sql(f'SELECT count(*) FROM "{table.name}"').scalar_one()
    booleans = [
        place for place, column in enumerate(table.columns) if isinstance(column.type, sa.Boolean)
    ]
    cursor = source.connection.cursor()
    try:
        cursor.execute(f'SELECT {_columns(table)} FROM "{table.name}"')
        read = 0
        while batch := cursor.fetchmany(_BATCH):
            for row in batch:
                yield _with_booleans(row, booleans) if booleans else row
            read += len(batch)
            if read < total:
                say(f"{table.name}: {read} of {total}")
    finally:
        cursor.close()


def _with_booleans(row: Iterable[Any], places: Sequence[int]) -> tuple[Any, ...]:
    values = list(row)
    for place in places:
        if values[place] is not None:
            values[place] = bool(values[place])
    return tuple(values)


def _read_back(target: sa.Connection, table: sa.Table) -> Digest:
    kept = Digest()
    columns = ", ".join(
        f'"{column.name}"::text' if isinstance(column.type, sa.JSON) else f'"{column.name}"'
        for column in table.columns
    )
    raw: Any = target.connection.driver_connection
    # A cursor of the server: the table need not fit into memory.
    with raw.cursor(name="reading_back") as cursor:
        cursor.itersize = _BATCH
        cursor.execute(f'SELECT {columns} FROM "{table.name}"')
        for row in cursor:
            kept.add(row)
    return kept
