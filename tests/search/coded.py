"""Pictures as a camera would send them: coded by an encoder set up like a camera's."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

from benchmarks._search_footage import START_US as START_US
from benchmarks._search_footage import coded_by
from camera_adapters.stream import AccessUnit, Track
from search.objects import Picture


def coded(
    pictures: Iterable[Picture],
    *,
    fps: int = 10,
    gop: int = 20,
    bit_rate: int = 0,
    x264: str = "scenecut=0:bframes=0",
    start_us: int = START_US,
    **options: str,
) -> tuple[Track, list[AccessUnit]]:
    """H.264 of these pictures, in decoding order; ``gop`` is counted in pictures."""
    return coded_by(
        pictures,
        fps,
        lambda picture: _encoder(picture, fps, gop, bit_rate, x264, options),
        start_us,
    )


def pictures_of(clip: Path, width: int, height: int, limit: int = 10_000) -> list[Picture]:
    """The first pictures of a clip, at this size."""
    found: list[Picture] = []
    with av.open(str(clip)) as container:
        for frame in container.decode(video=0):
            found.append(np.asarray(frame.reformat(width, height, "bgr24").to_ndarray(), np.uint8))
            if len(found) == limit:
                break
    return found


def _encoder(
    picture: Picture, fps: int, gop: int, bit_rate: int, x264: str, options: dict[str, str]
) -> Any:
    encoder: Any = av.CodecContext.create("libx264", "w")
    encoder.height, encoder.width = picture.shape[:2]
    encoder.pix_fmt, encoder.time_base = "yuv420p", Fraction(1, 90_000)
    encoder.framerate, encoder.gop_size = Fraction(fps), gop
    if bit_rate:
        encoder.bit_rate = bit_rate
    encoder.options = {"preset": "veryfast", "threads": "1", "x264-params": x264, **options}
    return encoder
