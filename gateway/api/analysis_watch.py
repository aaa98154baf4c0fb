"""Asks analysis, on every machine, how it is, every few seconds, for alarms."""

from __future__ import annotations

import asyncio
from typing import Any

import sqlalchemy as sa
import structlog

from gateway.alarms.analysis_conditions import AnalysisConditions
from gateway.api.analysts import Analysts, merged_figures
from gateway.identifiers import US_PER_S, now_us
from gateway.settings import Settings

_log = structlog.get_logger(__name__)

EVERY_S = 5.0


class AnalysisWatch:
    """Says nothing of an analysis that is switched off."""

    def __init__(self, settings: Settings, analysts: Analysts) -> None:
        self.conditions = AnalysisConditions(round(settings.search.lag_alarm_s * US_PER_S))
        self._enabled = settings.search.enabled
        self._analysts = analysts
        # A counter that is away for a while has not gone back.
        self._known: dict[str, dict[str, Any]] = {}

    async def run(self) -> None:
        """For ever."""
        while self._enabled:
            await asyncio.sleep(EVERY_S)
            try:
                told = await self._analysts.all_told("process.status")
            except (sa.exc.DBAPIError, OSError) as error:
                _log.warning("where analysis runs cannot be read", why=str(error))
                continue
            self.conditions.take(self._together(told), now_us())

    def _together(self, told: dict[str, Any]) -> dict[str, Any] | None:
        away = [name for name, one in told.items() if one is None]
        self._known = {
            name: one["analysis"] if one is not None else self._known[name]
            for name, one in told.items()
            if one is not None or name in self._known
        }
        if len(away) == len(told):
            return None
        together = merged_figures(self._known.values())
        if together is not None and away:
            together["message"] = f"{', '.join(sorted(away))} does not answer"
        return together
