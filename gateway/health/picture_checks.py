"""What is wrong with a camera's picture: measures compared with limits and with its reference.

Pure. One picture proves nothing: see :mod:`gateway.health.standing` for how often it must be seen.
"""

from __future__ import annotations

import cv2
import numpy as np

from gateway.health.findings import Finding, Measured
from gateway.health.picture_measures import (
    THUMB_WIDTH,
    Bytes,
    Floats,
    Measures,
    Reference,
)

# Lights in a dark street are brighter than this, and the device's own caption is small.
BLACK_BELOW = 32.0
# In a live picture, even of a still scene at night, single pixels are never all the same twice.
FROZEN_FROM = 0.97
_SAME_WITHIN = 1
_TEXTURE = 4.0
_LEAST_SAMPLES = 60
# Of what had texture in the reference, so much has none now, and is of one colour.
COVERED_FROM = 0.4
_TEXTURED_TILE = 6.0
_LOST = 0.3
_LEFT = 0.75
_ALIKE = 0.5
# Tiles of which none has texture: without a reference only this is said.
_BARE_BELOW = 0.03
# Of what the reference is sharper than nothing.
BLURRED_BELOW = 0.45
_NOTHING_SHARP = 0.25
_NEVER_SHARP = 0.285
# In shares of the picture's width.
SHIFTED_FROM = 0.04
# How much edges agree: of the same view in other light, of another one, and moved back into place.
_MATCHES_FROM = 0.62
_NO_MATCH_BELOW = 0.3
_FOUND_BETTER_BY = 0.15
# Without edges nobody can say where a picture lies.
_FLAT = 0.1
COLOR_CAST_FROM = 12.0
_CAST_AWAY = 10.0
NOISY_FROM = 6.0
_NOISIER = 2.0


def findings_of(
    seen: Measures,
    reference: Reference | None = None,
    before: Bytes | None = None,
    *,
    moves: bool = False,
) -> dict[Finding, Measured]:
    """What this picture alone speaks for. ``reference``: of the same light. ``before``: samples of
    the picture looked at before, of another moment. ``moves``: a camera that is steered, whose view
    is nobody's fault.
    """
    found: dict[Finding, Measured] = {}
    if seen.bright < BLACK_BELOW:
        # Of a picture without light nothing more can be said.
        return {"black": Measured(seen.bright, BLACK_BELOW)}
    same = _same(seen, before)
    if same is not None and same >= FROZEN_FROM:
        found["frozen"] = Measured(same, FROZEN_FROM)
    covered = _covered(seen, reference)
    if covered >= COVERED_FROM:
        found["covered"] = Measured(covered, COVERED_FROM)
        return found
    comparable = reference
    if reference is not None and not moves:
        shift = _shift(seen, reference)
        if shift >= SHIFTED_FROM:
            found["shifted"] = Measured(shift, SHIFTED_FROM)
            # Other things are as sharp as they are.
            comparable = None
    noise_limit = max(NOISY_FROM, _NOISIER * reference.noise if reference is not None else 0)
    if seen.noise >= noise_limit:
        found["noisy"] = Measured(seen.noise, noise_limit)
    else:
        # Noise is sharp.
        found |= _blurred(seen, comparable)
    found |= _color_cast(seen, reference)
    return found


def _same(seen: Measures, before: Bytes | None) -> float | None:
    """The share of pixels where there is something to see that are as they were."""
    if before is None:
        return None
    textured = seen.sampled_texture > _TEXTURE
    if int(textured.sum()) < _LEAST_SAMPLES:
        return None
    apart = np.abs(seen.samples.astype(np.int16) - before.astype(np.int16))
    return float((apart <= _SAME_WITHIN)[textured].mean())


def _covered(seen: Measures, reference: Reference | None) -> float:
    textured = seen.deviations > _TEXTURED_TILE
    if reference is None:
        return 1.0 if float(textured.mean()) < _BARE_BELOW else 0.0
    known = reference.deviations > _TEXTURED_TILE
    lost = known & (seen.deviations < _LOST * reference.deviations)
    if not known.any():
        return 0.0
    share = float(lost.sum()) / float(known.sum())
    # Of another view as much has texture, only elsewhere.
    if share < COVERED_FROM or float(textured.sum()) > _LEFT * float(known.sum()):
        return 0.0
    # What is only out of focus is still as bright here and as dark there.
    rows, columns = lost.shape
    now, then = (
        np.asarray(
            cv2.resize(one, (columns, rows), interpolation=cv2.INTER_AREA), np.float32
        )[lost]
        for one in (seen.thumb, reference.thumb)
    )  # fmt: skip
    return 0.0 if _correlation(now, then) >= _ALIKE else share


def _blurred(seen: Measures, reference: Reference | None) -> dict[Finding, Measured]:
    if reference is None or reference.sharpness <= _NEVER_SHARP:
        if seen.sharpness >= _NEVER_SHARP:
            return {}
        return {"blurred": Measured(seen.sharpness, _NEVER_SHARP)}
    limit = _NOTHING_SHARP + BLURRED_BELOW * (reference.sharpness - _NOTHING_SHARP)
    return {"blurred": Measured(seen.sharpness, limit)} if seen.sharpness < limit else {}


def _color_cast(seen: Measures, reference: Reference | None) -> dict[Finding, Measured]:
    if seen.tint < COLOR_CAST_FROM:
        return {}
    if reference is not None:
        away = float(np.hypot(seen.red - reference.red, seen.blue - reference.blue))
        # Lamps of sodium are orange every night.
        if away < _CAST_AWAY:
            return {}
    return {"color_cast": Measured(seen.tint, COLOR_CAST_FROM)}


def _shift(seen: Measures, reference: Reference) -> float:
    """By how much of its width the picture lies elsewhere; 1 where it shows something else, 0 where
    that cannot be said.
    """
    now, then = _edges(seen.thumb), _edges(reference.thumb)
    if min(float(now.std()), float(then.std())) < _FLAT:
        return 0.0
    here = _correlation(now, then)
    if here >= _MATCHES_FROM:
        return 0.0
    rows, columns = now.shape
    (across, down), _ = cv2.phaseCorrelate(
        then, now, cv2.createHanningWindow((columns, rows), cv2.CV_32F)
    )
    moved = np.array([[1, 0, -across], [0, 1, -down]], dtype=np.float32)
    back = np.asarray(cv2.warpAffine(now, moved, (columns, rows)), np.float32)
    shared = (
        slice(max(0, round(-down)), rows - max(0, round(down))),
        slice(max(0, round(-across)), columns - max(0, round(across))),
    )
    there = _correlation(back[shared], then[shared]) if back[shared].size else 0.0
    if there >= here + _FOUND_BETTER_BY and there >= _MATCHES_FROM:
        return float(np.hypot(across, down)) / THUMB_WIDTH
    return 1.0 if here < _NO_MATCH_BELOW else 0.0


def _edges(thumb: Bytes) -> Floats:
    """Where edges are, weak ones nearly as much as strong ones: light and weather change these."""
    luma = cv2.GaussianBlur(thumb.astype(np.float32), (0, 0), 0.8)
    across = cv2.Sobel(luma, cv2.CV_32F, 1, 0, scale=0.125)
    down = cv2.Sobel(luma, cv2.CV_32F, 0, 1, scale=0.125)
    return np.log1p(np.asarray(cv2.magnitude(across, down), np.float32))


def _correlation(one: Floats, other: Floats) -> float:
    """From -1 to 1; 0 where one of them is flat."""
    first, second = one - one.mean(), other - other.mean()
    size = float(np.sqrt((first * first).sum() * (second * second).sum()))
    return float((first * second).sum()) / size if size > 0.01 * one.size else 0.0
