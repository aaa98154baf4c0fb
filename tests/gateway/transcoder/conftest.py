"""Clips as access units, and a running pool."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from camera_adapters.stream import AccessUnit, Track
from gateway.footage.media_file import RunStarted, read_media_file
from gateway.transcoder.pool import TranscoderPool


@dataclass(frozen=True, slots=True)
class Clip:
    path: Path
    track: Track
    units: list[AccessUnit]


def load(path: Path) -> Clip:
    items = list(read_media_file(path))
    assert isinstance(items[0], RunStarted)
    units = [item for item in items if isinstance(item, AccessUnit)]
    return Clip(path, items[0].tracks[0], units)


@pytest.fixture(scope="session")
def h264(pedestrians_h264: Path) -> Clip:
    return load(pedestrians_h264)


@pytest.fixture(scope="session")
def h265(pedestrians_h265: Path) -> Clip:
    return load(pedestrians_h265)


@pytest.fixture
async def pool() -> AsyncIterator[TranscoderPool]:
    pool = TranscoderPool(places=1)
    yield pool
    await pool.close()
