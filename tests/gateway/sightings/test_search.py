"""The search among many: the same answers as looking at every row, by an index each time."""

from __future__ import annotations

import fnmatch
import random
from collections.abc import AsyncIterator
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from gateway.database.engine import create_reader_engine
from gateway.database.sighting_tables import sighting_places, sighting_plates, sightings
from gateway.settings import Settings
from gateway.sightings import search as searching
from gateway.sightings.search import SightingQuery, read_after, search
from search.plates import fold, read_pattern
from tests.gateway.kept import new_database

pytestmark = pytest.mark.sqlite

ROWS, PLACES = 3000, 50
TYPES = ("car", "van", "truck", None)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Settings, list[dict[str, Any]]]:
    settings = Settings(data_directory=tmp_path_factory.mktemp("search"))
    engine = new_database(settings)
    chance = random.Random(5)
    plates = ["鄂H" + "".join(chance.choices("0OB81I2Z", k=4)) for _ in range(400)]
    found: list[dict[str, Any]] = [
        {
            "id": number, "own_key": number.to_bytes(16), "place_id": chance.randint(1, PLACES),
            "kind": chance.choice(("vehicle", "person")), "at_us": chance.randint(0, 1000) * 10**6,
            "received_us": number, "plate": chance.choice([*plates, None]),
            "plate_color": chance.choice((5, 6)), "color": chance.randint(1, 13),
            "lower_color": None, "vehicle_type": chance.choice(TYPES), "facts": {},
            "pictures": [], "size_bytes": 0,
        }
        for number in range(1, ROWS + 1)
    ]  # fmt: skip
    with engine.begin() as connection:
        connection.exec_driver_sql("PRAGMA foreign_keys = OFF")
        connection.exec_driver_sql("PRAGMA defer_foreign_keys = ON")
        connection.execute(
            sa.text(
                "INSERT INTO areas (id, axis, name, search_key, path, position, created_us) "
                "VALUES ('a', 'area', 'a', '', 'a/', 0, 0)"
            )
        )
        connection.execute(
            sa.text(
                "INSERT INTO platforms (id, kind, direction, name, area_id, options, enabled, "
                "created_us, changed_us) VALUES ('p','gat1400','below','p','a','{}',1,0,0)"
            )
        )
        connection.execute(
            sa.insert(sighting_places),
            [
                {"id": one, "platform_id": "p", "code": str(one), "created_us": 0}
                for one in range(1, PLACES + 1)
            ],
        )
        connection.execute(sa.insert(sightings), found)
        connection.execute(
            sa.insert(sighting_plates),
            [
                {"plate": one, "folded": fold(one)}
                for one in {row["plate"] for row in found} - {None}
            ],
        )
    engine.dispose()
    return settings, found


@pytest.fixture
async def reader(made: tuple[Settings, list[dict[str, Any]]]) -> AsyncIterator[AsyncEngine]:
    engine = create_reader_engine(made[0])
    yield engine
    await engine.dispose()


def fits(row: dict[str, Any], query: SightingQuery) -> bool:
    """The same, said plainly."""
    if not query.start_us <= row["at_us"] < query.end_us:
        return False
    for name, wanted in (
        ("kind", query.kinds), ("place_id", query.place_ids), ("color", query.colors),
        ("plate_color", query.plate_colors), ("vehicle_type", query.vehicle_types),
        ("lower_color", query.lower_colors),
    ):  # fmt: skip
        if wanted is not None and row[name] not in wanted:
            return False
    if query.plate is None:
        return True
    if row["plate"] is None:
        return False
    plate = fold(row["plate"]) if query.plate.look_alikes else row["plate"]
    return fnmatch.fnmatchcase(plate, query.plate.compared)


def random_query(chance: random.Random) -> SightingQuery:
    start_us = chance.randint(0, 500) * 10**6
    text = "鄂H" + "".join(chance.choices("0OB81I2Z?*", k=4))
    return SightingQuery(
        start_us,
        start_us + chance.randint(1, 600) * 10**6,
        chance.choice((None, ["vehicle"], ["vehicle", "person"])),
        chance.choice(
            (None, [], [3], list(range(1, 20)), list(range(1, 45)), list(range(1, PLACES + 1)))
        ),
        chance.choice(
            (None, None, read_pattern(text), read_pattern(text, look_alikes=True),
             read_pattern(chance.choice("0OB81I2Z"), infix=True, look_alikes=chance.random() < 0.5))
        ),
        chance.choice((None, [5])),
        chance.choice((None, [1, 2, 3])),
        None,
        chance.choice((None, ["van"])),
    )  # fmt: skip


async def test_every_way_finds_what_looking_at_every_row_finds(
    reader: AsyncEngine,
    made: tuple[Settings, list[dict[str, Any]]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # So that patterns of both kinds occur: those of few plates, and those of many.
    monkeypatch.setattr(searching, "PLATES_LIMIT", 40)
    chance = random.Random(6)
    newest_first = sorted(made[1], key=lambda row: (row["at_us"], row["id"]), reverse=True)
    non_empty = 0
    async with reader.connect() as connection:
        for _ in range(300):
            query = random_query(chance)
            expected = [row["id"] for row in newest_first if fits(row, query)]
            found: list[int] = []
            after = None
            while page := await search(connection, query, 37, after):
                found += [row.id for row in page]
                after = (page[-1].at_us, page[-1].id)
            assert found == expected, query
            non_empty += bool(expected)
    assert non_empty > 100


@pytest.mark.parametrize(
    ("query", "index"),
    [
        (SightingQuery(0, 10**9), "ix_sightings_at_us"),
        (SightingQuery(0, 10**9, ["vehicle"], colors=[2]), "ix_sightings_at_us"),
        (SightingQuery(0, 10**9, place_ids=range(1, 45)), "ix_sightings_at_us"),
        (SightingQuery(0, 10**9, place_ids=[3, 4], colors=[1]), "ix_sightings_place_id"),
        (SightingQuery(0, 10**9, plate=read_pattern("鄂H0O0O")), "ix_sightings_plate"),
        (SightingQuery(0, 10**9, plate=read_pattern("H0", infix=True)), "ix_sightings_"),
    ],
)
async def test_no_question_reads_the_whole_table(
    reader: AsyncEngine, query: SightingQuery, index: str
) -> None:
    statements: list[tuple[str, Any]] = []

    @sa.event.listens_for(reader.sync_engine, "before_cursor_execute")
    def _note(_: object, __: object, statement: str, parameters: Any, *___: object) -> None:
        statements.append((statement, parameters))

    async with reader.connect() as connection:
        await search(connection, query, 10)
        sa.event.remove(reader.sync_engine, "before_cursor_execute", _note)
        statement, parameters = statements[-1]
        plan = await connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)
        lines = [row[-1] for row in plan]
    assert any(index in line for line in lines), lines
    assert not any(line.startswith("SCAN sightings") and "INDEX" not in line for line in lines), (
        lines
    )
    if index == "ix_sightings_at_us":
        # Newest first comes from the index: nothing is gathered and sorted but the page.
        assert sum("TEMP B-TREE" in line for line in lines) <= 1, lines


async def test_what_arrived_is_read_in_order_and_holes_are_passed(reader: AsyncEngine) -> None:
    told: list[int] = []
    after = 0
    async with reader.connect() as connection:
        while True:
            rows, looked = await read_after(
                connection, after, range(1, 11), ["vehicle"], 20, window=100
            )
            told += [row.id for row in rows]
            if looked == after:
                break
            after = looked
        wanted = await connection.scalars(
            sa.select(sightings.c.id)
            .where(sightings.c.place_id <= 10, sightings.c.kind == "vehicle")
            .order_by(sightings.c.id)
        )
    assert told == list(wanted)
    assert after == ROWS


def test_patterns() -> None:
    assert read_pattern("鄂h·123 45").text == "鄂H12345"
    assert read_pattern("12", infix=True).like == "%12%"
    assert read_pattern("8b0o", look_alikes=True).like == "8800"
    assert not read_pattern("鄂H？*").exact


@pytest.mark.parametrize("text", ["", "*", "?", "a%b", "a_b", "a'b", "1234567890123456"])
def test_what_is_no_plate(text: str) -> None:
    with pytest.raises(ValueError, match="plate"):
        read_pattern(text)


def test_folding_is_the_same_for_look_alikes() -> None:
    assert fold("鄂HB8S01") == fold("鄂H8B5OI") == fold("鄂HBBSDL")
