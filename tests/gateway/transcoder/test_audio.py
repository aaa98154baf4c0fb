from __future__ import annotations

from fractions import Fraction

import av
import numpy as np
import pytest

from camera_adapters.stream import AccessUnit, Codec, Track
from gateway.transcoder.audio import AudioTranscoder, open_audio_decoder

PCMA = Track("audio", Codec.PCMA, 8000, channels=1)


def tone(track: Track, seconds: float, hertz: float = 440.0) -> list[AccessUnit]:
    """A sine as the track's codec, 20 ms a unit for G.711."""
    rate = track.clock_rate
    times = np.arange(int(rate * seconds)) / rate
    samples = (np.sin(2 * np.pi * hertz * times) * 12000).astype(np.int16)
    encoder = av.CodecContext.create("pcm_alaw" if track.codec is Codec.PCMA else "pcm_mulaw", "w")
    encoder.sample_rate, encoder.layout, encoder.format = rate, "mono", "s16"
    encoder.time_base = Fraction(1, rate)
    units = []
    size = rate // 50
    for start in range(0, len(samples) - size + 1, size):
        frame = av.AudioFrame.from_ndarray(samples[None, start : start + size], "s16", "mono")
        frame.sample_rate, frame.pts = rate, start
        payload = b"".join(bytes(packet) for packet in encoder.encode(frame))
        at = start * 90000 // rate
        units.append(AccessUnit(1, payload, at, at, True, 1_000_000 + at * 100 // 9))
    return units


def heard(track: Track, units: list[AccessUnit]) -> np.ndarray:
    decoder = open_audio_decoder(track)
    parts = []
    for unit in units:
        for frame in decoder.decode(av.Packet(unit.payload)):
            samples = frame.to_ndarray().astype(np.float64)
            parts.append(samples[0] if frame.format.is_planar else samples.reshape(-1))
    return np.concatenate(parts)


def pitch(samples: np.ndarray, rate: int) -> float:
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    return float(np.argmax(spectrum) * rate / len(samples))


@pytest.mark.parametrize("source", [Codec.PCMA, Codec.PCMU])
@pytest.mark.parametrize("wanted", [Codec.AAC, Codec.OPUS])
def test_g711_becomes(source, wanted) -> None:
    track = Track("audio", source, 8000, channels=1)
    transcoder = AudioTranscoder(track, wanted)
    units = tone(track, 2.0)
    made = transcoder.push(units) + transcoder.finish()
    rate = transcoder.track.clock_rate
    assert abs(pitch(heard(transcoder.track, made), rate) - 440) < 3
    steps = np.diff([unit.pts_90k for unit in made])
    frame = 1024 if wanted is Codec.AAC else 960
    assert set(steps) == {frame * 90000 // rate}
    assert made[0].pts_90k == 0
    assert made[0].wall_us == 1_000_000
    assert made[0].track_index == 1


def test_aac_becomes_opus_for_webrtc() -> None:
    to_aac = AudioTranscoder(PCMA, Codec.AAC)
    aac = to_aac.push(tone(PCMA, 2.0)) + to_aac.finish()
    to_opus = AudioTranscoder(to_aac.track, Codec.OPUS)
    made = to_opus.push(aac) + to_opus.finish()
    assert to_opus.track == Track("audio", Codec.OPUS, 48000, channels=1)
    assert abs(pitch(heard(to_opus.track, made), 48000) - 440) < 3


def test_lost_sound_stays_a_step_of_the_time_line() -> None:
    units = tone(PCMA, 2.0)
    transcoder = AudioTranscoder(PCMA, Codec.AAC)
    made = transcoder.push(units[:30] + units[70:]) + transcoder.finish()
    times = [unit.pts_90k for unit in made]
    assert times == sorted(times)
    assert units[70].pts_90k in times
    assert not any(units[34].pts_90k + 11520 < at < units[70].pts_90k for at in times)


def test_garbage_is_silence_not_an_error() -> None:
    to_aac = AudioTranscoder(PCMA, Codec.AAC)
    aac = to_aac.push(tone(PCMA, 1.0)) + to_aac.finish()
    broken = [AccessUnit(1, b"\xff" * 9, u.pts_90k, u.dts_90k, True, 0) for u in aac]
    transcoder = AudioTranscoder(to_aac.track, Codec.OPUS)
    transcoder.push(broken)
    transcoder.finish()
