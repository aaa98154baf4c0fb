"""What recording and storing come to, for Prometheus: shards, the writer of rows, the storage."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from gateway.identifiers import US_PER_S

CAMERA_STATES = ("live", "connecting", "offline", "refused", "idle")

# Name in the status → metric, description.
_SHARD_GAUGES = {
    "spool_bytes_limit": ("spool_bytes_limit", "Footage that may wait on the local disk"),
    "spool_free_bytes": ("spool_free_bytes", "What is free on the spool's disk"),
    "writer_queue_bytes": ("spool_queued_bytes", "Footage in memory that waits for the disk"),
    "open_segments": ("open_segments", "Segments being written"),
    "pending_segments": ("pending_segments", "Whole segments that wait for the store"),
    "upload_lag_s": ("upload_lag_seconds", "For how long the oldest whole segment has waited"),
    "recorders_wanted": ("recorders_wanted", "Streams that come and shall be recorded"),
    "recorders_running": ("recorders_running", "Those of them whose footage is being written"),
    "live_sessions": ("live_sessions", "Open live sessions of all kinds"),
    "meetings": ("meetings", "Meetings with a room here"),
    "meeting_members": ("meeting_members", "Who is connected to them"),
    "meetings_seated_here": ("meetings_seated_here", "Rooms here of which the home is elsewhere"),
    "meetings_cut_off": ("meetings_cut_off", "Those of them whose home cannot be heard"),
}
_SHARD_COUNTERS = {
    "uploaded_segments": ("uploaded_segments", "Segments brought into the store"),
    "uploaded_bytes": ("uploaded_bytes", "Bytes brought into the store"),
    "upload_failures": ("store_errors", "Times that store or index did not take a segment"),
    "backfill_failures": ("backfill_failures", "Stretches that a device did not give"),
}
_WRITER_GAUGES = {
    "writes_waiting": ("row_writes_waiting", "Writes of rows that have not been answered"),
    "writes_oldest_s": ("row_writes_oldest_seconds", "For how long the oldest of them waits"),
}
_WRITER_COUNTERS = {
    "writes": ("row_writes", "Writes of rows that were answered"),
    "writes_failed": ("row_writes_failed", "Those of them that failed, refusals apart"),
    "writes_s": ("row_write_seconds", "How long they took together"),
}


def recording_families(statuses: Mapping[str, Any]) -> list[Metric]:
    """From the ``process.status`` of every process."""
    trouble = GaugeMetricFamily(
        "gridsight_store_trouble",
        "1 while the store or the index takes no footage",
        labels=["name"],
    )
    for name, status in sorted(statuses.items()):
        if status and "store_trouble" in status:
            trouble.add_metric([name], 1 if status["store_trouble"] else 0)
    return [
        trouble,
        *_gauges(statuses, _SHARD_GAUGES),
        *_counters(statuses, _SHARD_COUNTERS),
        *_gauges(statuses, _WRITER_GAUGES),
        *_counters(statuses, _WRITER_COUNTERS),
    ]


def camera_count_families(
    states: Iterable[tuple[str, str, Mapping[str, Any]]], registered: int
) -> list[Metric]:
    """How many cameras there are, and how many are in which state, by their main streams."""
    counts = Counter(state.get("state") for _, variant, state in states if variant == "main")
    known = GaugeMetricFamily(
        "gridsight_cameras", "Cameras by the state of their main stream", labels=["state"]
    )
    for name in CAMERA_STATES:
        known.add_metric([name], counts[name])
    return [
        known,
        GaugeMetricFamily("gridsight_cameras_registered", "Cameras in the tree", value=registered),
    ]


def storage_families(document: Mapping[str, Any] | None) -> list[Metric]:
    """From the storage forecast; nothing before the first one. What is not known is left out."""
    if document is None:
        return []
    forecast = document["forecast"]
    full_at_us = forecast["full_at_us"]
    figures = {
        "store_used_bytes": ("Footage in the store", document["used_bytes"]),
        "store_free_bytes": ("What may still be filled", document["free_bytes"]),
        "store_bytes_per_day": ("How fast it fills", document["bytes_per_day"]),
        "store_full_timestamp_seconds": (
            "When it will be full, as things go; absent: never",
            None if full_at_us is None else full_at_us / US_PER_S,
        ),
        "retention_days_least": (
            "How far back the footage of the camera with the least reaches",
            document["real_days"],
        ),
        "retention_breaches": (
            "Cameras whose footage will not reach the days asked for",
            len(forecast["breaches"]),
        ),
    }
    return [
        GaugeMetricFamily(f"gridsight_{name}", text, value=value)
        for name, (text, value) in figures.items()
        if value is not None
    ]


def _gauges(
    statuses: Mapping[str, Any], wanted: Mapping[str, tuple[str, str]]
) -> Iterable[GaugeMetricFamily]:
    for key, (suffix, text) in wanted.items():
        family = GaugeMetricFamily(f"gridsight_{suffix}", text, labels=["name"])
        for name, value in _values(statuses, key):
            family.add_metric([name], value)
        yield family


def _counters(
    statuses: Mapping[str, Any], wanted: Mapping[str, tuple[str, str]]
) -> Iterable[CounterMetricFamily]:
    for key, (suffix, text) in wanted.items():
        family = CounterMetricFamily(f"gridsight_{suffix}", text, labels=["name"])
        for name, value in _values(statuses, key):
            family.add_metric([name], value)
        yield family


def _values(statuses: Mapping[str, Any], key: str) -> Iterable[tuple[str, float]]:
    for name, status in sorted(statuses.items()):
        value = (status or {}).get(key)
        if value is not None:
            yield name, float(value)
