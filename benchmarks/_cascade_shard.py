"""The measured sides of ``benchmarks.cascade``: a shard that owns cameras, and one that shows them.

    python -m benchmarks._cascade_shard owner CLIP CAMERAS FOLDER
    python -m benchmarks._cascade_shard NAME CLIP CAMERAS FOLDER

The owner's cameras are fed from memory and answer through a real control channel in FOLDER. The
other takes all of them by relays, and shows them by WebRTC to whom ``FOLDER/NAME.offers`` brings:
JSON lines with offers, as in ``_webrtc_sender``. Both end with their standard input.
"""

from __future__ import annotations

import asyncio
import gc
import json
import pickle
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

import uvloop

from benchmarks._webrtc_clip import units_of
from benchmarks._webrtc_sender import Camera
from camera_adapters.stream import AccessUnit, Interruption, Stream, Track, Variant
from camera_adapters.webrtc.output import WebRtcOutput
from gateway.control.channel import ControlClient, ControlServer
from gateway.live.waiting import keyframe_comes
from gateway.masks import Polygons
from gateway.relay.receiving import Relays
from gateway.relay.sending import RelaySending
from gateway.shard.shard import MediaShard

OWNER = "owner"
_SECRET = bytes(32)
_LIMIT = 1 << 20


class _NoMasks:
    def masks(self, camera_id: str) -> Polygons:
        return ()


class _Cameras(MediaShard):
    """The Streams of a shard without what pulls and records them."""

    def __init__(self, playing: list[Camera]) -> None:
        self.derived = _NoMasks()  # type: ignore[assignment]
        self._streams = {one.stream.camera_id: one.stream for one in playing}

    def stream(self, camera_id: str, variant: Variant, made_from: Variant = Variant.MAIN) -> Stream:
        return self._streams[camera_id]


class _Kept:
    """A sink that keeps a relay open where nobody watches."""

    def on_run_started(self, tracks: tuple[Track, ...]) -> None:
        return

    def on_access_unit(self, unit: AccessUnit) -> None:
        return

    def on_interrupted(self, interruption: Interruption) -> None:
        return

    def on_closed(self) -> None:
        return


async def _nothing() -> None:
    return


async def _until_input_ends() -> None:
    print("ready", flush=True)
    loop = asyncio.get_running_loop()
    while await loop.run_in_executor(None, sys.stdin.readline):
        continue


async def _own(pictures: list[bytes], cameras: int, folder: Path) -> None:
    track, units = units_of(pictures)
    playing = [Camera(number, cameras, track, units) for number in range(cameras)]
    sending = RelaySending(_Cameras(playing), _nothing)
    server = ControlServer(folder / f"{OWNER}.sock", _SECRET, sending.calls())
    await server.start()
    await _until_input_ends()
    await server.close()


async def _show(name: str, cameras: int, folder: Path) -> None:
    async def owners(camera_ids: Iterable[str]) -> Mapping[str, str]:
        return dict.fromkeys(camera_ids, OWNER)

    relays = Relays(
        name,
        _Cameras([]),
        owners,
        lambda peer: ControlClient(folder / f"{peer}.sock", _SECRET),
        _nothing,
    )
    output = WebRtcOutput.open()
    streams = [relays.stream(f"camera-{number}", Variant.MAIN) for number in range(cameras)]
    for stream in streams:
        stream.attach(_Kept())
    for stream in streams:
        await keyframe_comes(stream, 20)

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while line := await reader.readline():
            request = json.loads(line)
            stream = streams[request["number"] % cameras]
            answer = output.answer(stream, request["offer"], on_closed=lambda reason: None)[1]
            writer.write(json.dumps({"answer": answer}).encode() + b"\n")
        writer.close()

    server = await asyncio.start_unix_server(handle, folder / f"{name}.offers", limit=_LIMIT)
    await _until_input_ends()
    server.close()
    output.close()
    await relays.close()


def main() -> None:
    """See the module's description."""
    # As the media shard does.
    gc.set_threshold(20_000, 50, 100)
    gc.freeze()
    name, clip, cameras, folder = sys.argv[1:5]
    if name == OWNER:
        pictures: list[bytes] = pickle.loads(Path(clip).read_bytes())
        uvloop.run(_own(pictures, int(cameras), Path(folder)))
    else:
        uvloop.run(_show(name, int(cameras), Path(folder)))


if __name__ == "__main__":
    main()
