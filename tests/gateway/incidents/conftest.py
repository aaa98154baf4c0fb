"""A county with units, and a clock that stands where a test wants it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa

from gateway.database.incident_tables import incident_categories, incident_steps, incidents
from gateway.database.writer_process import load_operations
from gateway.identifiers import US_PER_S
from gateway.incidents import opening, steps
from gateway.incidents.opening import NewIncident
from gateway.settings import Settings
from recorder.rows import perform
from tests.gateway.kept import new_database

ZONE = ZoneInfo("Asia/Shanghai")


def instant(text: str) -> int:
    """UTC microseconds of a local time such as "2026-11-23 10:00"."""
    return int(datetime.fromisoformat(text).replace(tzinfo=ZONE).timestamp()) * US_PER_S


@dataclass
class Desk:
    """Takes steps at the time that it is said to be. A Monday's morning to begin with."""

    connection: sa.Connection
    at_us: int = instant("2026-11-23 10:00")
    county: str = ""
    town: str = ""
    village: str = ""
    other_village: str = ""
    county_unit: str = ""
    town_unit: str = ""
    village_unit: str = ""
    water_unit: str = ""

    def do(self, operation: str, **arguments: Any) -> Any:
        return perform(self.connection, operation, arguments)

    def open(self, **fields: Any) -> str:
        known = {"origin": "call", "origin_id": f"call-{fields.get('title')}", "title": "井盖丢失"}
        new = NewIncident(**{**known, "area_id": self.village, **fields})
        return str(self.do("incidents.open", new=new.to_message()))

    def take(self, incident_id: str, kind: str, words: str = "", **fields: Any) -> dict[str, Any]:
        taken: dict[str, Any] = self.do(
            "incidents.step",
            incident_id=incident_id,
            kind=kind,
            by_id="usr_1",
            by_name="王芳",
            words=words,
            fields=fields,
        )
        return taken

    def row(self, incident_id: str) -> dict[str, Any]:
        found = self.connection.execute(sa.select(incidents).where(incidents.c.id == incident_id))
        return dict(found.one()._mapping)

    def history(self, incident_id: str) -> list[str]:
        table = incident_steps.c
        kinds = self.connection.scalars(
            sa.select(table.kind).where(table.incident_id == incident_id).order_by(table.id)
        )
        return list(kinds)

    def category(self, name: str) -> str:
        found = self.connection.scalar(
            sa.select(incident_categories.c.id).where(incident_categories.c.name == name)
        )
        return str(found)

    def wait(self, *, hours: float = 0) -> None:
        self.at_us += round(hours * 3600) * US_PER_S


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    load_operations()
    engine = new_database(Settings(data_directory=tmp_path))
    with engine.begin() as connection:
        made = Desk(connection)
        monkeypatch.setattr(opening, "now_us", lambda: made.at_us)
        monkeypatch.setattr(steps, "now_us", lambda: made.at_us)
        made.do("incident_categories.seed")
        made.county = made.do("areas.create", parent_id=None, name="钟祥县")
        made.town = made.do("areas.create", parent_id=made.county, name="石牌镇")
        made.village = made.do("areas.create", parent_id=made.town, name="彭墩村")
        made.other_village = made.do("areas.create", parent_id=made.town, name="荆台村")

        def unit(name: str, area_id: str, above: str | None, only: list[str] | None = None) -> str:
            columns = {"name": name, "area_id": area_id, "parent_id": above, "category_ids": only}
            put = made.do("units.put", unit_id=None, columns=columns, member_ids=[])
            return str(put)

        made.county_unit = unit("县指挥中心", made.county, None)
        made.town_unit = unit("石牌镇综治中心", made.town, made.county_unit)
        made.village_unit = unit("彭墩村委会", made.village, made.town_unit)
        supply = [made.category("水电气")]
        made.water_unit = unit("自来水公司", made.county, made.county_unit, supply)
        yield made
    engine.dispose()
