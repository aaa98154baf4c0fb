"""Prometheus' text format, from what the processes report."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric

from gateway.api.analysis_figures import analysis_families
from gateway.api.recording_figures import (
    CAMERA_STATES,
    camera_count_families,
    recording_families,
    storage_families,
)
from gateway.api.relay_figures import relay_families
from gateway.api.services import Services
from gateway.api.webrtc_figures import webrtc_families
from gateway.version import VERSION


def exposition(services: Services, statuses: dict[str, Any], further: Sequence[Metric] = ()) -> str:
    """All metrics as text."""
    families = [
        *_process_families(statuses),
        *webrtc_families(statuses),
        *relay_families(statuses),
        *recording_families(statuses),
        *storage_families(services.storage.document),
        *camera_count_families(services.states.all(), services.states.registered),
        *_camera_families(services),
        *services.request_times.families(),
        *analysis_families(statuses),
        *further,
    ]
    registry = CollectorRegistry()
    registry.register(_Families(families))
    return generate_latest(registry).decode()


class _Families:
    """Already collected; prometheus_client only writes them out."""

    def __init__(self, families: list[Metric]) -> None:
        self._families = families

    def collect(self) -> list[Metric]:
        """See prometheus_client.registry.Collector."""
        return self._families


def _process_families(statuses: dict[str, Any]) -> list[Metric]:
    info = GaugeMetricFamily("gridsight_info", "The version that runs", labels=["version"])
    info.add_metric([VERSION], 1)
    up = GaugeMetricFamily("gridsight_process_up", "1 while the process answers", labels=["name"])
    lag = GaugeMetricFamily(
        "gridsight_event_loop_lag_seconds",
        "Worst delay of the event loop in the last half to one minute",
        labels=["name"],
    )
    spool = GaugeMetricFamily(
        "gridsight_spool_bytes", "Footage that waits on the local disk", labels=["name"]
    )
    held = GaugeMetricFamily("gridsight_shard_cameras", "Cameras held", labels=["name"])
    speaks = GaugeMetricFamily(
        "gridsight_signalling_speaks", "1 on the machine that speaks with devices", labels=["name"]
    )
    for name, status in sorted(statuses.items()):
        up.add_metric([name], 0 if status is None else 1)
        found = status or {}
        lag_ms = found.get("event_loop_lag_ms")
        if lag_ms is not None:
            lag.add_metric([name], lag_ms / 1000)
        if found.get("spool_bytes") is not None:
            spool.add_metric([name], found["spool_bytes"])
        if isinstance(found.get("cameras"), int):
            held.add_metric([name], found["cameras"])
        if "signalling_speaks" in found:
            speaks.add_metric([name], found["signalling_speaks"])
    return [info, up, lag, spool, held, speaks]


def _camera_families(services: Services) -> list[Metric]:
    labels = ["camera", "variant"]
    state = GaugeMetricFamily(
        "gridsight_camera_state", "1 for the state that holds", labels=[*labels, "state"]
    )
    gauges = {
        "bitrate_bps": GaugeMetricFamily(
            "gridsight_camera_bitrate_bps", "Received bits per second", labels=labels
        ),
        "gop_s": GaugeMetricFamily(
            "gridsight_camera_gop_seconds", "Seconds from keyframe to keyframe", labels=labels
        ),
        "frames_per_second": GaugeMetricFamily(
            "gridsight_camera_frames_per_second", "Pictures per second", labels=labels
        ),
        "viewers": GaugeMetricFamily(
            "gridsight_camera_viewers", "Open live sessions", labels=labels
        ),
        "recording": GaugeMetricFamily(
            "gridsight_camera_recording", "1 while footage is being written", labels=labels
        ),
        "gaps": GaugeMetricFamily(
            "gridsight_camera_gaps", "Gaps since the shard started", labels=labels
        ),
    }
    for camera_id, variant, known in services.states.all():
        for name in CAMERA_STATES:
            state.add_metric([camera_id, variant, name], 1 if known.get("state") == name else 0)
        for name, family in gauges.items():
            if known.get(name) is not None:
                family.add_metric([camera_id, variant], float(known[name]))
    return [state, *gauges.values()]
