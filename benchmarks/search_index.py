"""Finding passages among those of 2,000 cameras in 30 days, by words, plates and likeness.

    python -m benchmarks.search_index [--quick] [--rows 10000000] [--keep FOLDER]

Every question is asked by the search that the API uses, for the first page of 50, with times,
cameras and plates drawn anew each time. Likeness is asked of one day and 200 cameras, beside the
same by reading all vectors of the day into memory.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import shutil
import sqlite3
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
from sqlalchemy.ext.asyncio import AsyncEngine

from benchmarks._search_index_rows import (
    DAY_US,
    DAYS,
    END_US,
    KIND,
    START_US,
    TYPES,
    VECTOR_SIZE,
    Month,
    fill,
    vectors_of_day,
)
from benchmarks.measure import percentile, report
from gateway.database.engine import create_reader_engine, create_writer_engine
from gateway.database.migrate import upgrade
from gateway.settings import Settings
from search.index.likeness import OwnVectors
from search.index.query import Line, PassageQuery, search_passages, similar
from search.index.vectors import VectorReader, VectorWriter
from search.objects import ObjectClass
from search.passages import Color, Direction, SpeedClass
from search.plates import read_pattern

CAMERAS, PAGE = 2000, 50
# A county of 8,757 cameras, each of which sees what those of the month here see on a day.
COUNTY = 8757
COUNTY_DAYS = 365

Ask = Callable[[], PassageQuery]


def within(chance: random.Random, days: float) -> tuple[int, int]:
    """A time of so many days within the month."""
    start_us = START_US + round(chance.random() * (DAYS - days) * DAY_US)
    return start_us, start_us + round(days * DAY_US)


def by_words(month: Month, chance: random.Random) -> Mapping[str, Ask]:
    """What people ask by looks and ways, common and rare, with many answers and with none."""

    def some(count: int) -> list[str]:
        return chance.sample(month.cameras, count)

    person, car, bus = ObjectClass.PERSON, ObjectClass.CAR, ObjectClass.BUS
    return {
        "newest": lambda: PassageQuery(*within(chance, 30)),
        "white_cars_of_a_night_at_28_cameras": lambda: PassageQuery(
            *within(chance, 0.06), some(28), [car], [Color.WHITE], vehicle_types=[TYPES[1]]
        ),
        "dark_clothes_of_a_day_at_200_cameras": lambda: PassageQuery(
            *within(chance, 1), some(200), [person], upper_colors=[Color.BLACK, Color.GREY]
        ),
        "rare_colors_in_30_days": lambda: PassageQuery(
            *within(chance, 30), None, [person], upper_colors=[Color.CYAN],
            lower_colors=[Color.PURPLE], include_possible=False,
        ),
        "rare_color_at_200_cameras_in_30_days": lambda: PassageQuery(
            *within(chance, 30), some(200), [car], [Color.PINK], include_possible=False
        ),
        "red_pickups_at_34_cameras_in_30_days": lambda: PassageQuery(
            *within(chance, 30), some(34), [car], [Color.RED], vehicle_types=[TYPES[3]],
            include_possible=False,
        ),
        "nothing_in_30_days": lambda: PassageQuery(
            *within(chance, 30), None, [ObjectClass.VAN], include_possible=False
        ),
        "nothing_at_200_cameras_in_30_days": lambda: PassageQuery(
            *within(chance, 30), some(200), [person], [Color.RED], include_possible=False
        ),
        "fast_and_upwards_in_30_days": lambda: PassageQuery(
            *within(chance, 30), None, [person], directions=[Direction.UP],
            speeds=[SpeedClass.FAST],
        ),
        "fast_and_upwards_at_200_cameras": lambda: PassageQuery(
            *within(chance, 30), some(200), [person], directions=[Direction.UP],
            speeds=[SpeedClass.FAST],
        ),
        "buses_that_stood_in_30_days": lambda: PassageQuery(
            *within(chance, 30), None, [bus], min_duration_ms=300_000
        ),
    }  # fmt: skip


def by_plate(month: Month, chance: random.Random) -> Mapping[str, Ask]:
    """Plates whole, in part, and read wrongly."""

    def plate(start: int = 0, end: int = 9) -> str:
        return chance.choice(month.plates)[start:end]

    def asked(text: str, infix: bool = False, alike: bool = False) -> PassageQuery:
        pattern = read_pattern(text, infix=infix, look_alikes=alike)
        return PassageQuery(*within(chance, 30), plate=pattern)

    return {
        "plate": lambda: asked(plate()),
        "plate_infix_of_4": lambda: asked(plate(2, 6), True),
        "plate_infix_of_2": lambda: asked(plate(3, 5), True),
        "plate_infix_of_1": lambda: asked(plate(6, 7), True),
        "plate_infix_look_alikes": lambda: asked(plate(2, 6), True, True),
        "plate_look_alikes": lambda: asked(plate(), alike=True),
        "plate_infix_of_none": lambda: asked("QQXQ", True),
    }


def drawn(month: Month, chance: random.Random) -> Mapping[str, Ask]:
    """A line in the picture of one camera, over 30 days."""
    return {
        "line_of_a_camera_in_30_days": lambda: PassageQuery(
            *within(chance, 30), [chance.choice(month.cameras)], line=Line((0.2, 0.5), (0.4, 0.5))
        )
    }


async def ask_all(
    reader: AsyncEngine, questions: Mapping[str, Ask], rounds: int
) -> dict[str, list[float]]:
    """Milliseconds of each question."""
    took: dict[str, list[float]] = {}
    for name, ask in questions.items():
        for turn in range(rounds + 1):
            query = ask()
            began = time.perf_counter()
            async with reader.connect() as connection:
                await search_passages(connection, query, PAGE)
            if turn:  # The first warms what was never read.
                took.setdefault(name, []).append((time.perf_counter() - began) * 1000)
    return took


async def measure(reader: AsyncEngine, month: Month, rows: int, rounds: int) -> None:
    """Ask by words and plates, and report."""
    chance = random.Random(2)
    for kind, questions, target in (
        ("attribute_query", by_words(month, chance), 100.0),
        ("plate_query", by_plate(month, chance), 300.0),
        ("drawn_query", drawn(month, chance), None),
    ):
        took = await ask_all(reader, questions, rounds)
        everything = [one for times in took.values() for one in times]
        report(
            f"search_index_{kind}_ms_p95", percentile(everything, 95), "ms", n=rows,
            target=target, note=f"{len(questions)} kinds of question, {rounds} times each",
        )  # fmt: skip
        for name, times in took.items():
            report(f"search_index_{name}_ms_p95", percentile(times, 95), "ms", n=rows)


async def measure_likeness(
    reader: AsyncEngine, folder: Path, month: Month, rows: int, rounds: int
) -> None:
    """Ask for what is alike within one day, and report."""
    chance, random_state = random.Random(3), np.random.default_rng(4)
    vectors = VectorReader(folder)
    start_us, end_us = END_US - DAY_US, END_US
    # What the answer is judged by: every vector of the day, compared in memory.
    ids = await asyncio.to_thread(vectors.ids, KIND, vectors.days(KIND, start_us, end_us)[0])
    matrix = await asyncio.to_thread(vectors.find_many, KIND, ids)
    compared = np.stack([matrix[one] for one in ids])
    words: dict[str, dict[str, object]] = {
        "likeness_of_a_day_at_200_cameras": {},
        "likeness_of_people_in_red": {
            "classes": [ObjectClass.PERSON], "upper_colors": [Color.RED],
        },
    }  # fmt: skip
    for name, more in words.items():
        took, memory = [], []
        for turn in range(rounds + 1):
            vector = compared[chance.randrange(len(ids))]
            vector = vector + 0.02 * random_state.normal(size=VECTOR_SIZE).astype(np.float32)
            vector = (vector / np.linalg.norm(vector)).astype(np.float32)
            cameras = chance.sample(month.cameras, min(200, len(month.cameras)))
            query = PassageQuery(start_us, end_us, cameras, **more)  # type: ignore[arg-type]
            began = time.perf_counter()
            async with reader.connect() as connection:
                await similar(connection, OwnVectors(vectors), query, KIND, vector, PAGE)
            if turn:
                took.append((time.perf_counter() - began) * 1000)
            began = time.perf_counter()
            np.argpartition(compared @ vector, -PAGE)
            memory.append((time.perf_counter() - began) * 1000)
        report(
            f"search_index_{name}_ms_p95", percentile(took, 95), "ms", n=len(ids),
            target=300.0 if not more else None, peer="all vectors of the day in memory",
            peer_value=percentile(memory, 95), note=f"{rows} passages in all",
        )  # fmt: skip


def report_sizes(database: Path, folder: Path, rows: int, vectors: int) -> None:
    """What a passage takes, and a county's year of them."""
    connection = sqlite3.connect(database)
    size_bytes = (
        connection.execute("PRAGMA page_count").fetchone()[0]
        * connection.execute("PRAGMA page_size").fetchone()[0]
    )
    connection.close()
    per_row = size_bytes / rows
    per_vector = sum(one.stat().st_size for one in folder.rglob("*") if one.is_file()) / vectors
    report("search_index_row_bytes", per_row, "bytes", n=rows)
    report("search_index_vector_bytes", per_vector, "bytes", n=vectors, note=f"{VECTOR_SIZE} × 2")
    county = COUNTY * COUNTY_DAYS * 10_000_000 / (CAMERAS * DAYS)
    report(
        "search_index_county_year_rows_gib", county * per_row / 2**30, "GiB", n=rows,
        note=f"reckoned: {county / 1e6:.0f} million passages",
    )  # fmt: skip
    report("search_index_county_year_vectors_gib", county * per_vector / 2**30, "GiB", n=vectors)


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="at most 45 s, at a smaller n")
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--keep", type=Path, help="where the month is made, and found next time")
    given = parser.parse_args()
    rows, rounds = (300_000, 5) if given.quick else (given.rows, 40)
    folder = given.keep or Path(tempfile.mkdtemp())
    settings = Settings(data_directory=folder)
    database = folder / "gridsight.db"
    try:
        vectors = folder / "vectors"
        if not database.exists():
            folder.mkdir(parents=True, exist_ok=True)
            engine = create_writer_engine(settings)
            upgrade(engine)
            engine.dispose()
            began = time.perf_counter()
            fill(database, rows, CAMERAS)
            report("search_index_made_s", time.perf_counter() - began, "s", n=rows)
            vectors_of_day(database, vectors, END_US - DAY_US)
            writer = VectorWriter(vectors)
            for kind, day in writer.tables():
                writer.tidy(f"{kind}.{day}")
            writer.close()
        month = read_month(database)
        made = len(VectorReader(vectors).ids(KIND, VectorReader(vectors).tables()[0][1]))
        report_sizes(database, vectors, rows, made)
        asyncio.run(run(settings, vectors, month, rows, rounds))
    finally:
        if given.keep is None:
            shutil.rmtree(folder)


def read_month(database: Path) -> Month:
    """The cameras, and some of the plates."""
    connection = sqlite3.connect(database)
    cameras = [row[0] for row in connection.execute("SELECT camera_id FROM passage_cameras")]
    plates = [
        row[0]
        for row in connection.execute("SELECT plate FROM passage_plates WHERE number % 7 = 0")
    ]
    connection.close()
    return Month(cameras, plates)


async def run(settings: Settings, vectors: Path, month: Month, rows: int, rounds: int) -> None:
    """Ask everything."""
    reader = create_reader_engine(settings)
    await measure(reader, month, rows, rounds)
    await measure_likeness(reader, vectors, month, rows, rounds)
    await reader.dispose()


if __name__ == "__main__":
    main()
