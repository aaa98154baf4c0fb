"""One Stream as fragmented MP4 for MSE, made once for all who watch it."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from typing import Any, Protocol

from camera_adapters.stream import AccessUnit, Codec, Interruption, Stream, Track
from gateway.live.mse_sound import MseSound
from gateway.transcoder.client import TranscoderClient
from recorder.fmp4.writer import fragment, init_segment, mime_type

_SHORTEST_STEP_90K = 90
# A browser waits for the next keyframe after a gap of twice a picture's declared duration, so that
# a camera that slows down for the night must not have declared 40 ms.
_SHORTEST_DURATION_90K = 9000
_LONGEST_DURATION_90K = 10 * 90000
# So long may promised sound be missing: a transcoder has to start, a replayed GOP comes at once.
_SILENCE_LIMIT_S = 3.0


@dataclass(frozen=True, slots=True)
class Fragment:
    """One picture, with the sound that came before it, as a movie fragment."""

    data: bytes
    keyframe: bool


class FragmentReader(Protocol):
    """Who takes what the muxer makes. None of its methods may block."""

    def on_run(self, message: str, head: bytes) -> None:
        """A run begins: its announcement, and its initialisation segment."""

    def on_fragment(self, fragment: Fragment) -> None:
        """The next picture."""

    def on_interruption(self, interruption: Interruption) -> None:
        """The source is lost for now."""

    def close(self, reason: str) -> None:
        """The Stream is gone for good."""


class MseMuxer:
    """A Sink that turns one Stream into fragments, for as many viewers as there are.

    Media time is one 90 kHz line across all runs: a run follows the last by as much as the wall
    clock says. It is attached to its Stream from the first viewer to the last.
    """

    def __init__(self, stream: Stream, transcoder: TranscoderClient | None) -> None:
        self._stream = stream
        self._transcoder = transcoder
        self._viewers: list[FragmentReader] = []
        self._tracks: tuple[Track, ...] = ()
        self._video_index: int | None = None
        self._audio_index: int | None = None
        self._sound: MseSound | None = None
        self._sound_missing = False
        self._run_starts = False
        self._run_head: tuple[str, bytes] | None = None
        self._head_tracks: list[Track] = []
        self._head_is_stale = False
        self._sound_heard = False
        self._silent_since_s = 0.0
        self._waiting_sound: list[AccessUnit] = []
        self._gop: list[Fragment] = []
        self._sequence_number = 0
        self._line_90k: int | None = None
        self._offset_90k = 0
        self._last_wall_us = 0
        self._last_dts_90k: int | None = None
        self._duration_90k = _SHORTEST_DURATION_90K

    @property
    def viewer_count(self) -> int:
        """How many viewers are attached."""
        return len(self._viewers)

    def attach(self, viewer: FragmentReader) -> None:
        """Add a viewer; it is given the run, and the pictures since the last keyframe at once.

        Raises RuntimeError when the Stream is closed.
        """
        if not self._viewers:
            self._stream.attach(self)
        self._viewers = [*self._viewers, viewer]
        if self._run_head is not None:
            viewer.on_run(*self._run_head)
        if self._gop:
            # As one message: a GOP of ten seconds is hundreds of pictures.
            viewer.on_fragment(Fragment(b"".join(one.data for one in self._gop), True))
        if self._stream.interruption is not None:
            viewer.on_interruption(self._stream.interruption)

    def detach(self, viewer: FragmentReader) -> None:
        """Remove a viewer; unknown ones are ignored."""
        if viewer in self._viewers:
            self._viewers = [other for other in self._viewers if other is not viewer]
            if not self._viewers:
                self._stop_sound()
                self._stream.detach(self)
                self._forget_run()

    def on_run_started(self, tracks: tuple[Track, ...]) -> None:
        """See :class:`camera_adapters.stream.Sink`."""
        self._forget_run()
        self._stop_sound()
        self._tracks = tracks
        video = (index for index, track in enumerate(tracks) if track.kind == "video")
        audio = (index for index, track in enumerate(tracks) if track.kind == "audio")
        self._video_index = next(video, None)
        self._audio_index = next(audio, None)
        self._run_starts = True
        self._last_dts_90k = None
        self._sound_missing = False
        self._silent_since_s = time.monotonic()
        if self._audio_index is not None and self._transcoder is not None:
            sound = tracks[self._audio_index]
            if sound.codec in (Codec.PCMA, Codec.PCMU):
                self._sound = MseSound(
                    self._transcoder, sound, self._on_sound, self._on_sound_failed
                )

    def on_access_unit(self, unit: AccessUnit) -> None:
        """See :class:`camera_adapters.stream.Sink`."""
        if unit.track_index == self._video_index:
            self._on_picture(unit)
        elif unit.track_index == self._audio_index:
            if self._sound is not None:
                self._sound.push(unit)
            elif self._tracks[unit.track_index].codec in (Codec.AAC, Codec.OPUS):
                self._on_sound([unit])

    def on_interrupted(self, interruption: Interruption) -> None:
        """See :class:`camera_adapters.stream.Sink`."""
        self._forget_run()
        self._stop_sound()
        for viewer in self._viewers:
            viewer.on_interruption(interruption)

    def on_closed(self) -> None:
        """See :class:`camera_adapters.stream.Sink`."""
        self._stop_sound()
        viewers, self._viewers = self._viewers, []
        for viewer in viewers:
            viewer.close("stream_closed")

    def _forget_run(self) -> None:
        self._run_head = None
        self._gop = []
        self._waiting_sound = []

    def _stop_sound(self) -> None:
        if self._sound is not None:
            self._sound.close()
            self._sound = None

    def _on_sound(self, units: list[AccessUnit]) -> None:
        self._sound_heard = True
        if len(self._head_tracks) > 1:
            self._waiting_sound += units

    def _on_sound_failed(self) -> None:
        """The next keyframe begins a run without sound."""
        self._sound = None
        self._head_is_stale = len(self._head_tracks) > 1

    def _output_tracks(self) -> list[Track]:
        assert self._video_index is not None
        video = self._tracks[self._video_index]
        if self._audio_index is None or self._sound_missing:
            return [video]
        if self._sound is not None:
            return [video, self._sound.track]
        sound = self._tracks[self._audio_index]
        return [video, sound] if sound.codec in (Codec.AAC, Codec.OPUS) else [video]

    def _on_picture(self, unit: AccessUnit) -> None:
        if self._run_starts:
            self._place_run(unit)
        if unit.keyframe:
            self._check_sound()
            if self._run_head is None or self._head_is_stale:
                self._begin(unit)
        elif self._run_head is None:
            return
        tracks = self._head_tracks
        self._sequence_number += 1
        sound, self._waiting_sound = self._waiting_sound, []
        data = fragment(
            self._sequence_number,
            tracks,
            [[unit], sound][: len(tracks)],
            [unit.dts_90k + self._duration_of(unit), None][: len(tracks)],
            self._offset_90k,
        )
        self._line_90k = max(self._line_90k or 0, unit.dts_90k + self._offset_90k)
        self._last_wall_us = unit.wall_us
        made = Fragment(data, unit.keyframe)
        if unit.keyframe:
            self._gop = [made]
        else:
            self._gop.append(made)
        for viewer in self._viewers:
            viewer.on_fragment(made)

    def _check_sound(self) -> None:
        """A declared track without data stops a browser: cameras that promise sound and send none
        lose it, and get it back when it comes."""
        if self._sound_heard:
            self._silent_since_s = time.monotonic()
            if self._sound_missing:
                self._sound_missing = False
                self._head_is_stale = True
        elif (
            self._run_head is not None
            and len(self._head_tracks) > 1
            and time.monotonic() - self._silent_since_s > _SILENCE_LIMIT_S
        ):
            self._sound_missing = self._head_is_stale = True
        self._sound_heard = False

    def _place_run(self, unit: AccessUnit) -> None:
        self._run_starts = False
        start_90k = 0
        if self._line_90k is not None:
            elapsed_90k = (unit.wall_us - self._last_wall_us) * 9 // 100
            start_90k = self._line_90k + max(elapsed_90k, _SHORTEST_STEP_90K)
        self._offset_90k = start_90k - unit.dts_90k

    def _begin(self, unit: AccessUnit) -> None:
        """Announce the run, with the formats as they are now. Raises CodecError."""
        tracks = self._output_tracks()
        head = init_segment(tracks)
        mime = mime_type(tracks)
        message: dict[str, Any] = {
            "type": "run",
            "mime": mime,
            # The wall clock at media time zero: an instant is this plus its time in the fragments.
            "start_us": unit.wall_us - (unit.pts_90k + self._offset_90k) * 100 // 9,
        }
        if self._audio_index is not None and len(tracks) == 1:
            message["sound_left_out"] = str(self._tracks[self._audio_index].codec)
        self._head_tracks = tracks
        self._head_is_stale = False
        self._gop = []
        self._waiting_sound = []
        self._run_head = (json.dumps(message), head)
        for viewer in self._viewers:
            viewer.on_run(*self._run_head)

    def _duration_of(self, unit: AccessUnit) -> int:
        """What the picture will last, as far as the ones before it tell."""
        if self._last_dts_90k is not None:
            step_90k = unit.dts_90k - self._last_dts_90k
            self._duration_90k = min(max(step_90k, _SHORTEST_DURATION_90K), _LONGEST_DURATION_90K)
        self._last_dts_90k = unit.dts_90k
        return self._duration_90k
