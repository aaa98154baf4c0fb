"""From the bodies of FLV tags, and of RTMP messages, to pictures and sound.

H.264 and AAC as Adobe wrote it (annex E.4), H.265 as codec 12 (as Chinese devices and servers send
it) and as Enhanced RTMP (Veovera, v1 and v2) has it, G.711, and Opus of Enhanced RTMP.
"""

from __future__ import annotations

from dataclasses import dataclass

from camera_adapters.codecs import CodecError, aac
from camera_adapters.codecs.configuration_records import (
    ConfigurationRecord,
    parse_avc_configuration,
    parse_hevc_configuration,
    split_by_length,
)
from camera_adapters.flv.tags import AUDIO, VIDEO
from camera_adapters.media_ingest import MediaIngest
from camera_adapters.stream import Codec, Track

_CODECS = {7: Codec.H264, 12: Codec.H265}
_FOURCC = {b"avc1": Codec.H264, b"hvc1": Codec.H265}
_FOURCC_NAMES = {b"av01": "AV1", b"vp09": "VP9", b"vp08": "VP8", b"vvc1": "H.266"}
_CODEC_NAMES = {2: "Sorenson H.263", 3: "screen video", 4: "VP6", 5: "VP6", 13: "AV1"}
_LENGTH_BYTES = 4
# Timestamps wrap at 32 bits of milliseconds: after 49.7 days.
_WRAP_MS = 1 << 32


@dataclass(slots=True)
class _Frame:
    kind: int  # 0 sequence header, 1 picture
    codec: Codec
    body: bytes
    composition_ms: int


class FlvMedia:
    """Hands one stream's tags to an ingest; without one, only formats are remembered.

    ``unsupported`` names a codec that the gateway does not carry, once one has come.
    """

    def __init__(self, ingest: MediaIngest | None) -> None:
        self.unsupported = ""
        self._ingest = ingest
        self._configurations: dict[Codec, ConfigurationRecord] = {}
        self._configured: Codec | None = None
        self._audio: Track | None = None
        self._last_ms = 0
        self._wraps_ms = 0

    def go_to(self, ingest: MediaIngest | None) -> None:
        """Hand over to this one from now on; formats that came already are told to it."""
        self._ingest = ingest
        if ingest is not None and self._configured is not None:
            sets = self._configurations[self._configured].parameter_sets
            ingest.parameter_sets(self._configured, list(sets))

    def take(self, kind: int, timestamp_ms: int, body: bytes, arrival_us: int) -> None:
        """One tag's body. Raises nothing: what cannot be read is counted as malformed."""
        if kind not in (AUDIO, VIDEO) or not body:
            return
        dts_90k = self._unwrap(timestamp_ms) * 90
        try:
            if kind == VIDEO:
                self._on_video(body, dts_90k, arrival_us)
            else:
                self._on_audio(body, dts_90k, arrival_us)
        except (CodecError, IndexError):
            if self._ingest is not None:
                self._ingest.counters.malformed += 1

    def _unwrap(self, timestamp_ms: int) -> int:
        timestamp_ms &= _WRAP_MS - 1
        if timestamp_ms < self._last_ms - _WRAP_MS // 2:
            self._wraps_ms += _WRAP_MS
        self._last_ms = timestamp_ms
        return timestamp_ms + self._wraps_ms

    def _on_video(self, body: bytes, dts_90k: int, arrival_us: int) -> None:
        frame = self._extended(body) if body[0] & 0x80 else self._plain(body)
        if frame is None:
            return
        codec = frame.codec
        if frame.kind == 0:
            parse = parse_hevc_configuration if codec is Codec.H265 else parse_avc_configuration
            record = parse(frame.body)
            self._configurations[codec] = record
            self._configured = codec
            if self._ingest is not None:
                self._ingest.parameter_sets(codec, list(record.parameter_sets))
            return
        if self._ingest is None:
            return
        known = self._configurations.get(codec)
        units = split_by_length(frame.body, known.length_bytes if known else _LENGTH_BYTES)
        if units:
            pts_90k = dts_90k + frame.composition_ms * 90
            self._ingest.picture(codec, units, pts_90k, dts_90k, arrival_us)

    def _plain(self, body: bytes) -> _Frame | None:
        if body[0] >> 4 == 5:
            return None  # A command of the player's, no picture.
        codec = _CODECS.get(body[0] & 0x0F)
        if codec is None:
            number = body[0] & 0x0F
            self.unsupported = _CODEC_NAMES.get(number, f"FLV codec {number}")
            return None
        kind = body[1]
        if kind > 1:
            return None
        return _Frame(kind, codec, body[5:], _signed_24(body, 2))

    def _extended(self, body: bytes) -> _Frame | None:
        if body[0] >> 4 & 7 == 5:
            return None
        packet, position = body[0] & 0x0F, 1
        while packet == 7:
            # ModEx: something to pass over, then the real type (Enhanced RTMP v2).
            size = body[position] + 1
            position += 1
            if size == 256:
                size = int.from_bytes(body[position : position + 2], "big") + 1
                position += 2
            position += size
            packet = body[position] & 0x0F
            position += 1
        fourcc = body[position : position + 4]
        codec = _FOURCC.get(fourcc)
        if codec is None:
            self.unsupported = _FOURCC_NAMES.get(fourcc, "an unknown codec")
            return None
        position += 4
        match packet:
            case 0:
                return _Frame(0, codec, body[position:], 0)
            case 1:
                return _Frame(1, codec, body[position + 3 :], _signed_24(body, position))
            case 3:
                return _Frame(1, codec, body[position:], 0)
        return None

    def _on_audio(self, body: bytes, pts_90k: int, arrival_us: int) -> None:
        sound = body[0] >> 4
        payload = b""
        match sound:
            case 10 if body[1] == 0:
                self._audio = aac.track_from_audio_specific_config(body[2:])
            case 10 if body[1] == 1 and self._audio is not None:
                payload = body[2:]
            case 7 | 8:
                codec = Codec.PCMA if sound == 7 else Codec.PCMU
                self._audio = Track("audio", codec, 8000, channels=1 + (body[0] & 1))
                payload = body[1:]
            case 9:
                payload = self._extended_audio(body)
        if payload and self._audio is not None and self._ingest is not None:
            self._ingest.sound(self._audio, payload, pts_90k, arrival_us)

    def _extended_audio(self, body: bytes) -> bytes:
        packet, fourcc = body[0] & 0x0F, body[1:5]
        match fourcc, packet:
            case b"mp4a", 0:
                self._audio = aac.track_from_audio_specific_config(body[5:])
            case b"Opus", 0:
                channels = body[5 + 9] if body[5:13] == b"OpusHead" else 2
                self._audio = Track("audio", Codec.OPUS, 48000, channels=channels)
            case ((b"mp4a" | b"Opus"), 1) if self._audio is not None:
                return body[5:]
        return b""


def _signed_24(data: bytes, position: int) -> int:
    value = data[position] << 16 | data[position + 1] << 8 | data[position + 2]
    return value - (1 << 24) if value & 0x800000 else value
