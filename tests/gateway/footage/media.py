"""What independent tools make of a file: ffprobe's streams, ffmpeg's decoded pictures."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import av
import numpy as np
import numpy.typing as npt


def probe(path: Path | str) -> dict[str, Any]:
    """Streams and format, with packets counted."""
    command = ["ffprobe", "-v", "error", "-count_packets", "-show_streams", "-show_format"]
    done = subprocess.run(
        [*command, "-of", "json", str(path)], capture_output=True, text=True, check=True
    )
    assert done.stderr == "", done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def decode_everything(path: Path | str, *options: str) -> str:
    """Decode all streams; returns what ffmpeg complains about."""
    command = ["ffmpeg", "-v", "warning", "-nostdin", *options, "-i", str(path), "-f", "null", "-"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stderr


def pictures(path: Path | str, count: int | None = None) -> list[npt.NDArray[np.float64]]:
    """The decoded luma of the first pictures, as a player shows them."""
    found = []
    with av.open(str(path)) as opened:
        for frame in opened.decode(video=0):
            found.append(frame.to_ndarray(format="gray").astype(np.float64))
            if count is not None and len(found) == count:
                break
    return found


def picture_times(path: Path | str) -> list[float]:
    """Presentation times in seconds, edit lists applied."""
    with av.open(str(path)) as opened:
        return sorted(frame.time for frame in opened.decode(video=0))


def psnr(left: npt.NDArray[np.float64], right: npt.NDArray[np.float64]) -> float:
    """Peak signal-to-noise ratio in dB."""
    return float(10 * np.log10(255**2 / max(1e-9, np.mean((left - right) ** 2))))


def make_b_frames(path: Path) -> None:
    """12 s of a moving test picture, H.264 with two B-frames in a row."""
    command = (
        "ffmpeg -v error -f lavfi -i testsrc2=size=320x240:rate=25:duration=12 "
        "-c:v libx264 -g 50 -bf 2 -pix_fmt yuv420p"
    )
    subprocess.run([*command.split(), str(path)], check=True)
