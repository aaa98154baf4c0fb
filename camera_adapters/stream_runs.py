"""From pictures and sound on a time line to a Stream's runs, whatever brought them.

Parameter sets are gathered, a change of format begins a new run, decoding times are made, and what
a camera sends twice (the GOP that it had ready at a reconnect) never overlaps what is filed.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from camera_adapters.codecs import CodecError, h264, h265
from camera_adapters.rtp.clocks import CameraClock
from camera_adapters.rtp.decoding_order import DecodingTimes
from camera_adapters.rtp.pictures import Picture
from camera_adapters.stream import AccessUnit, Codec, GapCause, Interruption, Stream, Track

_PARAMETER_SETS_LIMIT = 32
# A GOP that the camera had ready may begin this long before the last run ended.
_REPLAY_US = 15_000_000
_SQUEEZE = 200
# Between the end of one run and the beginning of the next: one tick of 90 kHz, rounded up.
_RUN_DISTANCE_US = 12


@dataclass(slots=True)
class RunCounters:
    """What came of one connection's media. ``gop_us`` and ``gop_pictures`` are the last whole
    GOP's; ``malformed`` counts what could not be read at all.
    """

    pictures: int = 0
    keyframes: int = 0
    audio_frames: int = 0
    damaged: int = 0
    undecodable: int = 0
    malformed: int = 0
    runs: int = 0
    gop_us: int = 0
    gop_pictures: int = 0


class StreamRuns:
    """Feeds ``stream`` with one connection's pictures and sound, in decoding order.

    Times are UTC microseconds on one line for picture and sound, presentation times for pictures
    (see :class:`~camera_adapters.rtp.clocks.TrackClock`). ``parameter_sets`` are those known before
    the first picture, ``audio_tracks`` the sound (at most one). ``on_format`` is called with a new
    video Track before the run that it begins, ``on_run`` after each start of a run. A new
    connection needs a new StreamRuns; ``camera_clock`` outlives it. The caller interrupts the
    Stream when the connection ends, after :meth:`close`.
    """

    def __init__(
        self,
        stream: Stream,
        codec: Codec,
        camera_clock: CameraClock,
        *,
        parameter_sets: Sequence[bytes] = (),
        audio_tracks: tuple[Track, ...] = (),
        on_format: Callable[[Track], None] | None = None,
        on_run: Callable[[], None] | None = None,
    ) -> None:
        self.counters = RunCounters()
        self.video_track: Track | None = None
        self.running = False
        self._stream = stream
        self._codec = codec
        self._camera_clock = camera_clock
        self._audio_tracks = audio_tracks
        self._on_format = on_format
        self._on_run = on_run
        self._parameter_sets = merge_parameter_sets(codec, (), list(parameter_sets))
        self._decoding = DecodingTimes(0)
        self._declared_depth = 0
        self._run_start_us = 0
        self._run_shift_us = 0
        self._first_line_us = 0
        self._squeezed_until_us = 0
        self._last_wall_us = 0
        self._last_audio_pts = -1
        self._audio_changed = False
        self._gop_start_us = 0
        self._gop_pictures = 0

    @property
    def audio_tracks(self) -> tuple[Track, ...]:
        """The sound that the next run will have."""
        return self._audio_tracks

    def change_audio(self, tracks: tuple[Track, ...]) -> None:
        """Other sound from now on (none, or one Track): the next keyframe begins a new run.

        Until then nothing that :meth:`sound` is given goes out.
        """
        if tracks != self._audio_tracks:
            self._audio_tracks = tracks
            self._audio_changed = True

    def change_codec(self, codec: Codec) -> None:
        """Pictures of another codec from now on: what is known of the format is forgotten."""
        if codec is not self._codec:
            self._codec = codec
            self._parameter_sets = ()
            self.video_track = None
            self.running = False

    def merge_sets(self, sets: Sequence[bytes]) -> None:
        """Take parameter sets over; those that repeat what is known leave the Track as it is."""
        known = self._parameter_sets
        if all(one in known for one in sets):
            return
        self._parameter_sets = merge_parameter_sets(self._codec, known, sets)

    def picture(self, picture: Picture, line_us: int) -> None:
        """The next picture in decoding order, shown at ``line_us``; nothing of it is missing."""
        counters = self.counters
        if picture.keyframe:
            if not self._prepare_run(picture):
                counters.undecodable += 1
                return
            counters.keyframes += 1
            if not self.running:
                self._start_run(line_us)
            else:
                counters.gop_us = line_us - self._gop_start_us
                counters.gop_pictures = self._gop_pictures
            self._gop_start_us = line_us
            self._gop_pictures = 0
        elif not self.running:
            if picture.parameter_sets:
                self.merge_sets(picture.parameter_sets)
            return
        self._gop_pictures += 1
        counters.pictures += 1
        wall_us = line_us + self._run_shift_us
        if wall_us < self._squeezed_until_us:
            wall_us = self._squeezed_us(line_us)
        pts = (wall_us - self._run_start_us) * 9 // 100
        if pts < 0:
            pts = 0
        dts = self._decoding.decoding_time(pts)
        if dts > pts:
            # No reordering declared, and none seen: keep both the same, and growing.
            pts = dts if not self._decoding.needed_depth else pts
        if wall_us > self._last_wall_us:
            self._last_wall_us = wall_us
        self._stream.publish(AccessUnit(0, picture.payload, pts, dts, picture.keyframe, wall_us))

    def drop(self, keyframe: bool) -> None:
        """A picture with a hole came. A keyframe's leaves nothing to refer to: an interruption."""
        self.counters.damaged += 1
        if keyframe and self.running:
            self.running = False
            self._stream.interrupt(
                Interruption(
                    GapCause.BAD_MEDIA,
                    "packets of a keyframe were lost; waiting for the next keyframe",
                )
            )

    def sound(self, payload: bytes, line_us: int) -> None:
        """The next sound frame, which begins at ``line_us``; left out while there is no run."""
        if not self.running or self._audio_changed:
            return
        wall_us = line_us + self._run_shift_us
        if wall_us < self._squeezed_until_us:
            return
        pts = (wall_us - self._run_start_us) * 9 // 100
        if pts < 0:
            return
        if pts <= self._last_audio_pts:
            pts = self._last_audio_pts + 1
        self._last_audio_pts = pts
        self.counters.audio_frames += 1
        self._stream.publish(AccessUnit(1, payload, pts, pts, True, wall_us))

    def end_run(self) -> None:
        """The next keyframe begins a new run, and nothing goes out before it."""
        self.running = False

    def close(self) -> None:
        """The connection is over: the next run begins no earlier than this one ended."""
        self.running = False
        if self._last_wall_us:
            self._camera_clock.floor_us = max(
                self._camera_clock.floor_us, self._last_wall_us + _RUN_DISTANCE_US
            )

    def _prepare_run(self, picture: Picture) -> bool:
        """At a keyframe: is the format known, is it still the same? Ends the run when it is not."""
        needed = max(self._declared_depth, self._decoding.needed_depth)
        if picture.parameter_sets:
            self.merge_sets(picture.parameter_sets)
        if self._audio_changed:
            self.running = False
        track = self.video_track
        if track is not None and track.parameter_sets == self._parameter_sets:
            if needed > track.reorder_depth:
                self.video_track = dataclasses.replace(track, reorder_depth=needed)
                self.running = False
            return True
        try:
            track = track_of(self._codec, self._parameter_sets)
        except CodecError:
            return False
        self._declared_depth = track.reorder_depth
        if self._on_format is not None:
            self._on_format(track)
        self.video_track = track
        self._parameter_sets = track.parameter_sets
        self.running = False
        return True

    def _start_run(self, line_us: int) -> None:
        assert self.video_track is not None
        if self._last_wall_us:
            floor_us = max(self._camera_clock.floor_us, self._last_wall_us + _RUN_DISTANCE_US)
        else:
            floor_us = self._camera_clock.floor_us
        overlap_us = max(0, floor_us - line_us)
        self._run_shift_us = self._squeezed_until_us = 0
        if overlap_us <= _REPLAY_US:
            self._first_line_us = line_us
            self._squeezed_until_us = floor_us + overlap_us // _SQUEEZE
        else:
            # No GOP is that old: our clock was set back. The run is filed behind what there is.
            self._run_shift_us = overlap_us
        self._run_start_us = line_us + overlap_us
        self._decoding = DecodingTimes(self.video_track.reorder_depth)
        self._last_audio_pts = -1
        self._audio_changed = False
        self.running = True
        self.counters.runs += 1
        self._stream.start_run((self.video_track, *self._audio_tracks))
        if self._on_run is not None:
            self._on_run()

    def _squeezed_us(self, line_us: int) -> int:
        """Where a picture goes that the last run may have filed already.

        A decoder needs it for those that follow, and footage must not overlap: so it passes in a
        two-hundredth of its time, and the first new picture is at its own place again.
        """
        squeezed_us = self._run_start_us + (line_us - self._first_line_us) // _SQUEEZE
        return max(squeezed_us, line_us)


def merge_parameter_sets(
    codec: Codec, known: tuple[bytes, ...], sets: Sequence[bytes]
) -> tuple[bytes, ...]:
    """The sets in force after ``sets`` came: in the order of their types, one per type and id.

    A new sequence parameter set brings its picture parameter sets along; the old ones go.
    """
    sequence, picture = (h265.NAL_SPS, h265.NAL_PPS) if codec is Codec.H265 else (7, 8)
    kinds = {nal_kind(codec, one) for one in sets if one not in known}
    if sequence in kinds and picture in {nal_kind(codec, one) for one in sets}:
        known = tuple(one for one in known if nal_kind(codec, one) != picture)
    by_identity: dict[tuple[int, int], bytes] = {}
    for one in (*known, *sets):
        if len(one) < 4:
            continue
        kind = nal_kind(codec, one)
        by_identity[kind, _picture_set_id(codec, kind, one)] = one
    ordered = sorted(by_identity.items())[:_PARAMETER_SETS_LIMIT]
    return tuple(one for _, one in ordered)


def nal_kind(codec: Codec, nal_unit: bytes) -> int:
    """The type of a NAL unit; -1 for an empty one."""
    if not nal_unit:
        return -1
    return nal_unit[0] >> 1 & 0x3F if codec is Codec.H265 else nal_unit[0] & 0x1F


def _picture_set_id(codec: Codec, kind: int, one: bytes) -> int:
    """A picture parameter set's id; 0 for the others, of which only the newest counts."""
    first = 2 if codec is Codec.H265 else 1
    if kind != (h265.NAL_PPS if codec is Codec.H265 else h264.NAL_PPS):
        return 0
    bits = int.from_bytes(one[first : first + 3].ljust(3, b"\x00"), "big")
    zeros = 24 - bits.bit_length()
    return (bits >> max(24 - 2 * zeros - 1, 0)) - 1


def track_of(codec: Codec, sets: tuple[bytes, ...]) -> Track:
    """The Track of these sets, any number of picture parameter sets. Raises CodecError."""
    if codec is Codec.H264:
        if len(sets) < 2:
            raise CodecError("SPS or PPS has not come yet")
        track = h264.track_from_parameter_sets(sets[0], sets[1])
    else:
        if len(sets) < 3:
            raise CodecError("VPS, SPS or PPS has not come yet")
        track = h265.track_from_parameter_sets(sets[0], sets[1], sets[2])
    return dataclasses.replace(track, parameter_sets=sets)
