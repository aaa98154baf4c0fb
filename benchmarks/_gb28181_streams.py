"""Part of ``benchmarks.gb28181``: CPU of the process that receives many program streams at once."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks._ingest_sender import PICTURES_PER_SECOND
from benchmarks.ingest import make_clip
from benchmarks.measure import report

_TARGET_PERCENT = 0.25


def receive(
    kind: str, transport: str, manner: str, clip: Path, count: int, warm_s: float, measure_s: float
) -> dict[str, Any]:
    """One receiving process over its own senders; its figures."""
    module = [sys.executable, "-m", "benchmarks._gb28181_receiver"]
    receiver = subprocess.Popen(
        [*module, kind, transport, str(count), str(warm_s), str(measure_s)],
        stdout=subprocess.PIPE,
        text=True,
    )
    sender: subprocess.Popen[bytes] | None = None
    try:
        ports = _line(receiver, "ports ").split()
        sender = subprocess.Popen(
            [
                *(sys.executable, "-m", "benchmarks._gb28181_sender"),
                *(str(clip), transport, manner, *ports),
            ]
        )
        result: dict[str, Any] = json.loads(_line(receiver, "figures "))
    finally:
        for process in (receiver, sender):
            if process is not None:
                process.kill()
                process.wait()
    # By the footage that really came: a machine too busy to send it all must not flatter anyone.
    result["percent"] = 100 * result["cpu_s"] / (result["pictures"] / PICTURES_PER_SECOND)
    return result


def _line(process: subprocess.Popen[str], beginning: str) -> str:
    """The rest of the next line that begins so; logs are passed over."""
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith(beginning):
            return line.removeprefix(beginning)
    raise RuntimeError("the receiving process failed")


def run(quick: bool) -> None:
    """Report the figures of 200 streams (40 when quick), by UDP and by TCP."""
    many, peers = (40, 4) if quick else (200, 8)
    warm_s, measure_s = (0.5, 2.0) if quick else (5.0, 20.0)
    with tempfile.TemporaryDirectory() as folder:
        clip = make_clip(Path(folder))
        peer: dict[str, Any] = {}
        for transport in ("udp", "tcp"):
            if not (quick and peer):
                peer = receive("pyav", transport, "bursting", clip, peers, 0.5, measure_s / 2)
            for manner in ("bursting", "paced") if not quick else ("bursting",):
                result = receive("ours", transport, manner, clip, many, warm_s, measure_s)
                expected = PICTURES_PER_SECOND * many * result["wall_s"]
                report(
                    f"gb28181_{transport}_{manner}_cpu_percent_per_stream",
                    result["percent"],
                    "% of a core",
                    n=many,
                    target=_TARGET_PERCENT,
                    peer="PyAV demultiplexing thread per stream",
                    peer_value=peer["percent"],
                    note=f"{result['pictures'] / expected:.1%} of the pictures, "
                    f"{result['lost']} lost, {result['reconnects']} reconnects, "
                    f"{result['bytes_per_stream'] / 1e6:.2f} MB each",
                )
