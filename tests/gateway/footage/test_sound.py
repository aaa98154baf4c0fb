from __future__ import annotations

import itertools

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from camera_adapters.stream import AccessUnit, Codec, Track
from gateway.footage.sound import (
    convert,
    convert_to_one_size,
    frames_between,
    playable_tracks,
)
from gateway.transcoder.audio import open_audio_decoder
from tests.gateway.footage.conftest import PCMA, g711_tone


def heard(track: Track, units: list[AccessUnit]) -> np.ndarray:
    decoder = open_audio_decoder(track)
    frames = [f for unit in units for f in decoder.decode(av.Packet(unit.payload))]
    return np.concatenate([frame.to_ndarray()[0] for frame in frames])


def cut(units: list[AccessUnit], seconds: float) -> list[list[AccessUnit]]:
    groups: dict[int, list[AccessUnit]] = {}
    for unit in units:
        groups.setdefault(int(unit.pts_90k / 90000 / seconds), []).append(unit)
    return list(groups.values())


@pytest.mark.parametrize("codec", [Codec.PCMA, Codec.PCMU])
def test_fragments_converted_one_by_one_join_without_a_seam(codec) -> None:
    track = Track("audio", codec, 8000, channels=1)
    fragments = cut(g711_tone(codec, 12.0), 2.0)
    made: list[AccessUnit] = []
    for index, fragment in enumerate(fragments):
        before = fragments[index - 1] if index else []
        made += convert(track, before, [fragment])[0]
    steps = {after.pts_90k - a.pts_90k for a, after in itertools.pairwise(made)}
    assert steps == {1024 * 90000 // 8000}
    assert made[0].pts_90k == 0
    sound = heard(playable_tracks([track])[0], made)[2048:]
    # A pure tone stays one: what is not the tone is far below it, at the seams too.
    times = np.arange(len(sound)) / 8000
    basis = np.stack([np.sin(2 * np.pi * 440 * times), np.cos(2 * np.pi * 440 * times)])
    amplitudes, *_ = np.linalg.lstsq(basis.T, sound, rcond=None)
    rest = sound - amplitudes @ basis
    signal = np.sqrt(np.mean(sound**2))
    blocks = [np.sqrt(np.mean(rest[at : at + 256] ** 2)) for at in range(0, len(rest) - 256, 256)]
    assert max(blocks) < signal / 30


def test_asking_for_several_gives_the_same_frames_as_one_by_one() -> None:
    fragments = cut(g711_tone(Codec.PCMA, 8.0), 2.0)
    together = convert(PCMA, [], fragments)
    apart = [
        convert(PCMA, fragments[index - 1] if index else [], [fragment])[0]
        for index, fragment in enumerate(fragments)
    ]
    assert [[u.pts_90k for u in units] for units in together] == [
        [u.pts_90k for u in units] for units in apart
    ]


def test_a_fragment_without_sound_gives_none_and_the_next_begins_anew() -> None:
    fragments = cut(g711_tone(Codec.PCMA, 6.0), 2.0)
    made = convert(PCMA, [], [fragments[0], [], fragments[2]])
    assert made[1] == []
    # No earlier than one frame before its own sound.
    assert made[2][0].pts_90k > fragments[2][0].pts_90k - 11520
    assert made[2][0].pts_90k <= fragments[2][0].pts_90k


def test_lost_packets_are_silence_in_their_place() -> None:
    units = g711_tone(Codec.PCMA, 4.0)
    kept = [unit for unit in units if not 90000 <= unit.pts_90k < 180000]
    (made,) = convert(PCMA, [], [kept])
    sound = heard(playable_tracks([PCMA])[0], made)[1024:]
    assert np.abs(sound[8200:14500]).max() < 0.01
    assert np.abs(sound[17000:20000]).max() > 0.2


@given(st.lists(st.integers(1, 40_000), min_size=1, max_size=12), st.integers(0, 100_000))
def test_every_frame_of_the_run_belongs_to_exactly_one_fragment(lengths, start) -> None:
    frames: list[int] = []
    previous: int | None = None
    at = start
    for length in lengths:
        found = frames_between(previous, at, at + length)
        assert all(first + 2048 <= at + length for first in found)
        frames += found
        at += length
        previous = at
    if frames:
        assert frames == list(range(frames[0], frames[-1] + 1, 1024))
        assert frames[0] <= start or previous is not None
        assert frames[-1] + 2048 <= at < frames[-1] + 3 * 1024


@pytest.mark.parametrize("kind", ["noise", "clicks", "chirp"])
def test_frames_of_one_size_whatever_the_sound(kind) -> None:
    random = np.random.default_rng(1)
    codes = np.full(16000, 0xD5, np.uint8)
    if kind == "noise":
        codes = random.integers(0, 256, 16000, dtype=np.uint8)
    elif kind == "clicks":
        codes[::777] = 0xAA
    else:
        codes = ((np.sin(np.arange(16000) ** 2 / 9000) > 0) * 0x80 + 0x2A).astype(np.uint8)
    units = [
        AccessUnit(1, codes[at : at + 160].tobytes(), at * 45 // 4, at * 45 // 4, True, 0)
        for at in range(0, 16000, 160)
    ]
    frames = len(frames_between(None, 0, 16000))
    data = convert_to_one_size(PCMA, [], units, frames)
    assert len(data) == frames * 1024
    decoder = open_audio_decoder(playable_tracks([PCMA])[0])
    decoded = [
        frame
        for at in range(0, len(data), 1024)
        for frame in decoder.decode(av.Packet(data[at : at + 1024]))
    ]
    assert len(decoded) == frames
