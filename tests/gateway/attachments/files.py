"""Files as telephones make them."""

from __future__ import annotations

import io
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from PIL import Image


def photo(side: int = 640, *, with_place: bool = False) -> bytes:
    """A JPEG of noise, which says where it was taken: 石牌 in 钟祥, 2026-11-23 08:30 there."""
    noise = np.random.default_rng(7).integers(0, 255, (side, side // 2, 3), np.uint8)
    image = Image.fromarray(noise)
    exif = Image.Exif()
    if with_place:
        gps = exif.get_ifd(0x8825)
        gps[1], gps[2] = "N", (31.0, 2.0, 24.0)
        gps[3], gps[4] = "E", (112.0, 24.0, 36.0)
        taken = exif.get_ifd(0x8769)
        taken[0x9003], taken[0x9011] = "2026:11:23 08:30:00", "+08:00"
    held = io.BytesIO()
    image.save(held, "JPEG", exif=exif)
    return held.getvalue()


def video(path: Path, seconds: int = 2, *, metadata: dict[str, str] | None = None) -> bytes:
    """An MP4 of a moving square, H.264."""
    with av.open(str(path), "w", format="mp4", options={"movflags": "use_metadata_tags"}) as made:
        made.metadata.update(metadata or {})
        stream = made.add_stream("libx264", rate=10)
        stream.width, stream.height, stream.pix_fmt = 320, 240, "yuv420p"
        for number in range(10 * seconds):
            picture = np.zeros((240, 320, 3), np.uint8)
            picture[100:140, 10 * (number % 25) : 10 * (number % 25) + 40] = 255
            made.mux(stream.encode(av.VideoFrame.from_ndarray(picture, "rgb24")))
        made.mux(stream.encode(None))
    return path.read_bytes()


def voice(path: Path, seconds: int = 2) -> bytes:
    """A WebM of a tone, Opus, as MediaRecorder makes it."""
    rate = 48_000
    with av.open(str(path), "w", format="webm") as made:
        stream = made.add_stream("libopus", rate=rate, layout="mono")
        for number in range(50 * seconds):
            at = np.arange(960) + 960 * number
            tone = (8000 * np.sin(at * 2 * np.pi * 440 / rate)).astype(np.int16)
            frame = av.AudioFrame.from_ndarray(tone[np.newaxis], "s16", "mono")
            frame.sample_rate, frame.pts, frame.time_base = rate, 960 * number, Fraction(1, rate)
            made.mux(stream.encode(frame))
        made.mux(stream.encode(None))
    return path.read_bytes()
