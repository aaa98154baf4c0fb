"""WebRTC to many viewers: CPU of the sending process for each, and how long its loop is held.

Viewers are real DTLS-SRTP peers in other processes (``_webrtc_receivers``): they drain, check ICE
and send receiver reports. The peer is aiortc's own sender with the same clip and viewers.
"""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks._webrtc_clip import encode_clip
from benchmarks.measure import cpu_seconds, quick_requested, report

_VIEWERS_A_CAMERA = 25
_SETTLE_S = 2.0


class Run:
    """A sender and its receivers, from the first offer to the counts."""

    def __init__(self, side: str, clip: Path, viewers: int, cameras: int) -> None:
        self._folder = tempfile.TemporaryDirectory()
        path = str(Path(self._folder.name) / "offers")
        self._sender = _python("_webrtc_sender", side, str(clip), str(cameras), path)
        _expect_ready(self._sender)
        self._receivers = _python("_webrtc_receivers", path, "0", str(viewers))
        _expect_ready(self._receivers)
        self._viewers = viewers

    def cpu_percent_per_viewer(self, seconds: float) -> float:
        """The sender's CPU over ``seconds``, in % of a core, divided by the viewers."""
        time.sleep(_SETTLE_S)
        before, start_s = cpu_seconds(self._sender.pid), time.monotonic()
        time.sleep(seconds)
        used = cpu_seconds(self._sender.pid) - before
        return used / (time.monotonic() - start_s) / self._viewers * 100

    def loop_hold(self, seconds: float) -> dict[str, float]:
        """The sender's longest loop hold over ``seconds``: ``wall_s`` and ``cpu_s``."""
        assert self._sender.stdin and self._sender.stdout
        self._sender.stdin.write("watch\n")
        self._sender.stdin.flush()
        time.sleep(seconds)
        self._sender.stdin.write("hold\n")
        self._sender.stdin.flush()
        found: dict[str, float] = json.loads(self._sender.stdout.readline())
        return found

    def end(self) -> dict[str, Any]:
        """Stop both; the receivers' counts. Raises RuntimeError when a viewer was cheated."""
        output, _ = self._receivers.communicate(timeout=30)
        self._sender.communicate(timeout=30)
        self._folder.cleanup()
        counts: dict[str, Any] = json.loads(output.splitlines()[-1])
        if counts["forged"] or counts["silent"] or not counts["verified"]:
            raise RuntimeError(f"the viewers did not get their media: {counts}")
        return counts


def _python(module: str, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", f"benchmarks.{module}", *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def _expect_ready(process: subprocess.Popen[str]) -> None:
    assert process.stdout
    line = process.stdout.readline().strip()
    if line != "ready":
        raise RuntimeError(f"{process.args!r} did not start: {line!r}")


def _per_viewer(
    clip: Path, name: str, target: float, viewers: int, peer_viewers: int, seconds: float
) -> None:
    ours = Run("ours", clip, viewers, max(1, viewers // _VIEWERS_A_CAMERA))
    value = ours.cpu_percent_per_viewer(seconds)
    counts = ours.end()
    peer = Run("aiortc", clip, peer_viewers, 1)
    peer_value = peer.cpu_percent_per_viewer(seconds)
    peer.end()
    report(
        f"webrtc_cpu_percent_per_viewer_{name}",
        value,
        "% of a core",
        n=viewers,
        target=target,
        peer=f"aiortc's sender, {peer_viewers} viewers",
        peer_value=peer_value,
        note=f"{_VIEWERS_A_CAMERA} viewers a camera; {counts['packets']} packets taken, "
        f"{counts['lost']} lost, {counts['verified']} authenticated",
    )


def main() -> None:
    """See the module's description."""
    quick = quick_requested(__doc__)
    viewers, peer_viewers, crowd = (50, 10, 100) if quick else (200, 20, 500)
    seconds = 4.0 if quick else 20.0
    with tempfile.TemporaryDirectory() as folder:
        clips = {}
        for name, bitrate_bps, width, height in (
            ("2mbit", 2_000_000, 1280, 720),
            ("600kbit", 600_000, 640, 360),
        ):
            clips[name] = Path(folder) / name
            pictures = encode_clip(bitrate_bps, width, height, 4 if quick else 10)
            clips[name].write_bytes(pickle.dumps(pictures))
        _per_viewer(clips["2mbit"], "2mbit", 0.06, viewers, peer_viewers, seconds)
        _per_viewer(clips["600kbit"], "600kbit", 0.03, viewers, peer_viewers, seconds)
        run = Run("ours", clips["2mbit"], crowd, 1)
        hold = run.loop_hold(seconds)
        counts = run.end()
        report(
            "webrtc_loop_hold_ms",
            hold["cpu_s"] * 1000,
            "ms",
            n=crowd,
            target=10,
            note=f"all on one camera; CPU time between two turns, {hold['wall_s'] * 1000:.1f} ms "
            f"by the wall with whatever else ran on this machine; {counts['lost']} packets of "
            f"{counts['packets']} lost",
        )


if __name__ == "__main__":
    main()
