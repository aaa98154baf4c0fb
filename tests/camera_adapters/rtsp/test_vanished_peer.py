"""A camera whose network freezes: no FIN, no RST, no ICMP; the connection stays half open.

The camera lives in a network namespace of its own; between it and us is a pair of virtual links.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pytest

from camera_adapters import back_off
from camera_adapters.rtsp import client_transport
from camera_adapters.stream import GapCause
from tests.camera_adapters.rtsp.test_source import Watched
from tests.peers.far_network import FarNetwork, far_network

REPOSITORY = Path(__file__).resolve().parents[3]
_CAMERA = REPOSITORY / "tests/peers/replay_camera.py"


@dataclass(slots=True)
class FarCamera:
    """A camera behind a link that can be frozen."""

    url: str
    network: FarNetwork


@pytest.fixture
def far_camera() -> Iterator[FarCamera]:
    with far_network() as network:
        camera = subprocess.Popen(
            [
                "ip",
                "netns",
                "exec",
                network.namespace,
                sys.executable,
                str(_CAMERA),
                network.theirs,
            ],
            stdout=subprocess.PIPE,
            text=True,
            cwd=REPOSITORY,
            env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        )
        assert camera.stdout is not None
        try:
            url = camera.stdout.readline().strip()
            assert url, "the camera did not start"
            yield FarCamera(url, network)
        finally:
            camera.kill()
            camera.wait()
            camera.stdout.close()


@pytest.mark.parametrize("transport", ["tcp", "udp"])
async def test_a_frozen_network_is_an_outage_with_a_cause_and_ends_with_it(
    far_camera: FarCamera, transport: Literal["tcp", "udp"], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(back_off, "_FIRST_WAIT_S", 0.1)
    monkeypatch.setattr(back_off, "_LONGEST_WAIT_S", 0.2)
    monkeypatch.setattr(client_transport, "SILENCE_TIMEOUT_S", 1.0)
    monkeypatch.setattr(client_transport, "CONNECT_TIMEOUT_S", 1.0)
    async with Watched(far_camera.url, transport=transport) as watched:
        await watched.until(lambda w: len(w.units) >= 15)
        await asyncio.to_thread(far_camera.network.freeze)
        await watched.until(lambda w: w.interruptions)
        assert watched.interruptions[0].cause is GapCause.CAMERA_SILENT
        # The old connection is of no use any more, and new ones find nobody.
        await watched.until(lambda w: w.interruptions[-1].cause is GapCause.CAMERA_OFFLINE)
        assert {state.state for state in watched.states[-2:]} == {"offline"}
        assert "does not answer on port" in watched.interruptions[-1].detail
        last_us = watched.units[-1].wall_us
        await asyncio.to_thread(far_camera.network.thaw)
        before = len(watched.units)
        await watched.until(lambda w: len(w.units) >= before + 15)
        assert watched.runs == 2
        assert [state.state for state in watched.states][-1] == "live"
        assert all(unit.wall_us > last_us for unit in watched.units[before:])
