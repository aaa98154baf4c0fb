"""G.711 of recorded fragments as AAC, fragment by fragment, without a seam.

Chromium's MSE refuses G.711. Fragments are asked for one at a time and in any order, so no encoder
may run on from one to the next. Instead AAC frames lie on a fixed grid of the run's samples, and a
frame belongs to the fragment that brings the last sample that it needs: two frames' length of the
sound before a fragment is enough to make it, and what is made apart fits together.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

import av
import numpy as np
import numpy.typing as npt

from camera_adapters.stream import AccessUnit, Codec, Track
from gateway.transcoder.audio import (
    AAC_FRAME_SAMPLES,
    layout_of,
    open_audio_encoder,
    output_audio_track,
)

CLOCK_90K = 90_000
# Room for one frame of one channel where all are to be of one size; the encoder's longest are a
# little above the 768 bytes of the standard's buffer model (ISO/IEC 14496-3 §4.5.3.3).
AAC_FRAME_BYTES_LIMIT = 1024
_WARM_UP_FRAMES = 3


def needs_conversion(track: Track) -> bool:
    """Whether browsers refuse this sound."""
    return track.codec in (Codec.PCMA, Codec.PCMU)


def playable_tracks(tracks: Sequence[Track]) -> tuple[Track, ...]:
    """The tracks as browsers get them: G.711 becomes AAC, the rest stays."""
    return tuple(
        output_audio_track(track, Codec.AAC) if needs_conversion(track) else track
        for track in tracks
    )


def _a_law() -> npt.NDArray[np.int16]:
    codes = np.arange(256) ^ 0x55
    exponent, mantissa = (codes & 0x70) >> 4, (codes & 0x0F) << 4
    value = np.where(exponent == 0, mantissa + 8, (mantissa + 0x108) << np.maximum(exponent - 1, 0))
    return np.where(codes & 0x80, value, -value).astype(np.int16)


def _mu_law() -> npt.NDArray[np.int16]:
    codes = ~np.arange(256) & 0xFF
    value = ((((codes & 0x0F) << 3) + 0x84) << ((codes & 0x70) >> 4)) - 0x84
    return np.where(codes & 0x80, -value, value).astype(np.int16)


# ITU-T G.711: 8 bits to 16.
_EXPANSIONS = {Codec.PCMA: _a_law(), Codec.PCMU: _mu_law()}


def frames_between(previous_end: int | None, start: int, end: int) -> range:
    """The first samples of the AAC frames that belong to a fragment whose sound is [``start``,
    ``end``), counted in samples of the run; ``previous_end`` is where the sound of the fragment
    before it ended, None when there is none to join on to.
    """
    step = AAC_FRAME_SAMPLES
    if previous_end is None:
        first = start // step * step
    else:
        first = ((previous_end - 2 * step) // step + 1) * step
        first = max(first, 0)
    return range(first, max(first, (end - 2 * step) // step * step + step), step)


def samples_of(track: Track, units: Sequence[AccessUnit]) -> tuple[int, int]:
    """The range of samples that the units of one fragment cover. Needs at least one unit."""
    start = _sample_at(track, units[0])
    last = units[-1]
    return start, _sample_at(track, last) + len(last.payload) // max(1, track.channels)


def _sample_at(track: Track, unit: AccessUnit) -> int:
    return round(unit.pts_90k * track.clock_rate / CLOCK_90K)


def convert(
    track: Track,
    before: Sequence[AccessUnit],
    fragments: Sequence[Sequence[AccessUnit]],
    bit_rate: int | None = None,
) -> list[list[AccessUnit]]:
    """AAC units for each of ``fragments``: consecutive fragments' sound, in G.711.

    ``before`` is the sound of the fragment before the first one, empty when there is none in the
    run. What a fragment gives does not depend on which others are asked for with it, except for the
    encoder's rounding. Blocks for about a hundredth of the sound's length.
    """
    spans: list[tuple[int, int] | None] = [
        samples_of(track, units) if units else None for units in (before, *fragments)
    ]
    wanted: list[range] = []
    previous = spans[0][1] if spans[0] else None
    for span in spans[1:]:
        if span is None:
            wanted.append(range(0))
            previous = None
            continue
        joined = previous is not None and abs(span[0] - previous) < track.clock_rate
        wanted.append(frames_between(previous if joined else None, *span))
        previous = span[1]
    made: list[list[AccessUnit]] = [[] for _ in fragments]
    positions = [(first, index) for index, frames in enumerate(wanted) for first in frames]
    for stretch in _stretches(positions):
        units = [unit for group in (before, *fragments) for unit in group]
        encoded = _encode(track, units, stretch[0][0], stretch[-1][0], bit_rate)
        for first, index in stretch:
            made[index].append(encoded[first])
    return made


def convert_to_one_size(
    track: Track, before: Sequence[AccessUnit], units: Sequence[AccessUnit], frames: int
) -> bytes:
    """The first ``frames`` AAC frames of one fragment, each padded to
    :data:`AAC_FRAME_BYTES_LIMIT` a channel; decoders skip the zeros. Blocks as :func:`convert`.
    """
    channels = playable_tracks([track])[0].channels
    size = AAC_FRAME_BYTES_LIMIT * channels
    payloads: list[bytes] = []
    # Sound that does not fit in, if there is such, is made anew with fewer bits.
    for bit_rate in (None, 2 * track.clock_rate * channels, track.clock_rate * channels):
        (made,) = convert(track, before, [units], bit_rate)
        payloads = [unit.payload for unit in made[:frames]]
        if all(len(payload) <= size for payload in payloads):
            break
    padded = [payload.ljust(size, b"\0")[:size] for payload in payloads]
    return b"".join([*padded, *[bytes(size)] * (frames - len(padded))])


def _stretches(positions: list[tuple[int, int]]) -> list[list[tuple[int, int]]]:
    """``positions`` split where frames do not follow one another."""
    stretches: list[list[tuple[int, int]]] = []
    for position in positions:
        if stretches and position[0] == stretches[-1][-1][0] + AAC_FRAME_SAMPLES:
            stretches[-1].append(position)
        elif not stretches or position[0] > stretches[-1][-1][0]:
            stretches.append([position])
    return stretches


def _encode(
    track: Track, units: Sequence[AccessUnit], first: int, last: int, bit_rate: int | None
) -> dict[int, AccessUnit]:
    """The AAC frames that start at samples ``first`` to ``last``, by their start."""
    output = output_audio_track(track, Codec.AAC)
    channels = output.channels
    begin = max(0, first - _WARM_UP_FRAMES * AAC_FRAME_SAMPLES)
    samples = np.zeros((last + 2 * AAC_FRAME_SAMPLES - begin, channels), np.int16)
    expansion = _EXPANSIONS[track.codec]
    for unit in units:
        values = expansion[np.frombuffer(unit.payload, np.uint8)]
        values = values[: len(values) // track.channels * track.channels]
        at = _sample_at(track, unit) - begin
        part = values.reshape(-1, max(1, track.channels))[:, :channels]
        skip = max(0, -at)
        part = part[skip : skip + max(0, len(samples) - at - skip)]
        samples[at + skip : at + skip + len(part)] = part
    encoder = open_audio_encoder(Codec.AAC, track.clock_rate, layout_of(output), bit_rate)
    planar = np.ascontiguousarray(samples.T.astype(np.float32) / 32768)
    found: dict[int, AccessUnit] = {}
    track_index = units[0].track_index
    for at in (*range(0, len(samples), AAC_FRAME_SAMPLES), None):
        frame = None
        if at is not None:
            block = np.ascontiguousarray(planar[:, at : at + AAC_FRAME_SAMPLES])
            frame = av.AudioFrame.from_ndarray(block, "fltp", layout_of(output))
            frame.sample_rate, frame.pts = track.clock_rate, at
            frame.time_base = Fraction(1, track.clock_rate)
        for packet in encoder.encode(frame):
            start = begin + int(packet.pts or 0)
            if first <= start <= last:
                pts = start * CLOCK_90K // track.clock_rate
                found[start] = AccessUnit(track_index, bytes(packet), pts, pts, True, 0)
    return found
