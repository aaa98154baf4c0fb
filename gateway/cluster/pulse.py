"""Who lives, judged by counters that the living raise. Pure; no machine's clock is trusted.

Each shard raises a counter in its row twice a second. Whoever watches notes, on a clock of its own,
when it saw each of them change. A row that stands still while others go on is of a dead or frozen
process. Where all of them stand still at once, it is the database that was away: no time passes.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

BEAT_INTERVAL_S = 0.5
# With a second for looking twice and one for connecting, a killed machine's cameras are elsewhere
# in five. Who is given up by mistake loses nothing: both record, and each moment counts once.
LEASE_S = 3.0
# How long a process is waited for that its supervisor is just starting again, or that stands alone.
RESTART_GRACE_S = 15.0


class Pulse:
    """Remembers the counters and how long each has stood still."""

    def __init__(self) -> None:
        self._beats: dict[str, int] = {}
        self._silence_s: dict[str, float] = {}
        # When some counter was last seen to change: time passes only between such looks.
        self._looked_s: float | None = None

    def observe(
        self, beats: Mapping[str, int], at_s: float, awaited: Collection[str] = ()
    ) -> set[str]:
        """The names that live, at a moment of a steady clock. One that is new lives."""
        changed = {name for name, beat in beats.items() if self._beats.get(name) != beat}
        passed_s = 0.0 if self._looked_s is None else at_s - self._looked_s
        if changed:
            self._looked_s = at_s
            # Of a long pause of our own only as much as others were seen to live in.
            passed_s = min(passed_s, 2 * BEAT_INTERVAL_S)
            self._silence_s = {
                name: 0.0 if name in changed else self._silence_s.get(name, 0.0) + passed_s
                for name in beats
            }
        self._beats = dict(beats)
        return {
            name
            for name in beats
            if self._silence_s.get(name, 0.0) < (RESTART_GRACE_S if name in awaited else LEASE_S)
        }
