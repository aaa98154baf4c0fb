"""A real MQTT broker: Mosquitto, encrypted, with one account."""

from __future__ import annotations

import contextlib
import datetime
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from gateway.transport.local_authority import LocalAuthority

USERNAME = "gridsight"
PASSWORD = "correct horse"
_START_LIMIT_S = 20.0


@dataclass
class Broker:
    """``authority``: the certificate that its own is signed by, which names ``localhost``."""

    tls_port: int
    plain_port: int
    authority: Path
    process: subprocess.Popen[bytes]


@contextlib.contextmanager
def running_broker(folder: Path, tls_port: int, plain_port: int) -> Iterator[Broker]:
    """Run one until the end of the block; skips the test where Mosquitto is not installed."""
    program = shutil.which("mosquitto") or shutil.which("/usr/sbin/mosquitto")
    if program is None:
        pytest.skip("mosquitto is not installed: apt-get install mosquitto")
    folder.mkdir(parents=True, exist_ok=True)
    authority = LocalAuthority(folder / "authority", "broker.test")
    issued = authority.issue(["localhost"], datetime.datetime.now(datetime.UTC))
    passwords, log = folder / "passwords", folder / "mosquitto.log"
    subprocess.run(["mosquitto_passwd", "-c", "-b", passwords, USERNAME, PASSWORD], check=True)
    (folder / "mosquitto.conf").write_text(
        f"""listener {tls_port} 127.0.0.1
certfile {issued.certificate}
keyfile {issued.key}
listener {plain_port} 127.0.0.1
allow_anonymous false
password_file {passwords}
persistence false
user root
"""
    )
    with log.open("wb") as output:
        process = subprocess.Popen(
            [program, "-c", str(folder / "mosquitto.conf")], stdout=output, stderr=output
        )
    try:
        for port in (tls_port, plain_port):
            _wait_for(port, process, log)
        yield Broker(tls_port, plain_port, folder / "authority/authority.crt", process)
    finally:
        process.terminate()
        process.wait(10)


def _wait_for(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    end_s = time.monotonic() + _START_LIMIT_S
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            assert process.poll() is None, log.read_text()[-2000:]
            assert time.monotonic() < end_s, log.read_text()[-2000:]
            time.sleep(0.05)
        else:
            return
