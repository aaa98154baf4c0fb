"""Codec strings for browsers and playlists (RFC 6381 §3.3, ISO/IEC 14496-15 Annex E)."""

from __future__ import annotations

from camera_adapters.codecs import aac, h264, h265
from camera_adapters.stream import Codec, Track


def codec_string(track: Track) -> str:
    """The ``codecs`` parameter of a MIME type: ``avc1.64001f``, ``hvc1.1.6.L93.B0``, ``opus``.

    G.711 gives ``alaw`` or ``ulaw``, the sample entries' names. Raises CodecError when the
    parameter sets are broken.
    """
    match track.codec:
        case Codec.H264:
            sps = h264.parse_sps(track.parameter_sets[0])
            return f"avc1.{sps.profile_idc:02x}{sps.constraint_flags:02x}{sps.level_idc:02x}"
        case Codec.H265:
            return _h265(h265.parse_sps(track.parameter_sets[1]))
        case Codec.AAC:
            config = aac.parse_audio_specific_config(track.parameter_sets[0])
            return f"mp4a.40.{config.object_type}"
        case Codec.OPUS:
            return "opus"
        case Codec.PCMA:
            return "alaw"
        case Codec.PCMU:
            return "ulaw"
        case Codec.JPEG:
            return "jpeg"
        case Codec.VP8:
            return "vp8"


def _h265(sps: h265.SequenceParameters) -> str:
    space = ("", "A", "B", "C")[sps.profile_space]
    reversed_flags = int(f"{sps.compatibility_flags:032b}"[::-1], 2)
    tier = "LH"[sps.tier]
    constraints = sps.constraint_flags.to_bytes(6, "big").rstrip(b"\x00")
    tail = "".join(f".{byte:X}" for byte in constraints)
    return f"hvc1.{space}{sps.profile_idc}.{reversed_flags:X}.{tier}{sps.level_idc}{tail}"
