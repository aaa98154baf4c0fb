"""Sound of any kind to AAC-LC (for MSE and MP4) or Opus (for WebRTC).

A core without I/O: access units in, access units out. It blocks for tens of microseconds a frame.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from fractions import Fraction
from typing import Any

import av
import av.error
from av.audio.codeccontext import AudioCodecContext
from av.audio.fifo import AudioFifo
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from av.codec.context import Flags

from camera_adapters.codecs.aac import build_audio_specific_config
from camera_adapters.stream import AccessUnit, Codec, Track
from gateway.transcoder.errors import TranscodeError

CLOCK_90K = 90_000
AAC_FRAME_SAMPLES = 1024
OPUS_RATE = 48_000
_DECODERS = {
    Codec.AAC: "aac",
    Codec.OPUS: "libopus",
    Codec.PCMA: "pcm_alaw",
    Codec.PCMU: "pcm_mulaw",
}
_AAC_RATES = (96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000)
# Sound that is further off its place than this starts anew there; less is absorbed.
_STEP_90K = CLOCK_90K // 10


def layout_of(track: Track) -> str:
    """The channel layout's name: one or two channels, as everywhere behind the decoder."""
    return "stereo" if track.channels >= 2 else "mono"


def open_audio_decoder(track: Track) -> AudioCodecContext:
    """A decoder for the track. Raises TranscodeError ``unsupported`` for video."""
    name = _DECODERS.get(track.codec)
    if name is None:
        raise TranscodeError("unsupported", f"{track.codec} is no sound that we decode")
    decoder: Any = av.CodecContext.create(name, "r")
    decoder.sample_rate = track.clock_rate
    decoder.layout = layout_of(track)
    if track.codec is Codec.AAC:
        if not track.parameter_sets:
            raise TranscodeError("unsupported", "AAC without its AudioSpecificConfig")
        decoder.extradata = track.parameter_sets[0]
    elif track.codec is Codec.OPUS:
        decoder.extradata = _opus_head(track)
    return decoder  # type: ignore[no-any-return]


def open_audio_encoder(
    codec: Codec, rate: int, layout: str, bit_rate: int | None = None
) -> AudioCodecContext:
    """An encoder for AAC-LC or Opus, opened; ``bit_rate`` is for all channels, None what speech
    needs. Raises TranscodeError ``unsupported``.
    """
    encoder: Any = av.CodecContext.create("aac" if codec is Codec.AAC else "libopus", "w")
    encoder.sample_rate = rate
    encoder.layout = layout
    encoder.format = "fltp" if codec is Codec.AAC else "s16"
    encoder.time_base = Fraction(1, rate)
    channels = 2 if layout == "stereo" else 1
    usual = 32_000 if codec is Codec.OPUS else min(64_000, rate * 4)
    encoder.bit_rate = bit_rate or channels * usual
    encoder.flags |= Flags.global_header
    if codec is Codec.OPUS:
        encoder.options = {"application": "audio", "frame_duration": "20"}
    try:
        encoder.open()
    except av.error.FFmpegError as error:
        raise TranscodeError("unsupported", f"no {codec} at {rate} Hz: {error}") from error
    return encoder  # type: ignore[no-any-return]


def output_audio_track(source: Track, codec: Codec) -> Track:
    """The track that transcoding ``source`` gives: AAC keeps the sampling rate where AAC has it,
    Opus is 48 kHz. Raises TranscodeError ``unsupported``.
    """
    channels = 2 if source.channels >= 2 else 1
    if codec is Codec.OPUS:
        return Track("audio", Codec.OPUS, OPUS_RATE, channels=channels)
    if codec is not Codec.AAC:
        raise TranscodeError("unsupported", f"sound is not transcoded to {codec}")
    rate = source.clock_rate if source.clock_rate in _AAC_RATES else OPUS_RATE
    config = build_audio_specific_config(rate, channels)
    return Track("audio", Codec.AAC, rate, (config,), channels=channels)


def _opus_head(track: Track) -> bytes:
    """The identification header that a decoder wants (RFC 7845 §5.1), without pre-skip."""
    channels = 2 if track.channels >= 2 else 1
    return b"OpusHead\x01" + bytes([channels]) + b"\0\0" + (48000).to_bytes(4, "little") + b"\0\0\0"


class AudioTranscoder:
    """One source track to one AAC or Opus track, continuous; a step of the time line (lost sound)
    is kept as a step.
    """

    def __init__(self, track: Track, codec: Codec) -> None:
        self.source = track
        self.track = output_audio_track(track, codec)
        self._rate = self.track.clock_rate
        self._layout = layout_of(self.track)
        self._decoder = open_audio_decoder(track)
        self._track_index = 0
        self._begin()

    def _begin(self) -> None:
        self._resampler = AudioResampler(
            format="fltp" if self.track.codec is Codec.AAC else "s16",
            layout=self._layout,
            rate=self._rate,
        )
        self._encoder = open_audio_encoder(self.track.codec, self._rate, self._layout)
        self._fifo = AudioFifo()
        self._samples_in = 0
        self._delay: int | None = None
        self._base_90k: int | None = None
        self._base_wall_us = 0
        self._next_90k = 0

    def push(self, units: Iterable[AccessUnit]) -> list[AccessUnit]:
        """Take sound in order; return the frames that are full."""
        produced: list[AccessUnit] = []
        for unit in units:
            self._track_index = unit.track_index
            if self._base_90k is not None and abs(unit.pts_90k - self._next_90k) > _STEP_90K:
                produced.extend(self.finish())
            frames = self._decode(unit)
            for frame in frames:
                if self._base_90k is None:
                    self._base_90k = self._next_90k = unit.pts_90k
                    self._base_wall_us = unit.wall_us
                self._next_90k = unit.pts_90k + frame.samples * CLOCK_90K // (
                    frame.sample_rate or 1
                )
                produced.extend(self._encode(self._resample(frame)))
        return produced

    def finish(self) -> list[AccessUnit]:
        """Give what is still inside, and begin anew with the next unit."""
        produced = self._encode(self._resample(None))
        rest = self._fifo.read(0, partial=True)
        if rest is not None and rest.samples:
            produced.extend(self._encode_frame(rest))
        with contextlib.suppress(av.error.EOFError):
            produced.extend(self._units_of(self._encoder.encode(None)))
        self._begin()
        return produced

    def _decode(self, unit: AccessUnit) -> list[AudioFrame]:
        try:
            return list(self._decoder.decode(av.Packet(unit.payload)))
        except av.error.FFmpegError:
            return []

    def _resample(self, frame: AudioFrame | None) -> list[AudioFrame]:
        if frame is None and self._base_90k is None:
            return []
        if frame is not None:
            frame.pts = None
        return list(self._resampler.resample(frame))

    def _encode(self, frames: Iterable[AudioFrame]) -> list[AccessUnit]:
        produced: list[AccessUnit] = []
        size = self._encoder.frame_size or AAC_FRAME_SAMPLES
        for frame in frames:
            frame.pts = None
            self._fifo.write(frame)
            for full in self._fifo.read_many(size):
                produced.extend(self._encode_frame(full))
        return produced

    def _encode_frame(self, frame: AudioFrame) -> list[AccessUnit]:
        frame.pts = self._samples_in
        frame.time_base = Fraction(1, self._rate)
        self._samples_in += frame.samples
        return self._units_of(self._encoder.encode(frame))

    def _units_of(self, packets: Iterable[av.Packet[Any]]) -> list[AccessUnit]:
        units = []
        for packet in packets:
            if not packet.size:
                continue
            at = int(packet.pts or 0)
            if self.track.codec is Codec.OPUS:
                # Opus frames stay on their grid, 6.5 ms of pre-skip late: RTP counts evenly.
                self._delay = self._delay if self._delay is not None else -at
                at += self._delay
            if at < 0:
                continue  # AAC's priming: it has no place on the time line
            offset_90k = at * CLOCK_90K // self._rate
            pts = (self._base_90k or 0) + offset_90k
            wall_us = self._base_wall_us + offset_90k * 100 // 9
            units.append(AccessUnit(self._track_index, bytes(packet), pts, pts, True, wall_us))
        return units
