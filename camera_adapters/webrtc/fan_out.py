"""One Stream's pictures on their way to all its WebRTC viewers: packetised once, kept for a GOP."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Protocol

import structlog

from camera_adapters.codecs import CodecError
from camera_adapters.stream import AccessUnit, Interruption, Stream, Track
from camera_adapters.webrtc.packet_batch import PacketBatch
from camera_adapters.webrtc.packetise import can_carry, packetise
from camera_adapters.webrtc.wheel import Paced, Wheel

_log = structlog.get_logger(__name__)

VIDEO, AUDIO = 0, 1
"""The ``track_index`` of batches: every viewer has at most one RTP stream of each."""


class Watcher(Paced, Protocol):
    """What a FanOut knows of a viewer."""

    def close(self, reason: str) -> None:
        """End it."""


class BatchLog:
    """The batches since the last keyframe, numbered on for ever.

    ``first`` is the number of ``batches[0]``, ``end`` the number the next one gets. ``joinable``:
    the log begins with a keyframe, so that a decoder can start there.
    """

    __slots__ = ("batches", "end", "first", "joinable", "size", "size_limit")

    def __init__(self, size_limit: int) -> None:
        self.batches: list[PacketBatch] = []
        self.first = 0
        self.end = 0
        self.size = 0
        self.size_limit = size_limit
        self.joinable = False

    def append(self, batch: PacketBatch) -> None:
        """Add the next batch; a keyframe starts the log anew, and so does outgrowing the limit."""
        if batch.keyframe:
            self.clear()
            self.joinable = True
        elif self.size + batch.size > self.size_limit:
            self.clear()
        self.batches.append(batch)
        self.size += batch.size
        self.end += 1

    def clear(self) -> None:
        """Forget the batches; numbers go on."""
        self.batches = []
        self.first = self.end
        self.size = 0
        self.joinable = False


class FanOut:
    """A Sink that turns units into batches and wakes the viewers.

    Time goes on across runs: ``now_90k`` is the line on which batches are stamped, and a camera
    that comes back continues it. A run that the viewers cannot play closes them with
    ``codec_changed`` or ``has_b_frames``: they come back with a new offer. ``claims`` counts the
    viewers that are here or connecting, for the owner. ``tracks`` is what the run has for them, as
    :func:`carried_tracks` gives it; replaced, never changed.
    """

    def __init__(self, stream: Stream, wheel: Wheel) -> None:
        self.stream = stream
        self.viewers: list[Watcher] = []
        self.log = BatchLog(stream.gop_bytes_limit)
        self.claims = 0
        self._wheel = wheel
        self._loop = asyncio.get_running_loop()
        self.tracks: dict[int, tuple[int, Track]] = {}
        self._by_position: dict[int, tuple[int, Track]] = {}
        self._run_offset_90k: int | None = None
        self._newest_90k = 0
        self._newest_at_s = self._loop.time()
        self._bad_units = 0
        stream.attach(self)

    def add(self, viewer: Watcher) -> None:
        """The viewer is ready for pictures, and given those of the log."""
        self.viewers = [*self.viewers, viewer]
        if self.log.batches:
            self._wheel.wake((viewer,))

    def remove(self, viewer: Watcher) -> None:
        """The viewer is gone."""
        self.viewers = [one for one in self.viewers if one is not viewer]

    def wake(self, viewer: Watcher) -> None:
        """The viewer has moved its place in the log."""
        self._wheel.wake((viewer,))

    def now_s(self) -> float:
        """The event loop's clock."""
        return self._loop.time()

    def now_90k(self, now_s: float) -> int:
        """Where the live picture's time line stands at the event loop's ``now_s``."""
        return self._newest_90k + int((now_s - self._newest_at_s) * 90000)

    def close(self) -> None:
        """Leave the Stream; the viewers stay with their owner."""
        self.stream.detach(self)

    def on_run_started(self, tracks: tuple[Track, ...]) -> None:
        """See Sink."""
        carried = carried_tracks(tracks)
        reason = why_not_continued(self.tracks, carried)
        self.tracks = carried
        self._by_position = {
            position: (index, track) for index, (position, track) in carried.items()
        }
        self._run_offset_90k = None
        self.log.clear()
        if reason is not None:
            self._close_viewers(reason)

    def on_access_unit(self, unit: AccessUnit) -> None:
        """See Sink."""
        carried = self._by_position.get(unit.track_index)
        if carried is None:
            return
        index, track = carried
        now_s = self._loop.time()
        if self._run_offset_90k is None:
            self._run_offset_90k = self.now_90k(now_s) - unit.pts_90k
        time_90k = unit.pts_90k + self._run_offset_90k
        try:
            batches = packetise(track, index, unit, time_90k)
        except (CodecError, ValueError) as error:
            self._bad_unit(error)
            return
        if index == VIDEO:
            self._newest_90k = time_90k
            self._newest_at_s = now_s
        for batch in batches:
            self.log.append(batch)
        if self.viewers:
            self._wheel.wake(self.viewers)

    def on_interrupted(self, interruption: Interruption) -> None:
        """See Sink. Viewers stay: the camera may be back in a second."""
        self.log.clear()

    def on_closed(self) -> None:
        """See Sink."""
        self._close_viewers("stream_closed")

    def _close_viewers(self, reason: str) -> None:
        for viewer in self.viewers:
            viewer.close(reason)

    def _bad_unit(self, error: Exception) -> None:
        self._bad_units += 1
        # Powers of two: the first is told at once, a flood does not fill the log.
        if self._bad_units & (self._bad_units - 1) == 0:
            _log.warning(
                "a unit could not be sent by WebRTC",
                camera=self.stream.camera_id,
                variant=str(self.stream.variant),
                detail=str(error),
                so_far=self._bad_units,
            )


def carried_tracks(tracks: Sequence[Track]) -> dict[int, tuple[int, Track]]:
    """The Stream's first video and first audio track that WebRTC can carry: VIDEO or AUDIO →
    (position, Track)."""
    carried: dict[int, tuple[int, Track]] = {}
    for position, track in enumerate(tracks):
        index = VIDEO if track.kind == "video" else AUDIO
        if index not in carried and can_carry(track):
            carried[index] = (position, track)
    return carried


def why_not_continued(
    before: dict[int, tuple[int, Track]], now: dict[int, tuple[int, Track]]
) -> str | None:
    """Why a peer that was promised the tracks of ``before`` cannot be given those of ``now``."""
    if VIDEO in now and now[VIDEO][1].reorder_depth > 0:
        return "has_b_frames"
    for index, (_, track) in before.items():
        if index not in now:
            return "codec_changed"
        other = now[index][1]
        if (track.codec, track.clock_rate) != (other.codec, other.clock_rate):
            return "codec_changed"
    return None
