"""A real clip played into a Stream at its own pace: a camera without a network.

``read_clip`` demuxes once; ``ClipPlayer`` publishes in real time and loops with time going on.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from dataclasses import dataclass, replace
from pathlib import Path

import av

from camera_adapters.codecs import h264, h265
from camera_adapters.codecs.nal import annex_b_to_payload, split_annex_b
from camera_adapters.stream import AccessUnit, Codec, Stream, Track

_H265_PARAMETER_SETS = (32, 33, 34)


@dataclass(slots=True)
class Clip:
    """A clip's formats and units, in decoding order; ``duration_90k`` is one loop's length."""

    tracks: tuple[Track, ...]
    units: list[AccessUnit]
    duration_90k: int

    def stretched(self, frames_per_second: float) -> Clip:
        """The same pictures at another rate, as if filmed so."""
        step = int(90000 / frames_per_second)
        units = [
            replace(unit, pts_90k=index * step, dts_90k=index * step)
            for index, unit in enumerate(self.units)
        ]
        return Clip(self.tracks, units, len(units) * step)


def read_clip(path: Path, *, seconds: float = 10.0) -> Clip:
    """The video of the first ``seconds``. The clip must have no B-frames."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        codec = Codec.H265 if stream.codec.name == "hevc" else Codec.H264
        bitstream = av.BitStreamFilterContext(
            "hevc_mp4toannexb" if codec is Codec.H265 else "h264_mp4toannexb", stream
        )
        track: Track | None = None
        units: list[AccessUnit] = []
        for packet in container.demux(stream):
            if packet.dts is None:
                continue
            time_90k = int(packet.pts * packet.time_base * 90000)
            if time_90k > seconds * 90000:
                break
            keyframe = packet.is_keyframe  # the filter takes the packet's content away
            for filtered in bitstream.filter(packet):
                data = bytes(filtered)
                if track is None:
                    track = _track(codec, split_annex_b(data))
                payload = annex_b_to_payload(codec, data)
                units.append(AccessUnit(0, payload, time_90k, time_90k, keyframe, 0))
    assert track is not None, f"{path} begins without parameter sets"
    step = units[1].pts_90k - units[0].pts_90k
    return Clip((track,), units, units[-1].pts_90k + step)


def _track(codec: Codec, units: list[bytes]) -> Track:
    if codec is Codec.H264:
        sps, pps = (next(u for u in units if u[0] & 0x1F == kind) for kind in (7, 8))
        return h264.track_from_parameter_sets(sps, pps)
    vps, sps, pps = (
        next(u for u in units if u[0] >> 1 & 0x3F == kind) for kind in _H265_PARAMETER_SETS
    )
    return h265.track_from_parameter_sets(vps, sps, pps)


class ClipPlayer:
    """Publishes ``clip`` into ``stream``, in real time, for ever, until closed.

    ``async with ClipPlayer(stream, clip): ...``
    """

    def __init__(self, stream: Stream, clip: Clip) -> None:
        self._stream = stream
        self._clip = clip
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> ClipPlayer:
        self._stream.start_run(self._clip.tracks)
        self._task = asyncio.create_task(self._play())
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._task is not None
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task

    async def _play(self) -> None:
        loop = asyncio.get_running_loop()
        start_s = loop.time()
        loop_90k = 0
        while True:
            for unit in self._clip.units:
                dts_90k = unit.dts_90k + loop_90k
                await asyncio.sleep(max(0.0, start_s + dts_90k / 90000 - loop.time()))
                self._stream.publish(
                    replace(
                        unit,
                        pts_90k=unit.pts_90k + loop_90k,
                        dts_90k=dts_90k,
                        wall_us=time.time_ns() // 1000,
                    )
                )
            loop_90k += self._clip.duration_90k
