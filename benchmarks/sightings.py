"""Finding vehicle passes among those of 200 checkpoints in 30 days.

    python -m benchmarks.sightings [--quick] [--rows 10000000]

Every question is asked by the search that the API uses, for the first page of 50, with times and
plates drawn anew each time. Beside it, part of a plate by a scan with LIKE, as without an index.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import random
import sqlite3
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from benchmarks.measure import percentile, quick_requested, report
from gateway.database.engine import create_reader_engine, create_writer_engine
from gateway.database.migrate import load_tables
from gateway.settings import Settings
from gateway.sightings.search import SightingQuery, search
from search.plates import fold, read_pattern

PLACES, DAYS, PAGE = 200, 30, 50
SPAN_US = DAYS * 86_400_000_000
END_US = 1_790_000_000_000_000
PROVINCES = "鄂" * 80 + "湘豫皖赣粤沪京苏浙"
LETTERS = "ABCDEFGHJKLMNPQRSTUVWXYZ"


def plate(chance: random.Random) -> str:
    """A plate as they are given out, mostly of the own province and town."""
    town = "H" if chance.random() < 0.7 else chance.choice(LETTERS)
    return (
        chance.choice(PROVINCES)
        + town
        + "".join(chance.choices(LETTERS[:8] + "0123456789" * 3, k=5))
    )


def populate(path: Path, rows: int, chance: random.Random) -> list[str]:
    """Make the passes; gives the plates that occur."""
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA synchronous = OFF")
    connection.execute("PRAGMA foreign_keys = OFF")
    connection.execute("PRAGMA cache_size = -400000")
    connection.executemany(
        "INSERT INTO sighting_places VALUES (?, 'plat', ?, NULL, 0)",
        [(number, f"{number:020d}") for number in range(1, PLACES + 1)],
    )
    # A vehicle passes some twenty times in the month.
    plates = sorted({plate(chance) for _ in range(max(rows // 20, 100))})
    connection.executemany(
        "INSERT INTO sighting_plates VALUES (?, ?)", [(one, fold(one)) for one in plates]
    )
    facts = json.dumps({"own_id": "4" * 48, "lane": 2, "direction": "3", "speed_kmh": 54.0,
                        "passed_us": END_US, "brand": "8", "tollgate_id": "4" * 20})  # fmt: skip
    pictures = '[["01", 0, 180000, 1920, 1080], ["02", 180000, 4000, 140, 40]]'
    step_us = SPAN_US // rows
    types = ["car"] * 70 + ["suv"] * 10 + ["van"] * 8 + ["truck"] * 8 + ["bus"] * 3 + ["trailer"]

    def made() -> object:
        for number in range(rows):
            at_us = END_US - SPAN_US + number * step_us
            key = hashlib.sha256(number.to_bytes(8)).digest()[:16]
            yield (
                key, chance.randint(1, PLACES), "vehicle" if number % 8 else "non_motor",
                at_us, at_us, chance.choice(plates), chance.choice((5, 5, 5, 9, 6)),
                chance.choice((1, 2, 2, 2, 3, 4, 5, 13)),
                chance.choice(types), facts, pictures, 184000,
            )  # fmt: skip

    connection.executemany(
        "INSERT INTO sightings (own_key, place_id, kind, at_us, received_us, plate, plate_color, "
        "color, vehicle_type, facts, pictures, size_bytes) VALUES (?,?,?,?,?,?,?,?,?,?,?,?)",
        made(),  # type: ignore[arg-type]
    )
    connection.commit()
    connection.close()
    return plates


def questions(plates: list[str], chance: random.Random) -> dict[str, Callable[[], SightingQuery]]:
    """What people ask, by name."""

    def within(days: float) -> tuple[int, int]:
        start_us = END_US - SPAN_US + round(chance.random() * (SPAN_US - days * 86_400e6))
        return start_us, start_us + round(days * 86_400e6)

    def damaged() -> str:
        one = chance.choice(plates)
        place = chance.randrange(2, 7)
        return one[:place] + "?" + one[place + 1 :]

    return {
        "newest": lambda: SightingQuery(*within(30)),
        "white_vans_of_a_night_at_4_of_200_places": lambda: SightingQuery(
            *within(0.06), ["vehicle"], chance.sample(range(1, PLACES + 1), 4),
            colors=[2], vehicle_types=["van"],
        ),
        "rare_filter_in_30_days": lambda: SightingQuery(
            *within(30), ["vehicle"], colors=[13], plate_colors=[6], vehicle_types=["trailer"],
        ),
        "nothing_fits_in_30_days": lambda: SightingQuery(
            *within(30), ["person"], lower_colors=[4]
        ),
        "100_of_200_places_nothing_fits": lambda: SightingQuery(
            *within(30), ["person"], range(1, 101), lower_colors=[4]
        ),
        "plate": lambda: SightingQuery(*within(30), plate=read_pattern(chance.choice(plates))),
        "plate_one_unreadable": lambda: SightingQuery(*within(30), plate=read_pattern(damaged())),
        "plate_part": lambda: SightingQuery(
            *within(30), plate=read_pattern(chance.choice(plates)[3:], infix=True)
        ),
        "plate_look_alikes": lambda: SightingQuery(
            *within(30), plate=read_pattern(chance.choice(plates), look_alikes=True)
        ),
        "plate_broad_part": lambda: SightingQuery(
            *within(30), plate=read_pattern(chance.choice("0123456789"), infix=True)
        ),
        "plate_broad_rare_at_3_places": lambda: SightingQuery(
            *within(30), None, chance.sample(range(1, PLACES + 1), 3),
            plate=read_pattern("鄂H*" + chance.choice("ABCD") + "?", infix=False),
        ),
    }  # fmt: skip


async def measure(reader: AsyncEngine, plates: list[str], rows: int, rounds: int) -> None:
    """Ask, and report."""
    chance = random.Random(2)
    for name, ask in questions(plates, chance).items():
        times = []
        for _ in range(rounds):
            query = ask()
            began = time.perf_counter()
            async with reader.connect() as connection:
                await search(connection, query, PAGE)
            times.append((time.perf_counter() - began) * 1000)
        report(
            metric=f"sightings_{name}_ms_p95",
            value=round(percentile(times, 95), 2),
            unit="ms",
            n=rows,
            better="lower",
        )
    infix = f"%{plates[0][3:]}%"
    began = time.perf_counter()
    async with reader.connect() as connection:
        await connection.execute(
            sa.text("SELECT id FROM sightings WHERE plate LIKE :p ORDER BY at_us DESC LIMIT 50"),
            {"p": infix},
        )
    report(
        metric="sightings_plate_part_by_scan_ms",
        value=round((time.perf_counter() - began) * 1000, 1),
        unit="ms",
        n=rows,
        better="lower",
    )


def main() -> None:
    """See the module's description."""
    rows = 1_000_000
    if "--rows" in sys.argv:
        place = sys.argv.index("--rows")
        rows = int(sys.argv[place + 1])
        del sys.argv[place : place + 2]
    quick = quick_requested(__doc__)
    rows = min(rows, 300_000) if quick else rows
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(data_directory=Path(folder))
        engine = create_writer_engine(settings)
        load_tables().create_all(engine)
        engine.dispose()
        path = Path(folder) / "gridsight.db"
        began = time.perf_counter()
        plates = populate(path, rows, random.Random(1))
        print(
            f"{rows} rows, {len(plates)} plates, {path.stat().st_size // rows} bytes a row, "
            f"made in {time.perf_counter() - began:.0f} s",
            file=sys.stderr,
        )

        async def ask() -> None:
            reader = create_reader_engine(settings)
            try:
                await measure(reader, plates, rows, 10 if quick else 20)
            finally:
                await reader.dispose()

        asyncio.run(ask())


if __name__ == "__main__":
    main()
