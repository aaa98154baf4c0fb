"""Video of any kind to H.264 Constrained Baseline, which every browser plays.

A core without I/O: access units in, access units out. Decoder and encoder block, so this runs in a
worker process of the pool (:mod:`gateway.transcoder.worker`), never on an event loop.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Any

import av
import av.error
from av.codec.context import Flags
from av.video.codeccontext import VideoCodecContext
from av.video.frame import PictureType, VideoFrame

from camera_adapters.codecs.h264 import track_from_parameter_sets
from camera_adapters.codecs.nal import annex_b_to_payload, split_annex_b, to_annex_b
from camera_adapters.stream import AccessUnit, Codec, Track
from gateway.transcoder.burn_in import Polygon, draw
from gateway.transcoder.errors import TranscodeError
from gateway.transcoder.stamp import Stamp

CLOCK_90K = 90_000
PICTURE_WIDTH_LIMIT = 1920
PICTURE_HEIGHT_LIMIT = 1088
LIVE_GOP_90K = 2 * CLOCK_90K
UNITS_WITHOUT_PICTURE_LIMIT = 250
_DECODERS = {Codec.H264: "h264", Codec.H265: "hevc", Codec.JPEG: "mjpeg"}


def open_decoder(track: Track, *, threads: int = 1) -> VideoCodecContext:
    """A decoder that gives each picture as soon as the stream's reordering allows.

    Raises TranscodeError ``unsupported`` for a track that is no video of ours.
    """
    name = _DECODERS.get(track.codec)
    if name is None:
        raise TranscodeError("unsupported", f"{track.codec} is no video that we decode")
    decoder: Any = av.CodecContext.create(name, "r")
    decoder.thread_count = threads
    # Not by frames: tearing those threads down after damaged pictures can hang or crash.
    decoder.thread_type = "SLICE"
    if threads == 1:
        decoder.flags |= Flags.low_delay
    return decoder  # type: ignore[no-any-return]


def packet_of(track: Track, unit: AccessUnit) -> Any:
    """The unit as an ``av.Packet``: Annex B, parameter sets before each keyframe; JPEG as it is."""
    if track.codec is Codec.JPEG:
        packet = av.Packet(unit.payload)
    else:
        packet = av.Packet(to_annex_b(track, unit.payload, unit.keyframe))
    packet.pts = unit.pts_90k
    packet.dts = unit.dts_90k
    packet.time_base = Fraction(1, CLOCK_90K)
    return packet


def output_size(width: int, height: int) -> tuple[int, int]:
    """The size to encode at: even, and no larger than 1920×1088, the shape kept."""
    scale = min(1.0, PICTURE_WIDTH_LIMIT / width, PICTURE_HEIGHT_LIMIT / height)
    return max(2, int(width * scale) & ~1), max(2, int(height * scale) & ~1)


def _open_encoder(
    width: int, height: int, frames_per_second: Fraction, threads: int
) -> VideoCodecContext:
    encoder: Any = av.CodecContext.create("libx264", "w")
    encoder.width, encoder.height = width, height
    encoder.pix_fmt = "yuv420p"
    encoder.time_base = Fraction(1, CLOCK_90K)
    encoder.framerate = frames_per_second
    encoder.profile = "Baseline"
    encoder.flags |= Flags.global_header
    # Without B-frames and arbitrary slice order "baseline" is Constrained Baseline (profile 42c0).
    # Slice types are forced from outside: a fragment must begin where the caller says.
    encoder.options = {
        "preset": "veryfast",
        "tune": "zerolatency",
        "crf": "23",
        "maxrate": str(max(400_000, width * height * 5)),
        "bufsize": str(max(800_000, width * height * 10)),
        "forced-idr": "1",
        "x264-params": f"keyint=infinite:scenecut=0:threads={threads}:sliced-threads=1:annexb=1",
    }
    encoder.open()
    return encoder  # type: ignore[no-any-return]


def _rate_of(track: Track) -> Fraction:
    rate = track.frames_per_second if 1 <= track.frames_per_second <= 120 else 25.0
    return Fraction(round(rate * 100), 100)


@functools.lru_cache(maxsize=256)
def output_track(source: Track) -> Track:
    """The H.264 track that transcoding ``source`` gives: the same, byte for byte, in every process,
    so that pictures encoded apart play behind one initialisation segment.

    Raises TranscodeError ``unsupported`` when the source's size is not known.
    """
    if source.width < 2 or source.height < 2:
        raise TranscodeError("unsupported", "the picture's size is not known")
    width, height = output_size(source.width, source.height)
    encoder = _open_encoder(width, height, _rate_of(source), 1)
    sps, pps = _parameter_sets(bytes(encoder.extradata or b""))
    track = track_from_parameter_sets(sps, pps)
    return replace(track, frames_per_second=float(_rate_of(source)))


def _parameter_sets(extradata: bytes) -> tuple[bytes, bytes]:
    units = {unit[0] & 31: unit for unit in split_annex_b(extradata)}
    try:
        return units[7], units[8]
    except KeyError:
        raise TranscodeError("unsupported", "the H.264 encoder gave no parameter sets") from None


class VideoTranscoder:
    """One source track to one H.264 track without B-frames.

    ``live``: a keyframe is added every 2 s where the camera sends fewer, and a picture leaves with
    the unit that completes it. Otherwise (playback) pictures come in batches, ended by
    :meth:`finish`. ``dts_90k`` of what comes out equals its ``pts_90k``. What ``masks`` cover is in
    no picture that comes out; ``stamp`` is in each, with the time by its unit's ``wall_us``.
    """

    def __init__(
        self,
        track: Track,
        *,
        live: bool,
        masks: Sequence[Polygon] = (),
        stamp: Stamp | None = None,
    ) -> None:
        self.source = track
        self._masks = masks
        self._stamp = stamp
        self.track = output_track(track)
        self._live = live
        self._threads = 1 if live else 2
        self._track_index = 0
        self._size = (self.track.width, self.track.height)
        self._decoder: VideoCodecContext | None = None
        self._encoder: VideoCodecContext | None = None
        self._keyframes: set[int] = set()
        self._wall_us: dict[int, int] = {}
        self._from_90k: int | None = None
        self._last_keyframe_90k: int | None = None
        self._last_pts_90k: int | None = None
        self._without_picture = 0

    def push(self, units: Iterable[AccessUnit]) -> list[AccessUnit]:
        """Take units in decoding order; return the pictures that are ready.

        Raises TranscodeError ``undecodable`` when no picture comes out of very many units; damaged
        pictures are skipped.
        """
        produced: list[AccessUnit] = []
        for unit in units:
            if self._decoder is None:
                if not unit.keyframe:
                    continue
                self._decoder = open_decoder(self.source, threads=self._threads)
            self._track_index = unit.track_index
            if unit.keyframe:
                self._keyframes.add(unit.pts_90k)
            self._wall_us[unit.pts_90k] = unit.wall_us
            for frame in self._decode(packet_of(self.source, unit)):
                produced.extend(self._encode(frame))
            if self._without_picture > UNITS_WITHOUT_PICTURE_LIMIT:
                raise TranscodeError("undecodable", "the decoder finds no picture in this stream")
        return produced

    def finish(self) -> list[AccessUnit]:
        """Give what is still inside, and forget everything: the next unit must be a keyframe."""
        produced: list[AccessUnit] = []
        if self._decoder is not None:
            for frame in self._decode(None):
                produced.extend(self._encode(frame))
        if self._encoder is not None:
            produced.extend(self._units_of(self._encoder.encode(None)))
        self._decoder = self._encoder = None
        self._keyframes.clear()
        self._wall_us.clear()
        self._from_90k = self._last_keyframe_90k = self._last_pts_90k = None
        return produced

    def start_at(self, pts_90k: int, keyframes_90k: Iterable[int] = ()) -> None:
        """Encode nothing before ``pts_90k`` (those pictures are decoded only), and begin a keyframe
        at each of ``keyframes_90k``. Holds until :meth:`finish`.
        """
        self._from_90k = pts_90k
        self._keyframes.update(keyframes_90k)

    def _decode(self, packet: av.Packet[Any] | None) -> list[VideoFrame]:
        assert self._decoder is not None
        frames: list[VideoFrame] = []
        try:
            frames = list(self._decoder.decode(packet))
        except (av.error.InvalidDataError, av.error.EOFError):
            pass
        except av.error.FFmpegError as error:
            raise TranscodeError("undecodable", f"the decoder gave up: {error}") from error
        self._without_picture = 0 if frames else self._without_picture + 1
        return frames

    def _encode(self, frame: VideoFrame) -> list[AccessUnit]:
        pts = frame.pts
        if pts is None or (self._last_pts_90k is not None and pts <= self._last_pts_90k):
            return []
        if self._from_90k is not None and pts < self._from_90k:
            return []
        self._last_pts_90k = pts
        if (frame.width, frame.height) != self._size or frame.format.name != "yuv420p":
            frame = frame.reformat(*self._size, format="yuv420p")
            frame.pts = pts
        lines = self._stamp.at(self._wall_us.get(pts, 0)) if self._stamp is not None else ()
        frame = draw(frame, self._masks, lines)
        keyframe = self._begins_gop(pts)
        frame.pict_type = PictureType.I if keyframe else PictureType.NONE
        frame.time_base = Fraction(1, CLOCK_90K)
        if self._encoder is None:
            self._encoder = _open_encoder(*self._size, _rate_of(self.source), self._threads)
        try:
            return self._units_of(self._encoder.encode(frame))
        except av.error.FFmpegError as error:
            raise TranscodeError("unsupported", f"the H.264 encoder refused: {error}") from error

    def _begins_gop(self, pts_90k: int) -> bool:
        due = [at for at in self._keyframes if at <= pts_90k]
        self._keyframes.difference_update(due)
        begins = (
            bool(due)
            or self._last_keyframe_90k is None
            or (self._live and pts_90k - self._last_keyframe_90k >= LIVE_GOP_90K)
        )
        if begins:
            self._last_keyframe_90k = pts_90k
        return begins

    def _units_of(self, packets: Iterable[av.Packet[Any]]) -> list[AccessUnit]:
        units = []
        for packet in packets:
            pts = int(packet.pts or 0)
            wall_us = self._wall_us.pop(pts, 0)
            if len(self._wall_us) > 64:
                self._wall_us = {at: us for at, us in self._wall_us.items() if at > pts}
            units.append(
                AccessUnit(
                    self._track_index,
                    annex_b_to_payload(Codec.H264, bytes(packet)),
                    pts,
                    pts,
                    packet.is_keyframe,
                    wall_us,
                )
            )
        return units
