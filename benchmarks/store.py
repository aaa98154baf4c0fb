"""Storing a segment in S3: put whole when it is complete, or in parts while it is being recorded.

    python -m benchmarks.store [--quick] [--endpoint HOST:PORT]

Without an endpoint a Ceph RADOS gateway is started, where it is installed; else nothing is
measured. Another server is signed in to with GRIDSIGHT_BENCH_S3_ACCESS_KEY and …_SECRET_KEY. It
gets a bucket of its own, which is deleted again. What is counted is the CPU of this process, all
its threads, for a segment of 60 s at 2 Mbit/s (15 MB): reading the spool file, signing, sending.
The peer of the parts is the whole put.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import secrets
import shutil
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from benchmarks.measure import cpu_seconds, percentile, report
from recorder.stores import S3StoreConfig
from recorder.stores.parts import LEAST_PART_BYTES
from recorder.stores.s3 import S3Store
from tests.peers import ceph_rgw

SEGMENT_BYTES = 15_000_000


async def put_in_parts(store: S3Store, key: str, path: Path) -> None:
    """As the uploader does it, without waiting for the camera."""
    upload_id = await store.begin_upload(key)
    parts = []
    for number, offset in enumerate(range(0, SEGMENT_BYTES, store.part_bytes), 1):
        length = min(store.part_bytes, SEGMENT_BYTES - offset)
        parts.append(await store.put_part(key, upload_id, number, path, offset, length))
    await store.finish_upload(key, upload_id, parts)


async def measure(
    put: Callable[[str], Awaitable[None]], name: str, count: int
) -> tuple[float, float]:
    """CPU milliseconds a segment, and the median of how long one takes, in ms."""
    took = []
    await put(f"warm/{name}")
    before_s = cpu_seconds(os.getpid())
    for number in range(count):
        began_s = time.perf_counter()
        await put(f"{name}/{number}")
        took.append((time.perf_counter() - began_s) * 1000)
    return (cpu_seconds(os.getpid()) - before_s) * 1000 / count, percentile(took, 50)


async def main(endpoint: str, count: int) -> None:
    """Both ways, one after the other, on one bucket."""
    config = S3StoreConfig(
        endpoint,
        f"bench-{secrets.token_hex(4)}",
        os.environ.get("GRIDSIGHT_BENCH_S3_ACCESS_KEY", "admin"),
        os.environ.get("GRIDSIGHT_BENCH_S3_SECRET_KEY", "password12"),
        secure=False,
        part_bytes=LEAST_PART_BYTES,
    )
    store = S3Store(config)
    await store.check()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "segment.mp4"
        await asyncio.to_thread(path.write_bytes, os.urandom(SEGMENT_BYTES))
        whole_ms, whole_took_ms = await measure(lambda key: store.put(key, path), "whole", count)
        parts_ms, parts_took_ms = await measure(
            lambda key: put_in_parts(store, key, path), "parts", count
        )
    keys = [item.key async for item in store.list("")]
    began_s, began_cpu_s = time.perf_counter(), cpu_seconds(os.getpid())
    await store.delete(keys)
    delete_ms = (time.perf_counter() - began_s) * 1000 / len(keys)
    delete_cpu_ms = (cpu_seconds(os.getpid()) - began_cpu_s) * 1000 / len(keys)
    await asyncio.to_thread(store._client.remove_bucket, config.bucket)
    await store.close()
    peer = "put whole"
    report(
        "store_cpu_ms_per_segment_in_parts", parts_ms, "ms", n=count, peer=peer, peer_value=whole_ms
    )
    report(
        "store_ms_per_segment_in_parts",
        parts_took_ms,
        "ms",
        n=count,
        peer=peer,
        peer_value=whole_took_ms,
    )
    report("store_delete_ms_per_object", delete_ms, "ms", n=len(keys))
    report("store_delete_cpu_ms_per_object", delete_cpu_ms, "ms", n=len(keys))


if __name__ == "__main__":
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--endpoint", help="an S3 server, plain HTTP")
    arguments.add_argument("--quick", action="store_true", help="at most 45 s, at a smaller n")
    given = arguments.parse_args()
    segments = 10 if given.quick else 60
    if given.endpoint is not None:
        asyncio.run(main(given.endpoint, segments))
    elif all(shutil.which(program) for program in ceph_rgw.PROGRAMS):
        with (
            tempfile.TemporaryDirectory(prefix="ceph") as state,
            ceph_rgw.running_server(Path(state)) as server,
        ):
            asyncio.run(main(server.endpoint, segments))
    else:
        report("store_cpu_ms_per_segment_in_parts", None, "ms", n=0, note="no S3 server is here")
