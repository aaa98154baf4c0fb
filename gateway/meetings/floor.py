"""Who is on: what a meeting shows to everybody, why, and the history of it.

The chair's decisions are rows; who speaks and who shares a screen is heard and seen by the shard.
Everything here is a pure function of both, so that a shard that begins anew decides the same.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Literal

Picture = Literal["camera", "screen"]
Cause = Literal["roll_call", "pinned", "screen", "polling", "floor", "speaker", "chair"]


@dataclass(frozen=True, slots=True)
class OnAir:
    """One participant's picture, and why it is shown to everybody."""

    participant_id: str
    picture: Picture
    cause: Cause


@dataclass(frozen=True, slots=True)
class Claims:
    """Who has a claim to be seen by everybody, by cause; ``pinned`` with which picture of theirs.

    ``called`` is the site that a roll call has come to, ``screen`` who shares a screen, ``polled``
    whose turn it is in a round of all sites; ``floor`` all who have it, the newest first;
    ``speaking`` the active speaker.
    """

    called: str | None = None
    pinned: tuple[str, Picture] | None = None
    screen: str | None = None
    polled: str | None = None
    floor: tuple[str, ...] = ()
    speaking: str | None = None
    chair: str | None = None


def program_order(claims: Claims, present: Collection[str]) -> tuple[OnAir, ...]:
    """Everybody with a claim, the strongest first, each picture once.

    The first is the program. Who is the program sees the next: nobody looks at a picture of
    themselves that has been to the server. Whoever is not ``present`` has no claim.
    """
    by_cause: list[tuple[Cause, tuple[str, Picture] | None]] = [
        ("roll_call", _camera(claims.called)),
        ("pinned", claims.pinned),
        ("screen", None if claims.screen is None else (claims.screen, "screen")),
        ("polling", _camera(claims.polled)),
        *(("floor", _camera(one)) for one in _speaking_first(claims)),
        ("speaker", _camera(claims.speaking)),
        ("chair", _camera(claims.chair)),
    ]
    order: list[OnAir] = []
    seen: set[tuple[str, Picture]] = set()
    for cause, shown in by_cause:
        if shown is None or shown[0] not in present or shown in seen:
            continue
        seen.add(shown)
        order.append(OnAir(*shown, cause))
    return tuple(order)


def _camera(participant_id: str | None) -> tuple[str, Picture] | None:
    return None if participant_id is None else (participant_id, "camera")


def _speaking_first(claims: Claims) -> list[str]:
    """Of several who have the floor, the one who speaks; else the first."""
    return sorted(claims.floor, key=lambda one: one != claims.speaking)


@dataclass(frozen=True, slots=True)
class Turn:
    """One participant was on from ``start_us`` to ``end_us`` (None: still is)."""

    on_air: OnAir
    start_us: int
    end_us: int | None = None


class FloorHistory:
    """Who was on when, as turns that neither overlap nor run backwards.

    ``current`` is the turn that goes on. The past is the caller's, who writes it down; ``last_us``
    is where it has got to already.
    """

    def __init__(self, last_us: int = 0) -> None:
        self.current: Turn | None = None
        self._last_us = last_us

    def put(self, on_air: OnAir | None, at_us: int) -> Turn | None:
        """This is on from now on; returns the turn that ended by it, None when nothing changed.

        The cause may change while the picture stays: it is the same turn then, since nobody sees
        a difference. While a clock that was set back has not caught up, turns are moments long.
        """
        before = self.current
        if before is not None and on_air is not None and _same(before.on_air, on_air):
            return None
        if before is None and on_air is None:
            return None
        # Each moment tells one turn from the next.
        self._last_us = at_us = max(at_us, self._last_us + 1)
        self.current = None if on_air is None else Turn(on_air, at_us)
        return None if before is None else Turn(before.on_air, before.start_us, at_us)


def _same(one: OnAir, other: OnAir) -> bool:
    return (one.participant_id, one.picture) == (other.participant_id, other.picture)


@dataclass(frozen=True, slots=True)
class Poll:
    """A round of all sites: whose turn it is, and since when."""

    participant_id: str | None
    since_us: int


def poll(
    before: Poll | None,
    order: Sequence[str],
    present: Collection[str],
    interval_us: int,
    at_us: int,
) -> Poll:
    """Whose turn it is now: ``order`` round and round, ``interval_us`` each, the absent left out.

    Who leaves in their turn makes room at once. One who joins is not before those who come next.
    """
    if before is None or before.participant_id not in order:
        return Poll(_next_present(order, 0, present), at_us)
    place = order.index(before.participant_id)
    if before.participant_id in present and at_us < before.since_us + interval_us:
        return before
    return Poll(_next_present(order, place + 1, present), at_us)


def next_in_turn(turn: Poll, order: Sequence[str], present: Collection[str]) -> str | None:
    """Who is shown after this turn, as it stands now; None where nobody else is there."""
    after = order.index(turn.participant_id) + 1 if turn.participant_id in order else 0
    candidate = _next_present(order, after, present)
    return None if candidate == turn.participant_id else candidate


def _next_present(order: Sequence[str], first: int, present: Collection[str]) -> str | None:
    for place in range(first, first + len(order)):
        candidate = order[place % len(order)]
        if candidate in present:
            return candidate
    return None
