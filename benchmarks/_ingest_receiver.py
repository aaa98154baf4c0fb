"""One receiving process of ``benchmarks.ingest``: ours, or PyAV threads.

    python -m benchmarks._ingest_receiver KIND PORT CAMERAS DIRECTORY WARM_S MEASURE_S

KIND is ours, ingest_only (without the recorder) or pyav.

Prints one JSON object: CPU seconds and wall seconds of the measured time, memory, pictures, gaps.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import sys
import threading
import time
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from benchmarks.measure import cpu_seconds, resident_bytes
from camera_adapters.rtp.clocks import SteadyClock
from camera_adapters.rtsp.source import RtspSource
from camera_adapters.stream import Stream, Variant
from recorder.recorder import Recorder, RecorderConfig
from recorder.rows import LocalRowWriter, metadata
from recorder.spool import SpoolConfig
from recorder.spool_header import RecordedSource
from recorder.stores import DirectoryStoreConfig, open_store


async def ours(
    port: int, count: int, directory: Path, warm_s: float, measure_s: float, record: bool
) -> dict[str, Any]:
    """The gateway's own path: RtspSource → Stream → SegmentWriter, counters read once a second."""
    engine = sa.create_engine(f"sqlite:///{directory / 'rows.db'}")
    metadata.create_all(engine)
    rows = LocalRowWriter(engine)
    store = open_store(DirectoryStoreConfig(directory / "store"))
    await store.check()
    recorder = Recorder(RecorderConfig(SpoolConfig(directory / "spool")), rows, store)
    await recorder.start()
    pid = os.getpid()
    before_bytes = resident_bytes(pid)
    clock = SteadyClock()
    sources: list[RtspSource] = []
    for number in range(count):
        stream = Stream(f"cam_{number}", Variant.MAIN)
        if record:
            writer = await recorder.record(
                RecordedSource(f"cam_{number}/main", camera_id=stream.camera_id, variant="main")
            )
            stream.attach(writer)
        source = RtspSource(
            f"rtsp://127.0.0.1:{port}/{number}", stream, transport="tcp", clock=clock
        )
        source.start()
        sources.append(source)
        await asyncio.sleep(0.002)
    ends = asyncio.get_running_loop().time() + 60
    while any(source.state.state != "live" for source in sources):
        if asyncio.get_running_loop().time() > ends:
            raise RuntimeError("not all cameras came up")
        await asyncio.sleep(0.1)
    await asyncio.sleep(warm_s)
    cpu, wall = cpu_seconds(pid), time.monotonic()
    first = [source.counters for source in sources]
    while time.monotonic() - wall < measure_s:
        await asyncio.sleep(1)
        totals = [source.counters for source in sources]
    cpu, wall = cpu_seconds(pid) - cpu, time.monotonic() - wall
    used_bytes = resident_bytes(pid) - before_bytes
    result = {
        "cpu_s": cpu,
        "wall_s": wall,
        "bytes_per_camera": used_bytes / count,
        "pictures": sum(b.pictures - a.pictures for a, b in zip(first, totals, strict=True)),
        "received_bytes": sum(b.bytes - a.bytes for a, b in zip(first, totals, strict=True)),
        "lost": sum(one.lost + one.damaged + one.malformed for one in totals),
        "reconnects": sum(one.reconnects for one in totals),
    }
    for source in sources:
        await source.stop()
    await recorder.close()
    rows.close()
    return result


def pyav(port: int, count: int, directory: Path, warm_s: float, measure_s: float) -> dict[str, Any]:
    """One thread per camera, demuxed and muxed to fragmented MP4 by PyAV."""
    import av

    stop = threading.Event()
    pictures = [0] * count
    pid = os.getpid()
    before_bytes = resident_bytes(pid)

    def record(number: int) -> None:
        with (
            av.open(
                f"rtsp://127.0.0.1:{port}/{number}", options={"rtsp_transport": "tcp"}
            ) as source,
            av.open(
                str(directory / f"{number}.mp4"),
                "w",
                options={"movflags": "frag_keyframe+empty_moov"},
            ) as target,
        ):
            video = target.add_stream_from_template(source.streams.video[0])
            for packet in source.demux(video=0):
                if stop.is_set():
                    return
                if packet.dts is None:
                    continue
                packet.stream = video
                target.mux(packet)
                pictures[number] += 1

    threads = [threading.Thread(target=record, args=(n,), daemon=True) for n in range(count)]
    for thread in threads:
        thread.start()
    while not all(pictures):
        time.sleep(0.1)
    time.sleep(warm_s)
    cpu, wall, seen = cpu_seconds(pid), time.monotonic(), sum(pictures)
    time.sleep(measure_s)
    cpu, wall = cpu_seconds(pid) - cpu, time.monotonic() - wall
    used_bytes = resident_bytes(pid) - before_bytes
    seen = sum(pictures) - seen
    stop.set()
    return {
        "cpu_s": cpu,
        "wall_s": wall,
        "bytes_per_camera": used_bytes / count,
        "pictures": seen,
    }


def main() -> None:
    """See the module's description."""
    import uvloop

    # As the media shard does: access units live for a GOP, looking for cycles among them is waste.
    gc.set_threshold(20_000, 50, 100)
    kind, port, count, directory = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
    warm_s, measure_s = float(sys.argv[5]), float(sys.argv[6])
    if kind == "pyav":
        result = pyav(port, count, Path(directory), warm_s, measure_s)
    else:
        record = kind == "ours"
        result = uvloop.run(ours(port, count, Path(directory), warm_s, measure_s, record))
    print(json.dumps(result), flush=True)
    os._exit(0)


if __name__ == "__main__":
    main()
