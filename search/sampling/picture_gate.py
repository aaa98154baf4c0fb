"""Whether something moves, told from a small decoded picture: what went where nothing was.

Each pixel has a background and a usual amount of change of its own, both learned all the time, so
that noise and leaves become usual where they are. Light is no object: around each pixel the picture
is compared with the background as it would be under other light, so that a head lamp's cone, a
cloud's shadow and the camera's own exposure explain themselves. And what is new must go on: a thing
is near where it was a moment ago, a drop of rain is anywhere.
"""

from __future__ import annotations

import enum
import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

Plane = NDArray[np.float32]
Mask = NDArray[np.uint8]

# Areas and distances are of a picture 160 wide. Smaller things are too small for detectors to name.
LEAST_AREA = 14
_SURROUNDINGS = (21, 21)
# Surroundings with less contrast than this cannot tell what the light does.
_LEAST_VARIANCE = 64.0
_MOST_GAIN = 5.0
_UNEVEN = 0.5
_LEAST_CONTRAST = 7.0
_USUAL_TIMES = 2.5
_USUAL_SHARE = 0.9
_USUAL_TIME_S = 5.0
_LEAST_USUAL, _MOST_USUAL = 2.0, 40.0
_OCCUPIED_TIME_S = 10.0
_OCCUPIED = 0.35
_FRESH_SHARE = 0.15
_CONFIRMED_WITHIN_US = 1_500_000
_ANOTHER_SCENE = 0.4
_LONGEST_STEP_S = 3.0
_FOLLOWING_TIME_S = 15.0
# Brightness steps a second.
_ABSORBING = 0.8
# How often chance may look like a thing that goes on.
_BY_CHANCE = 0.02
_MOST_LOOKS, _NEVER = 30, 1 << 30
_CROWDED = 0.15
# How far things go from look to look, in pixels or in own sizes; they keep about their area.
_FAR, _NEAR, _OWN_SIZES, _ALIKE = 10.0, 4.0, 0.8, 3.0
_CLUTTER_SHARE = 0.1
_CLUTTER_TIMES = 1.5
_CLUTTER_TIME_S = 60.0

_JOINED = np.ones((3, 3), np.uint8)


class Verdict(enum.IntEnum):
    """What a picture shows beside what is always there."""

    STILL = 0
    LINGERING = 1
    """Something that was not there before, but has been for a while: left, parked, waiting, or
    leaves that have not become usual yet."""
    CANDIDATE = 2
    """Something new; noise may look so once."""
    MOVING = 3
    """Something new that goes on from where something new was before."""
    ANOTHER_SCENE = 4
    """All is different: the camera was turned, the lights went on, something stands before it."""


@dataclass(slots=True)
class _Things:
    """What was new in one look: where, how large, and in how many looks on end."""

    middles: NDArray[np.float64]
    areas: NDArray[np.int64]
    looks: NDArray[np.int32]
    at_us: int


class PictureGate:
    """One camera's gate over small pictures. A look costs a fraction of a millisecond."""

    def __init__(self) -> None:
        self._background: Plane | None = None
        self._before: Plane
        self._usual: Plane
        self._occupied: Plane
        self._things: _Things | None = None
        self._clutter = 0.0
        self._at_us = 0
        self._looks = 0

    def look(self, luma: Mask, at_us: int) -> Verdict:
        """Compare a picture (see :func:`search.sampling.decoding.small_luma`) and learn from it.

        Pictures come in order of time. One of another shape, or the first, is another scene.
        """
        now = luma.astype(np.float32)
        background = self._background
        if background is None or background.shape != now.shape:
            self._begin(now, at_us)
            return Verdict.ANOTHER_SCENE
        step_s = min(max((at_us - self._at_us) / 1e6, 0.0), _LONGEST_STEP_S)
        self._at_us = at_us
        contrast = unexplained(now, background)
        there = (contrast > np.maximum(self._usual * _USUAL_TIMES, _LEAST_CONTRAST)).view(np.uint8)
        # Single pixels are noise: half of what is around them must be there too.
        there = (cv2.blur(there * np.uint8(9), (3, 3)) >= 4).astype(np.uint8) & there
        if np.count_nonzero(there) > _ANOTHER_SCENE * there.size:
            self._begin(now, at_us)
            return Verdict.ANOTHER_SCENE
        verdict = self._judge(there, at_us, step_s)
        self._learn(now, there, step_s)
        return verdict

    def _begin(self, now: Plane, at_us: int) -> None:
        self._background = now.copy()
        self._before = now
        self._usual = np.full(now.shape, _LEAST_USUAL, np.float32)
        self._occupied = np.zeros(now.shape, np.float32)
        self._things = None
        self._clutter = 0.0
        self._at_us = at_us
        self._looks = 0

    def _judge(self, there: Mask, at_us: int, step_s: float) -> Verdict:
        self._clutter *= math.exp(-step_s / _CLUTTER_TIME_S)
        count, joined, _, middles = cv2.connectedComponentsWithStats(
            cv2.dilate(there, _JOINED), connectivity=8
        )
        labels = np.where(there, np.asarray(joined, np.int32), np.int32(0))
        areas = np.bincount(labels.ravel(), minlength=count)
        areas[0] = 0
        if areas.max() < LEAST_AREA:
            return Verdict.STILL
        fresh = np.bincount(labels[self._occupied < _OCCUPIED], minlength=count)
        wanted = np.maximum(areas * _FRESH_SHARE, LEAST_AREA / 2)
        new = (areas >= LEAST_AREA) & (fresh >= wanted)
        if not new.any():
            return Verdict.LINGERING
        things = _Things(
            np.asarray(middles)[new], areas[new], np.ones(np.count_nonzero(new), np.int32), at_us
        )
        if self._goes_on(things, there.size):
            return Verdict.MOVING
        area = float(areas[new].max())
        expected = area > self._clutter * _CLUTTER_TIMES
        self._clutter += (area - self._clutter) * _CLUTTER_SHARE
        return Verdict.CANDIDATE if expected else Verdict.STILL

    def _goes_on(self, now: _Things, size: int) -> bool:
        """Whether one of the new things was there in enough of the looks before, each time near
        where it was before: the more is new in the picture, the more of them, and the nearer.
        """
        before, self._things = self._things, now
        if before is None or now.at_us - before.at_us > _CONFIRMED_WITHIN_US:
            return False
        reach = _FAR
        if len(before.areas) * math.pi * reach**2 > _CROWDED * size:
            reach = _NEAR
        distances = np.linalg.norm(now.middles[:, None] - before.middles[None], axis=2)
        # Large things go far in a moment.
        reaches = np.maximum(reach, np.sqrt(before.areas) * _OWN_SIZES)
        ratios = now.areas[:, None] / before.areas[None]
        same = (distances <= reaches) & (ratios < _ALIKE) & (ratios > 1 / _ALIKE)
        now.looks += np.where(same, before.looks[None], 0).max(axis=1)
        chance = math.pi * float(np.mean(reaches**2)) / size
        return int(now.looks.max()) >= _looks_wanted(len(now.areas), chance)

    def _learn(self, now: Plane, there: Mask, step_s: float) -> None:
        background = self._background
        assert background is not None
        self._looks += 1
        change = unexplained(now, self._before)
        self._before = now
        if self._looks <= 2:
            # The picture's own noise is known from the second look on.
            noise = min(max(2.0 * float(np.median(change)), _LEAST_USUAL), _MOST_USUAL)
            np.maximum(self._usual, np.float32(noise), out=self._usual)
        share = np.where(change > self._usual, _USUAL_SHARE, _USUAL_SHARE - 1.0)
        self._usual *= np.exp(share * (step_s / _USUAL_TIME_S)).astype(np.float32)
        np.clip(self._usual, _LEAST_USUAL, _MOST_USUAL, out=self._usual)
        # The picture as a whole is followed soon: it differs by its light only. What lies beneath
        # a thing is kept.
        difference = now - background
        followed = difference * np.float32(1.0 - math.exp(-step_s / _FOLLOWING_TIME_S))
        absorbed = np.clip(difference, -_ABSORBING * step_s, _ABSORBING * step_s)
        background += np.where(there, absorbed, followed)
        weight = np.float32(1.0 - math.exp(-step_s / _OCCUPIED_TIME_S))
        self._occupied += (there - self._occupied) * weight


def _looks_wanted(things: int, chance: float) -> int:
    """In how many looks on end a thing must have been near where it was, so that so many things in
    random places, two of them near one another by this chance, seldom do so.
    """
    expected = float(things)
    for looks in range(1, _MOST_LOOKS):
        if expected < _BY_CHANCE:
            return looks
        expected = things * (1.0 - (1.0 - min(chance, 1.0)) ** expected)
    return _NEVER


def unexplained(now: Plane, before: Plane) -> Plane:
    """How much each pixel differs from what it was under whatever light there is now.

    Light changes what is around a pixel all by one factor and one offset, which are fitted to its
    surroundings; where those are brighter than they were, noise is too. In steps of brightness.
    """
    mean_now, mean_before = _mean(now), _mean(before)
    variance = _mean(before * before) - mean_before * mean_before
    together = _mean(now * before) - mean_now * mean_before
    gain = (together + _LEAST_VARIANCE) / (np.maximum(variance, 0.0) + _LEAST_VARIANCE)
    np.clip(gain, 1 / _MOST_GAIN, _MOST_GAIN, out=gain)
    detail = before - mean_before
    rest = np.abs((now - mean_now) - gain * detail)
    # Where the light is another one it is not the same for all of the surroundings either.
    rest -= _UNEVEN * np.abs(detail * (gain - 1.0))
    np.maximum(rest, 0.0, out=rest)
    return np.asarray(rest / np.maximum((mean_now + 16.0) / (mean_before + 16.0), 1.0), np.float32)


def _mean(values: Plane) -> Plane:
    around = cv2.blur(values, _SURROUNDINGS, borderType=cv2.BORDER_REFLECT)
    return np.asarray(around, np.float32)
