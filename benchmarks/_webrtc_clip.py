"""A clip at a given bit rate for ``benchmarks.webrtc``: real pictures, 25 a second, GOP 2 s."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
from av.video.frame import VideoFrame

from camera_adapters.codecs import h264
from camera_adapters.codecs.nal import annex_b_to_payload, split_annex_b
from camera_adapters.stream import AccessUnit, Codec, Track

PICTURES_PER_SECOND = 25
_CLIP = Path(__file__).resolve().parent.parent / "gateway" / "demo" / "crossing.mp4"


def encode_clip(bitrate_bps: int, width: int, height: int, seconds: int) -> list[bytes]:
    """Annex B pictures, each keyframe with its parameter sets."""
    encoder = av.CodecContext.create("libx264", "w")
    encoder.width, encoder.height, encoder.pix_fmt = width, height, "yuv420p"
    encoder.time_base, encoder.framerate = Fraction(1, 25), Fraction(25)
    encoder.bit_rate = bitrate_bps
    encoder.options = {
        "preset": "veryfast",
        "tune": "zerolatency",
        "bf": "0",
        "g": str(2 * PICTURES_PER_SECOND),
        "sc_threshold": "0",
        "maxrate": str(bitrate_bps),
        "bufsize": str(bitrate_bps),
        "x264-params": "sliced-threads=0",
    }
    pictures: list[bytes] = []
    while len(pictures) < seconds * PICTURES_PER_SECOND:
        with av.open(str(_CLIP)) as container:
            for frame in container.decode(container.streams.video[0]):
                scaled: VideoFrame = frame.reformat(width, height, "yuv420p")
                scaled.pts, scaled.time_base = len(pictures), Fraction(1, 25)
                scaled.pict_type = av.video.frame.PictureType.NONE
                pictures += [bytes(packet) for packet in encoder.encode(scaled)]
                if len(pictures) >= seconds * PICTURES_PER_SECOND:
                    break
    return pictures


def units_of(pictures: list[bytes]) -> tuple[Track, list[AccessUnit]]:
    """The pictures as a Stream's track and units."""
    nal_units = split_annex_b(pictures[0])
    sps, pps = (next(u for u in nal_units if u[0] & 31 == kind) for kind in (7, 8))
    units = []
    for number, picture in enumerate(pictures):
        keyframe = any(u[0] & 31 == 5 for u in split_annex_b(picture))
        pts = number * 90000 // PICTURES_PER_SECOND
        payload = annex_b_to_payload(Codec.H264, picture)
        units.append(AccessUnit(0, payload, pts, pts, keyframe, 0))
    return h264.track_from_parameter_sets(sps, pps), units
