"""A month of passages for ``benchmarks.search_index``: rows by bare SQLite, some days' vectors."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from search.index.keys import camera_hash, day_of, vector_table
from search.index.packing import LOOK_COLUMNS, Packed, look_code, pack
from search.passages import PathPoint, began_us, first_id_at
from search.plates import fold

DAYS = 30
DAY_US = 86_400_000_000
END_US = 1_790_035_200_000_000  # midnight
START_US = END_US - DAYS * DAY_US
KIND = "benchmark-1"
TYPES = ("sedan", "suv", "van", "pickup", "truck", "bus")
VECTOR_SIZE = 512
_CHUNK = 100_000
_BLOBS = 1024
_MODEL, _VECTORS, _FIRST_TYPE = 1, 2, 3


@dataclass(frozen=True, slots=True)
class Month:
    """What was made: cameras' ids, and some plates that occur."""

    cameras: list[str]
    plates: list[str]


def fill(path: Path, rows: int, cameras: int, seed: int = 1) -> Month:
    """Put ``rows`` passages of 30 days into the migrated database at ``path``.

    Their indexes are made at the end, as those of the migration: in order they are made faster.
    """
    chance = np.random.default_rng(seed)
    connection = sqlite3.connect(path)
    for pragma in ("synchronous = OFF", "journal_mode = OFF", "cache_size = -400000"):
        connection.execute(f"PRAGMA {pragma}")
    indexes = connection.execute(
        "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL "
        "AND tbl_name IN ('passages', 'passage_details', 'passage_crops')"
    ).fetchall()
    for name, _ in indexes:
        connection.execute(f"DROP INDEX {name}")
    camera_ids = [f"cam_{number:016d}" for number in range(cameras)]
    plates = _plates(chance, max(rows // 25, 200))
    looks, weights = _looks(chance)
    _dictionaries(connection, camera_ids, plates, looks)
    # Some cameras see a hundred times what others see.
    busy = chance.pareto(1.2, cameras) + 0.05
    busy /= busy.sum()
    blobs = [_blob(chance) for _ in range(_BLOBS)]
    counts = np.zeros(cameras + 1, np.int64), np.zeros(len(looks) + 1, np.int64)
    for start in range(0, rows, _CHUNK):
        chunk = _columns(
            chance, start, min(_CHUNK, rows - start), rows, busy, weights, looks, len(plates)
        )
        counts[0][:] += np.bincount(chunk.camera, minlength=cameras + 1)
        counts[1][:] += np.bincount(chunk.look, minlength=len(looks) + 1)
        connection.executemany("INSERT INTO passages VALUES (?,?,?,?,?,?)", chunk.narrow())
        connection.executemany(
            f"INSERT INTO passage_details VALUES (?,?,?,{_MODEL},{_VECTORS},?,0,9000)",
            chunk.details(blobs, start),
        )
        connection.executemany(
            "INSERT INTO passage_crops VALUES (?,?,?,9000,1)", chunk.crops(camera_ids, start)
        )
    for table, numbers in (("passage_cameras", counts[0]), ("passage_looks", counts[1])):
        connection.executemany(
            f"UPDATE {table} SET passages = ? WHERE number = ?",
            [(int(count), number) for number, count in enumerate(numbers) if count],
        )
    for _, made_by in indexes:
        connection.execute(made_by)
    connection.commit()
    connection.execute("PRAGMA journal_mode = WAL")
    connection.close()
    return Month(camera_ids, plates)


def vectors_of_day(path: Path, folder: Path, day_us: int, seed: int = 2) -> int:
    """Make the table of vectors of one day's passages; gives how many. They stand around a few
    thousand centres, as the looks of people and vehicles do.
    """
    import lancedb
    import pyarrow as pa

    chance = np.random.default_rng(seed)
    centres = chance.normal(size=(4000, VECTOR_SIZE)).astype(np.float32)
    connection = sqlite3.connect(path)
    rows = connection.execute(
        "SELECT p.id, c.camera_id, l.object_class FROM passages p "
        "JOIN passage_cameras c ON c.number = p.camera JOIN passage_looks l ON l.number = p.look "
        "WHERE p.id >= ? AND p.id < ?",
        (first_id_at(day_us), first_id_at(day_us + DAY_US)),
    )
    database = lancedb.connect(str(folder))
    table = None
    hashes: dict[str, int] = {}
    made = 0
    while some := rows.fetchmany(20_000):
        vectors = centres[chance.integers(0, len(centres), len(some))]
        vectors = vectors + 0.6 * chance.normal(size=vectors.shape).astype(np.float32)
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        for _, camera_id, _ in some:
            if camera_id not in hashes:
                hashes[camera_id] = camera_hash(camera_id)
        batch = pa.table(
            {
                "id": pa.array([row[0] for row in some], pa.int64()),
                "camera": pa.array([hashes[row[1]] for row in some], pa.int64()),
                "object_class": pa.array([row[2] for row in some], pa.uint8()),
                "vector": pa.FixedSizeListArray.from_arrays(
                    pa.array(vectors.astype(np.float16).reshape(-1), pa.float16()), VECTOR_SIZE
                ),
            },
            schema=_schema(),
        )
        if table is None:
            table = database.create_table(vector_table(KIND, day_of(day_us)), batch)
        else:
            table.add(batch)
        made += len(some)
    connection.close()
    return made


def _schema() -> object:
    from search.index.vectors import schema

    return schema(VECTOR_SIZE)


@dataclass(frozen=True, slots=True)
class _Chunk:
    """Columns of some passages."""

    id: NDArray[np.int64]
    camera: NDArray[np.int64]
    look: NDArray[np.int64]
    motion: NDArray[np.int64]
    lasts_ms: NDArray[np.int64]
    plate: list[int | None]
    blob: NDArray[np.int64]

    def narrow(self) -> Iterator[tuple[object, ...]]:
        """Rows of ``passages``."""
        return zip(
            self.id.tolist(),
            self.camera.tolist(),
            self.look.tolist(),
            self.motion.tolist(),
            self.lasts_ms.tolist(),
            self.plate,
            strict=True,
        )

    def details(self, blobs: list[bytes], start: int) -> Iterator[tuple[object, ...]]:
        """Rows of ``passage_details``; every passage has a crop of its own."""
        numbers = range(start + 1, start + 1 + len(self.id))
        for one, blob, lasts, number in zip(
            self.id.tolist(), self.blob.tolist(), self.lasts_ms.tolist(), numbers, strict=True
        ):
            yield one, blobs[blob], lasts // 2, number

    def crops(self, camera_ids: list[str], start: int) -> Iterator[tuple[object, ...]]:
        """Rows of ``passage_crops``."""
        numbers = range(start + 1, start + 1 + len(self.id))
        for one, camera, number in zip(
            self.id.tolist(), self.camera.tolist(), numbers, strict=True
        ):
            at_us = began_us(one)
            name = f"crops/{camera_ids[camera - 1]}/2026/09/01/{at_us}-{number:08x}.jpgs"
            yield number, name, camera


def _columns(
    chance: np.random.Generator,
    start: int,
    count: int,
    rows: int,
    busy: NDArray[np.float64],
    weights: NDArray[np.float64],
    looks: list[tuple[int | None, ...]],
    plates: int,
) -> _Chunk:
    step_ms = DAYS * DAY_US // 1000 / rows
    at_ms = START_US // 1000 + ((start + np.arange(count)) * step_ms).astype(np.int64)
    ids = (at_ms << 20) + np.sort(chance.integers(0, 1 << 16, count)) + np.arange(count) % 7
    ids = np.maximum.accumulate(ids)
    ids += np.arange(count) - np.searchsorted(ids, ids)
    camera = chance.choice(len(busy), count, p=busy) + 1
    look = chance.choice(len(weights), count, p=weights)
    classes = np.array([one[0] for one in looks])[look]
    speed = chance.choice(4, count, p=(0.1, 0.45, 0.4, 0.05))
    direction = np.where(speed == 0, 0, chance.integers(1, 9, count))
    lasts = np.clip(chance.lognormal(9.2, 1.0, count), 400, 3_600_000).astype(np.int64)
    plated = (classes >= 3) & (chance.random(count) < 0.5)
    # Those of the county pass often, those from elsewhere once.
    drawn = (chance.power(0.4, count) * plates).astype(np.int64) + 1
    plate = [int(one) if has else None for one, has in zip(drawn, plated, strict=True)]
    blob = chance.integers(0, _BLOBS, count)
    return _Chunk(ids, camera, look + 1, direction + 16 * speed, lasts, plate, blob)


def _looks(
    chance: np.random.Generator,
) -> tuple[list[tuple[int | None, ...]], NDArray[np.float64]]:
    """Looks, as ``LOOK_COLUMNS`` and the number of the type, and how common each is."""
    clothes = np.array((1, 28, 20, 18, 5, 12, 2, 1, 4, 3, 1, 0.6, 2.4))
    paint = np.array((2, 24, 34, 22, 6, 7, 0.8, 0.5, 1.5, 0.6, 0.1, 0.1, 0.1))
    clothes, paint = clothes / clothes.sum(), paint / paint.sum()
    count = 200_000
    kinds = chance.choice(6, count, p=(0.5, 0.08, 0.14, 0.2, 0.06, 0.02))
    dark = chance.random(count) < 0.2
    worn = [chance.choice(13, count, p=clothes) for _ in range(2)]
    painted = chance.choice(13, count, p=paint)
    seconds = np.where(chance.random((3, count)) < 0.25, chance.integers(1, 13, (3, count)), 0)
    types = chance.integers(0, 6, count) + _FIRST_TYPE
    counted: Counter[tuple[int | None, ...]] = Counter()
    for number in range(count):
        kind, night = int(kinds[number]), bool(dark[number])
        columns: dict[str, int | None] = dict.fromkeys(LOOK_COLUMNS)
        columns |= {"object_class": kind, "possible": 0, "monochrome": int(night)}
        if kind >= 3:
            colors = {"color": painted}
            columns["possible"] = 1 << 6 if kind in (3, 4) else 0
        else:
            colors = dict(
                zip(("upper_color", "lower_color"), worn[: 2 if kind == 0 else 1], strict=False)
            )
        for place, (name, drawn) in enumerate(colors.items()):
            known = 0 if night else int(drawn[number])
            columns[name] = known
            columns[f"{name}_second"] = (int(seconds[place, number]) or None) if known else None
        if kind in (1, 2):
            columns["rider"] = 1
        kind_of = int(types[number]) if kind >= 3 and not night else None
        counted[(*columns.values(), kind_of)] += 1
    weights = np.array(list(counted.values()), np.float64)
    return list(counted), weights / weights.sum()


def _dictionaries(
    connection: sqlite3.Connection,
    camera_ids: list[str],
    plates: list[str],
    looks: list[tuple[int | None, ...]],
) -> None:
    connection.executemany(
        "INSERT INTO passage_cameras VALUES (?, ?, 0, NULL)", list(enumerate(camera_ids, 1))
    )
    connection.executemany(
        "INSERT INTO passage_names VALUES (?, ?, ?)",
        [
            (_MODEL, "model", "nanodet"),
            (_VECTORS, "vectors", KIND),
            *((_FIRST_TYPE + n, "vehicle_type", name) for n, name in enumerate(TYPES)),
        ],
    )
    connection.executemany(
        "INSERT INTO passage_plates VALUES (?, ?, ?)",
        [(number, one, fold(one)) for number, one in enumerate(plates, 1)],
    )
    columns = ", ".join(LOOK_COLUMNS)
    marks = ", ".join("?" * (len(LOOK_COLUMNS) + 4))
    connection.executemany(
        f"INSERT INTO passage_looks (number, code, vehicle_type, passages, {columns}) "
        f"VALUES ({marks})",
        [
            (number, look_code(look[:-1], look[-1]), look[-1], 0, *look[:-1])
            for number, look in enumerate(looks, 1)
        ],
    )


def _plates(chance: np.random.Generator, count: int) -> list[str]:
    letters = np.array(list("ABCDEFGHJKLMNPQRSTUVWXYZ"))
    marks = np.array(list("ABCDEFGH" + "0123456789" * 3))
    provinces = np.array(list("鄂" * 80 + "湘豫皖赣粤沪京苏浙"))
    towns = np.where(chance.random(count) < 0.7, "H", chance.choice(letters, count))
    heads = chance.choice(provinces, count)
    tails = chance.choice(marks, (count, 5))
    found = {
        f"{head}{town}{''.join(tail)}" for head, town, tail in zip(heads, towns, tails, strict=True)
    }
    return sorted(found)


def _blob(chance: np.random.Generator) -> bytes:
    """Details of a way across the picture, of some seconds at five pictures a second."""
    points = int(np.clip(chance.lognormal(3.3, 0.7), 3, 200))
    start, end = chance.random(2), chance.random(2)
    shares = np.linspace(0, 1, points)
    sway = chance.normal(size=(points, 2)).cumsum(axis=0) * 0.004
    places = start + shares[:, None] * (end - start) + sway
    path = [
        PathPoint(200 * number, x, y, x + 0.05, y + 0.12) for number, (x, y) in enumerate(places)
    ]
    confidences = (0.7, 0.6, 0.6, None, 0.5, 0.8, None)
    return pack(Packed((0.1, 0.2, 0.3, 0.4), 0.8, confidences, path))
