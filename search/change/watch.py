"""Every moment a region changed, from looks at it in order of time. No detector; nothing is read.

As long as the region is as it was, what it looks like is learned: slow light, worn shadows. When it
differs, nothing is said until it is as before again (something *moved* through it, or stood before
it), or has been the same otherwise for a while: then that is what it looks like now, and the looks
in between tell when it stopped being the one and became the other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from search.change.difference import Kind, Mask, differences, kind_of, nearer_to, places
from search.change.region import Grid, Look

SETTLE_S = 15.0
_RETURN_S = 3.0
_LEAST_AREA, _LEAST_SHARE = 12, 0.012
_ELSEWHERE = 0.4
_LEARNED_S = 60.0
_LOOKS_KEPT = 240
_SURE = 0.65
_AT_THE_END = 0.3


@dataclass(frozen=True, slots=True)
class Moment:
    """One change. ``at_us``: when it began, which is where to play from; ``before_us``: the last
    look that was as before; ``after_us``: the first that was as it was afterwards. ``strength``:
    which share of the region differed, 0 to 1. ``lasts``: False when the looks ended before it was
    over.
    """

    kind: Kind
    at_us: int
    before_us: int
    after_us: int
    strength: float
    lasts: bool = True


@dataclass(frozen=True, slots=True, eq=False)
class Change:
    """A moment, and what it takes to tell its beginning more exactly from looks in between."""

    moment: Moment
    where: Mask
    before: Look
    after: Look

    @property
    def window(self) -> tuple[int, int]:
        """Between these instants it began; where no look was, more of them tell more."""
        return self.moment.before_us, self.moment.at_us

    def refined(self, looks: Sequence[Look]) -> Moment:
        """The moment, with looks from within the window, in order of time."""
        before_us, at_us = self.window
        for look in looks:
            if not before_us < look.at_us < at_us:
                continue
            if not _departs(look, self.before, self.after, self.where):
                before_us = look.at_us
            else:
                at_us = look.at_us
                break
        return replace(self.moment, before_us=before_us, at_us=at_us)


class RegionWatch:
    """One search's memory; looks come in the order of time."""

    def __init__(self, grid: Grid, *, settle_s: float = SETTLE_S) -> None:
        self._inside = grid.inside
        self._outside = 1 - grid.inside
        area = int(np.count_nonzero(grid.inside))
        self._area = max(area, 1)
        self._least = max(_LEAST_AREA, round(area * _LEAST_SHARE))
        self._settle_us = round(settle_s * 1e6)
        self._usual: Look | None = None
        self._clean: Look
        self._looks: list[Look] = []
        self._largest = 0
        self._still_since_us: int | None = None
        self._returned: Look | None = None

    def push(self, look: Look) -> list[Change]:
        """Take the next look; give what it settles."""
        if self._usual is None:
            self._usual = self._clean = look
            return []
        differ = differences(look, self._usual)
        count = int(np.count_nonzero(differ & self._inside))
        if not self._looks:
            if count < self._least:
                self._learn(look, differ)
                return []
            self._still_since_us = None
        return self._as_before(look) if count < self._least else self._otherwise(look, count)

    def finish(self) -> list[Change]:
        """No more looks: what is under way is told as far as it is known."""
        if not self._looks:
            return []
        last = self._looks[-1]
        if self._returned is not None:
            return [self._moved(self._returned)]
        still_us = last.at_us - (self._still_since_us or last.at_us)
        if still_us >= self._settle_us * _AT_THE_END:
            return self._lasting(last)
        found = self._moved(last)
        return [replace(found, moment=replace(found.moment, lasts=False))]

    def _as_before(self, look: Look) -> list[Change]:
        if self._returned is None:
            self._returned = look
            return []
        if look.at_us - self._returned.at_us < _RETURN_S * 1e6:
            return []
        found = self._moved(self._returned)
        self._clean = look
        self._forget()
        return [found]

    def _otherwise(self, look: Look, count: int) -> list[Change]:
        self._returned = None
        self._largest = max(self._largest, count)
        if self._looks:
            previous = self._looks[-1]
            moving = np.count_nonzero(differences(look, previous) & self._inside)
            if moving >= self._least:
                self._still_since_us = None
            elif self._still_since_us is None:
                self._still_since_us = previous.at_us
        self._looks.append(look)
        if len(self._looks) > _LOOKS_KEPT:
            # The older half of them at half the density: the newest are where it may settle.
            half = _LOOKS_KEPT // 2
            self._looks = [*self._looks[:half:2], *self._looks[half:]]
        since_us = self._still_since_us
        if since_us is None or look.at_us - since_us < self._settle_us:
            return []
        return self._lasting(look)

    def _moved(self, after: Look) -> Change:
        first = self._looks[0]
        moment = Moment(
            Kind.MOVED, first.at_us, self._clean.at_us, after.at_us, self._largest / self._area
        )
        assert self._usual is not None
        where = differences(first, self._usual) & self._inside
        return Change(moment, where, self._clean, first)

    def _lasting(self, after: Look) -> list[Change]:
        """What differs from before for good, kind by kind; from now on that is usual."""
        before = self._clean
        found: dict[Kind, Change] = {}
        differ = differences(after, before)
        if self._is_another_scene(differ):
            differ = np.zeros_like(differ)
        for where in places(differ & self._inside, self._least):
            kind = kind_of(before, after, where)
            if kind not in found:
                found[kind] = self._change(kind, before, after, where)
        self._usual = self._clean = after
        self._forget()
        return sorted(found.values(), key=lambda change: change.moment.at_us)

    def _change(self, kind: Kind, before: Look, after: Look, where: Mask) -> Change:
        started, at_us = before.at_us, self._looks[0].at_us
        for index, look in enumerate(self._looks):
            if nearer_to(look, before, after, where) >= _SURE:
                started = look.at_us
                following = self._looks[index + 1 :]
                at_us = following[0].at_us if following else after.at_us
        after_us = after.at_us
        for look in reversed(self._looks):
            if nearer_to(look, after, before, where) < _SURE:
                break
            after_us = look.at_us
        share = float(np.count_nonzero(where)) / self._area
        moment = Moment(kind, at_us, started, max(after_us, at_us), min(share, 1.0))
        return Change(moment, where, before, after)

    def _is_another_scene(self, differ: Mask) -> bool:
        """All is different, not only the region: the camera was turned, or sees by infra-red. No
        thing was left or taken then, as far as anybody can tell.
        """
        outside = int(np.count_nonzero(self._outside))
        elsewhere = int(np.count_nonzero(differ & self._outside))
        here = int(np.count_nonzero(differ & self._inside))
        return outside > 0 and elsewhere > _ELSEWHERE * outside and here > _ELSEWHERE * self._area

    def _learn(self, look: Look, differ: Mask) -> None:
        usual = self._usual
        assert usual is not None
        share = min(1.0, (look.at_us - self._clean.at_us) / (_LEARNED_S * 1e6))
        step = (look.planes.astype(np.float32) - usual.planes) * share
        # At least by one step, or small differences would never be learned.
        step = np.where(np.abs(step) < 1, np.sign(step) * (np.abs(step) > share), np.round(step))
        planes = np.where(differ, usual.planes, usual.planes + step).astype(np.uint8)
        self._usual = Look(usual.at_us, planes)
        self._clean = look

    def _forget(self) -> None:
        self._looks = []
        self._largest = 0
        self._still_since_us = None
        self._returned = None


def _departs(look: Look, before: Look, after: Look, where: Mask) -> bool:
    return nearer_to(look, before, after, where) < _SURE
