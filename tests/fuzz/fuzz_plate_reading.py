"""Whatever finder and readers answer, a plate is of a form that plates have, or there is none."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from search.attributes.plates.agreement import UNREAD, Vote, agree
from search.attributes.plates.finding import _decode, _priors
from search.attributes.plates.grammar import ALPHABET
from search.attributes.plates.reading import Reading, _collapse

_COLUMNS = np.arange(len(ALPHABET) + 1)
SEEDS = [bytes(range(256)) * 3, b"\x7f" * 400, b"\0\0\x80\x7f" * 120]


def target(data: bytes) -> None:
    """Must raise nothing."""
    numbers = np.frombuffer(data[: len(data) // 4 * 4], np.float32)
    if not len(numbers):
        return
    rows = columns = 64
    count = len(_priors(rows, columns))
    with np.errstate(all="ignore"):
        found = _decode(
            _fill(numbers, (count, 4)),
            _fill(numbers[::-1], (count,)),
            _fill(numbers[::2], (count, 8)),
            rows,
            columns,
            1.0,
        )
    for plate in found:
        assert np.isfinite(plate.corners).all()
        assert plate.corners.shape == (4, 2)

    drawn = np.nan_to_num(_fill(numbers, (24, len(_COLUMNS))), posinf=1, neginf=0)
    steps = np.clip(np.abs(drawn), 1e-9, 1e6)
    steps = np.asarray(steps / steps.sum(axis=1, keepdims=True), np.float32)
    readings = [_collapse(steps[: 8 + 4 * part], _COLUMNS) for part in range(4)]
    agreed = agree([Vote(Reading(one, "clp"), 0.9, place) for place, one in enumerate(readings)])
    if agreed is not None:
        assert len(agreed.text) in (7, 8)
        assert set(agreed.text) <= {*ALPHABET, UNREAD}
        assert 0.5 <= agreed.confidence <= 1


def _fill(numbers: NDArray[np.float32], shape: tuple[int, ...]) -> NDArray[np.float32]:
    return np.resize(numbers, shape).astype(np.float32)
