"""What analysis reports, of all machines together, for Prometheus."""

from __future__ import annotations

from typing import Any

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from gateway.api.analysts import merged_figures

_GAUGES = {
    "cameras": "Cameras whose pictures shall be searched",
    "cameras_live": "Those of them that give pictures now",
    "worst_lag_s": "Age of the oldest picture that waits to be looked at",
    "waiting_bytes": "Coded pictures that wait",
    "workers": "Processes that look",
    "workers_ready": "Those of them that can",
    "worker_bytes": "What they hold in memory",
}
_COUNTERS = {
    "dropped_units": "Coded pictures dropped because there was too much to look at",
    "pictures": "Live pictures that went through the detector",
    "failed_pictures": "Pictures at which the detector failed",
    "damaged_units": "Coded pictures that could not be decoded",
    "undescribed": "Passages that could not be described or compared",
    "skipped_batches": "Batches left out because they ended a worker twice",
    "passages": "Passages found live",
    "footage_pictures": "Pictures of recorded footage that went through the detector",
    "footage_passages": "Passages found in recorded footage",
    "worker_restarts": "Workers that ended and were started again",
}


def analysis_families(statuses: dict[str, Any]) -> list[Metric]:
    """Of the ``process.status`` of every process."""
    found = merged_figures(
        status["analysis"] for status in statuses.values() if status and "analysis" in status
    )
    if found is None:
        return []
    families: list[Metric] = []
    for name, text in _GAUGES.items():
        unit = name.replace("_s", "_seconds") if name.endswith("_s") else name
        families.append(
            GaugeMetricFamily(f"gridsight_analysis_{unit}", text, value=found.get(name, 0))
        )
    for name, text in _COUNTERS.items():
        family = CounterMetricFamily(f"gridsight_analysis_{name}", text, value=found.get(name, 0))
        families.append(family)
    return families
