"""What a camera costs that does not come by RTSP: HTTP-FLV over real connections, and the cores of
RTMP, transport streams and WebRTC in, each at 2 Mbit/s, 25 pictures a second, 720p H.264 and AAC.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks._sources_cores import core_percent
from benchmarks.measure import cpu_seconds, quick_requested, report

_SECONDS = 120


def main() -> None:
    """Measure, and print one object for each."""
    quick = quick_requested(__doc__)
    count, seconds = (60, 10.0) if quick else (100, 40.0)
    with tempfile.TemporaryDirectory() as folder:
        clip = Path(folder) / "clip.flv"
        make(clip, _SECONDS if not quick else 40, "flv")
        percent, pictures = http_flv(clip, count, seconds)
    report(
        metric="source_http_flv_cpu_percent_per_camera",
        value=round(percent, 4),
        unit="% of a core",
        n=count,
        target=0.25,
        better="lower",
        note=f"{pictures:.1%} of the pictures",
    )
    with tempfile.TemporaryDirectory() as folder:
        for kind, form in (("rtmp", "flv"), ("mpeg_ts", "mpegts"), ("webrtc_in", "mpegts")):
            clip = Path(folder) / f"clip.{kind}"
            make(clip, 20, form)
            report(
                metric=f"source_{kind}_core_cpu_percent_per_camera",
                value=round(core_percent(kind, clip.read_bytes(), 20), 4),
                unit="% of a core",
                n=1,
                target=0.25,
                better="lower",
                note="from bytes to Stream, without the socket",
            )


def http_flv(clip: Path, count: int, seconds: float) -> tuple[float, float]:
    """(% of a core for each camera, share of the pictures that came)."""
    sender = subprocess.Popen(
        [sys.executable, "-m", "benchmarks._sources_sender", str(clip)],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert sender.stdout is not None
    port = sender.stdout.readline().strip()
    receiver = subprocess.Popen(
        [sys.executable, "-m", "benchmarks._sources_receiver", str(count), port],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert receiver.stdin is not None and receiver.stdout is not None
    try:
        receiver.stdout.readline()
        time.sleep(2)
        before, start_s, first = cpu_seconds(receiver.pid), time.monotonic(), _ask(receiver)
        time.sleep(seconds)
        used, elapsed_s = cpu_seconds(receiver.pid) - before, time.monotonic() - start_s
        came = _ask(receiver) - first
    finally:
        receiver.stdin.close()
        receiver.kill()
        receiver.wait()
        sender.kill()
        sender.wait()
    return used / elapsed_s / count * 100, came / (count * elapsed_s * 25)


def _ask(receiver: subprocess.Popen[str]) -> int:
    assert receiver.stdin is not None and receiver.stdout is not None
    receiver.stdin.write("\n")
    receiver.stdin.flush()
    return int(receiver.stdout.readline())


def make(path: Path, seconds: int, form: str) -> None:
    """Pictures and a tone, at a constant 2 Mbit/s."""
    rate = ("-b:v", "2M", "-minrate", "2M", "-maxrate", "2M", "-bufsize", "1M", "-nal-hrd", "cbr")
    command = [
        "ffmpeg", "-v", "error", "-y", "-f", "lavfi", "-i", "testsrc2=size=1280x720:rate=25",
        "-f", "lavfi", "-i", "sine", "-t", str(seconds), "-c:v", "libx264", "-preset", "ultrafast",
        "-tune", "zerolatency", "-g", "50", *rate, "-c:a", "aac", "-f", form, str(path),
    ]  # fmt: skip
    subprocess.run(command, check=True)


if __name__ == "__main__":
    main()
