"""The shards' WebRTC figures in Prometheus' terms."""

from __future__ import annotations

from typing import Any

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

_COUNTERS = {
    "packets_sent": "RTP packets sent to viewers, retransmissions apart",
    "bytes_sent": "RTP payload bytes sent to viewers",
    "packets_lost": "Packets that viewers reported lost",
    "retransmitted": "Packets sent again because a viewer asked",
    "keyframes_wanted": "Keyframes that viewers asked for",
    "pictures_skipped": "Pictures not sent because the socket had no room",
    "sends_blocked": "Sends for which the kernel had no room",
}
# Our name → Prometheus' name, description, and factor to its base unit.
_GAUGES = {
    "viewers": ("viewers", "Connected viewers", 1.0),
    "fraction_lost_worst": ("fraction_lost_worst", "Worst loss of a viewer, of 1", 1.0),
    "round_trip_ms_worst": ("round_trip_seconds_worst", "Longest way to a viewer and back", 0.001),
    "jitter_ms_worst": ("jitter_seconds_worst", "Worst jitter of a viewer", 0.001),
}


def webrtc_families(statuses: dict[str, Any]) -> list[Metric]:
    """Metrics from the ``webrtc`` part of each process's status (``WebRtcOutput.figures``)."""
    families: dict[str, tuple[CounterMetricFamily | GaugeMetricFamily, float]] = {}
    for name, text in _COUNTERS.items():
        counter = CounterMetricFamily(f"gridsight_webrtc_{name}", text, labels=["name"])
        families[name] = (counter, 1.0)
    for name, (suffix, text, scale) in _GAUGES.items():
        gauge = GaugeMetricFamily(f"gridsight_webrtc_{suffix}", text, labels=["name"])
        families[name] = (gauge, scale)
    for process, status in sorted(statuses.items()):
        for name, value in ((status or {}).get("webrtc") or {}).items():
            if name in families:
                family, scale = families[name]
                family.add_metric([process], value * scale)
    return [family for family, _ in families.values()]
