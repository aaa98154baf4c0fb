"""A footage file demuxed once into memory, for replay as a camera."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import av
import av.container

from camera_adapters.codecs import CodecError, h264, h265
from camera_adapters.codecs.nal import iterate_nal_units, nal_units_to_payload
from camera_adapters.stream import AccessUnit, Codec, Track

_CODECS = {
    "h264": Codec.H264,
    "hevc": Codec.H265,
    "aac": Codec.AAC,
    "opus": Codec.OPUS,
    "pcm_alaw": Codec.PCMA,
    "pcm_mulaw": Codec.PCMU,
}


class ClipError(Exception):
    """The file cannot be replayed; the message says why."""


@dataclass(frozen=True, slots=True)
class Clip:
    """Units in decoding order, from 0 to ``duration_90k``, beginning with a video keyframe.

    ``wall_us`` of the units is 0: the replay sets it.
    """

    tracks: tuple[Track, ...]
    units: tuple[AccessUnit, ...]
    duration_90k: int

    def from_keyframe(self, start_s: float) -> int:
        """The index of the last video keyframe that is not after ``start_s``, modulo the length."""
        limit = round(start_s * 90000) % self.duration_90k
        return max(
            index
            for index, unit in enumerate(self.units)
            if unit.keyframe and unit.track_index == 0 and unit.dts_90k <= max(limit, 0)
        )

    def with_track(self, track: Track, units: list[AccessUnit]) -> Clip:
        """This clip and one more track, whose units carry its index and end with the clip."""
        merged = sorted((*self.units, *units), key=lambda unit: unit.dts_90k)
        return replace(self, tracks=(*self.tracks, track), units=tuple(merged))


def load_clip(path: Path) -> Clip:
    """Read the first video and the first audio track. Raises ClipError."""
    try:
        with av.open(str(path)) as container:
            return _demux(container)
    except (av.FFmpegError, CodecError, OSError) as error:
        raise ClipError(f"{path.name}: {error}") from error


def _demux(container: av.container.InputContainer) -> Clip:
    if not container.streams.video:
        raise ClipError("the file has no video track")
    chosen = [container.streams.video[0], *container.streams.audio[:1]]
    tracks = tuple(_track(stream) for stream in chosen)
    units: list[AccessUnit] = []
    duration_90k = 0
    for packet in container.demux(chosen):
        if packet.dts is None or packet.pts is None or packet.time_base is None:
            continue
        index = chosen.index(packet.stream)
        scale = 90000 * packet.time_base
        payload = bytes(packet)
        if index == 0:
            nal_units = [bytes(unit) for unit in iterate_nal_units(payload)]
            payload = nal_units_to_payload(tracks[0].codec, nal_units)
            length_90k = round(packet.duration * scale) if packet.duration else 3600
            duration_90k = max(duration_90k, round(packet.dts * scale) + length_90k)
        units.append(
            AccessUnit(
                index,
                payload,
                round(packet.pts * scale),
                round(packet.dts * scale),
                index > 0 or bool(packet.is_keyframe),
                0,
            )
        )
    # Encoders of sound begin a little before the picture; that priming is not replayed.
    first_90k = min((unit.dts_90k for unit in units if unit.track_index == 0), default=0)
    for unit in units:
        unit.pts_90k -= first_90k
        unit.dts_90k -= first_90k
    duration_90k -= first_90k
    units = [unit for unit in units if 0 <= unit.dts_90k < duration_90k]
    units.sort(key=lambda unit: (unit.dts_90k, unit.track_index))
    if not units or not units[0].keyframe or units[0].track_index != 0:
        raise ClipError("the file does not begin with a video keyframe")
    return Clip(tracks, tuple(units), duration_90k)


def _track(stream: av.stream.Stream) -> Track:
    context = stream.codec_context
    codec = _CODECS.get(context.name)
    if codec is None:
        raise ClipError(f"codec {context.name} is not carried")
    extradata = bytes(context.extradata or b"")
    if codec is Codec.H264:
        return h264.track_from_parameter_sets(*_avcc_parameter_sets(extradata)[:2])
    if codec is Codec.H265:
        return h265.track_from_parameter_sets(*_hvcc_parameter_sets(extradata)[:3])
    if not isinstance(context, av.AudioCodecContext):
        raise ClipError(f"codec {context.name} is not sound")
    return Track(
        "audio",
        codec,
        clock_rate=48000 if codec is Codec.OPUS else context.sample_rate,
        parameter_sets=(extradata,) if codec is Codec.AAC else (),
        channels=context.layout.nb_channels,
    )


def _avcc_parameter_sets(record: bytes) -> list[bytes]:
    """SPS and PPS of an AVCDecoderConfigurationRecord (ISO/IEC 14496-15 §5.3.3.1)."""
    if len(record) < 7 or record[0] != 1 or record[4] & 3 != 3:
        raise ClipError("the file has no avcC box with 4-byte lengths")
    sets: list[bytes] = []
    position = 5
    for mask in (0x1F, 0xFF):
        count = record[position] & mask
        position += 1
        for _ in range(count):
            size = int.from_bytes(record[position : position + 2], "big")
            sets.append(record[position + 2 : position + 2 + size])
            position += 2 + size
    return sets


def _hvcc_parameter_sets(record: bytes) -> list[bytes]:
    """VPS, SPS and PPS of an HEVCDecoderConfigurationRecord (ISO/IEC 14496-15 §8.3.3.1)."""
    if len(record) < 23 or record[0] != 1 or record[21] & 3 != 3:
        raise ClipError("the file has no hvcC box with 4-byte lengths")
    by_type: dict[int, bytes] = {}
    position = 23
    for _ in range(record[22]):
        kind = record[position] & 0x3F
        count = int.from_bytes(record[position + 1 : position + 3], "big")
        position += 3
        for _ in range(count):
            size = int.from_bytes(record[position : position + 2], "big")
            by_type.setdefault(kind, record[position + 2 : position + 2 + size])
            position += 2 + size
    return [by_type[kind] for kind in (32, 33, 34) if kind in by_type]
