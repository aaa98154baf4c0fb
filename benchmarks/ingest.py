"""Ingest and record: CPU and memory per camera of the whole receiving process.

Cameras are real RTSP senders in processes of their own, 2 Mbit/s H.264 at 25 pictures a second,
once writing each picture at once (bursting) and once spreading its packets (paced). The receiving
process pulls, records into a spool and a directory store, sends receiver reports, and has its
counters read once a second. Peers: one ffmpeg process per camera, one PyAV thread per camera, both
writing fragmented MP4, from the same senders.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks._ingest_sender import PICTURES_PER_SECOND
from benchmarks.measure import cpu_seconds, quick_requested, report

_CLIP_SECONDS = 10
_RATE_BPS = 2_000_000


def make_clip(folder: Path) -> Path:
    """720p at 2 Mbit/s and 25 pictures a second, a keyframe every 2 s, one slice a picture."""
    path = folder / "clip.h264"
    rate = ["-b:v", str(_RATE_BPS), "-maxrate", str(_RATE_BPS), "-bufsize", str(_RATE_BPS)]
    x264 = (
        "nal-hrd=cbr:keyint=50:min-keyint=50:scenecut=0:bframes=0:slices=1:threads=1:"
        "sliced-threads=0"
    )
    source = ["-f", "lavfi", "-i", "testsrc2=size=1280x720:rate=25", "-t", str(_CLIP_SECONDS)]
    codec = ["-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p"]
    subprocess.run(
        ["ffmpeg", "-v", "error", *source, *codec, "-x264-params", x264, *rate, str(path)],
        check=True,
    )
    return path


@contextlib.contextmanager
def senders(clip: Path, seconds: float, manner: str) -> Iterator[int]:
    """The cameras; gives their port."""
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks._ingest_sender", str(clip), str(seconds), manner],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        yield int(process.stdout.readline())
    finally:
        process.kill()
        process.wait()


def receive(
    kind: str, clip: Path, manner: str, count: int, warm_s: float, measure_s: float
) -> dict[str, Any]:
    """One receiving process over its own senders; its figures."""
    run_s = warm_s + measure_s + 90  # Longer than it can take to come up on a busy machine.
    with tempfile.TemporaryDirectory() as folder, senders(clip, run_s, manner) as port:
        module = [sys.executable, "-m", "benchmarks._ingest_receiver", kind, str(port)]
        done = subprocess.run(
            [*module, str(count), folder, str(warm_s), str(measure_s)],
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    # By the footage that really came: a machine too busy to send it all must not flatter anyone.
    result["percent"] = 100 * result["cpu_s"] / (result["pictures"] / PICTURES_PER_SECOND)
    return result


def receive_with_ffmpeg(
    clip: Path, manner: str, count: int, warm_s: float, measure_s: float
) -> float:
    """One ffmpeg process per camera; CPU percent of a core per camera."""
    with (
        tempfile.TemporaryDirectory() as folder,
        senders(clip, warm_s + measure_s + 20, manner) as port,
    ):
        before = ["ffmpeg", "-v", "error", "-nostdin", "-rtsp_transport", "tcp", "-i"]
        after = ["-c", "copy", "-movflags", "frag_keyframe+empty_moov"]
        processes = [
            subprocess.Popen(
                [*before, f"rtsp://127.0.0.1:{port}/{number}", *after, f"{folder}/{number}.mp4"]
            )
            for number in range(count)
        ]
        try:
            ends = time.monotonic() + 20
            files = [Path(folder) / f"{number}.mp4" for number in range(count)]
            while not all(file.exists() and file.stat().st_size > 100_000 for file in files):
                if time.monotonic() > ends:
                    raise RuntimeError("ffmpeg did not record every camera")
                time.sleep(0.1)
            time.sleep(warm_s)
            earlier, began = sum(cpu_seconds(one.pid) for one in processes), time.monotonic()
            time.sleep(measure_s)
            spent = sum(cpu_seconds(one.pid) for one in processes) - earlier
            return 100 * spent / (time.monotonic() - began) / count
        finally:
            for process in processes:
                process.kill()
                process.wait()


def main() -> None:
    """See the module's description."""
    quick = quick_requested(__doc__)
    few, many, peers = (20, 60, 3) if quick else (50, 300, 8)
    warm_s, measure_s = (1.0, 4.0) if quick else (8.0, 30.0)
    with tempfile.TemporaryDirectory() as folder:
        clip = make_clip(Path(folder))
        ffmpeg = receive_with_ffmpeg(clip, "bursting", peers, 1.0, measure_s / 2)
        pyav = receive("pyav", clip, "bursting", peers, 1.0, measure_s / 2)
        worst_bytes = 0.0
        for manner in ("bursting", "paced"):
            result = receive("ours", clip, manner, many, warm_s, measure_s)
            expected = PICTURES_PER_SECOND * many * result["wall_s"]
            gaps = f"{result['lost']} lost, {result['reconnects']} reconnects"
            note = f"{manner}; {result['pictures'] / expected:.1%} of the pictures, {gaps}"
            for peer, value in (
                ("ffmpeg process per camera", ffmpeg),
                ("PyAV thread per camera", pyav["percent"]),
            ):
                report(
                    f"ingest_record_{manner}_cpu_percent_per_camera",
                    result["percent"],
                    "% of a core",
                    n=many,
                    target=0.10,
                    peer=peer,
                    peer_value=value,
                    note=note,
                )
            worst_bytes = max(worst_bytes, result["bytes_per_camera"])
            if manner == "paced":
                smaller = receive("ours", clip, manner, few, warm_s, measure_s)
                report(
                    "ingest_record_cost_at_many_against_few",
                    result["percent"] / smaller["percent"],
                    "ratio",
                    n=many,
                    target=1.15,
                    note=f"{manner}; few is {few}: {smaller['percent']:.3f} % of a core per camera",
                )
        report(
            "ingest_record_memory_per_camera",
            worst_bytes / 1e6,
            "MB",
            n=many,
            target=1.5,
            peer="PyAV thread per camera",
            peer_value=pyav["bytes_per_camera"] / 1e6,
        )


if __name__ == "__main__":
    main()
