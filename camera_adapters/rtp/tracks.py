"""Which media sections of a session description we take, and how their payload is unpacked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from camera_adapters import sdp
from camera_adapters.codecs import CodecError, aac
from camera_adapters.rtp.depacketise_audio import (
    AacDepacketiser,
    AudioDepacketiser,
    PlainDepacketiser,
)
from camera_adapters.stream import Codec, Track

_VIDEO = {"H264": Codec.H264, "H265": Codec.H265, "HEVC": Codec.H265}


class NoVideoError(ValueError):
    """The session offers no video that the gateway carries; the message names what it offers."""


@dataclass(frozen=True, slots=True)
class TrackPlan:
    """One media section to set up. ``track`` is None for video, whose format comes in band."""

    kind: Literal["video", "audio"]
    codec: Codec
    format: sdp.Format
    control: str
    track: Track | None = None


def choose_tracks(session: sdp.SessionDescription) -> list[TrackPlan]:
    """The first video section, and the first sound section, that the gateway carries.

    Raises NoVideoError. Sections of other kinds (ONVIF metadata) and unknown sound are left out.
    """
    video: TrackPlan | None = None
    audio: TrackPlan | None = None
    offered = []
    for media in session.media:
        if media.direction == "inactive":
            continue
        for one in media.formats:
            if media.kind == "video":
                offered.append(one.encoding)
                if video is None and one.encoding in _VIDEO:
                    video = TrackPlan("video", _VIDEO[one.encoding], one, media.control)
            elif media.kind == "audio" and audio is None:
                track = audio_track(one)
                if track is not None:
                    audio = TrackPlan("audio", track.codec, one, media.control, track)
    if video is None:
        if offered:
            names = ", ".join(sorted(set(offered)))
            raise NoVideoError(f"the camera's video is {names}; the gateway takes H.264 and H.265")
        raise NoVideoError("the camera offers no video track")
    return [video, audio] if audio is not None else [video]


def audio_track(one: sdp.Format) -> Track | None:
    """The Track of a sound format; None when the gateway does not carry it."""
    match one.encoding:
        case "PCMA" | "PCMU":
            codec = Codec.PCMA if one.encoding == "PCMA" else Codec.PCMU
            return Track("audio", codec, one.clock_rate, channels=max(one.channels, 1))
        case "OPUS":
            channels = 2 if one.parameters.get("sprop-stereo") == "1" else 1
            return Track("audio", Codec.OPUS, 48000, channels=channels)
        case "MPEG4-GENERIC":
            config = sdp.audio_config(one)
            try:
                if not config:
                    config = aac.build_audio_specific_config(one.clock_rate, one.channels)
                return aac.track_from_audio_specific_config(config)
            except CodecError:
                return None
    return None


def audio_depacketiser(plan: TrackPlan) -> AudioDepacketiser:
    """The depacketiser of a sound plan."""
    if plan.codec is not Codec.AAC or plan.track is None:
        return PlainDepacketiser()
    config = aac.parse_audio_specific_config(plan.track.parameter_sets[0])
    ticks = config.samples_per_frame * plan.format.clock_rate // config.sampling_frequency
    # RFC 3640 §3.3.6: AAC-hbr. Cameras that name no lengths mean these.
    given = plan.format.parameters
    low_rate = given.get("mode", "").lower() == "aac-lbr"
    return AacDepacketiser(
        size_length=_length(given.get("sizelength"), 6 if low_rate else 13),
        index_length=_length(given.get("indexlength"), 2 if low_rate else 3),
        index_delta_length=_length(given.get("indexdeltalength"), 2 if low_rate else 3),
        ticks_per_frame=ticks,
    )


def _length(text: str | None, default: int) -> int:
    if text is None or not (text.isascii() and text.isdigit() and len(text) < 3):
        return default
    return min(int(text), 32)
