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
    command = ["/usr/bin/python3", str(_HERE / "gstreamer_camera.py"), str(clip), codec]
    process = subprocess.Popen(
        [*command, *([sound] if sound else [])], stdout=subprocess.PIPE, text=True
    )
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
