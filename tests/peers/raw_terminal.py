"""A video terminal in the test's hands: every RTP and RTCP packet is made and looked at here.

What it sends are the pictures of :mod:`tests.gateway.meetings.a_shard`, which bear marks.
"""

from __future__ import annotations

import asyncio
import re
import struct
from collections.abc import Callable
from dataclasses import dataclass

from tests.peers.telephone import Telephone

_RTP = struct.Struct(">BBHII")
H264 = 97
FEEDBACK = "a=rtcp-fb:* nack pli\r\na=rtcp-fb:* ccm fir\r\n"


@dataclass(frozen=True, slots=True)
class Packet:
    """One RTP packet that came."""

    payload_type: int
    marker: bool
    sequence: int
    timestamp: int
    ssrc: int
    payload: bytes


class RawTerminal(Telephone):
    """``format`` is the rest of its fmtp line; ``lines`` are more lines of its m=video section."""

    def __init__(
        self,
        name: str,
        exchange_port: int,
        *,
        format: str = "profile-level-id=42e01f;packetization-mode=1;level-asymmetry-allowed=1",
        lines: str = FEEDBACK,
        protocol: str = "RTP/AVP",
    ) -> None:
        super().__init__(name, exchange_port)
        self.format = format
        self.lines = lines
        self.protocol = protocol
        self.pictures_port = 0
        self.with_pictures = True
        self.remote_pictures = 0
        self.pictures: list[Packet] = []
        self.reports: list[bytes] = []
        self._number = 65530
        self._time = 4_294_900_000
        self._changed = asyncio.Event()
        self._filming: asyncio.Task[None] | None = None

    async def open(self) -> None:
        await super().open()
        loop = asyncio.get_running_loop()
        while True:
            self._rtp, _ = await loop.create_datagram_endpoint(
                lambda: _Port(self._take_picture), local_addr=("127.0.0.1", 0)
            )
            self.pictures_port = int(self._rtp.get_extra_info("sockname")[1])
            try:
                self._rtcp, _ = await loop.create_datagram_endpoint(
                    lambda: _Port(self._take_report),
                    local_addr=("127.0.0.1", self.pictures_port + 1),
                )
                return
            except OSError:
                self._rtp.close()

    def close(self) -> None:
        super().close()
        if self._filming is not None:
            self._filming.cancel()
        self._rtp.close()
        self._rtcp.close()

    @property
    def sdp(self) -> str:
        if not self.with_pictures:
            return super().sdp
        return (
            f"{super().sdp}m=video {self.pictures_port} {self.protocol} {H264}\r\n"
            f"a=rtpmap:{H264} H264/90000\r\na=fmtp:{H264} {self.format}\r\n{self.lines}"
        )

    def film(self, picture: Callable[[bool], list[bytes]]) -> None:
        """Send pictures for ever, each tenth a keyframe."""

        async def run() -> None:
            number = 0
            while True:
                self.send(picture(number % 10 == 0))
                number += 1
                await asyncio.sleep(0.03)

        self._filming = asyncio.create_task(run())

    def send(self, payloads: list[bytes], ssrc: int = 4711) -> None:
        """One picture."""
        for index, payload in enumerate(payloads):
            marker = 0x80 if index == len(payloads) - 1 else 0
            head = _RTP.pack(0x80, H264 | marker, self._number & 0xFFFF, self._time, ssrc)
            self._number += 1
            self._rtp.sendto(head + payload, ("127.0.0.1", self.remote_pictures))
        self._time = (self._time + 2700) & 0xFFFFFFFF

    def send_report(self, packet: bytes) -> None:
        """RTCP as it is."""
        self._rtcp.sendto(packet, ("127.0.0.1", self.remote_pictures + 1))

    async def until(self, condition: Callable[[], bool], limit_s: float = 30) -> None:
        """Wait for something to become true by what comes."""
        async with asyncio.timeout(limit_s):
            while not condition():
                self._changed.clear()
                await self._changed.wait()

    def marks(self, since: int = 0) -> set[bytes]:
        """Whose pictures came, by their marks."""
        return {one.payload[2:6] for one in self.pictures[since:] if one.payload[0] & 31 in (1, 5)}

    def _take_picture(self, data: bytes) -> None:
        first, second, sequence, timestamp, ssrc = _RTP.unpack_from(data)
        assert first == 0x80
        packet = Packet(second & 0x7F, second > 0x7F, sequence, timestamp, ssrc, data[12:])
        self.pictures.append(packet)
        self._changed.set()

    def _take_report(self, data: bytes) -> None:
        self.reports.append(data)
        self._changed.set()

    def _take_sdp(self, message: str) -> None:
        super()._take_sdp(message)
        found = re.search(r"m=video (\d+)", self.remote_sdp)
        self.remote_pictures = int(found[1]) if found else 0


class _Port(asyncio.DatagramProtocol):
    def __init__(self, take: Callable[[bytes], None]) -> None:
        self._take = take

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self._take(data)
