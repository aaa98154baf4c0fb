"""Who speaks, and whose microphones are forwarded: from the levels that the sites send.

Levels are those of RFC 6464: 0 dBov is as loud as can be, 127 is silence. Nothing is decoded.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

HEARD_LIMIT = 3
"""How many microphones are forwarded at once."""

LOUD_DBOV = 50
"""Louder than this begins to speak."""
QUIET_DBOV = 60
"""Quieter than this ceases to; between the two nothing changes."""
BEGIN_MS = 200
PAUSE_MS = 900
"""People breathe: a pause up to this is a part of what they say."""
TAKE_OVER_MS = 700
TAKE_OVER_DB = 6
"""Who speaks over another is seen after this time, if so much louder."""
KEEP_MS = 3000
"""A microphone stays open for so long after the last word, if nobody needs its place."""


@dataclass(frozen=True, slots=True)
class Level:
    """What a microphone says of itself. ``voice`` False: its own detector heard no speech."""

    dbov: int
    voice: bool = True


@dataclass(frozen=True, slots=True)
class Hearing:
    """``heard``: whose sound is forwarded, who has a right to it first. ``speaking``: who speaks,
    loudest first. ``active``: the one whose picture belongs to the sound.
    """

    heard: tuple[str, ...] = ()
    speaking: tuple[str, ...] = ()
    active: str | None = None


@dataclass(slots=True)
class _Microphone:
    dbov: float = 127.0
    loud_since_ms: int | None = None
    quiet_since_ms: int | None = None
    speaking: bool = False
    last_spoke_ms: int = -1_000_000

    def note(self, level: Level, at_ms: int) -> None:
        # Fast up, slowly down: a syllable counts, the gap behind it does not.
        weight = 0.6 if level.dbov < self.dbov else 0.2
        self.dbov += weight * (level.dbov - self.dbov)
        loud = level.voice and self.dbov < LOUD_DBOV
        quiet = not level.voice or self.dbov > QUIET_DBOV
        self.loud_since_ms = _since(loud, self.loud_since_ms, at_ms)
        self.quiet_since_ms = _since(quiet, self.quiet_since_ms, at_ms)
        if self.speaking:
            self.speaking = self.quiet_since_ms is None or at_ms - self.quiet_since_ms < PAUSE_MS
        elif self.loud_since_ms is not None:
            self.speaking = at_ms - self.loud_since_ms >= BEGIN_MS
        if self.speaking:
            self.last_spoke_ms = at_ms


def _since(holds: bool, before_ms: int | None, at_ms: int) -> int | None:
    if not holds:
        return None
    return at_ms if before_ms is None else before_ms


class Speakers:
    """Told of the levels several times a second by :meth:`hear`; ``hearing`` is the outcome."""

    def __init__(self) -> None:
        self.hearing = Hearing()
        self._microphones: dict[str, _Microphone] = {}
        self._louder_since_ms: tuple[str, int] | None = None

    def hear(self, levels: Mapping[str, Level], always: Sequence[str], at_ms: int) -> Hearing:
        """``levels`` has those who may be heard at all, and nobody else. ``always`` (who has the
        floor, who chairs) are forwarded before they say a word, if they may be heard.
        """
        for gone in self._microphones.keys() - levels.keys():
            del self._microphones[gone]
        for participant_id, level in levels.items():
            microphone = self._microphones.get(participant_id)
            if microphone is None:
                microphone = self._microphones[participant_id] = _Microphone()
            microphone.note(level, at_ms)
        speaking = sorted(
            (one for one, microphone in self._microphones.items() if microphone.speaking),
            key=lambda one: (self._microphones[one].dbov, one),
        )
        heard = self._choose(tuple(dict.fromkeys(always)), speaking, at_ms)
        active = self._active([one for one in speaking if one in heard], at_ms)
        self.hearing = Hearing(heard, tuple(speaking), active)
        return self.hearing

    def _choose(
        self, always: tuple[str, ...], speaking: Sequence[str], at_ms: int
    ) -> tuple[str, ...]:
        chosen = [one for one in always if one in self._microphones][:HEARD_LIMIT]
        before = [one for one in self.hearing.heard if one not in chosen]
        # Whoever speaks and is heard goes on being heard: nobody is cut off in a sentence.
        ranked = [one for one in before if one in speaking]
        ranked += [one for one in speaking if one not in before]
        ranked += sorted(
            (one for one in before if one not in speaking and self._fresh(one, at_ms)),
            key=lambda one: -self._microphones[one].last_spoke_ms,
        )
        if len(self._microphones) <= HEARD_LIMIT:
            # Nobody takes anybody's place: not even a first syllable needs be lost.
            ranked += [one for one in self._microphones if one not in ranked]
        for one in ranked:
            if len(chosen) == HEARD_LIMIT:
                break
            if one not in chosen:
                chosen.append(one)
        return tuple(chosen)

    def _fresh(self, participant_id: str, at_ms: int) -> bool:
        microphone = self._microphones.get(participant_id)
        return microphone is not None and at_ms - microphone.last_spoke_ms < KEEP_MS

    def _active(self, speaking: Sequence[str], at_ms: int) -> str | None:
        before = self.hearing.active
        if before is not None and before not in self._microphones:
            before = None
        if not speaking:
            # In silence the picture stays with who spoke last.
            self._louder_since_ms = None
            return before
        loudest = speaking[0]
        if before is None or before not in speaking or loudest == before:
            self._louder_since_ms = None
            return loudest
        louder_by = self._microphones[before].dbov - self._microphones[loudest].dbov
        if louder_by < TAKE_OVER_DB:
            self._louder_since_ms = None
            return before
        if self._louder_since_ms is None or self._louder_since_ms[0] != loudest:
            self._louder_since_ms = (loudest, at_ms)
        if at_ms - self._louder_since_ms[1] < TAKE_OVER_MS:
            return before
        self._louder_since_ms = None
        return loudest


def seats(before: Mapping[str, str], free: Sequence[str], heard: Sequence[str]) -> dict[str, str]:
    """Which slot carries whom: participants' ids → slots, out of the slots ``free``.

    Who keeps being heard keeps the slot, so that no sound is cut over by another's coming or
    going. Who finds no slot is not in the outcome.
    """
    kept = {one: slot for one, slot in before.items() if one in heard and slot in free}
    unused = [slot for slot in free if slot not in kept.values()]
    for one in heard:
        if one not in kept and unused:
            kept[one] = unused.pop(0)
    return kept
