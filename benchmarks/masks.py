"""What it costs to keep masked parts of a picture from who must not see them.

    python -m benchmarks.masks [--quick]

A live 720p camera, 25 pictures a second at 2 Mbit/s, through the transcoder as its worker processes
run it: decoded, four masks burnt in, encoded; and the drawing alone, with two lines of text. Peer:
one ffmpeg process that does the same with boxes of its own.
"""

from __future__ import annotations

import os
import resource
import subprocess
import tempfile
import time
from pathlib import Path

import av

from benchmarks._webrtc_clip import PICTURES_PER_SECOND, encode_clip, units_of
from benchmarks.measure import percentile, quick_requested, report
from camera_adapters.stream import AccessUnit, Track
from gateway.masks import Polygons
from gateway.transcoder.burn_in import draw
from gateway.transcoder.video import VideoTranscoder

WIDTH, HEIGHT, BITRATE_BPS = 1280, 720, 2_000_000
MASKS: Polygons = (
    ((0.1, 0.1), (0.3, 0.15), (0.25, 0.4), (0.1, 0.35)),
    ((0.6, 0.1), (0.8, 0.1), (0.8, 0.3)),
    ((0.4, 0.6), (0.6, 0.55), (0.65, 0.8), (0.5, 0.9), (0.35, 0.8)),
    ((0.85, 0.5), (1.0, 0.5), (1.0, 1.0), (0.85, 1.0)),
)


def main() -> None:
    """Run the benchmark."""
    seconds = 10 if quick_requested(__doc__) else 60
    pictures = encode_clip(BITRATE_BPS, WIDTH, HEIGHT, seconds)
    track, units = units_of(pictures)
    masked = transcode(track, units, MASKS)
    peer = by_ffmpeg(pictures)
    report(
        "masked_live_cpu_percent_per_camera",
        100 * masked / seconds,
        "% of a core",
        n=len(units),
        peer="ffmpeg drawbox process",
        peer_value=None if peer is None else 100 * peer / seconds,
    )
    drawn = [draw_once() for _ in range(50 if seconds == 10 else 500)]
    report("mask_draw_ms_p50", percentile(drawn, 50) * 1000, "ms", n=len(drawn), target=2)


def transcode(track: Track, units: list[AccessUnit], masks: Polygons) -> float:
    """CPU seconds of this process, all threads."""
    transcoder = VideoTranscoder(track, live=True, masks=masks)
    before = time.process_time()
    made = sum(len(transcoder.push([unit])) for unit in units) + len(transcoder.finish())
    if made != len(units):
        raise SystemExit(f"{made} pictures came out of {len(units)}")
    return time.process_time() - before


def draw_once() -> float:
    """Seconds for masks and two lines on a fresh picture."""
    picture = av.VideoFrame(WIDTH, HEIGHT, "yuv420p")
    started = time.perf_counter()
    draw(picture, MASKS, ["村口 2026-11-22 08:33:10 +08:00", "张三 (zhangsan)"])
    return time.perf_counter() - started


def by_ffmpeg(pictures: list[bytes]) -> float | None:
    """CPU seconds of an ffmpeg process with the same decoder, encoder and preset."""
    boxes = ",".join(
        f"drawbox=x={int(x * WIDTH)}:y={int(y * HEIGHT)}:w=200:h=150:t=fill"
        for x, y in ((0.1, 0.1), (0.6, 0.1), (0.4, 0.6), (0.84, 0.5))
    )
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "camera.h264"
        source.write_bytes(b"".join(pictures))
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        command = ["ffmpeg", "-v", "error", "-threads", "1", "-r", str(PICTURES_PER_SECOND)]
        command += ["-i", str(source), "-vf", boxes, "-c:v", "libx264", "-preset", "veryfast"]
        command += ["-tune", "zerolatency", "-profile:v", "baseline", "-crf", "23"]
        command += ["-threads", "1", "-f", "null", os.devnull]
        try:
            subprocess.run(command, check=True)
        except (FileNotFoundError, subprocess.CalledProcessError):
            return None
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


if __name__ == "__main__":
    main()
