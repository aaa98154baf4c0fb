"""Many GB/T 28181 devices in one cheap process, for ``benchmarks.gb28181``.

All send the same pre-made program stream (2 Mbit/s H.264, 25 pictures a second, a map before each
keyframe) in RTP, each at its own phase, a picture's packets in one burst or spread over its time.

    python -m benchmarks._gb28181_sender CLIP.h264 udp|tcp bursting|paced PORT…
"""

from __future__ import annotations

import socket
import struct
import sys
import time
from pathlib import Path

from benchmarks._ingest_sender import PICTURES_PER_SECOND, read_pictures
from camera_adapters.mpeg_ps.multiplex import PsMultiplexer
from camera_adapters.stream import AccessUnit

SSRC = 100_000_001
_PAYLOAD_BYTES = 1400
_SLICES_OF_TIME = 8
_LATENESS_LIMIT_S = 0.2
_LOOP_PICTURES = 250


def make_packets(path: Path) -> list[list[bytes]]:
    """Ten seconds of pictures, each its RTP packets but for sequence number and timestamp."""
    track, pictures = read_pictures(path)
    multiplexer = PsMultiplexer([track])
    made = []
    for number in range(_LOOP_PICTURES):
        keyframe, payload = pictures[number % len(pictures)]
        pts = number * 90000 // PICTURES_PER_SECOND
        data = multiplexer.multiplex(AccessUnit(0, payload, pts, pts, keyframe, 0))
        made.append([data[at : at + _PAYLOAD_BYTES] for at in range(0, len(data), _PAYLOAD_BYTES)])
    return made


class Device:
    """One device."""

    def __init__(self, transport: str, port: int, number: int) -> None:
        kind = socket.SOCK_DGRAM if transport == "udp" else socket.SOCK_STREAM
        self.socket = socket.socket(socket.AF_INET, kind)
        self.socket.connect(("127.0.0.1", port))
        if transport == "tcp":
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.framed = transport == "tcp"
        self.phase = number % _SLICES_OF_TIME
        self.sequence = number * 7
        self.picture = number * 3 % 50

    def send(self, pictures: list[list[bytes]], slot: int, paced: bool) -> None:
        """What is due in this eighth of a picture's time."""
        turn = (slot + self.phase) % _SLICES_OF_TIME
        if not paced and turn:
            return
        payloads = pictures[self.picture % len(pictures)]
        count = len(payloads)
        first, following = 0, count
        if paced:
            first = count * turn // _SLICES_OF_TIME
            following = count * (turn + 1) // _SLICES_OF_TIME
        timestamp = self.picture * 90000 // PICTURES_PER_SECOND & 0xFFFF_FFFF
        pieces = []
        for at in range(first, following):
            payload = payloads[at]
            marker = 0x80 if at == count - 1 else 0
            head = struct.pack(">BBHII", 0x80, 96 | marker, self.sequence & 0xFFFF, timestamp, SSRC)
            self.sequence += 1
            if self.framed:
                pieces += [(12 + len(payload)).to_bytes(2, "big"), head, payload]
            else:
                self.socket.send(head + payload)
        if pieces:
            self.socket.sendall(b"".join(pieces))
        if turn == _SLICES_OF_TIME - 1 or not paced:
            self.picture += 1


def main() -> None:
    """Send until killed."""
    path, transport, paced = Path(sys.argv[1]), sys.argv[2], sys.argv[3] == "paced"
    pictures = make_packets(path)
    devices = [Device(transport, int(port), n) for n, port in enumerate(sys.argv[4:])]
    start = time.monotonic()
    tick_s = 1 / PICTURES_PER_SECOND / _SLICES_OF_TIME
    tick = 0
    while True:
        late_s = time.monotonic() - start - tick * tick_s
        if late_s < 0:
            time.sleep(-late_s)
        elif late_s > _LATENESS_LIMIT_S:
            # On a machine too busy to send in time, time stands still rather than hurry afterwards.
            start += late_s
        tick += 1
        for device in devices:
            try:
                device.send(pictures, tick, paced)
            except ConnectionError:
                return


if __name__ == "__main__":
    main()
