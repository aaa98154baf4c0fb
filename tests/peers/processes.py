"""Peers that run as processes of their own, and end with the test."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Iterator
from pathlib import Path

_HERE = Path(__file__).resolve().parent


@contextlib.contextmanager
def gstreamer_camera(clip: Path, codec: str, sound: str = "") -> Iterator[str]:
    """GStreamer's RTSP server playing ``clip``; gives its URL."""
    with _printing_its_url(
        "gstreamer_camera.py", str(clip), codec, *([sound] if sound else [])
    ) as url:
        yield url


@contextlib.contextmanager
def gstreamer_replay(clip: Path, codec: str) -> Iterator[str]:
    """GStreamer's ONVIF replay server with ``clip`` as its recording; gives its URL."""
    with _printing_its_url("gstreamer_replay.py", str(clip), codec) as url:
        yield url


@contextlib.contextmanager
def _printing_its_url(script: str, *arguments: str) -> Iterator[str]:
    command = ["/usr/bin/python3", str(_HERE / script), *arguments]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        assert url, "GStreamer's RTSP server did not start"
        yield url
    finally:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()
