"""What is wrong with the future of the store: that it will be full, that footage will not be kept
as long as it must. Made of each new forecast. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gateway.alarms.judge import Condition, Key
from recorder.forecast import Forecast
from recorder.retention import DAY_US

STORAGE = "system:storage"
FOOTAGE = "system:footage"
FULL_SOON = "storage_full_soon"
SHORT = "footage_short"
# A forecast of less than this is a guess.
_LEAST_HISTORY_DAYS = 0.25
# So far must it recede until it is over, and move until it is news: rates breathe with the day.
_CALM_US = DAY_US
_STEADY_US = DAY_US // 2


class StorageConditions:
    """``ahead_us``: how long before it happens it is an alarm."""

    def __init__(self, ahead_us: int) -> None:
        self._ahead_us = ahead_us
        self._conditions: dict[Key, Condition] = {}
        self._known = False

    def all(self) -> dict[Key, Condition]:
        """By key."""
        return dict(self._conditions)

    def unknown(self) -> frozenset[str]:
        """Nothing ends while nobody can say how much is free."""
        return frozenset() if self._known else frozenset((STORAGE, FOOTAGE))

    def forget(self) -> None:
        """The store, or the database, does not answer: what was said before stands."""
        self._known = False

    def take(self, found: Forecast, at_us: int) -> None:
        """The forecast of now."""
        self._known = True
        if found.history_days < _LEAST_HISTORY_DAYS:
            self._conditions.clear()
            return
        self._note(FULL_SOON, STORAGE, found.full_at_us, at_us, {})
        short = [
            one.short_from_us
            for one in found.sources
            if one.short_from_us is not None and one.short_from_us <= at_us + self._ahead_us
        ]
        self._note(SHORT, FOOTAGE, min(short, default=None), at_us, {"sources": len(short)})

    def _note(
        self, kind: str, subject: str, when_us: int | None, at_us: int, more: Mapping[str, Any]
    ) -> None:
        key = (kind, subject)
        known = self._conditions.get(key)
        limit_us = self._ahead_us + (0 if known is None else _CALM_US)
        if when_us is None or when_us - at_us > limit_us:
            self._conditions.pop(key, None)
            return
        told_us = when_us
        if known is not None and abs(known.detail["when_us"] - when_us) < _STEADY_US:
            told_us = known.detail["when_us"]
        since_us = at_us if known is None else known.since_us
        self._conditions[key] = Condition(
            kind, subject, since_us, detail={"when_us": told_us, **more}
        )
