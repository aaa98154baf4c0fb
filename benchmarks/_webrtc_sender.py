"""The measured side of ``benchmarks.webrtc``: the shard's WebRTC output, fed from memory.

    python -m benchmarks._webrtc_sender ours|aiortc|aiortc-relay CLIP CAMERAS SOCKET

``aiortc-relay`` sends on what a peer in another process (``aiortc-source``) sends to it, as aiortc
forwards: decoded once, encoded for each viewer.

CLIP holds the pictures (pickle). Offers come as JSON lines through the Unix socket, answers go
back. On standard input ``watch`` begins to watch the event loop, ``hold`` prints the longest time
it was held since, and the end ends all.
"""

from __future__ import annotations

import asyncio
import gc
import json
import pickle
import sys
import time
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import uvloop

from benchmarks._webrtc_clip import PICTURES_PER_SECOND, units_of
from camera_adapters.stream import AccessUnit, Stream, Track, Variant
from camera_adapters.webrtc.output import WebRtcOutput

_LIMIT = 1 << 20


class Camera:
    """Publishes the clip for ever, at its own phase."""

    def __init__(self, number: int, cameras: int, track: Track, units: list[AccessUnit]) -> None:
        self.stream = Stream(f"camera-{number}", Variant.MAIN)
        self._units = units
        self._loop = asyncio.get_running_loop()
        self._next = 0
        self._start_s = self._loop.time() + number / cameras * 2
        self.stream.start_run((track,))
        self._loop.call_at(self._start_s, self._publish)

    def _publish(self) -> None:
        number = self._next
        self._next += 1
        self._loop.call_at(self._start_s + self._next / PICTURES_PER_SECOND, self._publish)
        pts = number * 90000 // PICTURES_PER_SECOND
        unit = self._units[number % len(self._units)]
        self.stream.publish(replace(unit, pts_90k=pts, dts_90k=pts))


class LoopHold:
    """The longest time between two turns of the event loop, by the wall and by the thread's CPU."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self.wall_s = self.cpu_s = 0.0
        self._due_s = self._loop.time()
        self._cpu_at_s = time.thread_time()
        self._beat()

    def _beat(self) -> None:
        now_s, cpu_s = time.monotonic(), time.thread_time()
        self.wall_s = max(self.wall_s, now_s - self._due_s)
        self.cpu_s = max(self.cpu_s, cpu_s - self._cpu_at_s)
        self._cpu_at_s = cpu_s
        self._due_s = now_s + 0.001
        self._loop.call_later(0.001, self._beat)


async def _serve(answer: Any, path: str) -> None:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while line := await reader.readline():
            writer.write(json.dumps({"answer": await answer(json.loads(line))}).encode() + b"\n")
        writer.close()

    server = await asyncio.start_unix_server(handle, path, limit=_LIMIT)
    print("ready", flush=True)
    loop = asyncio.get_running_loop()
    hold: LoopHold | None = None
    while command := await loop.run_in_executor(None, sys.stdin.readline):
        if command.strip() == "watch":
            hold = LoopHold()
        elif command.strip() == "hold" and hold is not None:
            print(json.dumps({"wall_s": hold.wall_s, "cpu_s": hold.cpu_s}), flush=True)
    server.close()


async def _ours(pictures: list[bytes], cameras: int, path: str) -> None:
    track, units = units_of(pictures)
    output = WebRtcOutput.open()
    playing = [Camera(number, cameras, track, units) for number in range(cameras)]

    async def answer(request: dict[str, Any]) -> str:
        stream = playing[request["number"] % cameras].stream
        return output.answer(stream, request["offer"], on_closed=lambda reason: None)[1]

    await _serve(answer, path)
    output.close()


def _encoded(pictures: list[bytes]) -> Any:
    """A track of the clip for ever, which aiortc does not encode anew."""
    from aiortc.mediastreams import MediaStreamTrack

    class Encoded(MediaStreamTrack):
        """aiortc packetises, encrypts and sends for each of its peers."""

        kind = "video"

        def __init__(self) -> None:
            super().__init__()
            self._next = 0
            self._start_s = time.monotonic()

        async def recv(self) -> Any:
            number = self._next
            self._next += 1
            due_s = self._start_s + number / PICTURES_PER_SECOND
            await asyncio.sleep(max(0.0, due_s - time.monotonic()))
            packet = av.Packet(pictures[number % len(pictures)])
            packet.pts, packet.time_base = number, Fraction(1, PICTURES_PER_SECOND)
            return packet

    return Encoded()


async def _aiortc_source(pictures: list[bytes], path: str) -> None:
    """Sends the clip to the relay at ``path``, until it is ended."""
    from aiortc import RTCConfiguration, RTCPeerConnection, RTCRtpSender, RTCSessionDescription

    peer = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    transceiver = peer.addTransceiver(_encoded(pictures), "sendonly")
    codecs = RTCRtpSender.getCapabilities("video").codecs
    transceiver.setCodecPreferences([one for one in codecs if one.mimeType == "video/H264"])
    await peer.setLocalDescription(await peer.createOffer())
    while not Path(path).exists():  # noqa: ASYNC110, ASYNC240  # the relay is starting
        await asyncio.sleep(0.05)
    reader, writer = await asyncio.open_unix_connection(path, limit=_LIMIT)
    request = {"offer": peer.localDescription.sdp, "publishes": True}
    writer.write(json.dumps(request).encode() + b"\n")
    answer = json.loads(await reader.readline())["answer"]
    await peer.setRemoteDescription(RTCSessionDescription(answer, "answer"))
    await asyncio.Event().wait()


async def _aiortc(pictures: list[bytes], path: str, clip: str | None) -> None:
    """``clip``: of the source that is relayed; without, each viewer is sent the clip."""
    from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription
    from aiortc.contrib.media import MediaRelay

    peers = []
    relay = MediaRelay()
    coming: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

    async def answer(request: dict[str, Any]) -> str:
        peer = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        peers.append(peer)
        if request.get("publishes"):
            peer.on("track", coming.set_result)
        elif clip is not None:
            peer.addTrack(relay.subscribe(await coming))
        else:
            peer.addTrack(_encoded(pictures))
        await peer.setRemoteDescription(RTCSessionDescription(request["offer"], "offer"))
        await peer.setLocalDescription(await peer.createAnswer())
        return str(peer.localDescription.sdp)

    source = None
    if clip is not None:
        source = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "benchmarks._webrtc_sender", "aiortc-source", clip, "1", path
        )
    await _serve(answer, path)
    if source is not None:
        source.terminate()
        await source.wait()
    for peer in peers:
        await peer.close()


def main() -> None:
    """See the module's description."""
    # As the media shard does; both sides are given it.
    gc.set_threshold(20_000, 50, 100)
    gc.freeze()
    side, clip, cameras, path = sys.argv[1:5]
    pictures: list[bytes] = pickle.loads(Path(clip).read_bytes())
    if side == "ours":
        uvloop.run(_ours(pictures, int(cameras), path))
    elif side == "aiortc-source":
        asyncio.run(_aiortc_source(pictures, path))
    else:
        uvloop.run(_aiortc(pictures, path, clip if side == "aiortc-relay" else None))


if __name__ == "__main__":
    main()
