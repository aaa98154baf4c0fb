"""One Stream's pictures on their way to all its WebRTC viewers: packetised once, kept for a GOP."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Protocol

import structlog

from camera_adapters.codecs import CodecError
from camera_adapters.stream import AccessUnit, Interruption, Stream, Track
from camera_adapters.webrtc.batch_log import BatchLog
from camera_adapters.webrtc.cohort import Cohort, Member, key_of
from camera_adapters.webrtc.ice_lite import Address
from camera_adapters.webrtc.packet_batch import Scratch
from camera_adapters.webrtc.packetise import can_carry, packetise
from camera_adapters.webrtc.udp_mux import UdpSocket
from camera_adapters.webrtc.wheel import Paced, Wheel

_log = structlog.get_logger(__name__)

VIDEO, AUDIO = 0, 1
"""The ``track_index`` of batches: every viewer has at most one RTP stream of each."""


class Watcher(Paced, Member, Protocol):
    """What a FanOut knows of a viewer."""


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
        # Who is sent to: the cohorts, and the viewers that are in none.
        self._cohorts: list[Cohort] = []
        self._apart: list[Watcher] = []
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
        self._apart = [*self._apart, viewer]
        if self.log.batches:
            self._wheel.wake((viewer,))

    def remove(self, viewer: Watcher) -> None:
        """The viewer is gone."""
        self.leave_cohort(viewer)
        self.viewers = [one for one in self.viewers if one is not viewer]
        self._apart = [one for one in self._apart if one is not viewer]

    def join_cohort(
        self, viewer: Watcher, path: tuple[UdpSocket, Address], scratch: Scratch
    ) -> None:
        """The viewer has sent everything in the log: from now on a cohort sends for it."""
        port, address = path
        if not port.offload:
            return
        key = key_of(viewer.outgoing, port)
        end = self.log.end
        for cohort in self._cohorts:
            if cohort.key == key and cohort.has_room_at(end):
                break
        else:
            cohort = Cohort(key, port, self.log, scratch)
            self._cohorts = [*self._cohorts, cohort]
        cohort.join(viewer, address)
        self._apart = [one for one in self._apart if one is not viewer]

    def leave_cohort(self, viewer: Watcher) -> None:
        """The viewer sends for itself again, if it does not already."""
        cohort = viewer.cohort
        if cohort is None:
            return
        cohort.leave(viewer)
        self.note_apart(viewer)

    def note_apart(self, viewer: Watcher) -> None:
        """The viewer is in a cohort no more."""
        self._apart = [*self._apart, viewer]
        self._cohorts = [one for one in self._cohorts if one.members]

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
        if self._cohorts:
            self._wheel.wake(self._cohorts)
        if self._apart:
            self._wheel.wake(self._apart)

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
