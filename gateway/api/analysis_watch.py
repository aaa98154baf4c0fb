"""Asks the analysis process how it is, every few seconds, for alarms."""

from __future__ import annotations

import asyncio

from gateway.alarms.analysis_conditions import AnalysisConditions
from gateway.api.processes import Processes
from gateway.control.channel import ControlError
from gateway.identifiers import US_PER_S, now_us
from gateway.settings import Settings

ANALYSIS = "analysis"
EVERY_S = 5.0


class AnalysisWatch:
    """Says nothing of an analysis that is switched off."""

    def __init__(self, settings: Settings, processes: Processes) -> None:
        self.conditions = AnalysisConditions(round(settings.search.lag_alarm_s * US_PER_S))
        self._enabled = settings.search.enabled
        self._processes = processes

    async def run(self) -> None:
        """For ever."""
        while self._enabled:
            await asyncio.sleep(EVERY_S)
            try:
                answer = await self._processes.client(ANALYSIS).call("process.status")
            except (ControlError, ConnectionError, TimeoutError):
                answer = {}
            self.conditions.take(answer.get("analysis"), now_us())
