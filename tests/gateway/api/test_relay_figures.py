"""What /metrics says of pictures that go from shard to shard."""

from __future__ import annotations

from gateway.api.relay_figures import relay_families


def test_both_ends_of_a_relay_are_told_by_each_and_by_the_other() -> None:
    statuses = {
        "shard-1": {
            "relays_sent": {
                "shard-2": {"streams": 1, "bytes": 500, "pictures": 4, "units_dropped": 2}
            },
            "relays_received": {},
        },
        "shard-2": {"relays_received": {"shard-1": {"streams": 1, "bytes": 480, "pictures": 3}}},
        "shard-3": None,
        "api": {"event_loop_lag_ms": 1.0},
    }
    samples = {
        (sample.name, sample.labels["name"], sample.labels["peer"]): sample.value
        for family in relay_families(statuses)
        for sample in family.samples
    }
    sent, received = ("shard-1", "shard-2"), ("shard-2", "shard-1")
    assert samples == {
        ("gridsight_relay_sent_streams", *sent): 1,
        ("gridsight_relay_sent_bytes_total", *sent): 500,
        ("gridsight_relay_sent_pictures_total", *sent): 4,
        ("gridsight_relay_dropped_units_total", *sent): 2,
        ("gridsight_relay_received_streams", *received): 1,
        ("gridsight_relay_received_bytes_total", *received): 480,
        ("gridsight_relay_received_pictures_total", *received): 3,
    }
