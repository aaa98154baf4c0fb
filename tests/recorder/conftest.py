"""What the recorder's tests share: a database, a store, and a recorder on temporary folders."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from pydantic import SecretStr
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

import recorder.index
import recorder.tables  # declares the tables
from gateway.database import postgresql
from recorder.recorder import Recorder, RecorderConfig
from recorder.rows import LocalRowWriter, metadata
from recorder.spool import SpoolConfig
from recorder.stores import DirectoryStoreConfig, S3StoreConfig
from recorder.stores.directory import DirectoryStore
from recorder.stores.s3 import S3Store
from tests.peers.ceph_rgw import S3Server
from tests.peers.fault_proxy import FaultProxy
from tests.recorder.uploading import s3_config


def open_database(path: Path) -> sa.Engine:
    """A SQLite engine whose savepoints work, with the recorder's tables."""
    engine = sa.create_engine(f"sqlite:///{path}")

    def plain(connection: Any, _record: object) -> None:
        connection.isolation_level = None
        connection.execute("PRAGMA journal_mode=WAL")
        # Processes are killed in these tests; nobody pulls the plug.
        connection.execute("PRAGMA synchronous=OFF")

    sa.event.listen(engine, "connect", plain)
    sa.event.listen(engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN"))
    metadata.create_all(engine, tables=list(recorder.tables.TABLES))
    return engine


def open_engines(path: Path, database_url: SecretStr | None) -> tuple[sa.Engine, AsyncEngine]:
    """The writing and the reading side's engines: of SQLite at ``path``, or of PostgreSQL."""
    if database_url is None:
        return open_database(path), create_async_engine(f"sqlite+aiosqlite:///{path}")
    url = sa.make_url(database_url.get_secret_value())
    return postgresql.writer_engine(url), postgresql.reader_engine(url, 4)


@pytest.fixture
def engines(tmp_path: Path, database_url: SecretStr | None) -> tuple[sa.Engine, AsyncEngine]:
    """Of one database."""
    return open_engines(tmp_path / "rows.db", database_url)


@pytest.fixture
def database(engines: tuple[sa.Engine, AsyncEngine]) -> Iterator[sa.Engine]:
    """The writing side's engine."""
    yield engines[0]
    engines[0].dispose()


@pytest.fixture
def rows(database: sa.Engine) -> Iterator[LocalRowWriter]:
    """The one writer."""
    writer = LocalRowWriter(database)
    yield writer
    writer.close()


@pytest.fixture
async def engine(
    database: sa.Engine, engines: tuple[sa.Engine, AsyncEngine]
) -> AsyncIterator[AsyncEngine]:
    """The reading side's engine."""
    yield engines[1]
    await engines[1].dispose()


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[DirectoryStore]:
    """A directory store, ready."""
    store = DirectoryStore(DirectoryStoreConfig(tmp_path / "store"))
    await store.check()
    yield store
    await store.close()


@pytest.fixture
async def recording(
    tmp_path: Path, rows: LocalRowWriter, store: DirectoryStore
) -> AsyncIterator[Recorder]:
    """A started Recorder with segments of 10 s."""
    config = RecorderConfig(SpoolConfig(tmp_path / "spool"), segment_s=10)
    recorder_ = Recorder(config, rows, store)
    await recorder_.start()
    yield recorder_
    await recorder_.close()


@pytest.fixture
async def proxied(ceph_rgw: S3Server) -> AsyncIterator[tuple[FaultProxy, S3StoreConfig]]:
    """A real bucket behind a proxy that can misbehave."""
    bucket = f"footage-{secrets.token_hex(4)}"
    maker = S3Store(S3StoreConfig(ceph_rgw.endpoint, bucket, "admin", "password12", secure=False))
    await maker.check()
    await maker.close()
    async with FaultProxy(ceph_rgw.port) as proxy:
        yield proxy, s3_config(proxy.port, bucket)
