"""Pictures from shard to shard, in Prometheus' terms: ``name`` tells, ``peer`` is the other.

A sending shard counts one copy for each other shard that shows its cameras, however many watch.
"""

from __future__ import annotations

from typing import Any

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

_LABELS = ["name", "peer"]
# Part of the status → what is counted there → metric, description.
_COUNTERS = {
    "relays_sent": {
        "bytes": ("relay_sent_bytes", "Payload sent to another shard for its viewers"),
        "pictures": ("relay_sent_pictures", "Pictures sent to another shard for its viewers"),
        "units_dropped": (
            "relay_dropped_units",
            "Pictures and sound that another shard was too slow to take",
        ),
    },
    "relays_received": {
        "bytes": ("relay_received_bytes", "Payload received from a camera's own shard"),
        "pictures": ("relay_received_pictures", "Pictures received from a camera's own shard"),
    },
}
_GAUGES = {
    "relays_sent": ("relay_sent_streams", "Streams that another shard is sent"),
    "relays_received": ("relay_received_streams", "Streams that another shard sends"),
}


def relay_families(statuses: dict[str, Any]) -> list[Metric]:
    """From the ``process.status`` of every process."""
    families: list[Metric] = []
    for part, (metric, text) in _GAUGES.items():
        gauge = GaugeMetricFamily(f"gridsight_{metric}", text, labels=_LABELS)
        _fill(gauge, statuses, part, "streams")
        families.append(gauge)
    for part, counters in _COUNTERS.items():
        for name, (metric, text) in counters.items():
            counter = CounterMetricFamily(f"gridsight_{metric}", text, labels=_LABELS)
            _fill(counter, statuses, part, name)
            families.append(counter)
    return families


def _fill(
    family: CounterMetricFamily | GaugeMetricFamily,
    statuses: dict[str, Any],
    part: str,
    counted: str,
) -> None:
    for process, status in sorted(statuses.items()):
        for peer, figures in sorted(((status or {}).get(part) or {}).items()):
            if counted in figures:
                family.add_metric([process, peer], figures[counted])
