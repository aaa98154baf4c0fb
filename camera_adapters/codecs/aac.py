"""AAC's AudioSpecificConfig (ISO/IEC 14496-3 §1.6.2.1)."""

from __future__ import annotations

from dataclasses import dataclass

from camera_adapters.codecs import CodecError
from camera_adapters.codecs.bits import BitReader
from camera_adapters.stream import Codec, Track

SAMPLING_FREQUENCIES = (
    96000,
    88200,
    64000,
    48000,
    44100,
    32000,
    24000,
    22050,
    16000,
    12000,
    11025,
    8000,
    7350,
)
_CHANNELS = (0, 1, 2, 3, 4, 5, 6, 8)


@dataclass(frozen=True, slots=True)
class AudioSpecificConfig:
    """The core stream's object type (2: AAC LC), sampling frequency in Hz, and channels.

    ``channels`` is 0 where the stream itself says it. ``samples_per_frame`` is 1024, or 960.
    """

    object_type: int
    sampling_frequency: int
    channels: int
    samples_per_frame: int = 1024


def parse_audio_specific_config(data: bytes) -> AudioSpecificConfig:
    """Read an AudioSpecificConfig. Raises CodecError when it ends early or names reserved values.

    With explicit SBR or PS (object types 5, 29) the result describes the core stream, which is what
    the RTP clock counts.
    """
    reader = BitReader(data)
    object_type = _object_type(reader)
    frequency = _frequency(reader)
    channel_code = reader.bits(4)
    if object_type in (5, 29):
        _frequency(reader)
        object_type = _object_type(reader)
    if channel_code >= len(_CHANNELS):
        raise CodecError(f"channel configuration {channel_code} is reserved")
    short_frames = reader.flag() if reader.bits_left else False
    return AudioSpecificConfig(
        object_type, frequency, _CHANNELS[channel_code], 960 if short_frames else 1024
    )


def build_audio_specific_config(
    sampling_frequency: int, channels: int, object_type: int = 2
) -> bytes:
    """The two (or five) bytes for a plain stream. Raises CodecError for what cannot be written."""
    if channels not in _CHANNELS or not 0 < object_type < 31:
        raise CodecError(f"no AudioSpecificConfig for {channels} channels, type {object_type}")
    head = object_type << 11 | _CHANNELS.index(channels) << 3
    if sampling_frequency in SAMPLING_FREQUENCIES:
        return (head | SAMPLING_FREQUENCIES.index(sampling_frequency) << 7).to_bytes(2, "big")
    if not 0 < sampling_frequency < 1 << 24:
        raise CodecError(f"no AudioSpecificConfig for {sampling_frequency} Hz")
    value = object_type << 35 | 15 << 31 | sampling_frequency << 7
    return (value | _CHANNELS.index(channels) << 3).to_bytes(5, "big")


def track_from_audio_specific_config(data: bytes) -> Track:
    """The Track of an AAC stream. Raises CodecError."""
    config = parse_audio_specific_config(data)
    return Track(
        kind="audio",
        codec=Codec.AAC,
        clock_rate=config.sampling_frequency,
        parameter_sets=(bytes(data),),
        channels=config.channels,
    )


def _object_type(reader: BitReader) -> int:
    value = reader.bits(5)
    value = 32 + reader.bits(6) if value == 31 else value
    if not value:
        raise CodecError("audio object type 0 is reserved")
    return value


def _frequency(reader: BitReader) -> int:
    index = reader.bits(4)
    if index == 15:
        frequency = reader.bits(24)
        if not frequency:
            raise CodecError("a sampling frequency of 0 Hz")
        return frequency
    if index >= len(SAMPLING_FREQUENCIES):
        raise CodecError(f"sampling frequency index {index} is reserved")
    return SAMPLING_FREQUENCIES[index]
