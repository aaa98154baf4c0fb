"""Who holds the devices for :mod:`benchmarks.onvif`: ours, or another client.

    python -m benchmarks._onvif_holder ours|peer PORT COUNT PULL_S SECONDS

Prints one JSON object: CPU milliseconds a pull, and memory in kB a device.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path

import uvloop

from camera_adapters.onvif import event_source
from camera_adapters.onvif.client import OnvifClient
from camera_adapters.onvif.event_source import ChannelNames, EventSource
from camera_adapters.onvif.exchange import create_session

_pulls = 0


def _count() -> None:
    global _pulls
    _pulls += 1


def _memory_kb() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") // 1024


async def _ours(port: int, count: int, pull_s: float) -> list[Awaitable[None]]:
    event_source.PULL_S = pull_s
    session = create_session()

    async def hold(number: int) -> None:
        client = OnvifClient(
            session, "127.0.0.1", port, "admin", "password", path=f"/{number}/device"
        )
        await client.read_clock()
        source = EventSource(
            client,
            ChannelNames({}, ["1"]),
            lambda event: None,
            now_us=lambda: time.time_ns() // 1000,
            on_alive=_count,
        )
        await source.run()

    return [hold(number) for number in range(count)]


async def _peer(port: int, count: int, pull_s: float) -> list[Awaitable[None]]:
    import onvif

    wsdl = str(Path(onvif.__file__).parent / "wsdl")

    async def hold(number: int) -> None:
        camera = onvif.ONVIFCamera("127.0.0.1", port, "admin", "password", wsdl)
        base = f"http://127.0.0.1:{port}/{number}"
        camera.xaddrs = {"http://www.onvif.org/ver10/events/wsdl": f"{base}/events"}
        camera.dt_diff = timedelta()
        manager = await camera.create_pullpoint_manager(timedelta(minutes=10), lambda: None)
        service = manager.get_service()
        while True:
            await service.PullMessages({"MessageLimit": 100, "Timeout": timedelta(seconds=pull_s)})
            _count()

    return [hold(number) for number in range(count)]


async def _measure(
    make: Callable[[int, int, float], Awaitable[list[Awaitable[None]]]],
    port: int,
    count: int,
    pull_s: float,
    seconds: float,
) -> None:
    before_kb = _memory_kb()
    tasks = []
    for number, holding in enumerate(await make(port, count, pull_s)):
        tasks.append(asyncio.ensure_future(holding))
        if number % 20 == 19:
            await asyncio.sleep(0.05)
    await asyncio.sleep(pull_s + 1)
    failed = [task for task in tasks if task.done()]
    if failed:
        failed[0].result()
    pulls, cpu_s = _pulls, time.process_time()
    await asyncio.sleep(seconds)
    cpu_s = time.process_time() - cpu_s
    print(
        json.dumps(
            {
                "cpu_ms_per_pull": cpu_s * 1000 / max(_pulls - pulls, 1),
                "memory_kb_per_device": (_memory_kb() - before_kb) / count,
                "pulls": _pulls - pulls,
            }
        ),
        flush=True,
    )
    os._exit(0)


if __name__ == "__main__":
    who, port, count, pull_s, seconds = sys.argv[1:]
    make = {"ours": _ours, "peer": _peer}[who]
    uvloop.run(_measure(make, int(port), int(count), float(pull_s), float(seconds)))
