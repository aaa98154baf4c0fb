"""Sound of telephones without a telephone: G.711, playing out, keys, the mix."""

from __future__ import annotations

import struct
from typing import Any

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.meetings.telephone import g711, wire
from gateway.meetings.telephone.digits import Digits
from gateway.meetings.telephone.playout import Playout
from gateway.meetings.telephone.sound import CallSound
from gateway.meetings.telephone.tones import TONES

ALL = np.arange(-32768, 32768).astype(np.int16)


def reference(codec: str) -> Any:
    decoder: Any = av.CodecContext.create({"PCMA": "pcm_alaw", "PCMU": "pcm_mulaw"}[codec], "r")
    decoder.sample_rate, decoder.layout = 8000, "mono"
    return decoder


@pytest.mark.parametrize("codec", ["PCMA", "PCMU"])
def test_g711_is_what_another_decoder_hears(codec: str) -> None:
    codes = bytes(range(256))
    (frame,) = reference(codec).decode(av.Packet(codes))
    assert np.array_equal(g711.decode(codec, codes), frame.to_ndarray().reshape(-1))


@pytest.mark.parametrize("codec", ["PCMA", "PCMU"])
def test_every_sample_becomes_the_nearest_code(codec: str) -> None:
    heard = g711.decode(codec, g711.encode(codec, ALL)).astype(int)
    possible = np.unique(g711.decode(codec, bytes(range(256))).astype(int))
    nearest = np.abs(possible[:, None] - ALL[::97].astype(int)).min(axis=0)
    assert np.array_equal(np.abs(heard - ALL)[::97], nearest)


def test_narrowing_keeps_speech_and_drops_what_a_telephone_cannot_carry() -> None:
    for hertz, kept in ((400, True), (3000, True), (4500, False), (9000, False)):
        narrowing = g711.Narrowing()
        wide = 10_000 * np.sin(2 * np.pi * hertz * np.arange(48_000) / 48_000)
        frames = [narrowing.push(one.astype(np.float32)) for one in np.split(wide, 50)]
        assert all(len(one) == g711.FRAME_SAMPLES for one in frames)
        strength = float(np.concatenate(frames[2:]).astype(float).std()) / wide.std()
        assert strength > 0.9 if kept else strength < 0.15, (hertz, strength)


def test_loudness_is_counted_below_the_loudest() -> None:
    assert g711.level_dbov(None) == 127
    assert g711.level_dbov(np.zeros(160, np.int16)) == 127
    assert g711.level_dbov(np.full(160, -32768, np.int16)) == 0
    assert g711.level_dbov(np.full(160, 3277, np.int16)) == 20


def marked(number: int) -> Any:
    return np.full(160, number, np.int16)


def test_packets_in_disorder_are_played_in_order() -> None:
    playout = Playout(8000)
    for number in (1, 3, 2, 4):
        playout.put(160 * number + 0xFFFFFF00, marked(number))
    assert [int(playout.take(160)[0]) for _ in range(4)] == [1, 2, 3, 4]  # type: ignore[index]
    assert playout.take(160) is None


def test_a_lost_packet_is_silence_of_its_length() -> None:
    playout = Playout(8000)
    for number in (1, 2, 4):
        playout.put(160 * number, marked(number))
    played = [playout.take(160) for _ in range(4)]
    assert [None if one is None else int(one[0]) for one in played] == [1, 2, None, 4]


@given(
    st.lists(
        st.tuples(st.integers(0, 2**32 - 1), st.integers(0, 4000), st.integers(0, 3)), max_size=60
    )
)
def test_whatever_comes_memory_is_bounded_and_what_is_played_has_its_length(
    packets: list[tuple[int, int, int]],
) -> None:
    playout = Playout(8000)
    for timestamp, length, takes in packets:
        playout.put(timestamp, np.ones(length, np.int16))
        assert len(playout) <= 2 * 2400
        for _ in range(takes):
            played = playout.take(160)
            assert played is None or len(played) == 160


def test_packets_over_one_another_do_not_fill_the_memory() -> None:
    playout = Playout(8000)
    for timestamp in range(1000):
        playout.put(timestamp, np.ones(1400, np.int16))
    assert len(playout) <= 2 * 2400


@given(st.integers(0, 2**32 - 1), st.lists(st.integers(0, 5), max_size=20))
def test_an_even_stream_is_played_whole_whenever_it_is_asked_for(
    start: int, holds: list[int]
) -> None:
    playout = Playout(8000)
    number, played = 0, []
    for hold in [*holds, 6]:
        for _ in range(min(hold, 6)):
            playout.put((start + 160 * number) & 0xFFFFFFFF, marked(number + 1))
            number += 1
        one = playout.take(160)
        if one is not None:
            played.append(int(one[0]))
    assert played == sorted(set(played))
    assert all(0 < one <= number for one in played)


def test_a_press_is_told_once() -> None:
    digits = Digits()
    packet = struct.pack(">BBH", 11, 10, 160)
    assert digits.receive(5000, packet) == "#"
    assert digits.receive(5000, packet) is None
    assert digits.receive(4000, packet) is None
    assert digits.receive(9000, struct.pack(">BBH", 0x80 >> 7, 10, 160)) == "1"
    assert digits.receive(12000, b"\x20\x00\x00\x00") is None
    assert digits.receive(12000, b"\x01") is None


def rtp(number: int, payload: bytes, kind: int = 8) -> bytes:
    return struct.pack(">BBHII", 0x80, kind, number, 160 * number, 7) + payload


def sine(hertz: float, number: int) -> Any:
    at = np.arange(160) + 160 * number
    return (8000 * np.sin(2 * np.pi * hertz * at / 8000)).astype(np.int16)


def strongest(sound: bytes, codec: str) -> float:
    samples = g711.decode(codec, sound).astype(float)
    power = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    return float(np.fft.rfftfreq(len(samples), 1 / 8000)[power.argmax()])


def test_two_voices_are_mixed_and_a_tone_goes_before_them() -> None:
    speakers = {0: (CallSound("PCMA", 8, None), 500.0), 2: (CallSound("PCMU", 0, None), 1500.0)}
    listener = CallSound("PCMU", 0, None)
    heard = []
    for number in range(120):
        for seat, (speaker, hertz) in speakers.items():
            codec, kind = ("PCMA", 8) if seat == 0 else ("PCMU", 0)
            sound = g711.encode(codec, sine(hertz, number))
            assert speaker.receive(rtp(number, sound, kind)) is None
            spoken = speaker.speak()
            assert spoken is not None
            listener.hear(seat, int.from_bytes(spoken[4:8], "big"), spoken[20:])
        packet = listener.sound()
        assert packet is not None and len(packet) == 172
        heard.append(packet[12:])
    mix = g711.decode("PCMU", b"".join(heard[40:])).astype(float)
    power = np.abs(np.fft.rfft(mix * np.hanning(len(mix))))
    at = np.fft.rfftfreq(len(mix), 1 / 8000)
    of = {hertz: power[np.abs(at - hertz) < 20].max() for hertz in (500, 1500, 1000)}
    assert 0.5 < of[500] / of[1500] < 2
    assert of[1000] < of[500] / 100
    listener.play(TONES["called"])
    tone = b"".join((listener.sound() or b"")[12:] for _ in range(9))
    assert abs(strongest(tone, "PCMU") - 1000) < 30


def test_who_is_muted_is_not_heard_and_who_holds_the_line_is_sent_nothing() -> None:
    call = CallSound("PCMA", 8, 101)
    call.muted, call.hears = True, False
    for number in range(10):
        call.receive(rtp(number, g711.encode("PCMA", sine(500, number))))
        spoken = call.speak()
        assert spoken is not None
        assert spoken[17] & 0x7F == 127
        assert call.sound() is None
    assert call.receive(rtp(20, struct.pack(">BBH", 5, 10, 160), 101)) == "5"


@given(st.binary(max_size=400))
def test_no_datagram_harms_a_call(data: bytes) -> None:
    call = CallSound("PCMA", 8, 101)
    call.receive(data)
    frame = wire.read_heard_frame(data)
    if frame is not None:
        call.hear(*frame)
    assert call.sound() is not None
