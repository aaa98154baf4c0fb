"""A real TURN server for tests: coturn on loopback, with one user."""

from __future__ import annotations

import contextlib
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest


@dataclass(frozen=True, slots=True)
class TurnServer:
    """Where it listens (UDP), and who may use it. ``log`` tells of its sessions."""

    port: int
    log: Path
    username: str = "county"
    credential: str = "a word for relays"

    @property
    def url(self) -> str:
        """For an ``iceServers`` entry."""
        return f"turn:127.0.0.1:{self.port}?transport=udp"


@contextlib.contextmanager
def running_turn_server(folder: Path) -> Iterator[TurnServer]:
    """Run one until the end of the block; skips the test where coturn is not installed."""
    program = shutil.which("turnserver")
    if program is None:
        pytest.skip("coturn is not installed: apt-get install coturn")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        server = TurnServer(int(probe.getsockname()[1]), folder / "turn.log")
    (folder / "turn.conf").write_text(
        f"""listening-ip=127.0.0.1
relay-ip=127.0.0.1
listening-port={server.port}
realm=gridsight.test
lt-cred-mech
user={server.username}:{server.credential}
allow-loopback-peers
no-cli
no-tls
no-dtls
no-tcp
verbose
log-file=stdout
userdb={folder / "turn.db"}
pidfile={folder / "turn.pid"}
"""
    )
    with server.log.open("wb") as log:
        process = subprocess.Popen(
            [program, "-c", str(folder / "turn.conf")], stdout=log, stderr=subprocess.STDOUT
        )
    try:
        yield server
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
