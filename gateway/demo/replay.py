"""Clips replayed in an endless loop as RTSP cameras, for the demo, the tests and the benchmarks.

What comes out is real RTSP from the project's own server: real time, continuous time stamps across
the loop, sender reports with the wall clock. Faults can be played: silence, refusal, a cut, a
clock that is wrong.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field

from camera_adapters.rtsp.server import Access
from camera_adapters.rtsp.server_transport import RtspServer
from camera_adapters.stream import AccessUnit, Stream, Variant
from gateway.demo.clip import Clip
from gateway.identifiers import now_us


class Replay:
    """Publishes a clip into a Stream in real time, from ``start_s`` in the clip on, for ever.

    While ``silent`` is true nothing is published, as if the camera's encoder hung; time goes on.
    ``clock_ahead_us`` is how far the camera's wall clock is wrong.
    """

    def __init__(self, stream: Stream, clip: Clip, *, start_s: float = 0.0) -> None:
        self.stream = stream
        self.silent = False
        self.clock_ahead_us = 0
        self._clip = clip
        self._index = clip.from_keyframe(start_s)
        # Added to the clip's times: the run begins at 0 with the first unit.
        self._shift_90k = -clip.units[self._index].dts_90k
        self._loop = asyncio.get_running_loop()
        self._start_s = 0.0
        self._start_us = 0
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Begin the run now."""
        self._start_s = self._loop.time()
        self._start_us = now_us()
        self.stream.start_run(self._clip.tracks)
        self._publish_due()

    def stop(self) -> None:
        """Publish no more. The Stream stays as it is."""
        if self._timer is not None:
            self._timer.cancel()

    def _publish_due(self) -> None:
        units, duration_90k = self._clip.units, self._clip.duration_90k
        now_90k = (self._loop.time() - self._start_s) * 90000
        while True:
            unit = units[self._index]
            dts_90k = unit.dts_90k + self._shift_90k
            if dts_90k > now_90k:
                break
            if not self.silent:
                self._publish(unit)
            self._index += 1
            if self._index == len(units):
                self._index = 0
                self._shift_90k += duration_90k
        due_s = self._start_s + dts_90k / 90000
        self._timer = self._loop.call_at(due_s, self._publish_due)

    def _publish(self, unit: AccessUnit) -> None:
        pts_90k = unit.pts_90k + self._shift_90k
        self.stream.publish(
            AccessUnit(
                unit.track_index,
                unit.payload,
                pts_90k,
                unit.dts_90k + self._shift_90k,
                unit.keyframe,
                self._start_us + pts_90k * 100 // 9 + self.clock_ahead_us,
            )
        )


@dataclass(slots=True)
class _Camera:
    stream: Stream
    passwords: Mapping[str, str] | None
    refused: bool = False


@dataclass(slots=True)
class ReplayServer:
    """RTSP cameras by name on one port: ``rtsp://ADDRESS:PORT/NAME``.

    Names may share a Replay: it is then packetised once, so that hundreds of cameras cost little.
    A stopped server can be started again, on the same port.
    """

    address: str = "127.0.0.1"
    port: int = 0
    replay_gop: bool = False
    _clock_ahead_us: int = 0
    _cameras: dict[str, _Camera] = field(default_factory=dict)
    _replays: list[Replay] = field(default_factory=list)
    _server: RtspServer | None = None

    def add(
        self,
        name: str,
        clip: Clip,
        *,
        start_s: float = 0.0,
        passwords: Mapping[str, str] | None = None,
    ) -> Replay:
        """A camera that replays ``clip``, already running. ``passwords``: user → password."""
        replay = Replay(Stream(name, Variant.MAIN), clip, start_s=start_s)
        self._replays.append(replay)
        replay.start()
        self.add_stream(name, replay.stream, passwords=passwords)
        return replay

    def add_stream(
        self, name: str, stream: Stream, *, passwords: Mapping[str, str] | None = None
    ) -> None:
        """A camera that shows a Stream which somebody else feeds."""
        self._cameras[name] = _Camera(stream, passwords)

    def url(self, name: str) -> str:
        """The camera's address, once the server was started."""
        return f"rtsp://{self.address}:{self.port}/{name}"

    @property
    def session_count(self) -> int:
        """How many clients play now."""
        return self._server.session_count if self._server is not None else 0

    async def start(self) -> None:
        """Listen. Raises OSError."""
        self._server = RtspServer(
            self._find,
            self._open,
            replay_gop=self.replay_gop,
            utc_us=lambda: now_us() + self._clock_ahead_us,
        )
        await self._server.start(self.address, self.port)
        self.port = self._server.port

    async def stop(self) -> None:
        """Cut every connection and listen no more: the cameras lost their network."""
        if self._server is not None:
            await self._server.stop()
            self._server = None

    async def close(self) -> None:
        """Stop for good, replays included."""
        for replay in self._replays:
            replay.stop()
        await self.stop()

    def cut(self, name: str) -> None:
        """Close the connections of one camera; it can be connected to again at once."""
        if self._server is not None:
            self._server.close_sessions(lambda access: access.name == name)

    def refuse(self, name: str, refused: bool = True) -> None:
        """Answer 404 to new connections of one camera, or stop doing so."""
        self._cameras[name].refused = refused

    def step_clock(self, ahead_us: int) -> None:
        """From now on the cameras' clocks are this far ahead of the truth."""
        self._clock_ahead_us = ahead_us
        for replay in self._replays:
            replay.clock_ahead_us = ahead_us

    def _find(self, path: str, token: str | None, peer_address: str) -> Access | None:
        camera = self._cameras.get(path)
        if camera is None or camera.refused:
            return None
        return Access(path, camera.passwords)

    async def _open(self, access: Access) -> Stream:
        return self._cameras[access.name].stream
