"""The other side of ``benchmarks.sources``: ``python -m benchmarks._sources_sender FILE`` serves an
FLV file in real time to whoever asks.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

_STEP_S = 0.04
_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: video/x-flv\r\nConnection: close\r\n\r\n"


def cut(data: bytes) -> tuple[bytes, list[bytes]]:
    """The beginning (header and formats), and what belongs to each 40 ms behind it."""
    position, steps = 13, []
    step, current, beginning = 0.0, bytearray(), bytearray(data[:13])
    while position + 11 <= len(data):
        size = int.from_bytes(data[position + 1 : position + 4], "big")
        time_ms = int.from_bytes(data[position + 4 : position + 7], "big")
        time_ms |= data[position + 7] << 24
        whole = data[position : position + 15 + size]
        position += len(whole)
        body = whole[11:]
        if whole[0] == 18 or body[1:2] == b"\x00":
            beginning += whole
            continue
        while time_ms >= step + 40:
            steps.append(bytes(current))
            current.clear()
            step += 40
        current += whole
    return bytes(beginning), steps


async def main(beginning: bytes, steps: list[bytes]) -> None:
    """Serve until killed; prints the port."""
    loop = asyncio.get_running_loop()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(_HEAD + beginning)
        start_s = loop.time()
        for number, step in enumerate(steps):
            await asyncio.sleep(max(0.0, start_s + number * _STEP_S - loop.time()))
            writer.write(step)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(*cut(Path(sys.argv[1]).read_bytes())))
