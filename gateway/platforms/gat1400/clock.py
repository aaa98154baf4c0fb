"""The clock of registrations: UTC, since they outlive the process."""

from __future__ import annotations

import time


def now_s() -> float:
    """UTC seconds."""
    return time.time()
