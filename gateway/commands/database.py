"""``gridsight db``: the schema brought up to date, and the rows moved to PostgreSQL."""

from __future__ import annotations

import contextlib
import fcntl
from collections.abc import Callable, Iterator
from pathlib import Path

import sqlalchemy as sa
from pydantic import SecretStr
from sqlalchemy.engine import URL, make_url

from gateway.database.copying import CopyError, Digest, copy_rows
from gateway.database.engine import create_sync_reader_engine, create_writer_engine
from gateway.database.migrate import upgrade
from gateway.settings import Settings


class DatabaseError(Exception):
    """What a person can do something about; never with a password."""


def upgrade_database(settings: Settings) -> tuple[str, str]:
    """Bring the schema up to date. Gives the revisions before ("" for an empty database) and after.
    Raises DatabaseError, also while a gateway runs on this data directory.
    """
    with _stopped(settings), _readable():
        engine = create_writer_engine(settings)
        try:
            before = _revision(engine)
            upgrade(engine)
            return before, _revision(engine)
        finally:
            engine.dispose()


def copy_database(
    settings: Settings, source: str | None, target: str | None, say: Callable[[str], object]
) -> dict[str, Digest]:
    """Copy all rows from SQLite (that of the data directory, unless given) to an empty PostgreSQL
    (`database_url`, unless given). Gives what was compared, by table. Raises DatabaseError.
    """
    beside = f"sqlite:///{settings.data_directory / 'gridsight.db'}"
    from_settings = settings.model_copy(update={"database_url": SecretStr(source or beside)})
    to_url = target or settings.effective_database_url
    to_settings = settings.model_copy(update={"database_url": SecretStr(to_url)})
    with _stopped(settings), _readable():
        from_url = _url(from_settings.effective_database_url)
        if from_url.get_backend_name() != "sqlite" or not Path(from_url.database or "").is_file():
            raise DatabaseError(f"--from: {from_url!r} is no file of SQLite")
        if _url(to_url).get_backend_name() != "postgresql":
            raise DatabaseError("--to: say postgresql://USER:PASSWORD@HOST/DATABASE")
        with contextlib.ExitStack() as open_:
            for one in (from_settings, to_settings):
                writing = create_writer_engine(one)
                open_.callback(writing.dispose)
                upgrade(writing)
            reading = create_sync_reader_engine(from_settings)
            open_.callback(reading.dispose)
            with reading.connect() as rows, writing.begin() as kept:
                return copy_rows(rows, kept, say)


def _url(text: str) -> URL:
    try:
        return make_url(text)
    except (sa.exc.ArgumentError, ValueError):
        # Its message would show what was written, password and all.
        raise DatabaseError("this is no URL of a database: postgresql://…, sqlite:///…") from None


def _revision(engine: sa.Engine) -> str:
    from alembic.migration import MigrationContext

    with engine.connect() as connection:
        return MigrationContext.configure(connection).get_current_revision() or ""


@contextlib.contextmanager
def _stopped(settings: Settings) -> Iterator[None]:
    """No gateway of this data directory runs, nor starts meanwhile."""
    run_directory = settings.effective_run_directory
    run_directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    with (run_directory / "supervisor.lock").open("wb") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise DatabaseError("stop the gateway first") from None
        yield


@contextlib.contextmanager
def _readable() -> Iterator[None]:
    from alembic.util import CommandError

    from gateway.cluster.child import ConfigurationError

    try:
        yield
    except sa.exc.DBAPIError as error:
        raise DatabaseError(f"the database refused: {' '.join(str(error.orig).split())}") from None
    except (CommandError, ConfigurationError, CopyError, ValueError) as error:
        raise DatabaseError(str(error)) from None
