"""A camera whose network freezes: no FIN, no RST, no ICMP; the connection stays half open.

The camera lives in a network namespace of its own; between it and us is a pair of virtual links.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pytest

from camera_adapters.rtsp import client_transport, source
from camera_adapters.stream import GapCause
from tests.camera_adapters.rtsp.test_source import Watched

REPOSITORY = Path(__file__).resolve().parents[3]
_CAMERA = REPOSITORY / "tests/peers/replay_camera.py"
# Of the block for tests between networks (RFC 2544), which nothing real uses.
_OURS, _THEIRS = "198.18.{}.1", "198.18.{}.2"


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True, text=True)


@dataclass(slots=True)
class FarCamera:
    """A camera behind a link that can be frozen."""

    url: str
    namespace: str
    link: str
    ours: str
    theirs: str

    def freeze(self) -> None:
        """From now on nothing passes, and nobody is told: both links stay up.

        Each side takes the other for a network card that is not there, so that its frames leave
        and are taken by nobody.
        """
        nobody = ("lladdr", "02:00:00:00:00:01", "nud", "permanent")
        _ip("neigh", "replace", self.theirs, *nobody, "dev", self.link)
        _ip("-n", self.namespace, "neigh", "replace", self.ours, *nobody, "dev", "far0")

    def thaw(self) -> None:
        """The network is back; the camera remembers its old connections."""
        _ip("neigh", "del", self.theirs, "dev", self.link)
        _ip("-n", self.namespace, "neigh", "del", self.ours, "dev", "far0")


@pytest.fixture
def far_camera() -> Iterator[FarCamera]:
    mark = secrets.token_hex(3)
    namespace, link = f"gs-{mark}", f"gs{mark}"
    subnet = secrets.randbelow(250)
    ours, theirs = _OURS.format(subnet), _THEIRS.format(subnet)
    try:
        _ip("netns", "add", namespace)
    except FileNotFoundError:
        pytest.skip("needs iproute2")
    except subprocess.CalledProcessError as error:
        pytest.skip(f"network namespaces cannot be made here: {error.stderr.strip()}")
    camera = None
    try:
        try:
            _ip("link", "add", link, "type", "veth", "peer", "name", "far0", "netns", namespace)
            _ip("addr", "add", f"{ours}/24", "dev", link)
            _ip("link", "set", link, "up")
            _ip("-n", namespace, "addr", "add", f"{theirs}/24", "dev", "far0")
            _ip("-n", namespace, "link", "set", "far0", "up")
        except subprocess.CalledProcessError as error:
            pytest.skip(f"virtual links cannot be made here: {error.stderr.strip()}")
        camera = subprocess.Popen(
            ["ip", "netns", "exec", namespace, sys.executable, str(_CAMERA), theirs],
            stdout=subprocess.PIPE,
            text=True,
            cwd=REPOSITORY,
            env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        )
        assert camera.stdout is not None
        url = camera.stdout.readline().strip()
        assert url, "the camera did not start"
        yield FarCamera(url, namespace, link, ours, theirs)
    finally:
        if camera is not None:
            camera.kill()
            camera.wait()
            assert camera.stdout is not None
            camera.stdout.close()
        # Deleting the namespace takes both ends of the link along.
        _ip("netns", "del", namespace)


@pytest.mark.parametrize("transport", ["tcp", "udp"])
async def test_a_frozen_network_is_an_outage_with_a_cause_and_ends_with_it(
    far_camera: FarCamera, transport: Literal["tcp", "udp"], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(source, "_FIRST_WAIT_S", 0.1)
    monkeypatch.setattr(source, "_LONGEST_WAIT_S", 0.2)
    monkeypatch.setattr(client_transport, "SILENCE_TIMEOUT_S", 1.0)
    monkeypatch.setattr(client_transport, "CONNECT_TIMEOUT_S", 1.0)
    async with Watched(far_camera.url, transport=transport) as watched:
        await watched.until(lambda w: len(w.units) >= 15)
        await asyncio.to_thread(far_camera.freeze)
        await watched.until(lambda w: w.interruptions)
        assert watched.interruptions[0].cause is GapCause.CAMERA_SILENT
        # The old connection is of no use any more, and new ones find nobody.
        await watched.until(lambda w: w.interruptions[-1].cause is GapCause.CAMERA_OFFLINE)
        assert {state.state for state in watched.states[-2:]} == {"offline"}
        assert "does not answer on port" in watched.interruptions[-1].detail
        last_us = watched.units[-1].wall_us
        await asyncio.to_thread(far_camera.thaw)
        before = len(watched.units)
        await watched.until(lambda w: len(w.units) >= before + 15)
        assert watched.runs == 2
        assert [state.state for state in watched.states][-1] == "live"
        assert all(unit.wall_us > last_us for unit in watched.units[before:])
