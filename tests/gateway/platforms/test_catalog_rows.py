"""A catalogue as rows: what it changes, and what it must never change."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from camera_adapters.gb28181.catalog import CatalogEvent, CatalogItem, CatalogPage
from camera_adapters.gb28181.catalog_assembly import CatalogAssembly
from gateway.database.platform_tables import platform_channels
from gateway.database.tables import cameras
from gateway.database.writer_process import load_operations
from gateway.identifiers import new_id
from gateway.platforms.catalog_rows import (
    COMPARED,
    changes_of,
    channel_of,
    channels_of,
    difference,
    known_channels,
)
from gateway.settings import Settings
from recorder.rows import perform
from tests.gateway.kept import new_database

pytestmark = pytest.mark.both_databases

OWN = "34020000002000000001"
GROUP = "34020000002160000001"


@pytest.fixture
def connection(tmp_path: Path, database_url: SecretStr | None) -> Iterator[sa.Connection]:
    load_operations()
    engine = new_database(Settings(data_directory=tmp_path, database_url=database_url))
    with engine.begin() as opened:
        area_id = perform(
            opened, "areas.create", {"name": "county", "parent_id": None, "code": "340221000000"}
        )
        perform(
            opened,
            "platforms.create",
            {
                "columns": {
                    "id": "plf_1",
                    "kind": "gb28181",
                    "direction": "below",
                    "name": "below",
                    "code": OWN,
                    "area_id": area_id,
                    "host": None,
                    "port": None,
                    "username": None,
                    "password_sealed": None,
                    "options": {},
                    "enabled": True,
                }
            },
        )
        opened.info["area_id"] = area_id
        yield opened
    engine.dispose()


def camera(number: int, *parents: str, name: str = "", online: bool = True) -> CatalogItem:
    return CatalogItem(
        f"3402000000132{number:07}", name or f"camera {number}", parents, online=online
    )


def replace(connection: sa.Connection, *items: CatalogItem, total: int = 0, at_us: int = 1) -> Any:
    assembly = CatalogAssembly(OWN, 1, 0.0)
    assembly.add(CatalogPage(1, OWN, total or len(items), items), 0.0)
    found = assembly.result()
    return perform(
        connection,
        "platforms.channels",
        {
            "platform_id": "plf_1",
            "channels": [asdict(one) for one in channels_of(found)],
            "at_us": at_us,
            "complete": found.complete,
        },
    )


def tell(connection: sa.Connection, *events: CatalogEvent, at_us: int = 9) -> Any:
    arguments = {"platform_id": "plf_1", **changes_of(events), "at_us": at_us}
    return perform(connection, "platforms.catalog_events", arguments)


def rows(connection: sa.Connection) -> dict[str, Any]:
    return known_channels(connection, "plf_1")


def test_first_catalogue_is_all_new(connection: sa.Connection) -> None:
    counts = replace(connection, CatalogItem(GROUP, "东片"), camera(1, GROUP, online=False))
    assert counts == {"added": 2, "changed": 0, "gone": 0, "back": 0}
    row = rows(connection)[camera(1).code]
    assert (row["parent_code"], row["kind"], row["status"]) == (GROUP, "camera", "off")


def test_same_catalogue_changes_nothing_and_what_is_missing_is_gone(
    connection: sa.Connection,
) -> None:
    replace(connection, camera(1), camera(2))
    assert replace(connection, camera(1), camera(2), at_us=2)["changed"] == 0
    assert replace(connection, camera(1, name="new"), at_us=3) == {
        "added": 0,
        "changed": 1,
        "gone": 1,
        "back": 0,
    }
    gone = rows(connection)[camera(2).code]
    assert (gone["gone_us"], gone["status"]) == (3, "off")
    assert replace(connection, camera(1, name="new"), camera(2), at_us=4)["back"] == 1
    assert rows(connection)[camera(2).code]["gone_us"] is None


def test_catalogue_that_did_not_come_whole_takes_nothing_away(connection: sa.Connection) -> None:
    replace(connection, camera(1), camera(2))
    assert replace(connection, camera(1), total=2, at_us=2)["gone"] == 0
    assert rows(connection)[camera(2).code]["gone_us"] is None


def test_name_and_place_of_a_camera_are_its_own(connection: sa.Connection) -> None:
    replace(connection, camera(1))
    camera_id = new_id("cam")
    perform(
        connection,
        "platforms.take_over",
        {
            "platform_id": "plf_1",
            "cameras_columns": [
                {
                    "id": camera_id,
                    "area_id": connection.info["area_id"],
                    "name": "our own name",
                    "channel": camera(1).code,
                    "main_url": "gb28181://plf_1/1",
                    "sub_url": None,
                    "username": None,
                    "password_sealed": None,
                    "transport": "auto",
                    "record": "continuous",
                    "retention_days": None,
                    "retention_bytes": None,
                    "enabled": True,
                }
            ],
        },
    )
    before = connection.execute(sa.select(cameras)).one()
    replace(connection, camera(1, name="their new name"), at_us=2)
    replace(connection, camera(2), at_us=3)
    tell(connection, CatalogEvent("DEL", camera(2)), CatalogEvent("ADD", camera(1, name="again")))
    assert connection.execute(sa.select(cameras)).one() == before
    row = rows(connection)[camera(1).code]
    assert (row["name"], row["camera_id"]) == ("again", camera_id)


def test_events_come_go_and_change_state(connection: sa.Connection) -> None:
    replace(connection, camera(1), camera(2))
    tell(
        connection,
        CatalogEvent("OFF", CatalogItem(camera(1).code)),
        CatalogEvent("DEL", CatalogItem(camera(2).code)),
        CatalogEvent("ADD", CatalogItem(GROUP, "group")),
        CatalogEvent("ADD", camera(3, GROUP)),
    )
    found = rows(connection)
    assert found[camera(1).code]["status"] == "off"
    assert found[camera(2).code]["gone_us"] == 9
    assert found[camera(3).code]["parent_code"] == GROUP
    tell(connection, CatalogEvent("VLOST", CatalogItem(camera(3).code)), at_us=10)
    assert rows(connection)[camera(3).code]["status"] == "off"


def test_last_word_about_a_channel_counts(connection: sa.Connection) -> None:
    tell(
        connection,
        CatalogEvent("ADD", camera(1)),
        CatalogEvent("DEL", camera(1)),
        CatalogEvent("ADD", camera(1, name="b")),
        CatalogEvent("OFF", camera(1)),
    )
    row = rows(connection)[camera(1).code]
    assert (row["name"], row["status"], row["gone_us"]) == ("b", "off", None)


def test_events_that_make_a_ring_are_cut(connection: sa.Connection) -> None:
    replace(connection, camera(1), camera(2, camera(1).code))
    tell(connection, CatalogEvent("UPDATE", camera(1, camera(2).code)))
    found = rows(connection)
    assert found[camera(1).code]["parent_code"] is None
    assert found[camera(2).code]["parent_code"] == camera(1).code


def test_many_changes_are_written(connection: sa.Connection) -> None:
    replace(connection, *(camera(number) for number in range(1200)))
    counts = replace(
        connection,
        *(camera(number, name="x" if number % 2 else "") for number in range(1100)),
        at_us=2,
    )
    assert (counts["changed"], counts["gone"]) == (550, 100)
    table = platform_channels
    left = connection.scalar(sa.select(sa.func.count()).where(table.c.gone_us.is_(None)))
    assert left == 1100


ITEMS = st.dictionaries(
    st.integers(0, 15), st.tuples(st.sampled_from("ab"), st.booleans()), max_size=12
)


@given(before=ITEMS, after=ITEMS, complete=st.booleans())
def test_difference_leads_from_what_is_known_to_what_came(
    before: dict[int, tuple[str, bool]], after: dict[int, tuple[str, bool]], complete: bool
) -> None:
    def channels(drawn: dict[int, tuple[str, bool]]) -> dict[str, dict[str, Any]]:
        items = [camera(n, name=name, online=on) for n, (name, on) in drawn.items()]
        return {item.code: asdict(channel_of(item, "")) for item in items}

    known = {code: {**one, "gone_us": None} for code, one in channels(before).items()}
    wanted = channels(after)
    found = difference(known, wanted.values(), complete=complete)
    result = {code: {name: row[name] for name in COMPARED} for code, row in known.items()}
    for row in (*found.added, *found.changed):
        result[row["code"]] = {name: row[name] for name in COMPARED}
    for code in found.gone:
        del result[code]
    expected = {code: {name: one[name] for name in COMPARED} for code, one in wanted.items()}
    if not complete:
        expected = {code: result[code] for code in known} | expected
    assert result == expected
    touched = [row["code"] for row in (*found.added, *found.changed)]
    assert len({*touched, *found.unchanged}) == len(touched) + len(found.unchanged) == len(wanted)
