"""A real Ray on loopback, with the gateway's own settings of it; one for a whole session."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from gateway.cluster.ray_settings import ray_environment, start_arguments

REPOSITORY = Path(__file__).resolve().parent.parent.parent
PATIENCE_S = 90


def ray_program() -> Path | None:
    """Ray's own command line, where gridsight[ray] is installed."""
    program = Path(sys.executable).parent / "ray"
    return program if program.exists() else None


@contextlib.contextmanager
def ray_head(secret: bytes, machine: str) -> Iterator[str]:
    """Start a head on a machine of this name; gives its address. Ends with all that Ray has
    started.
    """
    program = ray_program()
    assert program is not None
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    # Not below pytest's folder: a Unix socket's path has 107 characters.
    folder = tempfile.mkdtemp(prefix="ray-")
    arguments = start_arguments(machine, "127.0.0.1", head_port=port)
    environment = {**os.environ, **ray_environment(secret), "PYTHONPATH": str(REPOSITORY)}
    with (Path(folder) / "head.log").open("wb") as log:
        head = subprocess.Popen(
            [str(program), *arguments, "--temp-dir", folder, "--block"],
            env=environment,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        deadline = time.monotonic() + PATIENCE_S
        said = Path(folder) / "head.log"
        while "Ray runtime started" not in said.read_text():
            assert head.poll() is None, said.read_text()
            assert time.monotonic() < deadline, said.read_text()
            time.sleep(0.1)
        yield f"127.0.0.1:{port}"
    finally:
        head.send_signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            head.wait(PATIENCE_S)
        # What Ray leaves behind after all; it is all in the session that began above.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(head.pid, signal.SIGKILL)
        shutil.rmtree(folder, ignore_errors=True)
