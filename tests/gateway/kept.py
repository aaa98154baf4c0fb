"""Where a gateway keeps things: a database of the newest schema, and a store."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import sqlalchemy as sa
from pydantic import SecretStr
from sqlalchemy.ext.asyncio import AsyncEngine

from gateway.database.engine import create_reader_engine, create_writer_engine
from gateway.database.migrate import upgrade
from gateway.database.writer_process import load_operations
from gateway.settings import Settings
from recorder.rows import LocalRowWriter
from recorder.stores import DirectoryStoreConfig
from recorder.stores.directory import DirectoryStore


@dataclass(frozen=True, slots=True)
class Kept:
    """``writing`` is the engine beneath ``rows``."""

    writing: sa.Engine
    rows: LocalRowWriter
    reader: AsyncEngine
    store: DirectoryStore


@cache
def _migrated() -> bytes:
    """An empty database file, migrated once for all tests of this process."""
    with TemporaryDirectory() as folder:
        settings = Settings(data_directory=Path(folder))
        engine = create_writer_engine(settings)
        upgrade(engine)
        engine.dispose()
        return database_file(settings).read_bytes()


def database_file(settings: Settings) -> Path:
    """Where these settings have their database."""
    name = sa.make_url(settings.effective_database_url).database
    assert name is not None
    return Path(name)


def _without_sync(connection: Any, _: Any) -> None:
    connection.execute("PRAGMA synchronous = OFF")


def new_database(settings: Settings) -> sa.Engine:
    """The engine that writes to a new, empty database of the newest schema, where these settings
    have theirs. A copy: migrating takes a fifth of a second, and hundreds of tests need one. It
    does not wait for the disk: nobody pulls the plug in a test, and many write dozens of times.
    PostgreSQL's, where the settings name it, is made by the fixture that gave its URL.
    """
    if sa.make_url(settings.effective_database_url).get_backend_name() == "postgresql":
        return create_writer_engine(settings)
    assert not database_file(settings).exists()
    engine = create_writer_engine(settings)
    sa.event.listen(engine, "connect", _without_sync)
    database_file(settings).write_bytes(_migrated())
    return engine


def reader_beside(engine: sa.Engine) -> AsyncEngine:
    """An asynchronous engine that reads what ``engine`` writes, on either database."""
    url = engine.url.render_as_string(hide_password=False)
    return create_reader_engine(Settings(database_url=SecretStr(url)))


@asynccontextmanager
async def kept(folder: Path) -> AsyncIterator[Kept]:
    """Empty ones in this folder, closed at the end."""
    load_operations()
    settings = Settings(data_directory=folder)
    writing = new_database(settings)
    rows = LocalRowWriter(writing)
    reader = create_reader_engine(settings)
    store = DirectoryStore(DirectoryStoreConfig(folder / "store"))
    await store.check()
    yield Kept(writing, rows, reader, store)
    await store.close()
    await reader.dispose()
    rows.close()
    writing.dispose()
