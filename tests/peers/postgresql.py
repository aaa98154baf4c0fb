"""A real PostgreSQL for tests, on loopback: one server a session, a database of its own per test.

It refuses to run as root, and so runs as ``nobody`` where the tests are root. It does not wait for
the disk; what it has confirmed still survives its own death, since the kernel keeps the pages.
"""

from __future__ import annotations

import ctypes
import itertools
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

# With what an address must be quoted for, so that no test passes by luck.
PASSWORD = "pa55/wörd@1"
_QUOTED_PASSWORD = "pa55%2Fw%C3%B6rd%401"
OWNER = "gridsight"
START_LIMIT_S = 60.0
_TEMPLATE = "migrated"
_PR_SET_PDEATHSIG = 1
_FAST = (
    "fsync=off",
    "full_page_writes=off",
    "autovacuum=off",
    "shared_buffers=32MB",
    "max_connections=200",
    "max_wal_size=4GB",
    "checkpoint_timeout=1h",
)


class PostgresqlServer:
    """Databases at ``127.0.0.1:port``, owned by an account that may nothing else."""

    def __init__(self, programs: Path, directory: Path) -> None:
        self._programs = programs
        self._directory = directory
        self._data = directory / "data"
        self._user = "nobody" if os.geteuid() == 0 else None
        self._numbers = itertools.count(1)
        self._process: subprocess.Popen[bytes] | None = None
        self._has_template = False
        # The server dies with the thread that started it: one that lives as long as the tests.
        self._starter = ThreadPoolExecutor(1)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = int(probe.getsockname()[1])

    @property
    def log(self) -> Path:
        """What the server says."""
        return self._directory / "server.log"

    def create(self) -> None:
        """Make the cluster's files, start it, and make the account."""
        if self._user is not None:
            nobody = pwd.getpwnam(self._user)
            os.chown(self._directory, nobody.pw_uid, nobody.pw_gid)
        # Text is sorted as bytes are, as docs/operations.md asks for.
        made = subprocess.run(
            [
                self._programs / "initdb", "--no-sync", "--username=postgres", "--encoding=UTF8",
                "--lc-collate=C", "--lc-ctype=C.UTF-8", "--auth-local=trust",
                "--auth-host=scram-sha-256", "--pgdata", self._data,
            ],
            user=self._user, cwd=self._directory, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert made.returncode == 0, made.stderr
        self.start()
        self.execute(f"CREATE ROLE {OWNER} LOGIN PASSWORD '{PASSWORD}'")

    def start(self) -> None:
        """Start it and wait until it answers."""
        options = [f"-c{option}" for option in _FAST]
        with self.log.open("ab") as output:
            self._process = self._starter.submit(
                subprocess.Popen,
                [
                    self._programs / "postgres", "-D", self._data, "-p", str(self.port),
                    "-h", "127.0.0.1", "-k", self._directory, *options,
                ],
                user=self._user, cwd=self._directory, stdout=output, stderr=subprocess.STDOUT,
                preexec_fn=_die_with_parent,
            ).result()  # fmt: skip
        deadline = time.monotonic() + START_LIMIT_S
        while not self._answers():
            assert self._process.poll() is None and time.monotonic() < deadline, (
                self.log.read_text()
            )
            time.sleep(0.05)

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """End it: SIGINT cuts off who is connected, SIGQUIT is a crash. May be called twice."""
        if self._process is None:
            return
        self._process.send_signal(how)
        try:
            self._process.wait(30)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None

    def execute(self, statement: str, database: str = "postgres") -> list[tuple[Any, ...]]:
        """Run a statement as the superuser, outside of transactions."""
        import psycopg

        with psycopg.connect(
            host=str(self._directory), port=self.port, user="postgres", dbname=database,
            autocommit=True,
        ) as connection:  # fmt: skip
            cursor = connection.execute(statement)  # type: ignore[call-overload]
            return cursor.fetchall() if cursor.description else []

    def url(self, database: str) -> str:
        """As `database_url` takes it."""
        return f"postgresql://{OWNER}:{_QUOTED_PASSWORD}@127.0.0.1:{self.port}/{database}"

    def empty_database(self) -> str:
        """The URL of a new database without a table."""
        name = f"test_{next(self._numbers)}"
        self.execute(f"CREATE DATABASE {name} OWNER {OWNER}")
        return self.url(name)

    def new_database(self) -> str:
        """The URL of a new database of the newest schema: a copy of one that was migrated once."""
        if not self._has_template:
            self.execute(f"CREATE DATABASE {_TEMPLATE} OWNER {OWNER}")
            _migrate(self.url(_TEMPLATE))
            self._has_template = True
        name = f"test_{next(self._numbers)}"
        self.execute(f"CREATE DATABASE {name} OWNER {OWNER} TEMPLATE {_TEMPLATE}")
        return self.url(name)

    def drop(self, url: str) -> None:
        """Forget a database, whoever is connected."""
        self.execute(f"DROP DATABASE IF EXISTS {url.rpartition('/')[2]} WITH (FORCE)")

    def _answers(self) -> bool:
        import psycopg

        try:
            self.execute("SELECT 1")
        except psycopg.OperationalError:
            return False
        return True


def _die_with_parent() -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGQUIT)


def _migrate(url: str) -> None:
    from gateway.database.engine import create_writer_engine
    from gateway.database.migrate import upgrade
    from gateway.settings import Settings

    engine = create_writer_engine(Settings(database_url=SecretStr(url)))
    upgrade(engine)
    engine.dispose()


def _programs() -> Path | None:
    debian = sorted(
        Path("/usr/lib/postgresql").glob("*/bin"), key=lambda one: float(one.parent.name)
    )
    for folder in [*reversed(debian), *map(Path, os.get_exec_path())]:
        if (folder / "initdb").exists() and (folder / "postgres").exists():
            return folder
    return None


def running_server() -> Iterator[PostgresqlServer]:
    """One for the time of a generator; skips where PostgreSQL is not installed."""
    programs = _programs()
    if programs is None:
        pytest.skip("PostgreSQL is not installed: apt-get install postgresql")
    # Not below pytest's folder, which only its owner may enter.
    directory = Path(tempfile.mkdtemp(prefix="postgresql-"))
    server = PostgresqlServer(programs, directory)
    try:
        server.create()
        yield server
    finally:
        server.stop(signal.SIGQUIT)
        shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture(scope="session")
def postgresql() -> Iterator[PostgresqlServer]:
    """The session's server."""
    yield from running_server()


@pytest.fixture
def postgresql_url(postgresql: PostgresqlServer) -> Iterator[str]:
    """A database of the newest schema, of this test alone."""
    url = postgresql.new_database()
    yield url
    postgresql.drop(url)


@pytest.fixture
def database_url(request: pytest.FixtureRequest) -> SecretStr | None:
    """Where the rows are: None, for SQLite in the test's own folder; or a database of the newest
    schema in PostgreSQL, for a second run of tests that are marked ``both_databases``.
    """
    if getattr(request, "param", "sqlite") == "sqlite":
        return None
    return SecretStr(request.getfixturevalue("postgresql_url"))


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run marked tests twice; but not those of thousands of examples."""
    marked = metafunc.definition.get_closest_marker("both_databases") is not None
    examples = hasattr(metafunc.function, "hypothesis")
    if marked and "database_url" in metafunc.fixturenames and not examples:
        metafunc.parametrize("database_url", ["sqlite", "postgresql"], indirect=True)
