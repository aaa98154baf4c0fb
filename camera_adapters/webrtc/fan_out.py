"""One Stream's pictures on their way to all its WebRTC viewers: packetised once, kept for a GOP."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import structlog

from camera_adapters.codecs import CodecError
from camera_adapters.stream import AccessUnit, Codec, Interruption, Stream, Track
from camera_adapters.webrtc.batch_log import BatchLog
from camera_adapters.webrtc.distribution import AUDIO, VIDEO, Distribution
from camera_adapters.webrtc.packetise import can_carry, packetise
from camera_adapters.webrtc.wheel import Wheel

_log = structlog.get_logger(__name__)


class FanOut:
    """A Sink that turns units into batches for its :class:`Distribution`.

    Time goes on across runs: a camera that comes back continues the distribution's line. A run that
    the viewers cannot play closes them with ``codec_changed`` or ``has_b_frames``: they come back
    with a new offer. ``claims`` counts the viewers that are here or connecting, for the owner.
    ``tracks`` is what the run has for them, as :func:`carried_tracks` gives it; replaced, never
    changed.
    """

    def __init__(self, stream: Stream, wheel: Wheel) -> None:
        self.stream = stream
        log = BatchLog(stream.gop_bytes_limit)
        self.distribution = Distribution(log, wheel, stream.want_keyframe)
        self.claims = 0
        self._loop = asyncio.get_running_loop()
        self.tracks: dict[int, tuple[int, Track]] = {}
        self._by_position: dict[int, tuple[int, Track]] = {}
        self._run_offset_90k: int | None = None
        self._bad_units = 0
        stream.attach(self)

    def codec_of(self, kind: str) -> Codec | None:
        """What a slot of a meeting would be sent of this kind now; None: nothing that it could
        show."""
        _, track = self.tracks.get(VIDEO if kind == "video" else AUDIO, (0, None))
        return None if track is None or track.reorder_depth > 0 else track.codec

    def want_keyframe(self) -> None:
        """Somebody needs one."""
        self.stream.want_keyframe()

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
        self.distribution.log.clear()
        if reason is not None:
            self.distribution.close(reason)

    def on_access_unit(self, unit: AccessUnit) -> None:
        """See Sink."""
        carried = self._by_position.get(unit.track_index)
        if carried is None:
            return
        index, track = carried
        now_s = self._loop.time()
        if self._run_offset_90k is None:
            self._run_offset_90k = self.distribution.now_90k(now_s) - unit.pts_90k
        time_90k = unit.pts_90k + self._run_offset_90k
        try:
            batches = packetise(track, index, unit, time_90k)
        except (CodecError, ValueError) as error:
            self._bad_unit(error)
            return
        if index == VIDEO:
            self.distribution.note_time(time_90k, now_s)
        for batch in batches:
            self.distribution.append(batch)
        self.distribution.send()

    def on_interrupted(self, interruption: Interruption) -> None:
        """See Sink. Viewers stay: the camera may be back in a second."""
        self.distribution.log.clear()

    def on_closed(self) -> None:
        """See Sink."""
        self.distribution.close("stream_closed")

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
