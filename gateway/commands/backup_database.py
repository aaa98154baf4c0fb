"""The database of a backup: SQLite by its backup API, PostgreSQL by pg_dump; and back."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import subprocess
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.engine import URL, make_url

from gateway.database.engine import create_sync_reader_engine
from gateway.settings import Settings
from recorder.durable import sync_folder

_SQLITE_FILE = "gridsight.db"
_POSTGRESQL_FILE = "gridsight.dump"


def copy_out(url: URL, folder: Path) -> None:
    """The database as it is at one instant, into a file in ``folder``. Others may write meanwhile.

    Raises OSError.
    """
    if url.get_backend_name() == "sqlite":
        _copy_sqlite(_sqlite_path(url), folder / _SQLITE_FILE)
    else:
        dump = ("--format=custom", "--no-owner", "--no-privileges")
        _run(["pg_dump", *dump, f"--file={folder / _POSTGRESQL_FILE}", *_place(url)], url)


def copy_in(url: URL, folder: Path) -> None:
    """The inverse, all or nothing, into a database that holds nothing. Raises OSError."""
    if url.get_backend_name() == "sqlite":
        target = _sqlite_path(url)
        target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        staged = target.with_name(f"{target.name}.restoring")
        staged.unlink(missing_ok=True)
        _copy_sqlite(folder / _SQLITE_FILE, staged)
        staged.rename(target)
        sync_folder(target.parent)
    else:
        whole = ("--no-owner", "--no-privileges", "--exit-on-error", "--single-transaction")
        _run(["pg_restore", *whole, *_place(url), str(folder / _POSTGRESQL_FILE)], url)


def refuse_used(settings: Settings) -> None:
    """Raise FileExistsError where the database holds something, OSError where nobody answers."""
    url = make_url(settings.effective_database_url)
    if url.get_backend_name() == "sqlite":
        path = _sqlite_path(url)
        if path.exists():
            raise FileExistsError(f"{path} is there: a backup is restored to an empty place")
        return
    engine = create_sync_reader_engine(settings)
    try:
        tables = sa.inspect(engine).get_table_names()
    except sa.exc.OperationalError as error:
        raise ConnectionError(f"the database cannot be reached: {error.orig}") from None
    finally:
        engine.dispose()
    if tables:
        shown = url.render_as_string(hide_password=True)
        raise FileExistsError(f"{shown} has tables: a backup is restored to an empty database")


def _copy_sqlite(source: Path, target: Path) -> None:
    if not source.is_file():
        raise FileNotFoundError(f"there is no database {source}")
    descriptor = os.open(target, os.O_CREAT | os.O_WRONLY | os.O_EXCL, 0o600)
    os.close(descriptor)
    try:
        with (
            contextlib.closing(sqlite3.connect(f"{source.as_uri()}?mode=ro", uri=True)) as read,
            contextlib.closing(sqlite3.connect(target)) as written,
        ):
            # In one step, and so of one instant: in WAL mode a reader stops nobody who writes.
            read.backup(written)
            # One file, whoever opens it; the gateway turns WAL on again.
            written.execute("PRAGMA journal_mode = DELETE")
            faults = written.execute("PRAGMA integrity_check(1)").fetchone()[0]
    except sqlite3.Error as error:
        raise OSError(f"{source} cannot be copied: {error}") from None
    if faults != "ok":
        raise OSError(f"{source} is damaged: {faults}")
    with target.open("rb") as file:
        os.fsync(file.fileno())


def _sqlite_path(url: URL) -> Path:
    if not url.database or url.database == ":memory:":
        raise OSError("a database in memory cannot be backed up")
    return Path(url.database).absolute()


def _place(url: URL) -> list[str]:
    # The password goes by the environment: a command line is seen by everybody on the machine.
    public = URL.create(
        "postgresql", url.username, None, url.host, url.port, url.database, url.query
    )
    return [f"--dbname={public.render_as_string()}", "--no-password"]


def _run(command: list[str], url: URL) -> None:
    environment = dict(os.environ)
    if url.password is not None:
        environment["PGPASSWORD"] = str(url.password)
    try:
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise OSError(
            f"there is no {command[0]}: install PostgreSQL's client, not older than the server"
        ) from None
    if done.returncode != 0:
        raise OSError(f"{command[0]}: {done.stderr.strip() or 'it failed and did not say why'}")
