"""Each metric that a rule or a dashboard asks for is told by /metrics, with the labels asked by."""

from __future__ import annotations

import re
from collections import defaultdict
from types import SimpleNamespace
from typing import Any, cast

from prometheus_client.parser import text_string_to_metric_families

from gateway.api.exposition import exposition
from gateway.api.request_times import RequestTimes
from gateway.api.services import Services
from tests.deployment.files import queries


class _Everything(dict[str, Any]):
    """The status of a process that has something to say of all that it is asked for."""

    def get(self, name: str, default: Any = None) -> Any:
        return super().get(name, 1)


def _told() -> str:
    """What /metrics says where everything is known."""
    times = RequestTimes()
    times.note("cameras", 200, 0.1)
    state = {
        "state": "live", "bitrate_bps": 1, "gop_s": 1.0, "frames_per_second": 1, "viewers": 1,
        "recording": True, "gaps": 1,
    }  # fmt: skip
    document = {
        "used_bytes": 1, "free_bytes": 1, "bytes_per_day": 1, "real_days": 1.0,
        "forecast": {"full_at_us": 1, "breaches": []},
    }  # fmt: skip
    services = SimpleNamespace(
        storage=SimpleNamespace(document=document),
        states=SimpleNamespace(all=lambda: [("cam_1", "main", state)], registered=1),
        request_times=times,
    )
    status = _Everything(
        event_loop_lag_ms=1.0,
        cameras=1,
        spool_bytes=1,
        store_trouble="",
        webrtc={"fraction_lost_worst": 0.1, "bytes_sent": 1, "viewers": 1},
        analysis=defaultdict(int),
        relays_sent={"shard-2": defaultdict(int)},
        relays_received={"shard-2": defaultdict(int)},
    )
    return exposition(cast("Services", services), {"shard-1": status})


def test_each_metric_that_is_asked_for_is_told_with_the_labels_it_is_asked_by() -> None:
    labels: dict[str, set[str]] = {}
    for family in text_string_to_metric_families(_told()):
        for sample in family.samples:
            labels.setdefault(sample.name, set()).update(sample.labels)
    asked_for = 0
    for where, query in queries():
        for name, selected in re.findall(r"\b(gridsight_\w+)(?:\{([^}]*)\})?", query):
            asked_for += 1
            assert name in labels, f"{where}: nobody tells {name}"
            asked = set(re.findall(r"(\w+)\s*(?:=~|=|!=|!~)", selected))
            assert asked <= labels[name], f"{where}: {name} has no {asked - labels[name]}"
        grouped = re.findall(r"\b(?:by|on) \(([^)]*)\)", query)
        known = set().union(*(labels[name] for name in re.findall(r"gridsight_\w+", query)))
        for group in grouped:
            assert {one.strip() for one in group.split(",")} <= known, where
    assert asked_for > 50
