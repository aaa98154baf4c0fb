"""Many RTSP cameras in one cheap process, for ``benchmarks.ingest``.

All cameras send the same pre-made packets of real H.264 (2 Mbit/s, 25 pictures a second), each at
its own phase. ``bursting`` writes a picture at once; ``paced`` spreads its packets over the
picture's time, as cameras with traffic shaping do.

    python -m benchmarks._ingest_sender CLIP.h264 SECONDS paced|bursting   ->  prints its port
"""

from __future__ import annotations

import re
import selectors
import socket
import struct
import sys
import time
from base64 import b64encode
from pathlib import Path

from camera_adapters.codecs import h264
from camera_adapters.codecs.nal import split_annex_b
from camera_adapters.rtp.packetise import TrackPacketiser
from camera_adapters.rtp.rtcp import us_to_ntp
from camera_adapters.stream import AccessUnit, Track

PICTURES_PER_SECOND = 25
_SLICES_OF_TIME = 8
# On a machine too busy to send in time, time stands still rather than hurry afterwards.
_LATENESS_LIMIT_S = 0.2


def read_pictures(path: Path) -> tuple[Track, list[tuple[bool, bytes]]]:
    """The track, and each picture with its keyframe flag; the file has one slice a picture."""
    sets: dict[int, bytes] = {}
    pictures = []
    for unit in split_annex_b(path.read_bytes()):
        kind = unit[0] & 31
        if kind in (7, 8):
            sets[kind] = unit
        elif kind in (1, 5):
            pictures.append((kind == 5, len(unit).to_bytes(4, "big") + unit))
    return h264.track_from_parameter_sets(sets[7], sets[8]), pictures


def make_packets(
    path: Path, seconds: float, pictures_per_second: float = PICTURES_PER_SECOND
) -> tuple[Track, list[tuple[bytes, list[int], int]]]:
    """For each picture of the whole run: its interleaved bytes, packet offsets, timestamp."""
    track, pictures = read_pictures(path)
    packetiser = TrackPacketiser(track, 0, ssrc=7, next_sequence_number=0, timestamp_base=0)
    made = []
    for number in range(int(seconds * pictures_per_second)):
        keyframe, payload = pictures[number % len(pictures)]
        pts = int(number * 90000 / pictures_per_second)
        packets = packetiser.packetise(AccessUnit(0, payload, pts, pts, keyframe, 0))
        made.append((packets.interleaved, packets.offsets, packets.timestamp))
    return track, made


def describe(track: Track) -> str:
    """What a camera answers to DESCRIBE."""
    sps, pps = track.parameter_sets[:2]
    return (
        "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=bench\r\nt=0 0\r\nm=video 0 RTP/AVP 96\r\n"
        "a=rtpmap:96 H264/90000\r\na=control:track1\r\na=fmtp:96 packetization-mode=1;"
        f"sprop-parameter-sets={b64encode(sps).decode()},{b64encode(pps).decode()}\r\n"
    )


class Camera:
    """One connection: answers RTSP until PLAY, then takes pictures."""

    def __init__(self, connection: socket.socket, description: str, phase: float) -> None:
        self.connection = connection
        self.playing = False
        self.number = 0
        self.phase = phase
        self.backlog = b""
        self.aligned = False
        self._description = description

    def answer(self) -> bool:
        """Read and answer requests; False when the client is gone."""
        try:
            return self._answer(self.connection.recv(65536))
        except BlockingIOError:
            return True
        except OSError:
            return False

    def _answer(self, data: bytes) -> bool:
        if not data:
            return False
        for request in re.findall(rb"(\w+) rtsp\S+ RTSP/1.0\r\n(.*?)\r\n\r\n", data, re.DOTALL):
            method, headers = request[0].decode(), request[1].decode()
            sequence = re.search(r"CSeq: *(\d+)", headers, re.IGNORECASE)
            extra, body = "", ""
            if method == "DESCRIBE":
                body = self._description
                extra = f"Content-Type: application/sdp\r\nContent-Length: {len(body)}\r\n"
            elif method == "SETUP":
                extra = "Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\n"
            elif method == "OPTIONS":
                extra = "Public: OPTIONS, DESCRIBE, SETUP, PLAY, GET_PARAMETER\r\n"
            number = sequence[1] if sequence else "0"
            head = f"RTSP/1.0 200 OK\r\nCSeq: {number}\r\nSession: 1;timeout=60\r\n{extra}\r\n"
            self.connection.sendall((head + body).encode())
            if method == "PLAY":
                self.playing = True
                self.connection.setblocking(False)
        return True

    def send(self, data: bytes) -> None:
        """Send, or keep for later what does not fit: a slow reader must not lose bytes."""
        if self.backlog:
            data = self.backlog + data
        try:
            sent = self.connection.send(data)
        except BlockingIOError:
            sent = 0
        except OSError:
            self.playing = False
            return
        self.backlog = data[sent:] if sent < len(data) else b""


def main() -> None:
    """Serve until killed; prints the port, then the bytes sent once a second."""
    path, seconds, paced = Path(sys.argv[1]), float(sys.argv[2]), sys.argv[3] == "paced"
    track, pictures = make_packets(path, seconds)
    description = describe(track)
    listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
    listener.setblocking(False)
    print(listener.getsockname()[1], flush=True)
    selector = selectors.DefaultSelector()
    selector.register(listener, selectors.EVENT_READ)
    cameras: list[Camera] = []
    start = time.monotonic()
    tick_s = 1 / PICTURES_PER_SECOND / _SLICES_OF_TIME
    tick = 0
    while True:
        for key, _ in selector.select(max(0.0, start + tick * tick_s - time.monotonic())):
            if key.data is None:
                connection, _ = listener.accept()
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                camera = Camera(connection, description, 0)
                camera.phase = len(cameras) % _SLICES_OF_TIME
                cameras.append(camera)
                selector.register(connection, selectors.EVENT_READ, camera)
            elif not key.data.answer():
                selector.unregister(key.data.connection)
                key.data.connection.close()
                cameras.remove(key.data)
        late_s = time.monotonic() - start - tick * tick_s
        if late_s < 0:
            continue
        if late_s > _LATENESS_LIMIT_S:
            start += late_s
        tick += 1
        for camera in cameras:
            if camera.playing:
                _send_slice(camera, pictures, tick, paced)


def _send_slice(
    camera: Camera, pictures: list[tuple[bytes, list[int], int]], tick: int, paced: bool
) -> None:
    slot = int(tick + camera.phase) % _SLICES_OF_TIME
    if camera.number >= len(pictures):
        return
    data, offsets, timestamp = pictures[camera.number]
    if not paced:
        if slot == 0:
            camera.send(data)
            finish_picture(camera, timestamp)
        return
    count = len(offsets)
    first, following = count * slot // _SLICES_OF_TIME, count * (slot + 1) // _SLICES_OF_TIME
    if not camera.aligned and slot:
        return
    camera.aligned = True
    if following > first:
        camera.send(data[offsets[first] : offsets[following] if following < count else None])
    if slot == _SLICES_OF_TIME - 1:
        finish_picture(camera, timestamp)


def finish_picture(camera: Camera, timestamp: int) -> None:
    """Count it; a sender report follows the first and then each 125th."""
    camera.number += 1
    if camera.number % (5 * PICTURES_PER_SECOND) == 1:
        report = struct.pack(
            ">BBHIQIII", 0x80, 200, 6, 7, us_to_ntp(time.time_ns() // 1000), timestamp, 0, 0
        )
        camera.send(b"$\x01" + len(report).to_bytes(2, "big") + report)


if __name__ == "__main__":
    main()
