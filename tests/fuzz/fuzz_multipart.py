"""Fuzz target: multipart JPEG."""

from __future__ import annotations

import contextlib

from camera_adapters.http_pull.multipart import (
    MultipartError,
    MultipartReader,
    boundary_of,
    jpeg_size,
)

SEEDS = [
    b"--b\r\nContent-Length: 4\r\n\r\n\xff\xd8\xff\xd9\r\n--b\r\n",
    b"--b\r\n\r\n\xff\xd8\xff\xc0\x00\x11\x08\x00\x90\x01\x00\x03\xff\xd9\r\n--b\r\n",
]


def target(data: bytes) -> None:
    """Must raise nothing: MultipartError is how it refuses."""
    with contextlib.suppress(MultipartError):
        boundary_of(data.decode("utf-8", "replace"))
    reader = MultipartReader(b"--b")
    for start in range(0, len(data), 5):
        with contextlib.suppress(MultipartError):
            for picture in reader.receive(data[start : start + 5]):
                jpeg_size(picture)
