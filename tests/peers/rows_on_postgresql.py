"""Tests that know nothing of it, with their rows in PostgreSQL: `make test-postgresql`.

Whoever asks for the database of a data directory is given one in the session's server instead of
SQLite's file, made at the first question and dropped when the test has ended. Gateways that are
started as processes are told its address.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from pydantic import SecretStr

from gateway.settings import Settings
from tests.peers.postgresql import PostgresqlServer

WANTED = os.environ.get("TEST_DATABASE", "sqlite") == "postgresql"


class RowsOnPostgresql:
    """Databases by the data directory that they stand in for."""

    def __init__(self, server: PostgresqlServer) -> None:
        self._server = server
        self._urls: dict[Path, str] = {}
        self._lock = threading.Lock()

    def url(self, data_directory: Path) -> str:
        """The address of its database, of the newest schema."""
        key = data_directory.resolve()
        with self._lock:
            if key not in self._urls:
                self._urls[key] = self._server.new_database()
            return self._urls[key]

    def forget(self, folder: Path) -> None:
        """Drop those of this folder and all below it."""
        with self._lock:
            for key in [one for one in self._urls if one.is_relative_to(folder.resolve())]:
                self._server.drop(self._urls.pop(key))


_used: RowsOnPostgresql | None = None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave out what is about SQLite itself, and what PostgreSQL is asked already."""
    if WANTED:
        for item in items:
            if item.get_closest_marker("sqlite") or item.get_closest_marker("both_databases"):
                reason = "of SQLite, or of both databases in each run"
                item.add_marker(pytest.mark.skip(reason=reason))


def url_for(data_directory: Path) -> str | None:
    """What to tell a process that is to work on this data directory; None: SQLite."""
    return _used.url(data_directory) if _used is not None else None


def asked(data_directory: Path, query: str, **parameters: Any) -> list[dict[str, Any]]:
    """The rows of a query in SQL that both databases speak."""
    url = url_for(data_directory) or f"sqlite:///{data_directory / 'gridsight.db'}"
    engine = sa.create_engine(url.replace("postgresql://", "postgresql+psycopg://"))
    try:
        with engine.connect() as connection:
            found = connection.execute(sa.text(query), parameters)
            return [dict(row) for row in found.mappings()]
    finally:
        engine.dispose()


@pytest.fixture(scope="session", autouse=True)
def rows_on_postgresql(request: pytest.FixtureRequest) -> Iterator[RowsOnPostgresql | None]:
    """In force for the whole session, where it is asked for."""
    global _used
    if not WANTED:
        yield None
        return
    used = _used = RowsOnPostgresql(request.getfixturevalue("postgresql"))

    def effective(settings: Settings) -> str:
        if settings.database_url is not None:
            return settings.database_url.get_secret_value()
        if (settings.data_directory / "gridsight.db").exists():
            return f"sqlite:///{settings.data_directory / 'gridsight.db'}"
        return used.url(settings.data_directory)

    told = Settings.to_json

    def to_json(settings: Settings) -> str:
        return told(settings.model_copy(update={"database_url": SecretStr(effective(settings))}))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Settings, "effective_database_url", property(effective))
        # What child processes read.
        patch.setattr(Settings, "to_json", to_json)
        yield used
    _used = None


@pytest.fixture(autouse=WANTED)
def databases_of_this_test(
    rows_on_postgresql: RowsOnPostgresql | None, tmp_path: Path
) -> Iterator[None]:
    """Dropped at its end: each takes ten megabytes."""
    yield
    if rows_on_postgresql is not None:
        rows_on_postgresql.forget(tmp_path)
