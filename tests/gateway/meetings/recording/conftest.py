"""Footage that participants send: two cameras of different formats, made once."""

from __future__ import annotations

from pathlib import Path

import pytest

from camera_adapters.stream import AccessUnit, Track
from tests.gateway.meetings.recording.senders import Camera, gops_of
from tests.peers.media_file import make_media, read_media

Film = tuple[Track, list[list[AccessUnit]]]


def _film(folder: Path, name: str, size: str, profile: str) -> Film:
    path = make_media(
        folder / f"{name}.mp4",
        *("-f", "lavfi", "-i", f"testsrc2=size={size}:rate=25:duration=6"),
        *("-c:v", "libx264", "-preset", "ultrafast", "-profile:v", profile, "-bf", "0"),
        *("-g", "25", "-pix_fmt", "yuv420p"),
    )
    (track,), units = read_media(path)
    return track, gops_of(units)


@pytest.fixture(scope="session")
def films(tmp_path_factory: pytest.TempPathFactory) -> tuple[Film, Film]:
    folder = tmp_path_factory.mktemp("films")
    return _film(folder, "small", "160x96", "baseline"), _film(folder, "large", "320x192", "main")


@pytest.fixture
def cameras(films: tuple[Film, Film]) -> tuple[Camera, Camera]:
    """One small, one large; the second's pictures come 60 ms later."""
    (first, one), (second, other) = films
    return Camera(track=first, film=one), Camera(track=second, film=other, delay_us=60_000)
