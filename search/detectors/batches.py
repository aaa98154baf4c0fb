"""Pictures of one form together, so many at once: how models take them fastest."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import TypeVar

from search.objects import NO_DETECTIONS, Detections, Picture

Form = TypeVar("Form", bound=Hashable)


def detect_in_batches(
    pictures: Sequence[Picture],
    size: int,
    form_of: Callable[[Picture], Form],
    detect: Callable[[list[Picture], Form], Sequence[Detections]],
) -> list[Detections]:
    """What ``detect`` finds in each picture, in their order; it is given at most ``size`` of one
    form.
    """
    alike: dict[Form, list[int]] = {}
    for number, picture in enumerate(pictures):
        alike.setdefault(form_of(picture), []).append(number)
    found = [NO_DETECTIONS] * len(pictures)
    for form, numbers in alike.items():
        for first in range(0, len(numbers), size):
            batch = numbers[first : first + size]
            results = detect([pictures[number] for number in batch], form)
            for number, result in zip(batch, results, strict=True):
                found[number] = result
    return found
