"""A county in a database, and sheets that are checked against it and written into it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from gateway import camera_rows
from gateway.database.engine import create_writer_engine
from gateway.database.migrate import upgrade
from gateway.identifiers import now_us
from gateway.people import account_rows, area_rows
from gateway.settings import Settings
from gateway.sheets import apply_rows
from gateway.sheets.files import Kind, check_file, export_rows, write_file
from gateway.sheets.plan import Plan
from gateway.sheets.scope import Scope

SECRET = bytes(32)
COUNTY_CODE = "420881000000"


class Sheets:
    """钟祥市 with the town 石牌镇, and beside it the police of 石牌."""

    def __init__(self, connection: sa.Connection) -> None:
        self.connection = connection
        self.root = area_rows.create(connection, None, "钟祥市", COUNTY_CODE)
        self.town = area_rows.create(connection, self.root, "石牌镇", "420881100000")
        self.other_town = area_rows.create(connection, self.root, "胡集镇", "420881101000")
        self.police = area_rows.create(connection, None, "石牌派出所", "PCS-03", axis="police")
        account_rows.create(
            connection, "boss", "boss", "x", False, [{"role": "system_admin", "area_id": "*"}]
        )

    def check(self, kind: Kind, text: str | bytes, scope: Scope | None = None) -> Plan:
        content = text.encode() if isinstance(text, str) else text
        return check_file(
            self.connection, kind, content, scope or Scope(), secret=SECRET, now_us=now_us()
        )

    def faults(self, kind: Kind, text: str | bytes, scope: Scope | None = None) -> list[str]:
        return [
            f"{fault.line} {fault.field or '-'} {fault.code}"
            for fault in self.check(kind, text, scope).faults
        ]

    def apply(self, kind: Kind, text: str | bytes, scope: Scope | None = None) -> Plan:
        """Import it; there must be no fault."""
        plan = self.check(kind, text, scope)
        assert plan.faults == []
        steps: list[dict[str, Any]] = [
            {**step, "password_hash": "x"} if kind == "users" and step["do"] == "create" else step
            for step in plan.steps
        ]
        operation = {
            "areas": apply_rows.apply_areas,
            "cameras": apply_rows.apply_cameras,
            "users": apply_rows.apply_users,
        }[kind]
        operation(self.connection, steps)
        return plan

    def export(self, kind: Kind, scope: Scope | None = None, form: Any = "csv") -> bytes:
        rows = export_rows(self.connection, kind, scope or Scope(), axis=None, within="")
        return write_file(kind, form, rows)

    def path(self, area_id: str) -> str:
        return str(
            self.connection.scalar(
                sa.text("SELECT path FROM areas WHERE id = :id"), {"id": area_id}
            )
        )

    def add_camera(self, name: str, area_id: str, **columns: Any) -> str:
        row = {
            "id": f"cam_{name}",
            "area_id": area_id,
            "name": name,
            "main_url": f"rtsp://10.0.0.1/{name}",
            "sub_url": None,
            "username": None,
            "password_sealed": None,
            "transport": "auto",
            "record": "continuous",
            "retention_days": None,
            "retention_bytes": None,
            "enabled": True,
            **columns,
        }
        camera_rows.create(self.connection, [row])
        return str(row["id"])

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        return [tuple(row) for row in self.connection.execute(sa.text(query))]


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty database, migrated once for all tests."""
    folder = tmp_path_factory.mktemp("sheets")
    engine = create_writer_engine(Settings(data_directory=folder))
    upgrade(engine)
    engine.dispose()
    return folder


@pytest.fixture
def sheets(migrated: Path) -> Iterator[Sheets]:
    """Everything that a test writes is rolled back."""
    engine = create_writer_engine(Settings(data_directory=migrated))
    with engine.connect() as connection, connection.begin() as transaction:
        yield Sheets(connection)
        transaction.rollback()
    engine.dispose()
