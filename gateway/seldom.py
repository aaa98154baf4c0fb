"""What may happen a thousand times a second and is written down once in a while."""

from __future__ import annotations

import time
from collections.abc import Hashable

_INTERVAL_S = 60.0
_KNOWN_LIMIT = 1000


class Seldom:
    """Says of each kind of event whether it is the first within a minute. Bounded."""

    def __init__(self) -> None:
        self._seen: dict[Hashable, float] = {}

    def is_first(self, *kind: Hashable) -> bool:
        """Whether nothing of this kind has happened for a minute."""
        now = time.monotonic()
        seen = self._seen.get(kind)
        if seen is not None and now - seen < _INTERVAL_S:
            return False
        if len(self._seen) >= _KNOWN_LIMIT:
            self._seen = {k: at for k, at in self._seen.items() if now - at < _INTERVAL_S}
            if len(self._seen) >= _KNOWN_LIMIT:
                return False
        self._seen[kind] = now
        return True
