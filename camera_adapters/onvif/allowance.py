"""How much one device may tell: bursts pass, a flood is slowed down to what harms nobody else."""

from __future__ import annotations

from dataclasses import dataclass

BURST = 20.0
PER_S = 2.0


@dataclass(slots=True)
class Allowance:
    """Twenty messages at once, then two a second. Times are seconds of one monotonic clock."""

    left: float = BURST
    _at_s: float = 0.0

    def take(self, now_s: float) -> bool:
        """Use one; False when there is none left."""
        self.left = min(BURST, self.left + max(0.0, now_s - self._at_s) * PER_S)
        self._at_s = now_s
        if self.left < 1.0:
            return False
        self.left -= 1.0
        return True
