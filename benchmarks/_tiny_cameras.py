"""Thousands of RTSP cameras in one cheap process.

Each sends real H.264, of 64 x 64 pixels unless told otherwise, few pictures a second, at a time of
its own: what it costs to have a camera is there, what it costs to carry its pictures is not.

    python -m benchmarks._tiny_cameras CLIP.h264 SECONDS PICTURE_SECONDS   ->  prints its port
"""

from __future__ import annotations

import contextlib
import selectors
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks._ingest_sender import Camera, describe, finish_picture, make_packets
from gateway.cluster.child import raise_descriptor_limit

KEYFRAME_EVERY = 10
_SLOTS_PER_PICTURE = 100
# On a machine too busy to send in time, time stands still rather than hurry afterwards.
_LATENESS_LIMIT_S = 0.2
_BACKLOG = 4096
_SECONDS = 3600.0


def make_clip(folder: Path, size: str = "64x64") -> Path:
    """Ten pictures of ``size`` pixels, the first a keyframe, one slice each."""
    path = folder / f"tiny-{size}.h264"
    if path.exists():
        return path
    source = ["-f", "lavfi", "-i", f"testsrc2=size={size}:rate=10", "-t", "1"]
    x264 = f"keyint={KEYFRAME_EVERY}:scenecut=0:bframes=0:slices=1:threads=1:sliced-threads=0"
    codec = ["-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p"]
    command = ["ffmpeg", "-v", "error", *source, *codec, "-x264-params", x264, str(path)]
    subprocess.run(command, check=True)
    return path


@contextlib.contextmanager
def tiny_cameras(folder: Path, picture_s: float, size: str = "64x64") -> Iterator[int]:
    """The cameras, at ``rtsp://127.0.0.1:PORT/ANYTHING``, with a picture each ``picture_s``; gives
    their port.
    """
    module = [sys.executable, "-m", "benchmarks._tiny_cameras", str(make_clip(folder, size))]
    process = subprocess.Popen(
        [*module, str(_SECONDS), str(picture_s)], stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        yield int(process.stdout.readline())
    finally:
        process.kill()
        process.wait()


def main() -> None:
    """Serve until killed; prints the port."""
    path, seconds, picture_s = Path(sys.argv[1]), float(sys.argv[2]), float(sys.argv[3])
    raise_descriptor_limit()
    track, pictures = make_packets(path, seconds, 1 / picture_s)
    description = describe(track)
    listener = socket.create_server(("127.0.0.1", 0), backlog=_BACKLOG)
    listener.setblocking(False)
    print(listener.getsockname()[1], flush=True)
    selector = selectors.DefaultSelector()
    selector.register(listener, selectors.EVENT_READ)
    # Each camera has the slot in which it sends.
    slots: list[set[Camera]] = [set() for _ in range(_SLOTS_PER_PICTURE)]
    slot_s = picture_s / _SLOTS_PER_PICTURE
    accepted = turn = 0
    start_s = time.monotonic()
    while True:
        for key, _ in selector.select(max(0.0, start_s + turn * slot_s - time.monotonic())):
            if key.data is None:
                for connection in _accept(listener):
                    camera = Camera(connection, description, accepted % _SLOTS_PER_PICTURE)
                    accepted += 1
                    slots[int(camera.phase)].add(camera)
                    selector.register(connection, selectors.EVENT_READ, camera)
            elif not key.data.answer():
                selector.unregister(key.data.connection)
                key.data.connection.close()
                slots[int(key.data.phase)].discard(key.data)
        late_s = time.monotonic() - start_s - turn * slot_s
        if late_s < 0:
            continue
        if late_s > _LATENESS_LIMIT_S:
            start_s += late_s
        for camera in slots[turn % _SLOTS_PER_PICTURE]:
            if camera.playing and camera.number < len(pictures):
                data, _, timestamp = pictures[camera.number]
                camera.send(data)
                finish_picture(camera, timestamp)
        turn += 1


def _accept(listener: socket.socket) -> Iterator[socket.socket]:
    with contextlib.suppress(BlockingIOError):
        while True:
            connection, _ = listener.accept()
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            yield connection


if __name__ == "__main__":
    main()
