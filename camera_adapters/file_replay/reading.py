"""Any media file as pictures and sound, not decoded: libavformat takes the container apart."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path

import av
from av.bitstream import BitStreamFilterContext

from camera_adapters.codecs import CodecError, aac
from camera_adapters.codecs.nal import split_annex_b
from camera_adapters.stream import Codec, Track

_VIDEO = {"h264": (Codec.H264, "h264_mp4toannexb"), "hevc": (Codec.H265, "hevc_mp4toannexb")}
_PLAIN_SOUND = {"pcm_alaw": Codec.PCMA, "pcm_mulaw": Codec.PCMU, "opus": Codec.OPUS}

# No playlists: they would lead to other files, and to other hosts.
_OPTIONS = {
    "protocol_whitelist": "file",
    "format_whitelist": "mov,matroska,mpegts,mpeg,avi,flv,h264,hevc,dhav",
}


class FileUnusable(ValueError):
    """The file gives no video that the gateway carries; the message says why."""


@dataclass(slots=True)
class Frame:
    """A picture's NAL units (``track`` None), or one sound frame. Times are 90 kHz counts from the
    file's beginning.
    """

    codec: Codec
    track: Track | None
    payloads: list[bytes]
    pts_90k: int
    dts_90k: int


def read_file(path: Path) -> Generator[Frame, None, None]:
    """The frames of a file in the order in which they lie there. Blocks: run it in a thread.

    Raises FileUnusable, at the first frame or at any later one.
    """
    try:
        with av.open(str(path), options=_OPTIONS) as container:
            yield from read_container(container)
    except FileNotFoundError:
        raise FileUnusable(f"there is no file {path.name}") from None
    except (av.FFmpegError, OSError) as error:
        raise FileUnusable(f"{path.name} cannot be read: {error}") from None


def read_container(
    container: av.container.InputContainer, *, from_zero: bool = True
) -> Generator[Frame, None, None]:
    """As :func:`read_file`; not ``from_zero`` leaves times as the container has them."""
    video = next(iter(container.streams.video), None)
    if video is None:
        raise FileUnusable("the file holds no video")
    named = video.codec_context.name
    if named not in _VIDEO:
        raise FileUnusable(f"the video is {named}; the gateway takes H.264 and H.265")
    codec, converter = _VIDEO[named]
    to_annex_b = BitStreamFilterContext(converter, video)
    sound, sound_track = _sound(container)
    chosen = [video] if sound is None else [video, sound]
    start_90k: int | None = None
    last_dts: int | None = None
    for packet in container.demux(chosen):
        if packet.dts is None or packet.pts is None or packet.size == 0:
            continue
        time_base = packet.time_base
        if time_base is None:
            continue
        pts = round(packet.pts * time_base * 90_000)
        dts = round(packet.dts * time_base * 90_000)
        if start_90k is None:
            start_90k = min(dts, pts) if from_zero else 0
        pts, dts = pts - start_90k, dts - start_90k
        if sound_track is not None and sound is not None and packet.stream_index == sound.index:
            yield Frame(sound_track.codec, sound_track, [bytes(packet)], pts, pts)
            continue
        for part in to_annex_b.filter(packet):
            if last_dts is not None and dts <= last_dts:
                dts = last_dts + 1
            last_dts = dts
            yield Frame(codec, None, split_annex_b(bytes(part)), pts, dts)


def _sound(
    container: av.container.InputContainer,
) -> tuple[av.audio.stream.AudioStream | None, Track | None]:
    for stream in container.streams.audio:
        context = stream.codec_context
        if context.name == "aac" and context.extradata:
            try:
                return stream, aac.track_from_audio_specific_config(context.extradata)
            except CodecError:
                continue
        codec = _PLAIN_SOUND.get(context.name)
        if codec is not None:
            rate = 48_000 if codec is Codec.OPUS else context.sample_rate
            return stream, Track("audio", codec, rate, channels=context.channels)
    return None, None
