"""From a container's frames to a Stream: FLV, RTMP, transport streams, multipart pictures, files.

Their pictures and sound count on one clock, and come without losses: what lacks is time. The first
instant is found as for RTP (:mod:`camera_adapters.rtp.opening`), and arrival keeps the clock true.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from camera_adapters.codecs import h264
from camera_adapters.rtp import depacketise_h264, depacketise_h265
from camera_adapters.rtp.clocks import CameraClock, TrackClock
from camera_adapters.rtp.opening import Opening
from camera_adapters.rtp.pictures import NalCollector, Picture, PictureDivider
from camera_adapters.stream import Codec, Stream, Track
from camera_adapters.stream_runs import RunCounters, StreamRuns

# Sound further than this from the picture belongs to another time line.
_APART_LIMIT_US = 10_000_000


@dataclass(slots=True)
class _Picture:
    timestamp: int
    arrival_us: int
    bodies: list[bytes]
    codec: Codec
    shown_later_us: int


@dataclass(slots=True)
class _Coded:
    timestamp: int
    arrival_us: int
    bodies: list[bytes]
    codec: Codec
    picture: Picture


@dataclass(slots=True)
class _Sound:
    timestamp: int
    arrival_us: int
    bodies: list[bytes]
    track: Track


class MediaIngest:
    """Feeds ``stream`` from one connection; a new connection needs a new one.

    Times are 90 kHz counts, unwrapped, of one clock for picture and sound. ``on_run`` is called
    after each start of a run. The caller interrupts the Stream when the connection ends, after
    :meth:`close`; and calls :meth:`expire` every 50 ms while not ``settled``.
    """

    def __init__(
        self,
        stream: Stream,
        camera_clock: CameraClock,
        *,
        on_run: Callable[[], None] | None = None,
    ) -> None:
        self._codec = Codec.H264
        self._runs = StreamRuns(
            stream, self._codec, camera_clock, on_format=self._on_format, on_run=on_run
        )
        self.counters: RunCounters = self._runs.counters
        self._divider = PictureDivider(depacketise_h264.RULES)
        self._clock = TrackClock(90_000)
        self._last_line_us = 0
        self._opening = Opening([self._clock, self._clock], lambda: None)
        self._take_picture = self._opening.taker(0, self._on_picture)
        self._take_coded = self._opening.taker(0, self._on_coded)
        self._take_sound = self._opening.taker(1, self._on_sound)

    @property
    def running(self) -> bool:
        """Whether a run is under way."""
        return self._runs.running

    @property
    def video_track(self) -> Track | None:
        """The format of the pictures, once it is known."""
        return self._runs.video_track

    @property
    def settled(self) -> bool:
        """False while the first frames are held, until it is known which instant they show."""
        return self._opening.settled

    def picture(
        self, codec: Codec, nal_units: list[bytes], pts_90k: int, dts_90k: int, arrival_us: int
    ) -> None:
        """The NAL units of the next picture in decoding order, parameter sets among them."""
        self._take_picture(
            _Picture(dts_90k, arrival_us, nal_units, codec, (pts_90k - dts_90k) * 100 // 9)
        )

    def coded(self, codec: Codec, picture: Picture, pts_90k: int, arrival_us: int) -> None:
        """The next picture, put together already; a damaged one is counted, and not shown."""
        self._take_coded(_Coded(pts_90k, arrival_us, [picture.payload], codec, picture))

    def sound(self, track: Track, payload: bytes, pts_90k: int, arrival_us: int) -> None:
        """The next sound frame, as an :class:`~camera_adapters.stream.AccessUnit` wants it.

        Sound before the first picture is left out: a Stream begins with a keyframe.
        """
        self._take_sound(_Sound(pts_90k, arrival_us, [payload], track))

    def parameter_sets(self, codec: Codec, sets: list[bytes]) -> None:
        """Those that come apart from pictures, in force from the next keyframe on."""
        self._follow(codec)
        self._runs.merge_sets(sets)

    def note_report(self, pts_90k: int, our_us: int) -> None:
        """The sender says when, in our time, something was captured."""
        self._clock.note_report(pts_90k, our_us)
        self._opening.note_report(0)
        self._opening.note_report(1)

    def restart_clock(self) -> None:
        """The next timestamp has no relation to the last."""
        self._clock.restart()

    def expire(self, now_us: int) -> None:
        """Give up waiting for what would tell the first instant."""
        self._opening.expire(now_us)

    def close(self) -> None:
        """The connection is over."""
        self._opening.close()
        self._runs.close()

    def _on_picture(self, one: _Picture) -> None:
        self._follow(one.codec)
        line_us = self._clock.line_us(one.timestamp, one.arrival_us) + one.shown_later_us
        self._last_line_us = line_us
        collector = NalCollector([[unit] for unit in one.bodies])
        for picture in self._divider.pictures(collector, [], hole=False, after_gap=False):
            self._runs.picture(picture, line_us)

    def _on_coded(self, one: _Coded) -> None:
        if one.picture.damaged:
            self._runs.drop(one.picture.keyframe)
            return
        self._follow(one.codec)
        self._last_line_us = self._clock.line_us(one.timestamp, one.arrival_us)
        self._runs.picture(one.picture, self._last_line_us)

    def _on_sound(self, one: _Sound) -> None:
        line_us = self._clock.of_companion(one.timestamp)
        if line_us is None or abs(line_us - self._last_line_us) > _APART_LIMIT_US:
            return
        runs = self._runs
        if runs.audio_tracks != (one.track,):
            runs.change_audio((one.track,))
        runs.sound(one.bodies[0], line_us)

    def _follow(self, codec: Codec) -> None:
        if codec is not self._codec:
            self._codec = codec
            rules = depacketise_h265.RULES if codec is Codec.H265 else depacketise_h264.RULES
            self._divider = PictureDivider(rules)
            self._runs.change_codec(codec)

    def _on_format(self, track: Track) -> None:
        # One frame of a container is one picture, or its two fields.
        if track.codec is Codec.H264:
            self._divider.splits = not h264.parse_sps(track.parameter_sets[0]).interlaced
