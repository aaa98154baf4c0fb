"""What an idle ONVIF device costs, of which a county has thousands: its pull point, held open.

    python -m benchmarks.onvif [--quick]

The devices are another process. The cost of one pull is measured, and given for one pull a minute,
which is how devices are held. The peer is Home Assistant's client on the same devices.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys

from benchmarks.measure import quick_requested, report

PULL_EVERY_S = 60


def _holder(who: str, port: int, count: int, pull_s: float, seconds: float) -> dict[str, float]:
    command = [sys.executable, "-m", "benchmarks._onvif_holder", who]
    arguments = [str(one) for one in (port, count, pull_s, seconds)]
    made = subprocess.run([*command, *arguments], capture_output=True, text=True, check=False)
    if made.returncode or not made.stdout:
        raise RuntimeError(made.stderr[-2000:])
    result: dict[str, float] = json.loads(made.stdout)
    return result


def main() -> None:
    """Run it."""
    quick = quick_requested(__doc__)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 16_384), hard))
    count = 500 if quick else min(3757, (min(hard, 16_384) - 200))
    devices = subprocess.Popen(
        [sys.executable, "-m", "benchmarks._onvif_devices"], stdout=subprocess.PIPE, text=True
    )
    try:
        assert devices.stdout is not None
        port = int(devices.stdout.readline())
        pull_s = 2.0 if quick else 20.0
        ours = _holder("ours", port, count, pull_s, 6.0 if quick else 60.0)
        some = 200 if quick else 500
        peer = _holder("peer", port, some, 2.0 if quick else 5.0, 6.0 if quick else 30.0)
    finally:
        devices.kill()
        devices.wait()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    name = "onvif-zeep-async"
    for metric, key, unit, scale, target in (
        (
            "onvif_idle_device_cpu_percent",
            "cpu_ms_per_pull",
            "% of a core",
            0.1 / PULL_EVERY_S,
            0.005,
        ),
        ("onvif_idle_device_memory_kb", "memory_kb_per_device", "kB", 1.0, 100.0),
    ):
        report(
            metric,
            ours[key] * scale,
            unit,
            n=count,
            target=target,
            peer=name,
            peer_value=peer[key] * scale if peer["pulls"] >= some else None,
            note=f"one pull a minute each; the peer holds {some}",
        )


if __name__ == "__main__":
    main()
