"""Migrations and the declared tables say the same."""

from __future__ import annotations

from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from gateway.cluster.child import ConfigurationError
from gateway.database.engine import create_writer_engine
from gateway.database.migrate import (
    alembic_config,
    include_name,
    load_tables,
    may_work_with,
    upgrade,
)
from gateway.settings import Settings
from tests.peers.postgresql import PostgresqlServer

pytestmark = pytest.mark.sqlite


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


def test_migrations_make_the_declared_tables_on_postgresql_too(postgresql_url: str) -> None:
    engine = create_writer_engine(Settings(database_url=SecretStr(postgresql_url)))
    metadata = load_tables()
    with engine.connect() as connection:
        options = {"compare_type": True, "include_name": include_name}
        context = MigrationContext.configure(connection, opts=options)
        assert compare_metadata(context, metadata) == []
        inspector = sa.inspect(connection)
        # What autogenerate does not compare: checks, keys, and where an index is partial.
        for table in metadata.tables.values():
            checks = {one.name for one in table.constraints if isinstance(one, sa.CheckConstraint)}
            found = {one["name"] for one in inspector.get_check_constraints(table.name)}
            assert found == checks, table.name
            key = [column.name for column in table.primary_key]
            if table.name == "segments":
                key.append("start_us")  # its partitions' column must be in it
            migrated = inspector.get_pk_constraint(table.name)["constrained_columns"]
            assert migrated == key, table.name
            partial = {
                str(one.name)
                for one in table.indexes
                if one.dialect_options["postgresql"]["where"] is not None
            }
            indexes = inspector.get_indexes(table.name)
            assert partial == {
                one["name"] for one in indexes if one["dialect_options"].get("postgresql_where")
            }, table.name
    engine.dispose()


def test_segments_of_before_the_days_are_kept(postgresql: PostgresqlServer) -> None:
    url = postgresql.empty_database()
    engine = create_writer_engine(Settings(database_url=SecretStr(url)))
    upgrade(engine, "0027")
    with engine.begin() as connection:
        connection.exec_driver_sql(
            "INSERT INTO passages VALUES (1, 2, 3, 4, 5, NULL), (7, 2, 3, 4, 5, 6)"
        )
    upgrade(engine)
    upgrade(engine)
    with engine.connect() as connection:
        kept = connection.exec_driver_sql("SELECT id, plate FROM passages ORDER BY id").all()
    assert [tuple(row) for row in kept] == [(1, None), (7, 6)]
    engine.dispose()
    postgresql.drop(url)


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


def set_revision(engine: sa.Engine, revision: str) -> None:
    with engine.begin() as connection:
        connection.execute(
            sa.text("UPDATE alembic_version SET version_num = :it"), {"it": revision}
        )


def revision_of(engine: sa.Engine) -> str | None:
    with engine.connect() as connection:
        return MigrationContext.configure(connection).get_current_revision()


def test_a_newer_version_s_database_is_worked_with_where_it_says_so(engine: sa.Engine) -> None:
    upgrade(engine)
    head = str(revision_of(engine)).partition(".")[0]
    set_revision(engine, f"9999.{head}")
    upgrade(engine)
    assert revision_of(engine) == f"9999.{head}", "left as it is"


@pytest.mark.parametrize(
    "revision", ["9999", "9999.9998", "9999.", "9999.1", "a branch", "0000.0000"]
)
def test_a_newer_version_s_database_is_refused_where_it_does_not(
    engine: sa.Engine, revision: str
) -> None:
    upgrade(engine)
    set_revision(engine, revision)
    with pytest.raises(ConfigurationError, match="bring this machine to that version"):
        upgrade(engine)
    assert revision_of(engine) == revision


@given(st.integers(1, 9998), st.integers(1, 9999), st.integers(1, 9999))
def test_a_program_may_work_with_what_is_no_older_than_it_is_told(
    known: int, number: int, oldest: int
) -> None:
    present = f"{number:04}.{oldest:04}"
    assert may_work_with(f"{known:04}", present) == (oldest <= known < number)
    assert may_work_with(f"{known:04}.0001", present) == (oldest <= known < number)


def test_every_revision_from_here_on_says_who_may_work_with_it() -> None:
    scripts = ScriptDirectory.from_config(alembic_config())
    for script in scripts.walk_revisions():
        number, _, oldest = script.revision.partition(".")
        assert len(number) == 4
        if number > "0033":
            former = str(script.down_revision).partition(".")
            assert oldest in (number, former[2] or former[0]), (
                f"{number}: it only adds, and names what the one before names; or it names itself"
            )
