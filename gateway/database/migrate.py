"""Brings the schema up to date: Alembic's ``upgrade head`` at every start of the writer."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from typing import TYPE_CHECKING

import sqlalchemy as sa

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
    writer's runs beside. Raises alembic's CommandError, ValueError for rows that a revision left
    pointing nowhere, ConfigurationError for a PostgreSQL database that was not made for this.
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
                command.upgrade(config, revision)
                if is_sqlite:
                    astray = connection.exec_driver_sql("PRAGMA foreign_key_check").all()
                    if astray:
                        raise ValueError(f"a migration left rows pointing nowhere: {astray[:5]}")
        finally:
            if is_sqlite:
                driver.execute("PRAGMA foreign_keys = ON")
