"""A real Redis on loopback, for the state of Ray's head."""

from __future__ import annotations

import contextlib
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

_PATIENCE_S = 30.0


@contextlib.contextmanager
def running_redis(folder: Path) -> Iterator[str]:
    """Redis with its file in ``folder``; gives ``host:port``. Skips where it is not installed."""
    program = shutil.which("redis-server") or shutil.which("redis-server", path="/usr/bin")
    if program is None:
        pytest.skip("Redis is not installed: apt-get install redis-server")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    folder.mkdir(parents=True, exist_ok=True)
    process = subprocess.Popen(
        [program, "--port", str(port), "--bind", "127.0.0.1", "--dir", str(folder)],
        stdout=subprocess.DEVNULL,
    )
    try:
        deadline = time.monotonic() + _PATIENCE_S
        while not _answers(port):
            assert process.poll() is None, "Redis ended while starting"
            assert time.monotonic() < deadline, "Redis does not answer"
            time.sleep(0.05)
        yield f"127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait()


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
