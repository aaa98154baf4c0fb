"""A camera's viewers on several shards: what the copy costs its own shard, and viewers elsewhere.

The owner's CPU is taken without, with one and with two other shards that each take all its cameras;
viewers are those of ``benchmarks.webrtc``, at a shard that is sent the cameras and at their own.
"""

from __future__ import annotations

import json
import pickle
import subprocess
import tempfile
import time
from pathlib import Path

from benchmarks._cascade_shard import OWNER
from benchmarks._webrtc_clip import encode_clip
from benchmarks.measure import cpu_seconds, quick_requested, report
from benchmarks.webrtc import Run, _expect_ready, _python

_VIEWERS_A_CAMERA = 25
_SETTLE_S = 2.0


def _percent(process: subprocess.Popen[str], seconds: float) -> float:
    """The process's CPU over ``seconds``, in % of a core."""
    time.sleep(_SETTLE_S)
    before, start_s = cpu_seconds(process.pid), time.monotonic()
    time.sleep(seconds)
    return (cpu_seconds(process.pid) - before) / (time.monotonic() - start_s) * 100


def _shard(name: str, clip: Path, cameras: int, folder: str) -> subprocess.Popen[str]:
    started = _python("_cascade_shard", name, str(clip), str(cameras), folder)
    _expect_ready(started)
    return started


def _of_the_owner(clip: Path, cameras: int, seconds: float) -> None:
    with tempfile.TemporaryDirectory() as folder:
        owner = _shard(OWNER, clip, cameras, folder)
        alone = _percent(owner, seconds)
        others, used = [], []
        for name in ("second", "third"):
            others.append(_shard(name, clip, cameras, folder))
            used.append(_percent(owner, seconds))
        for process in (*others, owner):
            process.communicate(timeout=30)
    report(
        "cascade_owner_cpu_percent_per_stream_and_shard",
        (used[-1] - alone) / len(used) / cameras,
        "% of a core",
        n=cameras,
        note=f"2 Mbit/s each; {alone:.2f} % without, {used[0]:.2f} % with one, {used[1]:.2f} % "
        "with two other shards, which each take all",
    )


def _of_viewers(clip: Path, viewers: int, seconds: float) -> None:
    cameras = max(1, viewers // _VIEWERS_A_CAMERA)
    local = Run("ours", clip, viewers, cameras)
    local_percent = local.cpu_percent_per_viewer(seconds)
    local.end()
    with tempfile.TemporaryDirectory() as folder:
        owner = _shard(OWNER, clip, cameras, folder)
        second = _shard("second", clip, cameras, folder)
        without = _percent(second, seconds)
        receivers = _python("_webrtc_receivers", f"{folder}/second.offers", "0", str(viewers))
        _expect_ready(receivers)
        used = _percent(second, seconds)
        output, _ = receivers.communicate(timeout=30)
        for process in (second, owner):
            process.communicate(timeout=30)
    counts = json.loads(output.splitlines()[-1])
    if counts["forged"] or counts["silent"] or not counts["verified"]:
        raise RuntimeError(f"the viewers did not get their media: {counts}")
    report(
        "cascade_cpu_percent_per_viewer_elsewhere",
        used / viewers,
        "% of a core",
        n=viewers,
        peer="the same viewers at the camera's own shard",
        peer_value=local_percent,
        note=f"{_VIEWERS_A_CAMERA} viewers a camera, 2 Mbit/s; taking {cameras} cameras costs "
        f"{without / cameras:.3f} % each, which is counted in; {counts['packets']} packets taken, "
        f"{counts['lost']} lost",
    )


def main() -> None:
    """See the module's description."""
    quick = quick_requested(__doc__)
    cameras, viewers, seconds = (20, 50, 3.0) if quick else (50, 200, 10.0)
    with tempfile.TemporaryDirectory() as folder:
        clip = Path(folder) / "2mbit"
        clip.write_bytes(pickle.dumps(encode_clip(2_000_000, 1280, 720, 4 if quick else 10)))
        _of_the_owner(clip, cameras, seconds)
        _of_viewers(clip, viewers, seconds)


if __name__ == "__main__":
    main()
