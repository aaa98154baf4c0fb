"""Decoder configuration records (ISO/IEC 14496-15 §5.3.3.1 and §8.3.3.1): avcC and hvcC, which FLV,
RTMP and MP4 carry.
"""

from __future__ import annotations

from dataclasses import dataclass

from camera_adapters.codecs import CodecError

_NAL_UNITS_LIMIT = 64


@dataclass(frozen=True, slots=True)
class ConfigurationRecord:
    """How many bytes a NAL unit's length takes, and the parameter sets, in order."""

    length_bytes: int
    parameter_sets: tuple[bytes, ...]


def parse_avc_configuration(data: bytes) -> ConfigurationRecord:
    """Read an AVCDecoderConfigurationRecord. Raises CodecError when it ends early."""
    if len(data) < 6 or data[0] != 1:
        raise CodecError("no AVCDecoderConfigurationRecord")
    sets, position = _units(data, 6, data[5] & 0x1F)
    if position >= len(data):
        raise CodecError("the AVCDecoderConfigurationRecord has no picture parameter sets")
    more, _ = _units(data, position + 1, data[position])
    return ConfigurationRecord((data[4] & 3) + 1, (*sets, *more))


def parse_hevc_configuration(data: bytes) -> ConfigurationRecord:
    """Read an HEVCDecoderConfigurationRecord. Raises CodecError when it ends early."""
    if len(data) < 23:
        raise CodecError("no HEVCDecoderConfigurationRecord")
    sets: list[bytes] = []
    position = 23
    for _ in range(data[22]):
        if position + 3 > len(data):
            raise CodecError("the HEVCDecoderConfigurationRecord ends early")
        count = int.from_bytes(data[position + 1 : position + 3], "big")
        units, position = _units(data, position + 3, count)
        sets += units
    return ConfigurationRecord((data[21] & 3) + 1, tuple(sets))


def split_by_length(data: bytes, length_bytes: int) -> list[bytes]:
    """The NAL units of a sample, each behind its length. Raises CodecError when one is cut."""
    units = []
    position, end = 0, len(data)
    while position < end:
        start = position + length_bytes
        position = start + int.from_bytes(data[position:start], "big")
        if start > end or position > end:
            raise CodecError("a NAL unit's length runs past the end of its sample")
        if position > start:
            units.append(data[start:position])
    return units


def _units(data: bytes, position: int, count: int) -> tuple[list[bytes], int]:
    if count > _NAL_UNITS_LIMIT:
        raise CodecError(f"{count} parameter sets of one kind")
    units = []
    for _ in range(count):
        start = position + 2
        position = start + int.from_bytes(data[position:start], "big")
        if start > len(data) or position > len(data):
            raise CodecError("a configuration record ends early")
        units.append(data[start:position])
    return units, position
