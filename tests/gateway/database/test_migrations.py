"""Migrations and the declared tables say the same."""

from __future__ import annotations

from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from gateway.database.engine import create_writer_engine
from gateway.database.migrate import load_tables, upgrade
from gateway.settings import Settings


@pytest.fixture
def engine(tmp_path: Path) -> sa.Engine:
    return create_writer_engine(Settings(data_directory=tmp_path))


def test_migrations_make_the_declared_tables(engine: sa.Engine) -> None:
    upgrade(engine)
    metadata = load_tables()
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []
        migrated = _statements(connection)
    declared_engine = sa.create_engine("sqlite://")
    with declared_engine.connect() as connection:
        metadata.create_all(connection)
        declared = _statements(connection)
    # Down to checks, partial indexes and WITHOUT ROWID, which autogenerate does not compare.
    assert migrated == declared


def _statements(connection: sa.Connection) -> dict[str, list[str]]:
    rows = connection.execute(sa.text("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL"))
    return {row.name: _normal(row.sql) for row in rows if row.name not in ("alembic_version",)}


def _normal(sql: str) -> list[str]:
    # The order of constraints is the migration's own business, and so are quotes: a table that was
    # made anew under its old name has them.
    plain = " ".join(sql.replace('"', "").split())
    return sorted(part.strip(" ()") for part in plain.split(","))


def test_upgrading_twice_changes_nothing(engine: sa.Engine) -> None:
    upgrade(engine)
    with engine.connect() as connection:
        before = _statements(connection)
    upgrade(engine)
    with engine.connect() as connection:
        assert _statements(connection) == before


def test_grants_of_earlier_days_are_kept_and_have_an_id(engine: sa.Engine) -> None:
    upgrade(engine, "0002")
    user = {
        "id": "usr_1", "name": "wang", "name_key": "wang", "display_name": "王",
        "password_hash": "-", "must_change_password": False, "enabled": True, "created_us": 1,
        "password_changed_us": 1,
    }  # fmt: skip
    with engine.begin() as connection:
        names = ", ".join(user)
        values = ", ".join(f":{name}" for name in user)
        connection.execute(sa.text(f"INSERT INTO users ({names}) VALUES ({values})"), user)
        connection.execute(
            sa.text("INSERT INTO grants VALUES ('usr_1', 'viewer', 'a'), ('usr_1', 'viewer', '*')")
        )
    upgrade(engine)
    with engine.connect() as connection:
        held = connection.execute(sa.text("SELECT id, role, area_id FROM grants")).all()
    assert {(row.role, row.area_id) for row in held} == {("viewer", "a"), ("viewer", "*")}
    assert len({row.id for row in held}) == 2
