"""How far live indexing falls behind when there is more to look at than it can, and whether the
recorder notices.

The demo's cameras many times over on this machine, every one recorded and analysed; the same again
with analysis switched off. Lag is the age of the oldest picture that waits, asked twice a second.
"""

from __future__ import annotations

import time
from typing import Any

import httpx

from benchmarks._gateway import RunningGateway, running_gateway
from benchmarks.measure import percentile, quick_requested, report

WAITING_S = 10
_SETTLE_S = 5.0


def main() -> None:
    """See the module's description."""
    quick = quick_requested(__doc__)
    cameras, seconds = (8, 5.0) if quick else (60, 90.0)
    alone = _run(cameras, seconds, analysed=False)
    loaded = _run(cameras, seconds, analysed=True)
    note = f"{cameras} cameras, all of them with people; {loaded['pictures']} pictures looked at"
    # What waits at most, a turn that is under way, and what is asked twice a second.
    report(
        "search_lag_worst", loaded["worst_lag_s"], "s",
        n=cameras, target=WAITING_S + 5, note=note,
    )  # fmt: skip
    report("search_lag_p50", loaded["lag_p50_s"], "s", n=cameras)
    report(
        "search_pictures_per_second", loaded["pictures_per_s"], "1/s", n=cameras, better="higher"
    )
    report(
        "search_dropped_pictures_counted", loaded["dropped"], "coded pictures", n=cameras,
        note="dropped because there was too much to look at, the oldest first",
    )  # fmt: skip
    report(
        "search_recorder_gaps", loaded["gaps"], "gaps", n=cameras, target=alone["gaps"],
        peer="without analysis", peer_value=alone["gaps"],
    )  # fmt: skip
    report(
        "search_recorder_cameras_recording", loaded["recording"], "cameras", n=cameras,
        target=cameras, better="higher", peer="without analysis", peer_value=alone["recording"],
    )  # fmt: skip
    report(
        "search_shard_loop_lag_p95", loaded["shard_lag_ms"], "ms", n=cameras,
        peer="without analysis", peer_value=alone["shard_lag_ms"],
    )  # fmt: skip


def _run(cameras: int, seconds: float, *, analysed: bool) -> dict[str, float]:
    with running_gateway(
        DEMO="true",
        SEARCH__ENABLED="true" if analysed else "false",
        SEARCH__WAITING_S=str(WAITING_S),
        SEARCH__MAKE_UP_HOURS="0",
    ) as gateway:
        _until(lambda: len(_mains(gateway)) >= 4)
        _add(gateway, cameras - 4)
        _until(lambda: sum(one.get("recording", False) for one in _mains(gateway)) >= cameras)
        time.sleep(_SETTLE_S)
        before = _gaps(gateway)
        lags: list[float] = []
        shard_lags: list[float] = []
        health: dict[str, Any] = {}
        ends = time.monotonic() + seconds
        while time.monotonic() < ends:
            if analysed:
                health = gateway.call("GET", "/api/analysis?limit=1000")
                lags.append(max(one["lag_s"] for one in health["cameras"]))
            shard_lags.append(_shard_lag_ms(gateway))
            time.sleep(0.5)
        return {
            "worst_lag_s": max(lags, default=0.0),
            "lag_p50_s": percentile(lags, 50) if lags else 0.0,
            "dropped": sum(one["dropped_units"] for one in health.get("cameras", ())),
            "pictures": sum(one["pictures"] for one in health.get("workers", ())),
            "pictures_per_s": sum(one["pictures_per_s"] for one in health.get("workers", ())),
            "gaps": _gaps(gateway) - before,
            "recording": sum(one.get("recording", False) for one in _mains(gateway)),
            "shard_lag_ms": percentile(shard_lags, 95),
        }


def _mains(gateway: RunningGateway) -> list[dict[str, Any]]:
    cameras = gateway.call("GET", "/api/cameras?limit=500")["items"]
    return [one["states"]["main"] for one in cameras]


def _gaps(gateway: RunningGateway) -> int:
    return sum(one.get("gaps", 0) for one in _mains(gateway))


def _add(gateway: RunningGateway, count: int) -> None:
    """The demo's cameras again, under other names."""
    known = gateway.call("GET", "/api/cameras?limit=500")["items"]
    for number in range(count):
        one = known[number % len(known)]
        form = {
            "name": f"{one['name']} {number}", "area_id": one["area_id"],
            "main_url": one["main_url"], "sub_url": one["sub_url"],
        }  # fmt: skip
        gateway.call("POST", "/api/cameras", form)


def _shard_lag_ms(gateway: RunningGateway) -> float:
    for line in gateway.api.get("/metrics").text.splitlines():
        if line.startswith('gridsight_event_loop_lag_seconds{name="shard-1"}'):
            return float(line.rpartition(" ")[2]) * 1000
    return 0.0


def _until(holds: Any, patience_s: float = 90) -> None:
    ends = time.monotonic() + patience_s
    while time.monotonic() < ends:
        try:
            if holds():
                return
        except httpx.HTTPError:
            pass
        time.sleep(0.3)
    raise SystemExit("the cameras were not recorded in time")


if __name__ == "__main__":
    main()
