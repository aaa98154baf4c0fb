"""A telephone's ears: the sound slots of its member, whose receiver is a worker."""

from __future__ import annotations

from collections.abc import Callable

from camera_adapters.rtp.group import Group
from camera_adapters.stream import AccessUnit, Codec, Interruption, Track
from camera_adapters.webrtc.conference.source import Source
from camera_adapters.webrtc.fan_out import FanOut
from gateway.meetings.telephone import wire


class Ear:
    """Every frame of the voice goes to the worker, undecoded: ``send`` takes what stands behind the
    token.
    """

    def __init__(self, number: int, send: Callable[[bytes], None]) -> None:
        self.number = number
        self._to_worker = send
        self._feed: Source | FanOut | None = None
        self._camera: _CameraSound | None = None

    @property
    def showing(self) -> Source | FanOut | None:
        """What is heard."""
        return self._feed

    @property
    def wanted(self) -> Source | FanOut | None:
        """What it was told to let be heard: the same, at once."""
        return self._feed

    def show(self, feed: Source | FanOut | None) -> bool:
        """Let this be heard from now on; None: nothing."""
        if feed is self._feed:
            return True
        if isinstance(self._feed, Source):
            self._feed.detach(self._take)
        if self._camera is not None:
            self._camera.close()
            self._camera = None
        self._feed = feed
        self._send(0, b"")
        if isinstance(feed, Source):
            feed.attach(self._take)
        elif feed is not None:
            self._camera = _CameraSound(feed, self._send)
        return True

    def _take(self, group: Group) -> None:
        for payload in group.payloads:
            if payload:
                self._send(group.timestamp, payload)

    def _send(self, timestamp: int, payload: bytes) -> None:
        self._to_worker(wire.heard_frame(self.number, timestamp, payload))


class _CameraSound:
    """The sound of a camera of the gateway that has the floor, where it is Opus. See Sink."""

    def __init__(self, feed: FanOut, send: Callable[[int, bytes], None]) -> None:
        self._stream = feed.stream
        self._send = send
        self._index = -1
        self._stream.attach(self, replay_gop=False)

    def close(self) -> None:
        self._stream.detach(self)

    def on_run_started(self, tracks: tuple[Track, ...]) -> None:
        found = [place for place, one in enumerate(tracks) if one.codec is Codec.OPUS]
        self._index = found[0] if found else -1

    def on_access_unit(self, unit: AccessUnit) -> None:
        if unit.track_index == self._index:
            self._send(unit.pts_90k * 48 // 90, unit.payload)

    def on_interrupted(self, interruption: Interruption) -> None:
        pass

    def on_closed(self) -> None:
        pass
