"""How much an alarm of a kind matters: four levels, known before anybody has set a rule. Pure."""

from __future__ import annotations

from typing import Literal, get_args

Priority = Literal["emergency", "high", "medium", "low"]
PRIORITIES: tuple[Priority, ...] = get_args(Priority)
"""The most urgent first."""
OTHERWISE: Priority = "medium"
"""Of kinds that have no line here."""

BY_KIND: dict[str, Priority] = {
    "emergency": "emergency",
    "standing_match": "emergency",
    "network_down": "high",
    "tamper": "high",
    "intrusion": "high",
    "platform_offline": "high",
    "storage_full_soon": "high",
    "footage_short": "high",
    "review_overdue": "high",
    "analysis_failed": "high",
    "motion": "low",
    "sound": "low",
    "camera_health": "low",
    "clock_drift": "low",
    "analysis_lagging": "low",
}


def priority_of(kind: str) -> Priority:
    """The priority of alarms of a kind."""
    return BY_KIND.get(kind, OTHERWISE)
