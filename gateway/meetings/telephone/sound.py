"""The sound of one call, both ways: from the telephone to Opus, from the heard voices to G.711.

A core without I/O, called every 20 ms; it blocks for some tenths of a millisecond.
"""

from __future__ import annotations

import secrets
import struct
from typing import Any

import av
import av.error
import numpy as np
from av.audio.frame import AudioFrame

from camera_adapters.stream import Codec, Track
from gateway.meetings.telephone import g711, wire
from gateway.meetings.telephone.digits import Digits
from gateway.meetings.telephone.playout import Playout, Samples
from gateway.transcoder.audio import open_audio_decoder, open_audio_encoder

_RTP = struct.Struct(">BBHII")
_BIT_RATE = 24_000
_TONES_LIMIT = g711.RATE * 15
_OPUS = Track("audio", Codec.OPUS, 48_000, channels=1)
_SILENCE = np.zeros(g711.FRAME_SAMPLES, np.int16)


class CallSound:
    """``codec`` as in :mod:`.g711`; payload types as agreed on. While ``muted``, silence goes to
    the meeting; while not ``hears``, nothing goes to the telephone.
    """

    def __init__(self, codec: str, payload_type: int, digits_type: int | None) -> None:
        self.muted = False
        self.hears = True
        self._digits = Digits()
        self._voice = Playout(g711.RATE)
        self._encoder: Any = None
        self._seats = [_Seat() for _ in range(wire.SEATS)]
        self._narrowing = g711.Narrowing()
        self._tone: Samples = _SILENCE[:0]
        self._sequence = secrets.randbits(15)
        self._timestamp = secrets.randbits(31)
        self._ssrc = secrets.randbits(32)
        self._voice_sequence = secrets.randbits(15)
        self._voice_timestamp = secrets.randbits(31)
        self._voice_ssrc = secrets.randbits(32)
        self.agree(codec, payload_type, digits_type)

    def agree(self, codec: str, payload_type: int, digits_type: int | None) -> None:
        """From now on this is spoken (again)."""
        self._codec = codec
        self._payload_type = payload_type
        self._digits_type = digits_type

    def receive(self, packet: bytes) -> str | None:
        """Take an RTP packet of the telephone; gives the key that was pressed, if any."""
        if len(packet) < 13 or packet[0] >> 6 != 2:
            return None
        start = 12 + 4 * (packet[0] & 0x0F)
        if packet[0] & 0x10:
            start += 4 + 4 * int.from_bytes(packet[start + 2 : start + 4], "big")
        payload = packet[start:]
        if packet[0] & 0x20 and payload:
            payload = payload[: max(0, len(payload) - payload[-1])]
        timestamp = int.from_bytes(packet[4:8], "big")
        kind = packet[1] & 0x7F
        if kind == self._digits_type:
            return self._digits.receive(timestamp, payload)
        if kind == self._payload_type and payload:
            self._voice.put(timestamp, g711.decode(self._codec, payload))
        return None

    def speak(self) -> bytes | None:
        """The telephone's next 20 ms as a packet for the shard."""
        samples = None if self.muted else self._voice.take(g711.FRAME_SAMPLES)
        if self._encoder is None:
            self._encoder = open_audio_encoder(Codec.OPUS, g711.RATE, "mono", _BIT_RATE)
        shown = _SILENCE if samples is None else samples
        frame = AudioFrame.from_ndarray(shown.reshape(1, -1), format="s16", layout="mono")
        frame.sample_rate = g711.RATE
        self._voice_sequence += 1
        self._voice_timestamp += g711.WIDE_FRAME_SAMPLES
        try:
            payload = b"".join(bytes(packet) for packet in self._encoder.encode(frame))
        except av.error.FFmpegError:
            self._encoder = None
            return None
        if not payload:
            return None
        return wire.voice_packet(
            self._voice_sequence,
            self._voice_timestamp,
            self._voice_ssrc,
            g711.level_dbov(samples),
            payload,
        )

    def hear(self, seat: int, timestamp: int, payload: bytes) -> None:
        """Take a frame of Opus of a voice that is heard; see :func:`.wire.heard_frame`."""
        self._seats[seat].take(timestamp, payload)

    def hear_nobody(self) -> None:
        """The call is in no meeting any more."""
        for seat in self._seats:
            seat.empty()

    def play(self, tone: Samples) -> None:
        """Let the caller hear this, before anything else."""
        self._tone = np.concatenate((self._tone, tone))[:_TONES_LIMIT]

    def hush(self) -> None:
        """Of what they were to hear first, no more."""
        self._tone = _SILENCE[:0]

    def sound(self) -> bytes | None:
        """The next 20 ms for the telephone, an RTP packet; None for one that holds the line."""
        mixed = self._mixed()
        if len(self._tone):
            played, self._tone = np.split(self._tone, [g711.FRAME_SAMPLES])
            mixed = np.pad(played, (0, g711.FRAME_SAMPLES - len(played)))
        self._sequence += 1
        self._timestamp += g711.FRAME_SAMPLES
        if not self.hears:
            return None
        head = _RTP.pack(
            0x80, self._payload_type, self._sequence & 0xFFFF, self._timestamp & 0xFFFFFFFF,
            self._ssrc,
        )  # fmt: skip
        return head + g711.encode(self._codec, mixed)

    def _mixed(self) -> Samples:
        wide = np.zeros(g711.WIDE_FRAME_SAMPLES, np.float32)
        for seat in self._seats:
            samples = seat.playout.take(g711.WIDE_FRAME_SAMPLES)
            if samples is not None:
                wide += samples
        return self._narrowing.push(wide)


class _Seat:
    """One of the voices that are heard at a time."""

    __slots__ = ("_decoder", "playout")

    def __init__(self) -> None:
        self._decoder: Any = None
        self.playout = Playout(48_000)

    def take(self, timestamp: int, payload: bytes) -> None:
        if not payload:
            self.empty()
            return
        if self._decoder is None:
            self._decoder = open_audio_decoder(_OPUS)
        try:
            frames = self._decoder.decode(av.Packet(payload))
        except av.error.FFmpegError:
            return
        for frame in frames:
            samples = frame.to_ndarray().reshape(-1)
            self.playout.put(timestamp, samples.astype(np.int16, copy=False))
            timestamp += len(samples)

    def empty(self) -> None:
        self._decoder = None
        self.playout.reset()
