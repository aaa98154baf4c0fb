"""Waiting longer after each failure, and not all at the same instant."""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass


@dataclass(slots=True)
class Backoff:
    """Delays from ``first_s``, doubling up to ``limit_s``; chance shortens each by up to half."""

    first_s: float
    limit_s: float
    failures: int = 0

    def next_s(self) -> float:
        """The delay after one more failure, in seconds."""
        delay_s = min(self.first_s * float(1 << min(self.failures, 30)), self.limit_s)
        self.failures += 1
        return delay_s * random.uniform(0.5, 1.0)

    def reset(self) -> None:
        """It worked."""
        self.failures = 0

    async def wait(self) -> None:
        """Sleep for :meth:`next_s`."""
        await asyncio.sleep(self.next_s())
