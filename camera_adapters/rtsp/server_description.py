"""The session description that the server gives out (RFC 8866, with each payload format's fmtp)."""

from __future__ import annotations

from base64 import b64encode

from camera_adapters.rtp.packetise import payload_type
from camera_adapters.stream import Codec, Track


def describe(tracks: tuple[Track, ...], session_id: int) -> bytes:
    """One medium for each track, at the relative control URLs ``trackID=0``, ``trackID=1``, …"""
    lines = [
        "v=0",
        f"o=- {session_id} 1 IN IP4 127.0.0.1",
        "s=gridsight",
        "c=IN IP4 0.0.0.0",
        "t=0 0",
        "a=control:*",
        "a=range:npt=now-",
    ]
    for index, track in enumerate(tracks):
        kind = payload_type(track, index)
        lines += [
            f"m={track.kind} 0 RTP/AVP {kind}",
            f"a=rtpmap:{kind} {_encoding(track)}",
            *(f"a=fmtp:{kind} {parameters}" for parameters in _format_parameters(track)),
            *([f"a=framerate:{track.frames_per_second:g}"] if track.frames_per_second else []),
            f"a=control:trackID={index}",
        ]
    return ("\r\n".join(lines) + "\r\n").encode()


def _encoding(track: Track) -> str:
    match track.codec:
        case Codec.H264:
            return "H264/90000"
        case Codec.H265:
            return "H265/90000"
        case Codec.AAC:
            return f"mpeg4-generic/{track.clock_rate}/{track.channels or 1}"
        case Codec.OPUS:
            return "opus/48000/2"  # RFC 7587 §7: always 2, whatever is in it
        case Codec.PCMA | Codec.PCMU:
            channels = f"/{track.channels}" if track.channels > 1 else ""
            return f"{track.codec.upper()}/{track.clock_rate}{channels}"
        case Codec.JPEG:
            return "JPEG/90000"  # RFC 2435 §3; no Stream has it
        case Codec.VP8:
            return "VP8/90000"  # RFC 7741 §6.1


def _format_parameters(track: Track) -> list[str]:
    sets = track.parameter_sets
    match track.codec:
        case Codec.H264 if sets:
            encoded = ",".join(b64encode(one).decode() for one in sets)
            return [
                f"packetization-mode=1;profile-level-id={sets[0][1:4].hex()};"
                f"sprop-parameter-sets={encoded}"
            ]
        case Codec.H264:
            return ["packetization-mode=1"]
        case Codec.H265 if len(sets) == 3:
            names = ("sprop-vps", "sprop-sps", "sprop-pps")
            pairs = zip(names, sets, strict=True)
            return [";".join(f"{name}={b64encode(one).decode()}" for name, one in pairs)]
        case Codec.AAC:
            # RFC 3640 §3.3.6; the configuration is the AudioSpecificConfig in hexadecimal.
            return [
                "streamtype=5;profile-level-id=1;mode=AAC-hbr;"
                f"config={sets[0].hex() if sets else ''};"
                "sizelength=13;indexlength=3;indexdeltalength=3"
            ]
        case Codec.OPUS:
            return [f"sprop-stereo={1 if track.channels > 1 else 0}"]
        case _:
            return []
