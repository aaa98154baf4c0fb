"""Vectors of appearance in LanceDB: a table for each kind of vector and UTC day, one writer.

A row is (id, camera, object_class, vector). A vector is written before its passage's row and goes
after it, so that a table may hold some that no row has; readers join what they find with the rows.
Everything here blocks: call it in a thread. Processes that use it are spawned, never forked.
"""

from __future__ import annotations

import datetime
import fcntl
import math
import os
from bisect import bisect_left
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lancedb
import numpy as np
import pyarrow as pa
from lancedb.index import Bitmap, BTree
from numpy.typing import NDArray

from search.index.keys import (
    camera_hash,
    day_ids,
    day_of,
    read_vector_table,
    vector_table,
)
from search.objects import CLASS_NUMBERS, ObjectClass
from search.passages import began_us, first_id_at

Vector = NDArray[np.float32]

# A day's table is made compact after so many additions: each leaves a small file.
_TIDY_EVERY = 64
_KEEP_VERSIONS = datetime.timedelta(minutes=10)
_IDS_AT_ONCE = 5000
_RANGES_AT_ONCE = 200
_NAMES_AT_ONCE = 1000
# Below, reading all is as fast as an index.
_INDEXED_FROM = 10_000


class VectorStoreBusy(Exception):
    """Another process writes the vectors of this directory."""


@dataclass(frozen=True, slots=True)
class VectorItem:
    """One passage's vector, of unit length."""

    passage_id: int
    camera_id: str
    object_class: ObjectClass
    vector: Vector


@dataclass(frozen=True, slots=True)
class Near:
    """A passage that is like the one asked for. ``likeness``: 1 is the same, 0 has nothing in
    common (the cosine, not below 0).
    """

    passage_id: int
    likeness: float


class VectorWriter:
    """The one that writes. Holds a lock on the directory until it is closed."""

    def __init__(self, directory: Path) -> None:
        """Raises VectorStoreBusy while another holds it, OSError where the directory cannot be."""
        directory.mkdir(parents=True, exist_ok=True)
        self._lock = os.open(directory / ".writer", os.O_CREAT | os.O_RDWR, 0o600)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(self._lock)
            raise VectorStoreBusy(f"another process writes the vectors in {directory}") from None
        self._database = lancedb.connect(str(directory))
        self._added: dict[str, int] = {}

    def close(self) -> None:
        """Let others write."""
        os.close(self._lock)

    def add(self, kind: str, items: Sequence[VectorItem]) -> None:
        """Add vectors of one kind; one whose passage has one already replaces it. Durable when it
        returns. Raises ValueError for vectors of different sizes, or of another size than the
        day's table has.
        """
        by_day: dict[datetime.date, dict[int, VectorItem]] = {}
        for item in items:
            by_day.setdefault(day_of(began_us(item.passage_id)), {})[item.passage_id] = item
        for day, some in by_day.items():
            self._add_day(vector_table(kind, day), list(some.values()))

    def _add_day(self, name: str, items: list[VectorItem]) -> None:
        sizes = {len(item.vector) for item in items}
        if len(sizes) != 1:
            raise ValueError(f"vectors of one kind have one size, not {sorted(sizes)}")
        columns = schema(sizes.pop())
        rows = pa.table(
            {
                "id": pa.array([item.passage_id for item in items], pa.int64()),
                "camera": pa.array([camera_hash(item.camera_id) for item in items], pa.int64()),
                "object_class": pa.array(
                    [CLASS_NUMBERS[item.object_class] for item in items], pa.uint8()
                ),
                "vector": _vectors([item.vector for item in items]),
            },
            schema=columns,
        )
        if name not in _names(self._database):
            self._database.create_table(name, rows, mode="create")
            return
        table = self._database.open_table(name)
        if table.schema != columns:
            raise ValueError(
                f"the table {name} holds {table.schema.field('vector').type}, "
                f"not {columns.field('vector').type}"
            )
        table.merge_insert("id").when_matched_update_all().when_not_matched_insert_all().execute(
            rows
        )
        self._added[name] = self._added.get(name, 0) + 1
        if self._added[name] >= _TIDY_EVERY:
            self.tidy(name)

    def tidy(self, name: str) -> None:
        """Make one table compact, index what its rows are chosen by, and forget its versions of
        more than ten minutes ago: nobody reads them any more.
        """
        table = self._database.open_table(name)
        indexed = {column for index in table.list_indices() for column in index.columns}
        if table.count_rows() >= _INDEXED_FROM:
            for column, kind in (("camera", Bitmap()), ("id", BTree())):
                if column not in indexed:
                    table.create_index(column, config=kind)
        table.optimize(cleanup_older_than=_KEEP_VERSIONS)
        self._added[name] = 0

    def tidy_all(self) -> None:
        """Make those tables compact to which something was added since they were."""
        for name in [name for name, added in self._added.items() if added]:
            self.tidy(name)

    def tables(self) -> list[tuple[str, datetime.date]]:
        """The kinds and days that there are tables of."""
        return _tables(self._database)

    def delete(self, ranges: Iterable[tuple[str, int, int]], kept: Collection[int]) -> None:
        """Delete what cameras have from a first id to a last, but what is ``kept``. Doing it twice
        is harmless.
        """
        by_day: dict[datetime.date, list[str]] = {}
        for camera_id, first_id, last_id in ranges:
            day, last = day_of(began_us(first_id)), day_of(began_us(last_id))
            while day <= last:
                by_day.setdefault(day, []).append(
                    f"(camera = {camera_hash(camera_id)} AND id >= {first_id} AND id <= {last_id})"
                )
                day += datetime.timedelta(days=1)
        kept_by_day: dict[datetime.date, list[int]] = {}
        for passage_id in kept:
            kept_by_day.setdefault(day_of(began_us(passage_id)), []).append(passage_id)
        for kind, day in self.tables():
            for start in range(0, len(by_day.get(day, ())), _RANGES_AT_ONCE):
                which = " OR ".join(by_day[day][start : start + _RANGES_AT_ONCE])
                but = kept_by_day.get(day)
                if but:
                    which = f"({which}) AND id NOT IN ({', '.join(map(str, but))})"
                self._database.open_table(vector_table(kind, day)).delete(which)

    def drop_days(self, days: Collection[datetime.date]) -> None:
        """Drop the tables of these days, of every kind."""
        for kind, day in self.tables():
            if day in days:
                self._database.drop_table(vector_table(kind, day))
                self._added.pop(vector_table(kind, day), None)


class VectorReader:
    """Asks. Any number of them may, in any process, while one writes."""

    def __init__(self, directory: Path) -> None:
        """The directory may be made later: until then there are no vectors."""
        self._directory = directory
        self._database: Any = None

    def tables(self) -> list[tuple[str, datetime.date]]:
        """The kinds and days that there are tables of."""
        database = self._connect()
        return [] if database is None else _tables(database)

    def ids(self, kind: str, day: datetime.date) -> list[int]:
        """The passages that have a vector of a kind and day."""
        table = self._open(kind, day)
        if table is None:
            return []
        rows = table.search().select(["id"]).limit(max(table.count_rows(), 1)).to_arrow()
        found: list[int] = rows["id"].to_pylist()
        return found

    def find(self, kind: str, passage_id: int) -> Vector | None:
        """The vector of a passage; None where it has none of this kind."""
        found = self.find_many(kind, [passage_id])
        return found.get(passage_id)

    def find_many(self, kind: str, ids: Collection[int]) -> dict[int, Vector]:
        """Those vectors that there are, by the ids of their passages."""
        by_day: dict[datetime.date, list[int]] = {}
        for passage_id in ids:
            by_day.setdefault(day_of(began_us(passage_id)), []).append(passage_id)
        found: dict[int, Vector] = {}
        for day, some in by_day.items():
            table = self._open(kind, day)
            for start in range(0, len(some) if table is not None else 0, _IDS_AT_ONCE):
                which = ", ".join(map(str, some[start : start + _IDS_AT_ONCE]))
                rows = (
                    table.search()
                    .where(f"id IN ({which})")
                    .select(["id", "vector"])
                    .limit(_IDS_AT_ONCE)
                    .to_arrow()
                )
                if not len(rows):
                    continue
                vectors = rows["vector"].combine_chunks()
                numbers = vectors.values.to_numpy().reshape(len(rows), -1).astype(np.float32)
                found |= dict(zip(rows["id"].to_pylist(), numbers, strict=True))
        return found

    def nearest(
        self,
        kind: str,
        vector: Vector,
        *,
        start_us: int,
        end_us: int,
        limit: int,
        camera_ids: Collection[str] | None = None,
        classes: Collection[ObjectClass] | None = None,
        ids: Collection[int] | None = None,
        stopped: Callable[[], bool] = lambda: False,
    ) -> list[Near]:
        """The passages that began in [``start_us``, ``end_us``) and are most like ``vector``, the
        likest first; at most ``limit``, of those cameras, classes and ids; of no further day once
        ``stopped``, which is asked before each. Raises ValueError for a
        vector of another size.
        """
        best: dict[int, float] = {}
        among = _Among(
            start_us,
            end_us,
            None if camera_ids is None else sorted(map(camera_hash, camera_ids)),
            None if classes is None else sorted(CLASS_NUMBERS[one] for one in classes),
            None if ids is None else sorted(ids),
        )
        for day in self.days(kind, start_us, end_us):
            if stopped():
                break
            conditions = among.conditions(day)
            if conditions is not None:
                for near in self._nearest(kind, day, vector, limit, conditions):
                    best[near.passage_id] = max(best.get(near.passage_id, 0.0), near.likeness)
        order = sorted(best.items(), key=lambda one: (-one[1], -one[0]))
        return [Near(*one) for one in order[:limit]]

    def days(self, kind: str, start_us: int, end_us: int) -> list[datetime.date]:
        """The days with tables of this kind that meet the range, the newest first."""
        database = self._connect()
        if database is None or end_us <= start_us:
            return []
        first, last = day_of(start_us), day_of(end_us - 1)
        return sorted(
            (day for one, day in _tables(database) if one == kind and first <= day <= last),
            reverse=True,
        )

    def _nearest(
        self,
        kind: str,
        day: datetime.date,
        vector: Vector,
        limit: int,
        conditions: Sequence[str],
    ) -> list[Near]:
        table = self._open(kind, day)
        if table is None:
            return []
        size = table.schema.field("vector").type.list_size
        if len(vector) != size:
            raise ValueError(f"vectors of {kind} have {size} numbers, not {len(vector)}")
        search = (
            table.search(vector.astype(np.float32), vector_column_name="vector")
            .distance_type("cosine")
            .select(["id", "_distance"])
            .limit(limit)
        )
        if conditions:
            search = search.where(" AND ".join(conditions), prefilter=True)
        rows = search.to_arrow()
        return [
            Near(passage_id, _likeness(distance))
            for passage_id, distance in zip(
                rows["id"].to_pylist(), rows["_distance"].to_pylist(), strict=True
            )
        ]

    def _connect(self) -> Any:
        if self._database is None and self._directory.is_dir():
            self._database = lancedb.connect(str(self._directory))
        return self._database

    def _open(self, kind: str, day: datetime.date) -> Any:
        database = self._connect()
        if database is None:
            return None
        try:
            return database.open_table(vector_table(kind, day))
        except ValueError:
            return None


@dataclass(frozen=True, slots=True)
class _Among:
    """Which rows are compared at all."""

    start_us: int
    end_us: int
    cameras: Sequence[int] | None
    classes: Sequence[int] | None
    ids: Sequence[int] | None

    def conditions(self, day: datetime.date) -> list[str] | None:
        """As LanceDB takes them, for a day's table; None where no row can fit."""
        first, after = day_ids(day)
        lowest = max(first, first_id_at(self.start_us))
        highest = min(after, first_id_at(self.end_us + 999))
        conditions: list[tuple[str, Sequence[int] | None]] = []
        if self.ids is not None:
            some = self.ids[bisect_left(self.ids, lowest) : bisect_left(self.ids, highest)]
            conditions.append(("id", some))
        else:
            conditions += [("camera", self.cameras), ("object_class", self.classes)]
        if any(numbers is not None and not numbers for _, numbers in conditions):
            return None
        texts = [
            f"{name} IN ({', '.join(map(str, numbers))})"
            for name, numbers in conditions
            if numbers is not None
        ]
        if lowest > first:
            texts.append(f"id >= {lowest}")
        if highest < after:
            texts.append(f"id < {highest}")
        return texts


def _likeness(distance: float | None) -> float:
    """Of the cosine's distance, 0 to 2."""
    if distance is None or math.isnan(distance):
        return 0.0
    return min(max(1.0 - distance, 0.0), 1.0)


def _tables(database: Any) -> list[tuple[str, datetime.date]]:
    named = map(read_vector_table, _names(database))
    return [one for one in named if one is not None]


def _names(database: Any) -> list[str]:
    names: list[str] = []
    page = database.list_tables(limit=_NAMES_AT_ONCE)
    while True:
        names += page.tables
        if not page.page_token:
            return names
        page = database.list_tables(page_token=page.page_token, limit=_NAMES_AT_ONCE)


def schema(size: int) -> pa.Schema:
    """The columns of a table whose vectors have ``size`` numbers."""
    return pa.schema(
        [
            pa.field("id", pa.int64(), nullable=False),
            pa.field("camera", pa.int64(), nullable=False),
            pa.field("object_class", pa.uint8(), nullable=False),
            pa.field("vector", pa.list_(pa.float16(), size), nullable=False),
        ]
    )


def _vectors(vectors: Sequence[Vector]) -> Any:
    flat = np.concatenate(vectors).astype(np.float16)
    return pa.FixedSizeListArray.from_arrays(pa.array(flat, pa.float16()), len(vectors[0]))
