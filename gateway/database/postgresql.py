"""What differs on PostgreSQL: engines, the lock of those who write, what its errors mean.

Every transaction that writes first takes one advisory lock of the database. So the writers of all
machines write one after the other, and a row operation may rely on what it has read, as it does on
SQLite. A writer that stops answering within a transaction loses it, and with it the lock.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any, NoReturn

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql.asyncpg import AsyncAdapt_asyncpg_dbapi
from sqlalchemy.engine import URL
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.ext.compiler import compiles

from gateway.cluster.child import ConfigurationError

# "gridsigh" as a number: whose lock it is, should others share the database.
WRITE_LOCK = 0x6772696473696768
CONNECT_TIMEOUT_S = 5
# A writer works in memory between its statements; a transaction that idles is a process that hangs.
_IDLE_LIMIT_MS = 10_000
# The other end notices within ten seconds that a machine has lost its power or its network.
_SERVER_KEEPALIVE = {
    "tcp_keepalives_idle": 4,
    "tcp_keepalives_interval": 2,
    "tcp_keepalives_count": 3,
}
# And so does this end.
_CLIENT_KEEPALIVE = {
    "keepalives_idle": 4,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,
}
# Classes of SQLSTATE: connection exception, operator intervention (a server that stops or starts),
# insufficient resources (no connection is free).
_AWAY = ("08", "57P", "53")
_WRONG_VALUE = "22"


def is_postgresql(url: URL) -> bool:
    """Whether the URL means PostgreSQL. Raises ConfigurationError for any other but SQLite."""
    name = url.get_backend_name()
    if name not in ("sqlite", "postgresql"):
        raise ConfigurationError(f"database_url: {name} is neither sqlite nor postgresql")
    return name == "postgresql"


def writer_engine(url: URL) -> sa.Engine:
    """See :func:`gateway.database.engine.create_writer_engine`."""
    engine = _sync_engine(
        url,
        {
            "idle_in_transaction_session_timeout": _IDLE_LIMIT_MS,
            # What is confirmed is on disk, whatever the server's default.
            "synchronous_commit": "on",
        },
    )
    sa.event.listen(engine, "begin", _take_write_lock)
    return engine


def reader_engine(url: URL, connections: int) -> AsyncEngine:
    """See :func:`gateway.database.engine.create_reader_engine`."""
    # asyncpg reads what follows "?" (sslmode, sslrootcert …) only from a whole address.
    address = url.set(drivername="postgresql").render_as_string(hide_password=False)
    engine = create_async_engine(
        url.set(drivername="postgresql+asyncpg", query={}),
        pool_pre_ping=True,
        pool_size=connections,
        max_overflow=connections,
        hide_parameters=True,
        connect_args={
            "timeout": CONNECT_TIMEOUT_S,
            "async_creator_fn": functools.partial(_connect, address),
            "server_settings": {
                "application_name": "gridsight",
                "default_transaction_read_only": "on",
                # Statements are short; compiling one takes longer than running it.
                "jit": "off",
                **{name: str(value) for name, value in _SERVER_KEEPALIVE.items()},
            },
        },
    )
    sa.event.listen(engine.sync_engine, "handle_error", _translate)
    return engine


def sync_reader_engine(url: URL) -> sa.Engine:
    """See :func:`gateway.database.engine.create_sync_reader_engine`."""
    return _sync_engine(url, {"default_transaction_read_only": "on"})


def refuse_unsuited(connection: sa.Connection) -> None:
    """Raise ConfigurationError where text is not UTF-8, or is not sorted as bytes are: areas and
    pages are read by ranges of text.
    """
    made = connection.scalar(sa.text("SHOW server_encoding"))
    sorted_as_bytes = connection.scalar(sa.text("SELECT 'a' > 'B' AND '-' < '/' AND '/' < '0'"))
    if made != "UTF8" or not sorted_as_bytes:
        order = "as bytes are" if sorted_as_bytes else "by a language's rules"
        raise ConfigurationError(
            f"the database holds text as {made}, sorted {order}; make one "
            "with: CREATE DATABASE gridsight OWNER gridsight TEMPLATE template0 ENCODING 'UTF8' "
            "LC_COLLATE 'C' LC_CTYPE 'C.UTF-8'"
        )


def _sync_engine(url: URL, options: dict[str, Any]) -> sa.Engine:
    wanted = {"jit": "off", **_SERVER_KEEPALIVE, **options}
    engine = sa.create_engine(
        url.set(drivername="postgresql+psycopg"),
        pool_pre_ping=True,
        hide_parameters=True,
        connect_args={
            "connect_timeout": CONNECT_TIMEOUT_S,
            "application_name": "gridsight",
            "options": " ".join(f"-c {name}={value}" for name, value in wanted.items()),
            **_CLIENT_KEEPALIVE,
        },
    )
    sa.event.listen(engine, "handle_error", _translate)
    return engine


def _take_write_lock(connection: sa.Connection) -> None:
    connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({WRITE_LOCK})")


async def _connect(address: str, **options: Any) -> Any:
    """asyncpg's, whose faults are what SQLAlchemy takes for a database's."""
    import asyncpg

    try:
        return await asyncpg.connect(address, **options)
    except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        message = f"{type(error).__name__}: {error}"
        raise AsyncAdapt_asyncpg_dbapi.OperationalError(message) from error  # type: ignore[no-untyped-call]


def sqlstate(error: BaseException | None) -> str:
    """The five letters of the error that a driver raised; empty where there are none."""
    return str(getattr(error, "sqlstate", None) or "")


def _translate(context: sa.engine.ExceptionContext) -> None:
    """Give the drivers' errors the classes that the gateway tells apart on both databases:
    OperationalError where the database is away, DataError where a value cannot be stored.
    """
    if context.sqlalchemy_exception is None:
        return  # no fault of the database's: who asked has been cancelled
    original = context.original_exception
    state = sqlstate(original)
    if context.is_disconnect or state.startswith(_AWAY):
        _raise_as(sa.exc.OperationalError, context)
    if state.startswith(_WRONG_VALUE) or _is_clients_data_error(original):
        _raise_as(sa.exc.DataError, context)


def _raise_as(kind: type[sa.exc.DBAPIError], context: sa.engine.ExceptionContext) -> NoReturn:
    original = context.original_exception
    if isinstance(context.sqlalchemy_exception, kind):
        raise context.sqlalchemy_exception
    raise kind(
        context.statement,
        None,
        original,
        hide_parameters=True,
        connection_invalidated=context.is_disconnect,
    )


def _is_clients_data_error(error: BaseException) -> bool:
    """asyncpg looks at values before it sends them."""
    cause = error.__cause__
    return type(cause).__name__ == "DataError" and type(cause).__module__.startswith("asyncpg")


@compiles(sa.String, "postgresql")
def _text_of_any_length(_type: sa.String, _compiler: Any, **_: Any) -> str:
    """SQLite does not look at the length of text. What devices call themselves is kept on
    PostgreSQL too, however long it is.
    """
    return "VARCHAR"


@compiles(sa.sql.functions.sum, "postgresql")
def _sum_as_integer(element: Any, compiler: Any, **options: Any) -> str:
    """PostgreSQL's sum of 64-bit integers is a decimal number, which no message can carry."""
    total: str = compiler.visit_function(element, **options)
    if isinstance(element.type, sa.Integer):
        return f"CAST({total} AS BIGINT)"
    return total


def advance_sequences(connection: sa.Connection, tables: Sequence[sa.Table]) -> None:
    """Have the numbers that the database gives go on above those that are there."""
    for table in tables:
        column = table.autoincrement_column
        if column is None:
            continue
        name = connection.scalar(
            sa.text("SELECT pg_get_serial_sequence(:table, :column)"),
            {"table": f'"{table.name}"', "column": column.name},
        )
        if name is not None:
            highest = connection.scalar(sa.select(sa.func.max(column))) or 0
            connection.execute(
                sa.text("SELECT setval(CAST(:name AS regclass), :next, false)"),
                {"name": name, "next": highest + 1},
            )
