"""A device that sends a clip as a program stream, over and over, to where an INVITE asks for it."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path

from camera_adapters.gb28181.session_description import SessionDescription
from tests.peers.program_streams import RtpCutter, by_gstreamer, framed, pictures_of


class PsSender:
    """Sends at the pace of the clip's own times until it is closed or its receiver goes."""

    def __init__(self, clip: Path) -> None:
        self._pictures = pictures_of(by_gstreamer(clip))
        self._tasks: set[asyncio.Task[None]] = set()
        self.connections = 0

    def start(self, offer: SessionDescription) -> None:
        """Begin as the offer says: UDP, or TCP to a port that is listened on."""
        task = asyncio.create_task(self._send(offer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def close(self) -> None:
        """Send no more."""
        for task in self._tasks:
            task.cancel()

    async def _send(self, offer: SessionDescription) -> None:
        kind = socket.SOCK_STREAM if offer.transport == "tcp" else socket.SOCK_DGRAM
        loop = asyncio.get_running_loop()
        with socket.socket(socket.AF_INET, kind) as own:
            own.setblocking(False)
            await loop.sock_connect(own, (offer.address, offer.port))
            self.connections += 1
            cutter = RtpCutter(ssrc=offer.ssrc or 0)
            began = loop.time()
            turn_90k = 0
            first, last = self._pictures[0][1], self._pictures[-1][1]
            length_90k = last - first + (last - first) // (len(self._pictures) - 1)
            while True:
                for pack, time_90k in self._pictures:
                    at_90k = turn_90k + time_90k - first
                    await asyncio.sleep(max(0.0, began + at_90k / 90_000 - loop.time()))
                    for packet in cutter.packets(pack, at_90k):
                        data = framed(packet) if offer.transport == "tcp" else packet
                        await loop.sock_sendall(own, data)
                turn_90k += length_90k
