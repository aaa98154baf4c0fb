"""Coded pictures to decoded ones, and those to what gates and detectors look at. Blocks."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import av
import av.error
import cv2
import numpy as np
from av.codec.context import Flags
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame
from numpy.typing import NDArray

from camera_adapters.codecs import CodecError
from camera_adapters.codecs.nal import to_annex_b
from camera_adapters.stream import AccessUnit, Codec, Track
from search.objects import Picture

SMALL_WIDTH = 160
_CLOCK = Fraction(1, 90_000)
_DECODERS = {Codec.H264: "h264", Codec.H265: "hevc"}
_TIMES_KEPT = 64
_PLANAR = frozenset({"yuv420p", "yuvj420p", "yuv422p", "yuvj422p", "yuv444p", "yuvj444p"})
# Codec noise moves colour by one or two steps where there is none.
_COLORLESS = 4


class Undecodable(Exception):
    """This unit is damaged, or what it refers to is."""


class PictureDecoder:
    """One track's decoder. ``damaged`` counts the units and pictures that were thrown away."""

    def __init__(self, track: Track) -> None:
        """Raises Undecodable when the track is no video that can be decoded."""
        if track.codec not in _DECODERS:
            raise Undecodable(f"{track.codec} is no video that we decode")
        self._track = track
        self._context: VideoCodecContext = _open(track)
        self._wall_us: dict[int, int] = {}

    def decode(self, unit: AccessUnit) -> list[tuple[int, VideoFrame]]:
        """The pictures that this unit completes, each with its UTC microseconds of capture.

        Raises Undecodable; go on with a keyframe then.
        """
        self._wall_us[unit.pts_90k] = unit.wall_us
        if len(self._wall_us) > _TIMES_KEPT:
            del self._wall_us[min(self._wall_us)]
        return list(self._pictures(_packet(self._track, unit)))

    def drain(self) -> list[tuple[int, VideoFrame]]:
        """The pictures still inside; the next unit must be a keyframe. Raises Undecodable."""
        try:
            return list(self._pictures(None))
        finally:
            self._context.flush_buffers()
            self._wall_us.clear()

    def alone(self, unit: AccessUnit) -> tuple[int, VideoFrame]:
        """One keyframe, without the pictures after it. Raises Undecodable."""
        found = [*self.decode(unit), *self.drain()]
        if not found:
            raise Undecodable("the keyframe gave no picture")
        return found[-1]

    def _pictures(self, packet: Any) -> Iterator[tuple[int, VideoFrame]]:
        try:
            frames = list(self._context.decode(packet))
        except av.error.EOFError:
            return
        except av.error.FFmpegError as error:
            raise Undecodable(str(error)) from error
        for frame in frames:
            if frame.is_corrupt:
                raise Undecodable("a picture was concealed")
            if frame.pts is not None and frame.pts in self._wall_us:
                yield self._wall_us.pop(frame.pts), frame


def small_luma(frame: VideoFrame) -> NDArray[np.uint8]:
    """The picture's brightness, ``SMALL_WIDTH`` wide: uint8, height × width."""
    height = max(1, round(SMALL_WIDTH * frame.height / frame.width))
    if frame.format.name in _PLANAR or frame.format.name == "gray":
        luma = _plane(frame, 0)
    else:
        luma = np.asarray(frame.to_ndarray(format="gray"), np.uint8)
    # Reading every pixel of a large picture would cost more than all the rest of looking at it.
    stride = max(1, frame.width // (4 * SMALL_WIDTH))
    if stride > 1:
        luma = np.ascontiguousarray(luma[::stride, ::stride])
    small = cv2.resize(luma, (SMALL_WIDTH, height), interpolation=cv2.INTER_AREA)
    return np.asarray(small, np.uint8)


def is_monochrome(frame: VideoFrame) -> bool:
    """Whether there is no colour in the picture: infra-red, black and white, or under a lamp of one
    colour, whose cast is everywhere the same.
    """
    if frame.format.name == "gray":
        return True
    if frame.format.name not in _PLANAR:
        return False
    for index in (1, 2):
        plane = _plane(frame, index)
        step = max(1, plane.shape[1] // 80)
        tint = plane[::step, ::step].astype(np.int16)
        tint -= np.int16(np.median(tint))
        if np.percentile(np.abs(tint), 99) > _COLORLESS:
            return False
    return True


def to_picture(frame: VideoFrame) -> Picture:
    """The whole picture in blue, green, red."""
    return np.ascontiguousarray(frame.to_ndarray(format="bgr24"), np.uint8)


def _open(track: Track) -> VideoCodecContext:
    context: Any = av.CodecContext.create(_DECODERS[track.codec], "r")
    context.thread_count = 1
    # Not by frames: tearing those threads down after damaged pictures can hang or crash.
    context.thread_type = "SLICE"
    if not track.reorder_depth:
        context.flags |= Flags.low_delay
    return context  # type: ignore[no-any-return]


def _packet(track: Track, unit: AccessUnit) -> Any:
    try:
        packet = av.Packet(to_annex_b(track, unit.payload, unit.keyframe))
    except CodecError as error:
        raise Undecodable(str(error)) from error
    packet.pts, packet.dts, packet.time_base = unit.pts_90k, unit.dts_90k, _CLOCK
    return packet


def plane_of(frame: VideoFrame, index: int) -> NDArray[np.uint8]:
    """One plane of the picture (brightness, then the two colour differences), uint8, height ×
    width; only to be read, while the frame lives. Colour differences may be smaller.
    """
    if frame.format.name not in _PLANAR:
        if frame.format.name == "gray" and index == 0:
            return _plane(frame, 0)
        return plane_of(frame.reformat(format="yuv420p"), index).copy()
    return _plane(frame, index)


def _plane(frame: VideoFrame, index: int) -> NDArray[np.uint8]:
    plane = frame.planes[index]
    rows = np.frombuffer(memoryview(plane), np.uint8).reshape(plane.height, plane.line_size)
    picture: NDArray[np.uint8] = rows[:, : plane.width]
    return picture
