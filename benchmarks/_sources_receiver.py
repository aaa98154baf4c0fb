"""The measured side of ``benchmarks.sources``: sources as a shard has them, on one loop.

``python -m benchmarks._sources_receiver COUNT PORT``: prints ``ready``, then at each line that
comes the pictures so far.
"""

from __future__ import annotations

import asyncio
import sys

import structlog
import uvloop

from camera_adapters.http_pull.source import http_attempt
from camera_adapters.retrying import RetryingSource
from camera_adapters.rtp.clocks import SteadyClock
from camera_adapters.stream import Stream, Variant


async def main() -> None:
    """Pull until the input ends."""
    count, port = int(sys.argv[1]), int(sys.argv[2])
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(40))
    clock = SteadyClock()
    sources = []
    for number in range(count):
        url = f"http://127.0.0.1:{port}/{number}.flv"
        stream = Stream(f"cam_{number}", Variant.MAIN)
        sources.append(RetryingSource(url, stream, http_attempt(url), clock=clock))
        sources[-1].start()
        await asyncio.sleep(0.01)
    print("ready", flush=True)
    loop = asyncio.get_running_loop()
    while await loop.run_in_executor(None, sys.stdin.readline):
        print(sum(one.counters.pictures for one in sources), flush=True)


if __name__ == "__main__":
    uvloop.run(main())
