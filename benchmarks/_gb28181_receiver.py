"""One receiving process of ``benchmarks.gb28181``: ours, or a PyAV thread for each stream.

    python -m benchmarks._gb28181_receiver ours|pyav udp|tcp STREAMS WARM_S MEASURE_S

Prints ``ports`` and the ports, then ``figures`` and one JSON object.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
import os
import socket
import sys
import threading
import time
from collections.abc import AsyncIterator
from typing import Any

from benchmarks._gb28181_sender import SSRC
from benchmarks.measure import cpu_seconds, resident_bytes
from camera_adapters.gb28181.dialogs import DialogEvent
from camera_adapters.gb28181.media_ports import PortPool
from camera_adapters.gb28181.media_terms import MediaAnswer, MediaOffer, MediaTransport
from camera_adapters.gb28181.source import GbSource, MediaPlace
from camera_adapters.rtp.clocks import SteadyClock
from camera_adapters.stream import Stream, Variant

_HOST = "127.0.0.1"


class _Dialog:
    """Signalling that agrees at once, and never ends."""

    def __init__(self) -> None:
        self.answer = MediaAnswer(_HOST, 0, SSRC, {96: "PS/90000"})

    async def next_event(self) -> DialogEvent:
        await asyncio.Event().wait()
        raise AssertionError

    async def control(self, action: str, **arguments: float | int) -> None:
        raise AssertionError


async def ours(transport: str, count: int, warm_s: float, measure_s: float) -> dict[str, Any]:
    """The gateway's own path: GbSource → Stream, counters read once a second."""
    chosen: MediaTransport = "udp" if transport == "udp" else "tcp_passive"
    pid = os.getpid()
    before_bytes = resident_bytes(pid)
    clock = SteadyClock()
    ports: list[int] = []
    opened = asyncio.Event()

    async def choose() -> MediaTransport:
        return chosen

    @contextlib.asynccontextmanager
    async def dialog(offer: MediaOffer) -> AsyncIterator[_Dialog]:
        ports.append(offer.port)
        if len(ports) == count:
            opened.set()
        yield _Dialog()

    pool = PortPool()
    sources = [
        GbSource(
            f"gb28181://bench/{number}",
            Stream(f"cam_{number}", Variant.MAIN),
            dialog,
            choose,
            MediaPlace(pool, _HOST, _HOST),
            clock=clock,
            silence_s=60.0,
        )
        for number in range(count)
    ]
    for source in sources:
        source.start()
    await opened.wait()
    await asyncio.sleep(0.2)
    print("ports", *ports, flush=True)
    ends = time.monotonic() + 60
    while any(source.state.state != "live" for source in sources):
        if time.monotonic() > ends:
            raise RuntimeError("not all streams came up")
        await asyncio.sleep(0.1)
    await asyncio.sleep(warm_s)
    cpu, wall = cpu_seconds(pid), time.monotonic()
    first = [source.counters for source in sources]
    while time.monotonic() - wall < measure_s:
        await asyncio.sleep(1)
        totals = [source.counters for source in sources]
    cpu, wall = cpu_seconds(pid) - cpu, time.monotonic() - wall
    return {
        "cpu_s": cpu,
        "wall_s": wall,
        "bytes_per_stream": (resident_bytes(pid) - before_bytes) / count,
        "pictures": sum(b.pictures - a.pictures for a, b in zip(first, totals, strict=True)),
        "received_bytes": sum(b.bytes - a.bytes for a, b in zip(first, totals, strict=True)),
        "lost": sum(one.lost + one.damaged + one.malformed for one in totals),
        "reconnects": sum(one.reconnects for one in totals),
    }


class _Payloads:
    """A file of one device's RTP payloads, for PyAV to read; the least that Python can do."""

    def __init__(self, transport: str) -> None:
        kind = socket.SOCK_DGRAM if transport == "udp" else socket.SOCK_STREAM
        self._socket = socket.socket(socket.AF_INET, kind)
        self._socket.bind((_HOST, 0))
        self.port: int = self._socket.getsockname()[1]
        self._tcp = transport == "tcp"
        self._file: Any = None
        if self._tcp:
            self._socket.listen(1)
        else:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 * 1024 * 1024)

    def read(self, size: int) -> bytes:
        """The payloads of one packet or more; PyAV asks for 32 KiB and takes less."""
        if not self._tcp:
            return self._socket.recv(65536)[12:]
        if self._file is None:
            connection, _ = self._socket.accept()
            self._file = connection.makefile("rb", buffering=65536)
        length = int.from_bytes(self._file.read(2), "big")
        return bytes(self._file.read(length)[12:])


def pyav(transport: str, count: int, warm_s: float, measure_s: float) -> dict[str, Any]:
    """One thread per stream, demultiplexed by PyAV."""
    import av

    pictures = [0] * count
    pid = os.getpid()
    before_bytes = resident_bytes(pid)
    files = [_Payloads(transport) for _ in range(count)]

    def demultiplex(number: int) -> None:
        options = {"probesize": "2000000", "analyzeduration": "8000000"}
        with av.open(files[number], mode="r", format="mpeg", options=options) as container:
            for packet in container.demux():
                if packet.size:
                    pictures[number] += 1

    for number in range(count):
        threading.Thread(target=demultiplex, args=(number,), daemon=True).start()
    time.sleep(0.2)
    print("ports", *(one.port for one in files), flush=True)
    ends = time.monotonic() + 60
    while not all(pictures):
        if time.monotonic() > ends:
            raise RuntimeError("not all streams came up")
        time.sleep(0.1)
    time.sleep(warm_s)
    cpu, wall, seen = cpu_seconds(pid), time.monotonic(), sum(pictures)
    time.sleep(measure_s)
    cpu, wall = cpu_seconds(pid) - cpu, time.monotonic() - wall
    return {
        "cpu_s": cpu,
        "wall_s": wall,
        "bytes_per_stream": (resident_bytes(pid) - before_bytes) / count,
        "pictures": sum(pictures) - seen,
    }


def main() -> None:
    """See the module's description."""
    import uvloop

    # As the media shard does: access units live for a GOP, looking for cycles among them is waste.
    gc.set_threshold(20_000, 50, 100)
    kind, transport, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
    warm_s, measure_s = float(sys.argv[4]), float(sys.argv[5])
    if kind == "pyav":
        result = pyav(transport, count, warm_s, measure_s)
    else:
        result = uvloop.run(ours(transport, count, warm_s, measure_s))
    print("figures", json.dumps(result), flush=True)
    os._exit(0)


if __name__ == "__main__":
    main()
