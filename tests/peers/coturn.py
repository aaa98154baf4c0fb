"""A real TURN server for tests: coturn on loopback, with TLS, with accounts of a shared secret.

It is configured as docs/webrtc.md says, and so reaches 127.0.0.1 and nobody else.
"""

from __future__ import annotations

import contextlib
import datetime
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from gateway.transport.local_authority import LocalAuthority

SECRET = "a word for relays"
START_LIMIT_S = 30.0


@dataclass(frozen=True, slots=True)
class TurnServer:
    """It listens on ``address``, by UDP and TCP on ``port``, with TLS for the name ``localhost`` on
    ``tls_port``; peers see ``relay_address``. ``authority`` is who vouches for it (a PEM file).
    ``log`` tells of its sessions.
    """

    address: str
    port: int
    tls_port: int
    relay_address: str
    authority: Path
    log: Path
    process: subprocess.Popen[bytes]
    secret: str = SECRET

    def settings(self, *urls: str) -> dict[str, Any]:
        """An entry of ``webrtc.ice_servers``; by TLS alone, unless told other URLs."""
        return {"urls": list(urls or (self.tls_url,)), "secret": self.secret}

    @property
    def tls_url(self) -> str:
        """By TLS."""
        host = "localhost" if self.address == "127.0.0.1" else self.address
        return f"turns:{host}:{self.tls_port}?transport=tcp"

    def stop(self) -> None:
        """End it, and every connection through it. May be called twice."""
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


@contextlib.contextmanager
def running_turn_server(
    folder: Path, address: str = "127.0.0.1", relay_address: str = "127.0.0.9"
) -> Iterator[TurnServer]:
    """Run one until the end of the block; skips the test where coturn is not installed."""
    program = shutil.which("turnserver")
    if program is None:
        pytest.skip("coturn is not installed: apt-get install coturn")
    authority = LocalAuthority(folder / "authority", "turn.test")
    issued = authority.issue(["localhost", address], datetime.datetime.now(datetime.UTC))
    port, tls_port = _free_ports(address)
    log = folder / "turn.log"
    (folder / "turn.conf").write_text(
        f"""listening-ip={address}
listening-port={port}
tls-listening-port={tls_port}
cert={issued.certificate}
pkey={issued.key}
realm=gridsight.test
use-auth-secret
static-auth-secret={SECRET}
relay-ip={relay_address}
no-tcp-relay
no-multicast-peers
no-cli
no-tlsv1
no-tlsv1_1
user-quota=12
denied-peer-ip=0.0.0.0-255.255.255.255
denied-peer-ip=::-ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff
allowed-peer-ip={address}
allow-loopback-peers
no-dtls
verbose
log-file=stdout
userdb={folder / "turn.db"}
pidfile={folder / "turn.pid"}
"""
    )
    with log.open("wb") as output:
        process = subprocess.Popen(
            [program, "-c", str(folder / "turn.conf")], stdout=output, stderr=subprocess.STDOUT
        )
    server = TurnServer(
        address, port, tls_port, relay_address, folder / "authority/authority.crt", log, process
    )
    try:
        _wait_for(server)
        yield server
    finally:
        server.stop()


def _wait_for(server: TurnServer) -> None:
    end_s = time.monotonic() + START_LIMIT_S
    while True:
        try:
            socket.create_connection((server.address, server.tls_port), 1).close()
        except OSError:
            assert server.process.poll() is None, server.log.read_text()[-2000:]
            assert time.monotonic() < end_s, server.log.read_text()[-2000:]
            time.sleep(0.05)
        else:
            return


def _free_ports(address: str) -> tuple[int, int]:
    with socket.socket() as first, socket.socket() as second:
        first.bind((address, 0))
        second.bind((address, 0))
        return int(first.getsockname()[1]), int(second.getsockname()[1])
