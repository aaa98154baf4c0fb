"""One plate out of many readings: each character by weighted vote, and sure only by agreement.

No single reading is believed, however sure the reader says that it is: readers are sure of what
glare makes of a plate, too. What makes a character certain is that other pictures, seconds apart,
or another reader, trained on other things, say the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from search.attributes.plates.grammar import ALPHABET, FORMS, PlateForm
from search.attributes.plates.reading import Reading

LEAST_CONFIDENCE = 0.5
"""Below it there is no plate: readers disagree, or there was one look at it only."""
UNREAD = "?"
"""Stands for the one character on which the votes do not agree."""
_ONE_PICTURE = 0.6
"""What one picture alone can reach, and only where both readers read the same in it."""
_FITTING = 0.4
"""How much of what was read for an unread character must be a character that may stand there."""
_DOUBT = 0.6
"""What every place of a vote holds against its winner: six tenths of one sure reading."""


@dataclass(frozen=True, slots=True, eq=False)
class Vote:
    """A reading and how much it counts, 0 to 1: by the plate's size, sharpness and finder's score.
    ``picture``: which picture it is of.
    """

    reading: Reading
    weight: float
    picture: int


@dataclass(frozen=True, slots=True)
class AgreedPlate:
    """``confidence``, 0 to 1: that of its least certain character. ``form``: see
    :class:`search.attributes.plates.grammar.PlateForm`. ``pictures``: how many of them agree.
    """

    text: str
    confidence: float
    form: str
    pictures: int


def agree(votes: Sequence[Vote]) -> AgreedPlate | None:
    """The plate that the votes speak for; None where they speak for none, or for several.

    Where all agree but on one character, that one is ``?``.
    """
    best: AgreedPlate | None = None
    best_support = 0.0
    for form in FORMS:
        agreed, support = _in_form(votes, form)
        if agreed is not None and support > best_support:
            best, best_support = agreed, support
    if best is None or best.confidence < LEAST_CONFIDENCE:
        return None
    return best


def _in_form(votes: Sequence[Vote], form: PlateForm) -> tuple[AgreedPlate | None, float]:
    fitting = [one for one in votes if len(one.reading.characters) == form.length]
    if not fitting:
        return None, 0.0
    together = np.sum([one.reading.characters * one.weight for one in fitting], axis=0)
    allowed = np.where(form.mask, together, 0)
    winners = allowed.argmax(axis=1)
    places = np.arange(form.length)
    if not allowed[places, winners].all():
        return None, 0.0
    certain = _certainty(votes, together, winners)
    text = [ALPHABET[one] for one in winners]
    same = {
        one.picture
        for one in fitting
        if (one.reading.characters.argmax(axis=1) == winners).sum() >= form.length - 1
    }
    doubtful = np.flatnonzero(certain < LEAST_CONFIDENCE)
    # Read differently, but each time as what may stand there: other signs are no plates.
    fits = allowed[doubtful].sum() >= _FITTING * together[doubtful].sum()
    if len(doubtful) == 1 and len(same) > 1 and fits:
        text[doubtful[0]] = UNREAD
        certain = np.delete(certain, doubtful) * np.float32(1 - 1 / form.length)
    confidence = float(certain.min())
    if len(same) < 2:
        confidence = min(confidence, _ONE_PICTURE) if _both_readers(fitting, winners) else 0.0
    agreed = AgreedPlate("".join(text), round(confidence, 3), form.name, len(same))
    return agreed, float(allowed[places, winners].sum() / form.length)


def _both_readers(votes: Sequence[Vote], winners: NDArray[np.intp]) -> bool:
    """Whether different readers read all of it in the same way."""
    agreeing = {
        one.reading.reader
        for one in votes
        if (one.reading.characters.argmax(axis=1) == winners).all()
    }
    return len(agreeing) > 1


def _certainty(
    votes: Sequence[Vote], together: NDArray[np.float32], winners: NDArray[np.intp]
) -> NDArray[np.float32]:
    """Per place: what speaks for the winner, against all that was said, other lengths included."""
    said_otherwise = sum(
        one.weight
        for one in votes
        if len(one.reading.characters) != len(winners) and len(one.reading.characters) >= 5
    )
    spoken = together[np.arange(len(winners)), winners]
    return np.asarray(spoken / (together.sum(axis=1) + 0.5 * said_otherwise + _DOUBT), np.float32)
