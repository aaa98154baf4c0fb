"""From PES packets of sound to frames: G.711 as it is, AAC out of ADTS (ISO/IEC 14496-3 §1.A.3).

What the map calls it is checked against the bytes where these leave no doubt.
"""

from __future__ import annotations

from dataclasses import dataclass

from camera_adapters.codecs import CodecError, aac
from camera_adapters.mpeg_ps.packets import StreamType, name_of
from camera_adapters.stream import Codec, Track

_FRAME_BYTES_LIMIT = 8192
_ADTS_HEAD = 7
_G711_RATE = 8000
_G711 = {
    StreamType.G711A: Track("audio", Codec.PCMA, _G711_RATE, channels=1),
    StreamType.G711U: Track("audio", Codec.PCMU, _G711_RATE, channels=1),
}


@dataclass(slots=True)
class SoundFrame:
    """One frame; ``offset_90k`` counts from the time of its packet."""

    payload: bytes
    offset_90k: int


class SoundAssembler:
    """Takes one sound stream's packets.

    ``track`` is known from the first frame on, and replaced when the format changes.
    ``unsupported`` names sound that the gateway does not carry; it is left out. ``guessed``: the
    map did not say what it is, or said something else.
    """

    def __init__(self) -> None:
        self.stream_type: int | None = None
        self.track: Track | None = None
        self.unsupported = ""
        self.guessed = False
        self.malformed = 0
        self._rest = b""
        self._frame_90k = 0
        self._config = b""

    def declare(self, stream_type: int) -> None:
        """The map says what the sound is."""
        if stream_type != self.stream_type:
            self.stream_type = stream_type
            self.guessed = False
            self.unsupported = ""
            self.lose()

    def lose(self) -> None:
        """Packets are missing here."""
        self._rest = b""

    def take(self, payload: bytes) -> list[SoundFrame]:
        """The frames of the next packet."""
        if not payload:
            return []
        if self.stream_type is None or (
            self.stream_type != StreamType.AAC and _is_all_adts(payload)
        ):
            self._guess(payload)
        if self.stream_type == StreamType.AAC:
            return self._adts(payload)
        track = _G711.get(self.stream_type)  # type: ignore[call-overload]
        if track is None:
            self.unsupported = name_of(self.stream_type or 0)
            return []
        self.track = track
        return [SoundFrame(_without_vendor_head(payload), 0)]

    def _guess(self, payload: bytes) -> None:
        self.guessed = True
        if _is_all_adts(payload):
            self.stream_type = StreamType.AAC
        elif payload[0] == 0xFF and payload[1:2] and payload[1] & 0xE0 == 0xE0:
            self.stream_type = StreamType.MPEG1_AUDIO
        else:
            # GB/T 28181-2016 §C.2.5: the sound that every device has.
            self.stream_type = StreamType.G711A

    def _adts(self, payload: bytes) -> list[SoundFrame]:
        data = self._rest + payload
        frames: list[SoundFrame] = []
        position, end = 0, len(data)
        while end - position >= _ADTS_HEAD:
            length = _adts_length(data, position)
            if not length:
                self.malformed += 1
                position = _next_sync(data, position + 1)
                continue
            if position + length > end:
                break
            head = _ADTS_HEAD if data[position + 1] & 1 else _ADTS_HEAD + 2
            self._take_format(data, position)
            if self.track is not None and length > head:
                frames.append(
                    SoundFrame(
                        data[position + head : position + length], len(frames) * self._frame_90k
                    )
                )
            position += length
        self._rest = data[position:][-_FRAME_BYTES_LIMIT:]
        return frames

    def _take_format(self, data: bytes, at: int) -> None:
        kind = (data[at + 2] >> 6) + 1
        frequency = data[at + 2] >> 2 & 15
        channels = (data[at + 2] & 1) << 2 | data[at + 3] >> 6
        config = bytes((kind << 3 | frequency >> 1, (frequency & 1) << 7 | channels << 3))
        if config == self._config:
            return
        self._config = config
        try:
            self.track = aac.track_from_audio_specific_config(config)
            self._frame_90k = 1024 * 90_000 // self.track.clock_rate
        except CodecError:
            self.track = None
            self.malformed += 1


def _adts_length(data: bytes, at: int) -> int:
    """The frame's length with its head; 0 when it is no head."""
    if data[at] != 0xFF or data[at + 1] & 0xF6 != 0xF0:
        return 0
    length = (data[at + 3] & 3) << 11 | data[at + 4] << 3 | data[at + 5] >> 5
    return length if length >= _ADTS_HEAD else 0


def _is_all_adts(payload: bytes) -> bool:
    """Whether the payload is a row of whole ADTS frames, to its last byte."""
    if payload[0] != 0xFF or len(payload) <= _ADTS_HEAD:
        return False
    position, end = 0, len(payload)
    while end - position >= _ADTS_HEAD:
        length = _adts_length(payload, position)
        if not length:
            return False
        position += length
    return position == end


def _next_sync(data: bytes, position: int) -> int:
    at = data.find(b"\xff", position)
    return at if at >= 0 else len(data)


def _without_vendor_head(payload: bytes) -> bytes:
    """Some encoders put four bytes before the samples: 0, 1, their length in words, 0."""
    if (
        len(payload) > 4
        and payload[0] == 0
        and payload[1] == 1
        and payload[3] == 0
        and payload[2] * 2 == len(payload) - 4
    ):
        return payload[4:]
    return payload
