"""How many writes of rows wait, and how long they take: what the writer says of itself."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from itertools import count

from recorder.rows import RowError


class WriteTimes:
    """Counts since the start, and what is under way now. Use it on one event loop."""

    def __init__(self) -> None:
        self._begun: dict[int, float] = {}
        self._numbers = count()
        self._done = 0
        self._failed = 0
        self._taken_s = 0.0

    @contextlib.contextmanager
    def timing(self) -> Iterator[None]:
        """Around one write. A refusal is an answer, not a failure."""
        number, begun = next(self._numbers), time.perf_counter()
        self._begun[number] = begun
        try:
            yield
        except RowError:
            raise
        except Exception:
            self._failed += 1
            raise
        finally:
            del self._begun[number]
            self._done += 1
            self._taken_s += time.perf_counter() - begun

    def figures(self) -> dict[str, float]:
        """For ``process.status``."""
        # The first that is still there came first: dictionaries keep their order.
        oldest = next(iter(self._begun.values()), None)
        return {
            "writes_waiting": len(self._begun),
            "writes_oldest_s": 0.0 if oldest is None else time.perf_counter() - oldest,
            "writes": self._done,
            "writes_failed": self._failed,
            "writes_s": self._taken_s,
        }
