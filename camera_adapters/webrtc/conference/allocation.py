"""Which quality each slot gets, for what the receiver's network can take."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

SOUND_BPS = 48_000
"""What is set aside for a voice whose rate is not known yet."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What a slot would show: ``layers`` are (rid, bits per second) of one participant's qualities,
    the cheapest first, up to the best that its tile needs. Among pictures the greater ``weight``
    is served first.
    """

    kind: str
    layers: tuple[tuple[str, int], ...]
    weight: int = 0


def allocate(wishes: Sequence[Wish], estimate_bps: int | None) -> list[str | None]:
    """A layer for each wish, in their order; None: nothing is sent in this slot.

    Sound always is. Then every picture gets its cheapest layer, by weight, and what is left goes to
    better ones, by weight. ``estimate_bps`` None: the network is no limit.
    """
    chosen: list[int | None] = [0 if one.layers else None for one in wishes]
    best = [len(one.layers) - 1 if one.layers else None for one in wishes]
    if estimate_bps is None:
        return [
            None if at is None else one.layers[at][0] for one, at in zip(wishes, best, strict=True)
        ]
    left = estimate_bps
    order = sorted(range(len(wishes)), key=lambda index: (-wishes[index].weight, index))
    for index in order:
        if wishes[index].kind == "audio" and wishes[index].layers:
            left -= wishes[index].layers[0][1] or SOUND_BPS
    pictures = [index for index in order if wishes[index].kind == "video" and wishes[index].layers]
    for index in pictures:
        cost = wishes[index].layers[0][1]
        if cost > left:
            chosen[index] = None
        else:
            left -= cost
    for index in pictures:
        at = chosen[index]
        if at is None:
            continue
        layers = wishes[index].layers
        for better in range(len(layers) - 1, at, -1):
            extra = layers[better][1] - layers[at][1]
            if extra <= left:
                chosen[index] = better
                left -= extra
                break
    return [
        None if at is None else one.layers[at][0] for one, at in zip(wishes, chosen, strict=True)
    ]
