"""Program streams of other people's making, put into RTP as GB/T 28181-2016 Annex C wants it.

ffmpeg and GStreamer make them; neither has an RTP payloader for them, so this one cuts them.
"""

from __future__ import annotations

import asyncio
import socket
import struct
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

_PACK = b"\x00\x00\x01\xba"


def by_ffmpeg(clip: Path, codec: str, form: str = "vob", *more: str) -> bytes:
    """The clip as ffmpeg's program stream: packs of 2,048 bytes, without a map."""
    bits = {"h264": "h264_mp4toannexb", "h265": "hevc_mp4toannexb"}[codec]
    done = subprocess.run(
        [
            *("ffmpeg", "-v", "error", "-i", str(clip), *more, "-c:v", "copy", "-bsf:v", bits),
            *("-f", form, "pipe:1"),
        ],
        capture_output=True,
        check=True,
        timeout=120,
    )
    return done.stdout


def by_gstreamer(clip: Path) -> bytes:
    """The clip as GStreamer's mpegpsmux makes it (H.264 alone): a map, a pack for each picture."""
    done = subprocess.run(
        [
            *("gst-launch-1.0", "-q", "filesrc", f"location={clip}", "!", "qtdemux", "!"),
            *("h264parse", "config-interval=-1", "!"),
            *("video/x-h264,stream-format=byte-stream", "!", "mpegpsmux", "!", "fdsink", "fd=1"),
        ],
        capture_output=True,
        check=True,
        timeout=120,
    )
    return done.stdout


def packs_of(data: bytes) -> list[bytes]:
    """The stream cut before each pack header."""
    starts = []
    at = data.find(_PACK)
    while at >= 0:
        starts.append(at)
        at = data.find(_PACK, at + 4)
    return [data[a:b] for a, b in zip(starts, [*starts[1:], len(data)], strict=True)]


def pictures_of(data: bytes) -> list[tuple[bytes, int]]:
    """A stream of video cut before each picture, as devices send it, with the picture's time.

    For streams whose packets say their lengths, and whose pictures each begin one with a time.
    """
    made: list[tuple[bytes, int]] = []
    start = position = 0
    head = -1
    time: int | None = None
    while position + 6 <= len(data):
        code = data[position + 3]
        length = 14 + (data[position + 13] & 7) if code == 0xBA else 6
        if code != 0xBA:
            length += data[position + 4] << 8 | data[position + 5]
        if code in (0xBA, 0xBB, 0xBC):
            head = position if head < 0 else head
        else:
            if code == 0xE0 and data[position + 7] & 0x80:
                if time is not None:
                    cut = head if head >= 0 else position
                    made.append((data[start:cut], time))
                    start = cut
                value = int.from_bytes(data[position + 9 : position + 14], "big")
                time = (value >> 33 & 7) << 30 | (value >> 17 & 0x7FFF) << 15 | value >> 1 & 0x7FFF
            head = -1
        position += length
    made.append((data[start:], time or 0))
    return made


def clock_of(pack: bytes) -> int:
    """The pack's system clock reference in 90 kHz; for MPEG-1's too."""
    if pack[4] & 0xC0 == 0x40:
        value = int.from_bytes(pack[4:10], "big")
        return (value >> 43 & 7) << 30 | (value >> 27 & 0x7FFF) << 15 | value >> 11 & 0x7FFF
    value = int.from_bytes(pack[4:9], "big")
    return (value >> 33 & 7) << 30 | (value >> 17 & 0x7FFF) << 15 | value >> 1 & 0x7FFF


@dataclass(slots=True)
class RtpCutter:
    """Cuts packs into packets; a marker at each pack's end."""

    ssrc: int = 0x0102030
    sequence: int = 65_500
    payload_type: int = 96
    size: int = 1400

    def packets(self, pack: bytes, timestamp: int) -> list[bytes]:
        """The packets of one pack."""
        made = []
        for start in range(0, len(pack), self.size):
            part = pack[start : start + self.size]
            last = start + self.size >= len(pack)
            head = struct.pack(
                ">BBHII",
                0x80,
                self.payload_type | (0x80 if last else 0),
                self.sequence & 0xFFFF,
                timestamp & 0xFFFF_FFFF,
                self.ssrc,
            )
            self.sequence += 1
            made.append(head + part)
        return made

    def all_packets(self, packs: Iterable[bytes]) -> list[list[bytes]]:
        """The packets of each pack, by its own clock."""
        return [self.packets(pack, clock_of(pack)) for pack in packs]


def framed(packet: bytes, *, interleaved: bool = False) -> bytes:
    """The packet as TCP carries it: RFC 4571's two bytes before it, or RTSP's four."""
    return (b"$\x00" if interleaved else b"") + len(packet).to_bytes(2, "big") + packet


async def send_by_udp(
    groups: list[list[bytes]], target: tuple[str, int], *, sender: socket.socket | None = None
) -> None:
    """Send them all; the receiver is given a turn after each, so that no buffer overflows."""
    own = sender or socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        own.setblocking(False)
        sent = 0
        for group in groups:
            for packet in group:
                own.sendto(packet, target)
                sent += len(packet)
            if sent > 100_000:
                sent = 0
                await asyncio.sleep(0.01)
    finally:
        if sender is None:
            own.close()
