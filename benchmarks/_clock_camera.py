"""An RTSP camera whose pictures carry the time of their making, for measuring delay by eye.

Run as a process of its own: it prints its RTSP address and serves until its standard input ends.
The top 32 rows of the picture show the milliseconds of UTC modulo 2^24 as black and white blocks,
24 pixels wide, most significant bit first, between a white and a black block. Below is footage.
"""

from __future__ import annotations

import asyncio
import itertools
import sys
import time
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import uvloop

from camera_adapters.codecs.h264 import split_annex_b, track_from_parameter_sets
from camera_adapters.stream import AccessUnit, Stream, Variant
from gateway.demo.replay import ReplayServer

FRAMES_PER_SECOND = 25
GOP_S = 2
BITRATE_BPS = 2_000_000
BLOCK_PIXELS = 24
STRIP_PIXELS = 32
TIME_BITS = 24
_SPS, _PPS, _AUD, _IDR = 7, 8, 9, 5


def draw_time(picture: np.ndarray[Any, np.dtype[np.uint8]], milliseconds: int) -> None:
    """Draw the strip into ``picture``, height × width × 3 of 8 bits, in place."""
    bits = [1, *((milliseconds >> shift) & 1 for shift in reversed(range(TIME_BITS))), 0]
    for position, bit in enumerate(bits):
        left = position * BLOCK_PIXELS
        picture[:STRIP_PIXELS, left : left + BLOCK_PIXELS] = 235 if bit else 16


def _backgrounds(clip: Path) -> list[np.ndarray[Any, np.dtype[np.uint8]]]:
    with av.open(str(clip)) as container:
        frames = itertools.islice(container.decode(video=0), 50)
        pictures: list[Any] = [frame.to_ndarray(format="rgb24") for frame in frames]
        return pictures


class _Encoder:
    """Real time x264 as a camera's chip works: no B-frames, no look-ahead, a keyframe each 2 s."""

    def __init__(self, width: int, height: int) -> None:
        context = av.CodecContext.create("libx264", "w")
        context.width, context.height = width, height
        context.pix_fmt = "yuv420p"
        context.time_base = Fraction(1, FRAMES_PER_SECOND)
        context.bit_rate = BITRATE_BPS
        context.gop_size = FRAMES_PER_SECOND * GOP_S
        context.options = {"preset": "ultrafast", "tune": "zerolatency", "profile": "baseline"}
        self._context: Any = context

    def encode(self, picture: np.ndarray[Any, np.dtype[np.uint8]], number: int) -> list[bytes]:
        """One picture as NAL units."""
        frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
        frame.pts = number
        return [
            unit for packet in self._context.encode(frame) for unit in split_annex_b(bytes(packet))
        ]


async def _serve(clip: Path) -> None:
    pictures = _backgrounds(clip)
    height, width = pictures[0].shape[:2]
    encoder = _Encoder(width, height)
    stream = Stream("clock", Variant.MAIN)
    server = ReplayServer()
    server.add_stream("clock", stream)
    await server.start()
    print(server.url("clock"), flush=True)
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    loop.add_reader(sys.stdin.fileno(), ended.set)
    started = loop.time()
    number = 0
    while not ended.is_set():
        picture = pictures[number % len(pictures)].copy()
        wall_us = time.time_ns() // 1000
        draw_time(picture, wall_us // 1000 % (1 << TIME_BITS))
        units = encoder.encode(picture, number)
        kinds = {unit[0] & 31: unit for unit in units}
        if not stream.running:
            stream.start_run((track_from_parameter_sets(kinds[_SPS], kinds[_PPS]),))
        payload = b"".join(
            len(unit).to_bytes(4) + unit for unit in units if unit[0] & 31 not in (_SPS, _PPS, _AUD)
        )
        pts_90k = number * 90_000 // FRAMES_PER_SECOND
        stream.publish(AccessUnit(0, payload, pts_90k, pts_90k, _IDR in kinds, wall_us))
        number += 1
        due_in_s = started + number / FRAMES_PER_SECOND - loop.time()
        if due_in_s > 0:
            await asyncio.sleep(due_in_s)
    await server.close()


if __name__ == "__main__":
    uvloop.run(_serve(Path(sys.argv[1])))
