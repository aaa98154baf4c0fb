"""What /metrics says of WebRTC viewers."""

from __future__ import annotations

from gateway.api.webrtc_figures import webrtc_families


def test_each_shards_figures_come_under_its_name_in_base_units() -> None:
    statuses = {
        "shard-1": {"webrtc": {"viewers": 2, "packets_sent": 5, "round_trip_ms_worst": 12.0}},
        "shard-2": None,
        "api": {"event_loop_lag_ms": 1.0},
    }
    samples = {
        sample.name: (sample.labels, sample.value)
        for family in webrtc_families(statuses)
        for sample in family.samples
    }
    assert samples == {
        "gridsight_webrtc_viewers": ({"name": "shard-1"}, 2.0),
        "gridsight_webrtc_packets_sent_total": ({"name": "shard-1"}, 5.0),
        "gridsight_webrtc_round_trip_seconds_worst": ({"name": "shard-1"}, 0.012),
    }
