"""Brings the schema up to date: Alembic's ``upgrade head`` at every start of the writer."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

import sqlalchemy as sa

if TYPE_CHECKING:
    # Every process imports this module's neighbours; only the writer pays for Alembic.
    from alembic.config import Config

_SCRIPTS = Path(__file__).parent / "migrations"


def load_tables() -> sa.MetaData:
    """The metadata with every module's tables declared on it."""
    metadata = import_module("recorder.rows").metadata
    import_module("recorder.tables")
    import_module("gateway.database.tables")
    assert isinstance(metadata, sa.MetaData)
    return metadata


def alembic_config() -> Config:
    """Alembic's configuration, without an ini file."""
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(_SCRIPTS).replace("%", "%%"))
    return config


def upgrade(engine: sa.Engine) -> None:
    """Run the missing revisions, in one transaction. Raises alembic's CommandError."""
    from alembic import command

    config = alembic_config()
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
