"""A real S3 server for tests that are marked ``ceph``: Ceph's RADOS gateway on loopback.

Use it by importing :func:`ceph_rgw` into a conftest; it is started once a session.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

_SCRIPT = Path(__file__).with_name("ceph_rgw.sh")
PROGRAMS = ("ceph-mon", "ceph-osd", "radosgw", "ceph-authtool", "monmaptool", "radosgw-admin")


@dataclass(frozen=True, slots=True)
class S3Server:
    """Where it listens, and the key that may do everything."""

    port: int
    access_key: str = "admin"
    secret_key: str = "password12"

    @property
    def endpoint(self) -> str:
        """``host:port``, without TLS."""
        return f"127.0.0.1:{self.port}"


@pytest.fixture(scope="session")
def ceph_rgw(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """The server; skips where Ceph is not installed or may not run."""
    if not all(shutil.which(program) for program in PROGRAMS):
        pytest.skip("Ceph is not installed: apt-get install ceph-mon ceph-osd radosgw")
    # Short, since it holds sockets, whose paths may have 107 characters at most.
    with running_server(tmp_path_factory.mktemp("ceph")) as server:
        yield server


@contextlib.contextmanager
def running_server(directory: Path) -> Iterator[S3Server]:
    """The server, with its state in ``directory``, as long as the context lasts."""
    port, monitor_port = _free_ports(2)
    try:
        started = subprocess.run(
            [str(_SCRIPT), str(directory), str(port), str(monitor_port)],
            capture_output=True,
            text=True,
            timeout=110,
            check=False,
        )
        assert started.returncode == 0, started.stderr
        yield S3Server(port)
    finally:
        _stop(directory)


def _free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        probes = [stack.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [int(probe.getsockname()[1]) for probe in probes]


def _stop(directory: Path) -> None:
    pids = []
    for path in (directory / "run").glob("*.pid"):
        with contextlib.suppress(ValueError, OSError):
            pids.append(int(path.read_text()))
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    deadline = time.monotonic() + 10
    while any(Path(f"/proc/{pid}").exists() for pid in pids) and time.monotonic() < deadline:
        time.sleep(0.05)
    shutil.rmtree(directory, ignore_errors=True)
