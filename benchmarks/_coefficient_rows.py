"""How many bytes rows really take: the same rows in SQLite and in PostgreSQL, indexes included."""

from __future__ import annotations

import contextlib
import csv
import os
import socket
import sqlite3
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql
from sqlalchemy.schema import CreateIndex, CreateTable

_START_LIMIT_S = 60.0
_VERSIONS = Path("/usr/lib/postgresql")


def sqlite_bytes(path: Path, tables: Sequence[sa.Table]) -> int:
    """What the tables and their indexes occupy, in whole pages."""
    names = [name for table in tables for name in (table.name, *_index_names(path, table.name))]
    marks = ",".join("?" * len(names))
    with contextlib.closing(sqlite3.connect(path)) as connection:
        statement = f"SELECT sum(pgsize) FROM dbstat WHERE name IN ({marks})"
        return int(connection.execute(statement, names).fetchone()[0])


def _index_names(path: Path, table: str) -> list[str]:
    with contextlib.closing(sqlite3.connect(path)) as connection:
        statement = "SELECT name FROM sqlite_master WHERE type = 'index' AND tbl_name = ?"
        return [row[0] for row in connection.execute(statement, (table,))]


class PostgresqlServer:
    """A server that listens on a socket in its own folder only."""

    def __init__(self, programs: Path, folder: Path) -> None:
        self._programs, self._folder = programs, folder
        self._user = "nobody" if os.geteuid() == 0 else None

    def bytes_of(self, path: Path, tables: Sequence[sa.Table]) -> int:
        """Copy the tables out of the SQLite file at ``path``, indexes in place, as recording fills
        them; what they then occupy, TOAST included.
        """
        dialect = postgresql.dialect()  # type: ignore[no-untyped-call]
        for table in tables:
            statements = [CreateTable(table, include_foreign_key_constraints=[])]
            self._psql(";".join(str(one.compile(dialect=dialect)) for one in statements))
            for index in table.indexes:
                self._psql(str(CreateIndex(index).compile(dialect=dialect)))
            sheet = self._folder / f"{table.name}.csv"
            _write_sheet(path, table, sheet)
            self._psql(f"\\copy {table.name} FROM '{sheet}' CSV")
            sheet.unlink()
        names = ",".join(f"'{table.name}'" for table in tables)
        total = self._psql(
            "CHECKPOINT",
            f"SELECT sum(pg_total_relation_size(oid)) FROM pg_class WHERE relname IN ({names})",
        )
        for table in tables:
            self._psql(f"DROP TABLE {table.name}")
        return int(total)

    def _psql(self, *statements: str) -> str:
        commands = [part for one in statements for part in ("-c", one)]
        done = subprocess.run(
            [
                self._programs / "psql", "-h", self._folder, "-U", "postgres", "-qAt",
                "-v", "ON_ERROR_STOP=1", *commands,
            ],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        if done.returncode:
            raise RuntimeError(f"PostgreSQL refused: {done.stderr}")
        return done.stdout.strip()

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """Made, started, and stopped at the end."""
        data = self._folder / "data"
        subprocess.run(
            [
                self._programs / "initdb", "--no-sync", "--username=postgres", "--encoding=UTF8",
                "--locale=C", "--auth=trust", "--pgdata", data,
            ],
            user=self._user, cwd=self._folder, capture_output=True, check=True,
        )  # fmt: skip
        process = subprocess.Popen(
            [
                self._programs / "postgres", "-D", data, "-h", "", "-k", self._folder,
                "-cfsync=off", "-cautovacuum=off",
            ],
            user=self._user, cwd=self._folder, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )  # fmt: skip
        try:
            deadline = time.monotonic() + _START_LIMIT_S
            while not _answers(self._folder / ".s.PGSQL.5432"):
                if process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError("PostgreSQL did not start")
                time.sleep(0.1)
            while True:
                try:
                    self._psql("SELECT 1")
                    break
                except RuntimeError:
                    if time.monotonic() > deadline:
                        raise
                    time.sleep(0.1)
            yield
        finally:
            process.terminate()
            process.wait(30)


@contextlib.contextmanager
def postgresql_server() -> Iterator[PostgresqlServer | None]:
    """A server of one's own; None where PostgreSQL is not installed."""
    programs = sorted(_VERSIONS.glob("*/bin/initdb"))
    if not programs:
        yield None
        return
    with tempfile.TemporaryDirectory(prefix="gridsight-postgresql-") as name:
        folder = Path(name)
        folder.chmod(0o777)
        server = PostgresqlServer(programs[-1].parent, folder)
        with server.running():
            yield server


def _answers(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(str(path))
        except OSError:
            return False
    return True


def _write_sheet(path: Path, table: sa.Table, sheet: Path) -> None:
    columns = [column.name for column in table.c]
    flags = [isinstance(column.type, sa.Boolean) for column in table.c]

    def cell(value: object, is_flag: bool) -> object:
        if isinstance(value, bytes):
            return f"\\x{value.hex()}"
        return ("t" if value else "f") if is_flag and value is not None else value

    with (
        contextlib.closing(sqlite3.connect(path)) as connection,
        sheet.open("w", newline="", encoding="utf-8") as file,
    ):
        writer = csv.writer(file)
        rows = connection.execute(f"SELECT {', '.join(columns)} FROM {table.name}")
        writer.writerows(
            [cell(value, is_flag) for value, is_flag in zip(row, flags, strict=True)]
            for row in rows
        )
