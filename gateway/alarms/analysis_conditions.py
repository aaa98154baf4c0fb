"""What is wrong with analysis, made of what its process says of itself every few seconds. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gateway.alarms.judge import Condition, Key

SUBJECT = "system:analysis"
FAILED = "analysis_failed"
LAGGING = "analysis_lagging"
# Pictures were dropped within this time: it cannot follow.
_LATELY_US = 60_000_000


class AnalysisConditions:
    """``after_us``: how long something must be wrong to be an alarm."""

    def __init__(self, after_us: int) -> None:
        self._after_us = after_us
        self._conditions: dict[Key, Condition] = {}
        # How often each kind of fault has happened, and when that last grew.
        self._counted: dict[str, tuple[int, int | None]] = {}

    def all(self) -> dict[Key, Condition]:
        """By key."""
        return dict(self._conditions)

    def take(self, figures: Mapping[str, Any] | None, at_us: int) -> None:
        """``analysis`` of its ``process.status``; None where it does not answer."""
        if figures is None:
            self._note(FAILED, "the analysis process does not answer", at_us)
            self._note(LAGGING, "", at_us)
            return
        why = figures["message"]
        failing = self._lately(
            FAILED, figures["failed_pictures"] + figures["skipped_batches"], at_us
        )
        if not why and failing:
            why = "the detector fails at pictures"
        dropping = self._lately(LAGGING, figures["dropped_units"], at_us)
        looking = figures["cameras_live"] > 0
        self._note(FAILED, why if looking else "", at_us)
        self._note(LAGGING, "pictures are dropped" if dropping and looking else "", at_us)

    def _lately(self, kind: str, count: int, at_us: int) -> bool:
        """Whether the count has grown within the last minute. It begins anew with its process."""
        known, grown_us = self._counted.get(kind, (count, None))
        if count > known:
            grown_us = at_us
        self._counted[kind] = (count, grown_us)
        return grown_us is not None and at_us - grown_us <= _LATELY_US

    def _note(self, kind: str, why: str, at_us: int) -> None:
        key = (kind, SUBJECT)
        if not why:
            self._conditions.pop(key, None)
            return
        known = self._conditions.get(key)
        since_us = known.since_us if known is not None else at_us
        self._conditions[key] = Condition(
            kind, SUBJECT, since_us, self._after_us, detail={"fault": why[:200]}
        )
