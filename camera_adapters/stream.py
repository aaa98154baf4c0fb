"""The shared vocabulary of pictures and sound: access units, tracks, and the Stream.

A camera has one :class:`Stream` per variant. What produces media (an RTSP source, a transcoder)
calls :meth:`Stream.start_run`, :meth:`Stream.publish`, :meth:`Stream.interrupt`; what consumes
it (recorder, live view, restream, sampling) is a :class:`Sink`. All calls happen on one event loop,
are synchronous, and must return at once: a sink that has slow work queues it.
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal, Protocol, TypeVar

import structlog

_log = structlog.get_logger(__name__)

_T = TypeVar("_T")

DEFAULT_GOP_BYTES_LIMIT = 8 * 1024 * 1024


class Codec(enum.StrEnum):
    """The codecs that the gateway carries. JPEG is only what the transcoder makes H.264 of, and VP8
    only what browsers in a meeting may send: no Stream of a camera has them.
    """

    H264 = "h264"
    H265 = "h265"
    AAC = "aac"
    OPUS = "opus"
    PCMA = "pcma"
    PCMU = "pcmu"
    JPEG = "jpeg"
    VP8 = "vp8"


class Variant(enum.StrEnum):
    """Which rendering of a camera a Stream carries."""

    MAIN = "main"
    SUB = "sub"
    MASKED = "masked"
    H264 = "h264"
    OPUS = "opus"


class GapCause(enum.StrEnum):
    """Why footage is missing, or why a Stream is interrupted. Shown to people; never empty."""

    CAMERA_OFFLINE = "camera_offline"
    CAMERA_SILENT = "camera_silent"
    CAMERA_REFUSED = "camera_refused"
    BAD_MEDIA = "bad_media"
    CLOCK_STEP = "clock_step"
    DISK_SLOW = "disk_slow"
    STORE_DOWN = "store_down"
    SPACE = "space"
    RETENTION = "retention"
    HELD_ON_NODE = "held_on_node"
    GATEWAY_STOPPED = "gateway_stopped"
    NOT_SCHEDULED = "not_scheduled"


@dataclass(frozen=True, slots=True)
class Track:
    """One elementary stream's format. Immutable: a change of format is a new Track in a new run.

    ``parameter_sets``: H.264 SPS, PPS; H.265 VPS, SPS, PPS, as raw NAL units without start code or
    length; AAC one AudioSpecificConfig (ISO/IEC 14496-3 §1.6); empty for Opus and G.711.
    ``clock_rate`` is the RTP clock, equal to the sampling rate for audio (Opus: 48000).
    ``reorder_depth`` is the number of pictures by which decoding order may run ahead of
    presentation order: 0 means no B-frames.
    """

    kind: Literal["video", "audio"]
    codec: Codec
    clock_rate: int
    parameter_sets: tuple[bytes, ...] = ()
    width: int = 0
    height: int = 0
    channels: int = 0
    reorder_depth: int = 0
    frames_per_second: float = 0.0


@dataclass(slots=True)
class AccessUnit:
    """One coded picture, or one audio frame.

    ``payload``: for video, NAL units, each behind a 4-byte big-endian length, no parameter sets,
    access-unit delimiters or filler (those are in the Track); for AAC one raw access unit without
    ADTS; for Opus one packet; for G.711 the samples of one packet.
    ``pts_90k`` and ``dts_90k`` count 1/90000 s from the start of the run, for all tracks on one
    time line; ``dts_90k`` of a track never decreases within a run.
    ``wall_us``: UTC microseconds of capture, as well as the adapter knows it.
    """

    track_index: int
    payload: bytes
    pts_90k: int
    dts_90k: int
    keyframe: bool
    wall_us: int


@dataclass(frozen=True, slots=True)
class Interruption:
    """Why nothing comes any more, for the time being. ``detail`` says it in one English line."""

    cause: GapCause
    detail: str


class Sink(Protocol):
    """A consumer of a Stream. An exception raised here detaches this sink and nobody else."""

    def on_run_started(self, tracks: tuple[Track, ...]) -> None:
        """A new run: new formats, time stamps start anew, the next video unit is a keyframe."""

    def on_access_unit(self, unit: AccessUnit) -> None:
        """The next unit in decoding order."""

    def on_interrupted(self, interruption: Interruption) -> None:
        """The source is lost; a new run follows when it is back. The sink stays attached."""

    def on_closed(self) -> None:
        """The Stream is gone for good (camera deleted, session over), or this sink failed."""


@dataclass(slots=True)
class Stream:
    """One variant of one camera, shared by all its sinks.

    ``gop`` holds the units since the last video keyframe, in order, with audio; it is empty when
    there is no picture yet, or when the GOP outgrew ``gop_bytes_limit`` (then late joiners wait for
    the next keyframe). ``on_sinks_changed`` is called with the Stream after attach and detach,
    ``on_keyframe_wanted`` when a sink cannot go on without a keyframe: whoever owns the source asks
    it for one, if it can be asked.
    """

    camera_id: str
    variant: Variant
    gop_bytes_limit: int = DEFAULT_GOP_BYTES_LIMIT
    tracks: tuple[Track, ...] = ()
    interruption: Interruption | None = None
    running: bool = False
    gop: list[AccessUnit] = field(default_factory=list)
    gop_bytes: int = 0
    on_sinks_changed: Callable[[Stream], None] | None = None
    on_keyframe_wanted: Callable[[Stream], None] | None = None
    # Replaced, never changed in place: a sink may come or go while publish() walks the old list.
    _sinks: list[Sink] = field(default_factory=list)
    _gop_open: bool = False
    _closed: bool = False

    @property
    def sinks(self) -> tuple[Sink, ...]:
        """The attached sinks, in order of attachment."""
        return tuple(self._sinks)

    @property
    def closed(self) -> bool:
        """True once :meth:`close` was called; a closed Stream takes no sinks."""
        return self._closed

    def attach(self, sink: Sink, *, replay_gop: bool = True) -> None:
        """Add ``sink``. If a run is under way it is told so, and given the current GOP if asked.

        Raises RuntimeError when the Stream is closed.
        """
        if self._closed:
            raise RuntimeError(f"stream {self.camera_id}/{self.variant} is closed")
        self._sinks = [*self._sinks, sink]
        if self.running:
            if not self._deliver(sink, sink.on_run_started, self.tracks):
                return
            if replay_gop:
                for unit in self.gop:
                    if not self._deliver(sink, sink.on_access_unit, unit):
                        return
                if not self.gop:
                    self.want_keyframe()
        elif self.interruption is not None and not self._deliver(
            sink, sink.on_interrupted, self.interruption
        ):
            return
        self._sinks_changed()

    def detach(self, sink: Sink) -> None:
        """Remove ``sink``; unknown sinks are ignored, so that two ways of closing may meet."""
        # By identity: sinks are often dataclasses, and two viewers may look alike.
        if any(other is sink for other in self._sinks):
            self._sinks = [other for other in self._sinks if other is not sink]
            self._sinks_changed()

    def want_keyframe(self) -> None:
        """A sink waits for a keyframe. May be called as often as one likes; what comes of it is the
        source's affair.
        """
        if self.running and self.on_keyframe_wanted is not None:
            self.on_keyframe_wanted(self)

    def start_run(self, tracks: tuple[Track, ...]) -> None:
        """Begin a run with these formats: after a connect, a reconnect, or a change of format."""
        self.tracks = tracks
        self.running = True
        self.interruption = None
        self._forget_gop()
        for sink in tuple(self._sinks):
            self._deliver(sink, sink.on_run_started, tracks)

    def publish(self, unit: AccessUnit) -> None:
        """Hand a unit to every sink, in decoding order. Units before the first run are dropped."""
        if not self.running:
            return
        if unit.keyframe and self.tracks[unit.track_index].kind == "video":
            self.gop = [unit]
            self.gop_bytes = len(unit.payload)
            self._gop_open = True
        elif self._gop_open:
            self.gop_bytes += len(unit.payload)
            if self.gop_bytes > self.gop_bytes_limit:
                self._forget_gop()
            else:
                self.gop.append(unit)
        for sink in self._sinks:
            try:
                sink.on_access_unit(unit)
            except Exception:
                self._failed(sink)

    def interrupt(self, interruption: Interruption) -> None:
        """Say that the source is lost. The GOP is forgotten: it is no longer live."""
        self.running = False
        self.interruption = interruption
        self._forget_gop()
        for sink in tuple(self._sinks):
            self._deliver(sink, sink.on_interrupted, interruption)

    def close(self) -> None:
        """End the Stream for good and release its sinks. May be called twice."""
        if self._closed:
            return
        self._closed = True
        self.running = False
        self._forget_gop()
        sinks, self._sinks = self._sinks, []
        for sink in sinks:
            try:
                sink.on_closed()
            except Exception:
                _log.exception("sink failed while closing", camera=self.camera_id)

    def _forget_gop(self) -> None:
        self.gop = []
        self.gop_bytes = 0
        self._gop_open = False

    def _deliver(self, sink: Sink, call: Callable[[_T], None], argument: _T) -> bool:
        try:
            call(argument)
        except Exception:
            self._failed(sink)
            return False
        return True

    def _failed(self, sink: Sink) -> None:
        _log.exception(
            "sink failed and was detached",
            camera=self.camera_id,
            variant=str(self.variant),
            sink=type(sink).__name__,
        )
        self._sinks = [other for other in self._sinks if other is not sink]
        try:
            sink.on_closed()
        except Exception:
            _log.exception("sink failed while closing", camera=self.camera_id)
        self._sinks_changed()

    def _sinks_changed(self) -> None:
        if self.on_sinks_changed is not None and not self._closed:
            self.on_sinks_changed(self)
