"""Engines: one that writes, many that read.

SQLite runs in WAL mode: readers never wait for the writer. The writer begins each transaction with
``BEGIN IMMEDIATE``, so that it cannot fail halfway for want of the write lock, and syncs on commit:
what it has confirmed survives a power cut. What differs on PostgreSQL is in
:mod:`gateway.database.postgresql`.
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
from functools import partial
from typing import Any

import aiosqlite
import sqlalchemy as sa
from sqlalchemy.engine import URL, make_url
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from gateway.database import postgresql
from gateway.settings import Settings

BUSY_TIMEOUT_MS = 10_000
READER_CONNECTIONS = 4
_ROWS_AT_ONCE = 64


class _Connection(aiosqlite.Connection):
    """One whose thread is told to end only once.

    SQLAlchemy stops a connection beside its being closed when whoever closes it is cancelled. Its
    thread then ends before ``close`` tells it to, and nobody answers ``close``: the task waits for
    ever, and so does the process that wants to end.
    """

    def stop(self) -> asyncio.Future[Any] | None:
        return super().stop() if self._running else None


def create_writer_engine(settings: Settings) -> sa.Engine:
    """The engine of the one process that writes. Creates an empty database file (mode 0600)."""
    url = make_url(settings.effective_database_url)
    if postgresql.is_postgresql(url):
        return postgresql.writer_engine(url)
    _create_private_file(url)
    engine = sa.create_engine(url)
    sa.event.listen(engine, "connect", _prepare_writer)
    sa.event.listen(engine, "begin", _begin_immediate)
    return engine


def create_reader_engine(settings: Settings) -> AsyncEngine:
    """An asynchronous engine that cannot write; its queries run outside the event loop's thread."""
    url = make_url(settings.effective_database_url)
    if postgresql.is_postgresql(url):
        return postgresql.reader_engine(url, READER_CONNECTIONS)
    engine = create_async_engine(
        url.set(drivername="sqlite+aiosqlite"),
        pool_size=READER_CONNECTIONS,
        max_overflow=READER_CONNECTIONS,
    )
    sa.event.listen(engine.sync_engine, "do_connect", _connect_as_ours)
    sa.event.listen(engine.sync_engine, "connect", _prepare_reader)
    return engine


def create_sync_reader_engine(settings: Settings) -> sa.Engine:
    """As :func:`create_reader_engine`, for command-line tools and threads."""
    url = make_url(settings.effective_database_url)
    if postgresql.is_postgresql(url):
        return postgresql.sync_reader_engine(url)
    engine = sa.create_engine(url)
    sa.event.listen(engine, "connect", _prepare_reader)
    return engine


def _create_private_file(url: URL) -> None:
    if url.database and url.database != ":memory:":
        descriptor = os.open(url.database, os.O_CREAT | os.O_RDWR, 0o600)
        os.close(descriptor)


def _connect_as_ours(_: Any, __: Any, ___: Any, parameters: dict[str, Any]) -> None:
    parameters["async_creator_fn"] = _new_connection


def _new_connection(*arguments: Any, **parameters: Any) -> _Connection:
    connection = _Connection(partial(sqlite3.connect, *arguments, **parameters), _ROWS_AT_ONCE)
    # A query that runs on must not keep the process.
    connection._thread.daemon = True
    return connection


def _execute(connection: Any, *statements: str) -> None:
    cursor = connection.cursor()
    try:
        for statement in statements:
            cursor.execute(statement)
    finally:
        cursor.close()


def _prepare_writer(connection: Any, _: Any) -> None:
    # The driver must not begin transactions of its own: _begin_immediate does.
    connection.isolation_level = None
    _execute(
        connection,
        f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}",
        "PRAGMA journal_mode = WAL",
        "PRAGMA synchronous = FULL",
        "PRAGMA foreign_keys = ON",
    )


def _prepare_reader(connection: Any, _: Any) -> None:
    _execute(connection, f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}", "PRAGMA query_only = ON")


def _begin_immediate(connection: sa.Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")
