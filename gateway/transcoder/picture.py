"""A JPEG of one picture of a coded stream.

A core without I/O: access units in, bytes out. It blocks for milliseconds, so it runs in a worker.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fractions import Fraction
from typing import Any

import av
import av.error
from av.codec.context import Flags
from av.video.frame import VideoFrame

from camera_adapters.stream import AccessUnit, Track
from gateway.transcoder.burn_in import Polygon, draw
from gateway.transcoder.errors import TranscodeError
from gateway.transcoder.video import open_decoder, packet_of

WIDTH_LIMIT = 7680
_QUANTISER = 4


def jpeg_at(
    track: Track,
    units: Iterable[AccessUnit],
    *,
    at_90k: int | None = None,
    width: int | None = None,
    masks: Sequence[Polygon] = (),
    lines: Sequence[str] = (),
) -> bytes:
    """A JPEG of the picture shown at ``at_90k``: the last whose ``pts_90k`` is not later (or the
    first one, when all are later); without it, the last picture.

    ``units`` are one track's, in decoding order, the first a keyframe. ``width`` scales down,
    keeping the shape; never up. ``masks`` and ``lines`` are burnt in. Raises
    TranscodeError ``undecodable`` when there is no picture.
    """
    frame = _picture_at(track, units, at_90k)
    if frame is None:
        raise TranscodeError("undecodable", "there is no picture that can be decoded")
    return encode_jpeg(draw(frame, masks, ()), width, lines)


def drawn_jpeg(jpeg: bytes, masks: Sequence[Polygon], lines: Sequence[str]) -> bytes:
    """A JPEG of our own making with ``masks`` and ``lines`` burnt in. Raises TranscodeError
    ``undecodable``.
    """
    try:
        frames: list[VideoFrame] = av.CodecContext.create("mjpeg", "r").decode(av.Packet(jpeg))
    except av.error.FFmpegError as error:
        raise TranscodeError("undecodable", f"this is no picture: {error}") from error
    if not frames:
        raise TranscodeError("undecodable", "there is no picture that can be decoded")
    return encode_jpeg(draw(frames[0], masks, ()), None, lines)


def _picture_at(track: Track, units: Iterable[AccessUnit], at_90k: int | None) -> VideoFrame | None:
    decoder = open_decoder(track)
    shown: VideoFrame | None = None

    def later(frame: VideoFrame) -> bool:
        """Keep ``frame`` if it is the better answer; true when no better one can come."""
        nonlocal shown
        if at_90k is not None and frame.pts is not None and frame.pts > at_90k:
            shown = shown or frame
            return True
        shown = frame
        return False

    for packet in [*(packet_of(track, unit) for unit in units), None]:
        try:
            frames = decoder.decode(packet)
        except (av.error.InvalidDataError, av.error.EOFError):
            continue
        except av.error.FFmpegError as error:
            raise TranscodeError("undecodable", f"the decoder gave up: {error}") from error
        # Decoders give pictures in the order of presentation.
        if any(later(frame) for frame in frames):
            break
    return shown


def encode_jpeg(frame: VideoFrame, width: int | None = None, lines: Sequence[str] = ()) -> bytes:
    """The frame as a baseline JPEG, full colour range, scaled down to ``width`` pixels if given,
    with ``lines`` burnt in at that size.
    """
    target = min(width or frame.width, frame.width, WIDTH_LIMIT)
    target_width = max(16, target & ~1) if target >= 16 else 16
    target_height = max(2, round(frame.height * target_width / frame.width) & ~1)
    frame = frame.reformat(target_width, target_height, format="yuvj420p", dst_color_range="JPEG")
    frame = draw(frame, (), lines)
    frame.pts = 0
    frame.time_base = Fraction(1, 1)
    encoder: Any = av.CodecContext.create("mjpeg", "w")
    encoder.width, encoder.height = target_width, target_height
    encoder.pix_fmt = "yuvj420p"
    encoder.time_base = Fraction(1, 1)
    encoder.thread_count = 1
    encoder.flags |= Flags.qscale
    encoder.global_quality = _QUANTISER * 118  # FF_QP2LAMBDA
    encoder.options = {"huffman": "default"}
    try:
        return b"".join(bytes(packet) for packet in encoder.encode(frame))
    except av.error.FFmpegError as error:
        raise TranscodeError("unsupported", f"no JPEG of this picture: {error}") from error
