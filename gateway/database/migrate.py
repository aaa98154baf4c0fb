"""Brings the schema up to date: Alembic's ``upgrade head`` at every start of the writer.

Of several machines one has the new version first, and the others run on with the old one. So a
revision's name says from which on a program may work with it: ``0041.0038`` has number 41, and
those that know 38 may. One that only adds keeps the former number; one that takes something away
names itself, and then all machines are stopped for it.
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from typing import TYPE_CHECKING

import sqlalchemy as sa

from gateway.cluster.child import ConfigurationError
from gateway.database.partitions import is_partition
from gateway.database.postgresql import refuse_unsuited

if TYPE_CHECKING:
    # Every process imports this module's neighbours; only the writer pays for Alembic.
    from alembic.config import Config

_SCRIPTS = Path(__file__).parent / "migrations"


def load_tables() -> sa.MetaData:
    """The metadata with every module's tables declared on it."""
    metadata = import_module("recorder.rows").metadata
    import_module("recorder.tables")
    import_module("search.index.tables")
    for module in iter_modules([str(Path(__file__).parent)]):
        if module.name == "tables" or module.name.endswith("_tables"):
            import_module(f"gateway.database.{module.name}")
    assert isinstance(metadata, sa.MetaData)
    return metadata


def include_name(name: str | None, kind: str, _parents: object) -> bool:
    """For Alembic's comparison: partitions are the database's, not the models'."""
    return kind != "table" or name is None or not is_partition(name)


def alembic_config() -> Config:
    """Alembic's configuration, without an ini file."""
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(_SCRIPTS).replace("%", "%%"))
    return config


def upgrade(engine: sa.Engine, revision: str = "head") -> None:
    """Run the revisions that are missing up to ``revision``, in one transaction, which no other
    writer's runs beside. Does nothing where a newer version's revision allows this one. Raises
    alembic's CommandError, ValueError for rows that a revision left pointing nowhere,
    ConfigurationError for a PostgreSQL database that was not made for this, or a revision that this
    version does not know and may not work with.
    """
    from alembic import command

    config = alembic_config()
    with engine.connect() as connection:
        is_sqlite = connection.dialect.name == "sqlite"
        driver = connection.connection.dbapi_connection
        assert driver is not None
        if is_sqlite:
            # SQLite changes a table by making it anew: the old one must be let go although other
            # tables refer to it. Inside a transaction this PRAGMA does nothing.
            driver.execute("PRAGMA foreign_keys = OFF")
        try:
            with connection.begin():
                config.attributes["connection"] = connection
                if not is_sqlite:
                    refuse_unsuited(connection)
                    # A step that works in memory is no process that hangs.
                    connection.exec_driver_sql("SET LOCAL idle_in_transaction_session_timeout = 0")
                if _is_of_newer_version(connection, config):
                    return
                command.upgrade(config, revision)
                if is_sqlite:
                    astray = connection.exec_driver_sql("PRAGMA foreign_key_check").all()
                    if astray:
                        raise ValueError(f"a migration left rows pointing nowhere: {astray[:5]}")
        finally:
            if is_sqlite:
                driver.execute("PRAGMA foreign_keys = ON")


def _is_of_newer_version(connection: sa.Connection, config: Config) -> bool:
    from alembic.migration import MigrationContext
    from alembic.script import ScriptDirectory

    present = MigrationContext.configure(connection).get_current_revision()
    scripts = ScriptDirectory.from_config(config)
    if present is None or any(one.revision == present for one in scripts.walk_revisions()):
        return False
    head = scripts.get_current_head()
    assert head is not None
    if not may_work_with(head, present):
        raise ConfigurationError(
            f"the database is of a newer version (revision {present}; this one knows {head}): "
            "bring this machine to that version"
        )
    return True


def may_work_with(head: str, present: str) -> bool:
    """Whether a program whose newest revision is ``head`` may work with a database at ``present``,
    which it does not know.
    """
    known, (number, _, oldest) = head.partition(".")[0], present.partition(".")
    numbers = (known, number, oldest)
    # All have four digits: they compare as they are.
    return all(len(one) == 4 and one.isdigit() for one in numbers) and oldest <= known < number
