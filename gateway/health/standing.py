"""From what pictures speak for to what is wrong with a camera: seen again and again. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Self

from gateway.health.findings import FINDINGS, Finding, Measured
from gateway.identifiers import US_PER_S

# A lorry that stands in front of a camera, a lamp that shines into it, pass.
OPENS_AFTER_LOOKS = 3
OPENS_AFTER_US = 300 * US_PER_S
ENDS_AFTER_LOOKS = 2


@dataclass(frozen=True, slots=True)
class Standing:
    """Something that was seen. ``open``: often and long enough to be said. ``misses``: how often it
    was not seen since. ``value`` and ``limit`` are those of the last time.
    """

    since_us: int
    looks: int
    misses: int
    value: float
    limit: float
    open: bool

    def to_message(self) -> dict[str, Any]:
        """A dictionary for a row."""
        return {name: getattr(self, name) for name in self.__slots__}

    @classmethod
    def from_message(cls, message: Mapping[str, Any]) -> Self:
        """The inverse of :meth:`to_message`."""
        return cls(**message)


State = Mapping[Finding, Standing]


def stand(known: State, found: Mapping[Finding, Measured], at_us: int) -> dict[Finding, Standing]:
    """What stands after another look."""
    standing: dict[Finding, Standing] = {}
    for name in FINDINGS:
        before, now = known.get(name), found.get(name)
        if now is not None:
            standing[name] = _seen(before, now, at_us)
        elif before is not None and before.open and before.misses + 1 < ENDS_AFTER_LOOKS:
            standing[name] = replace(before, misses=before.misses + 1)
    return standing


def _seen(before: Standing | None, now: Measured, at_us: int) -> Standing:
    if before is None:
        return Standing(at_us, 1, 0, now.value, now.limit, False)
    looks = before.looks + 1
    # A clock that was set back proves nothing and delays little.
    since_us = min(before.since_us, at_us)
    proven = looks >= OPENS_AFTER_LOOKS and at_us - since_us >= OPENS_AFTER_US
    return Standing(since_us, looks, 0, now.value, now.limit, before.open or proven)


def is_undecided(state: State) -> bool:
    """Whether the next looks decide something, so that they should come soon."""
    return any(not one.open or one.misses > 0 for one in state.values())


def bits_of(names: Iterable[Finding]) -> int:
    """A number by which rows are chosen and counted: a bit for each finding."""
    return sum(1 << FINDINGS.index(name) for name in set(names))


def names_of(bits: int) -> list[Finding]:
    """The inverse of :func:`bits_of`, the gravest first."""
    return [name for index, name in enumerate(FINDINGS) if bits >> index & 1]


def open_of(state: State) -> list[Finding]:
    """What is said of the camera, the gravest first."""
    return [name for name in FINDINGS if name in state and state[name].open]


def to_rows(state: State) -> dict[str, Any]:
    """As it is kept."""
    return {name: one.to_message() for name, one in state.items()}


def from_rows(kept: Mapping[str, Any]) -> dict[Finding, Standing]:
    """The inverse of :func:`to_rows`; what this version does not know is left out."""
    return {
        name: Standing.from_message(one) for name in FINDINGS if (one := kept.get(name)) is not None
    }
