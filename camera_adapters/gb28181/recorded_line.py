"""Pictures of a recording put where they were recorded: the start of the range plus media time.

A device's playback carries no wall clock (GB/T 28181-2016 §9.8); what is known is where the range
begins, where a seek went, and how far the pictures are apart.
"""

from __future__ import annotations

from camera_adapters.rtp.clocks import CameraClock
from camera_adapters.rtp.pictures import Picture
from camera_adapters.stream import Codec, Stream, Track
from camera_adapters.stream_runs import RunCounters, StreamRuns

# A leap of the media time that is no frame distance: a gap in the recording, or a new beginning.
_LEAP_90K = 90_000
# A gap further than this is none: the times are another session's.
_GAP_LIMIT_US = 24 * 3600 * 1_000_000
# Behind a seek, pictures that are still on their way go on in their old time.
_SEEK_PATIENCE_US = 2_000_000
# Behind a longer gap a new run begins.
_RUN_GAP_US = 5_000_000
# How long the pace is watched, to see whether times stretch with the speed.
_PACE_US = 2_000_000


class RecordedLine:
    """Feeds ``stream`` from one playback or download that begins at ``start_us``.

    A :class:`~camera_adapters.mpeg_ps.ingest.PictureTaker`. ``position_us`` is the newest
    picture's place. :meth:`seek` and :meth:`scale` are called when the device was told.
    """

    def __init__(self, stream: Stream, start_us: int) -> None:
        self.position_us = start_us
        self._stream = stream
        self._codec = Codec.H264
        self._runs = StreamRuns(stream, self._codec, CameraClock())
        self.counters: RunCounters = self._runs.counters
        self._anchor_us = start_us
        self._anchor_90k: int | None = None
        self._last_90k = 0
        self._step_90k = 3600
        self._last_arrival_us = 0
        self._sought_us: int | None = None
        self._sought_since_us: int | None = None
        self._scale = 1.0
        self._factor = 1.0
        self._pace_from: tuple[int, int] | None = None

    @property
    def video_track(self) -> Track | None:
        """The format of the pictures, once it is known."""
        return self._runs.video_track

    @property
    def running(self) -> bool:
        """Whether a run is under way."""
        return self._runs.running

    def coded(self, codec: Codec, picture: Picture, pts_90k: int, arrival_us: int) -> None:
        """See :class:`~camera_adapters.mpeg_ps.ingest.PictureTaker`."""
        if picture.damaged:
            self._runs.drop(picture.keyframe)
            return
        if codec is not self._codec:
            self._codec = codec
            self._runs.change_codec(codec)
        if self._sought_us is not None and not self._arrives(picture, pts_90k, arrival_us):
            return
        if self._anchor_90k is None:
            self._anchor_90k = pts_90k
        elif abs(pts_90k - self._last_90k) > _LEAP_90K:
            self._leap(pts_90k)
        else:
            self._step_90k = max(pts_90k - self._last_90k, 1)
            self._watch_pace(pts_90k, arrival_us)
        self._last_90k = pts_90k
        self._last_arrival_us = arrival_us
        line_us = self._line_us(pts_90k)
        self.position_us = max(self.position_us, line_us)
        self._runs.picture(picture, line_us)

    def sound(self, track: Track, payload: bytes, pts_90k: int, arrival_us: int) -> None:
        """See :class:`~camera_adapters.mpeg_ps.ingest.PictureTaker`; only at the pace of time."""
        if self._anchor_90k is None or self._sought_us is not None or self._scale != 1.0:
            return
        if self._runs.audio_tracks != (track,):
            self._runs.change_audio((track,))
        if abs(pts_90k - self._last_90k) < 10 * _LEAP_90K:
            self._runs.sound(payload, self._line_us(pts_90k))

    def note_report(self, pts_90k: int, our_us: int) -> None:
        """A report says when it was sent, not when it was recorded: of no use here."""

    def restart_clock(self) -> None:
        """The next time has no relation to the last: it goes on one picture later."""
        if self._anchor_90k is not None:
            self._anchor_us = self.position_us + self._step_90k * 100 // 9
            self._anchor_90k = None

    def seek(self, to_us: int) -> None:
        """The device was told to go on at ``to_us``: the first new keyframe is there."""
        self._sought_us = to_us
        self._sought_since_us = None
        self._runs.close()
        old = self._runs
        self._runs = StreamRuns(
            self._stream, self._codec, CameraClock(), audio_tracks=old.audio_tracks
        )
        self._runs.counters = old.counters

    def scale(self, scale: float) -> None:
        """The device was told to play so many times as fast."""
        if self._anchor_90k is not None:
            self._anchor_us = self._line_us(self._last_90k)
            self._anchor_90k = self._last_90k
        self._scale = scale
        self._factor = 1.0
        self._pace_from = None

    def close(self) -> None:
        """Nothing more comes."""
        self._runs.close()

    def _line_us(self, pts_90k: int) -> int:
        assert self._anchor_90k is not None
        return self._anchor_us + round((pts_90k - self._anchor_90k) * self._factor * 100 / 9)

    def _arrives(self, picture: Picture, pts_90k: int, arrival_us: int) -> bool:
        """Whether this is the first picture from where the seek went."""
        if self._sought_since_us is None:
            self._sought_since_us = arrival_us
        leaps = abs(pts_90k - self._last_90k) > _LEAP_90K
        waited = arrival_us - self._sought_since_us > _SEEK_PATIENCE_US
        if not picture.keyframe or not (leaps or waited):
            if not leaps:
                self._last_90k = pts_90k
            return False
        assert self._sought_us is not None
        self._anchor_us = self.position_us = self._sought_us
        self._anchor_90k = self._last_90k = pts_90k
        self._sought_us = None
        self._pace_from = None
        return True

    def _leap(self, pts_90k: int) -> None:
        """Forward within reason, the device recorded nothing in between; else its count is new."""
        gap_us = (pts_90k - self._last_90k) * 100 // 9
        if not 0 < gap_us < _GAP_LIMIT_US:
            self._anchor_us = self._line_us(self._last_90k) + self._step_90k * 100 // 9
            self._anchor_90k = pts_90k
        elif gap_us > _RUN_GAP_US:
            self._runs.end_run()
        self._pace_from = None

    def _watch_pace(self, pts_90k: int, arrival_us: int) -> None:
        """At another speed than 1: do the times keep the recording's pace, or the wire's?"""
        if self._scale == 1.0 or self._factor != 1.0:
            return
        if self._pace_from is None:
            self._pace_from = (pts_90k, arrival_us)
            return
        since_90k, since_us = self._pace_from
        if arrival_us - since_us < _PACE_US:
            return
        pace = (pts_90k - since_90k) * 100 / 9 / (arrival_us - since_us)
        self._pace_from = (pts_90k, arrival_us)
        # Nearer to 1 than to the speed: the device has stretched the times.
        if abs(pace - 1) < abs(pace - self._scale):
            at_us = self._anchor_us + round((since_90k - (self._anchor_90k or 0)) * 100 / 9)
            elapsed_us = round((pts_90k - since_90k) * self._scale * 100 / 9)
            self._anchor_us, self._anchor_90k = at_us + elapsed_us, pts_90k
            self._factor = self._scale
            # What went out since then stands too early; a new run begins at the right place.
            self._runs.end_run()
