"""What relays of several sorts count, as one: by the other shard."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

Figures = Mapping[str, Mapping[str, int]]


def summed(*several: Figures) -> dict[str, dict[str, int]]:
    """The sum of each figure for each shard that any of them names."""
    found: dict[str, Counter[str]] = {}
    for figures in several:
        for peer, counted in figures.items():
            total = found.setdefault(peer, Counter())
            for name, count in counted.items():
                total[name] += count
    return {peer: dict(counted) for peer, counted in found.items()}
