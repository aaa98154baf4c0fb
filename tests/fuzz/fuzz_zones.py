"""Zones as rows may hold them: watched, or refused in words; what is watched never fails."""

from __future__ import annotations

import json

import numpy as np

from search.objects import ObjectClass
from search.zones.document import ZoneRefused, happening_message, zone_from_document
from search.zones.places import Seen
from search.zones.watch import ZoneWatch

_START_US = 1_790_000_000_000_000
_PICTURE = np.zeros((36, 64, 3), np.uint8)

SEEDS = [
    json.dumps(document).encode()
    for document in (
        {
            "id": "zon_1",
            "kind": "line",
            "points": [[0.5, 1], [0.5, 0.5], [0.6, 0]],
            "rules": [
                {"kind": "line_crossing", "way": "forward", "cool_down_s": 0},
                {"kind": "wrong_way", "way": "backward"},
            ],
            "classes": ["person", "car"],
        },
        {
            "id": "zon_2",
            "kind": "region",
            "points": [[0.1, 0.1], [0.9, 0.1], [0.9, 0.9], [0.1, 0.9]],
            "rules": [
                {"kind": "intrusion"},
                {"kind": "loitering", "seconds": 1},
                {"kind": "crowd", "count": 2, "seconds": 0},
                {"kind": "abandoned_object", "seconds": 2},
                {"kind": "wrong_way", "heading_deg": 270},
            ],
            "minimum_height": 0.01,
            "schedule": [{"days": [1, 2, 7], "start": "22:00", "end": "06:00"}],
            "time_zone": "Europe/Berlin",
        },
    )
]


def target(data: bytes) -> None:
    """Only ZoneRefused for what is no zone."""
    try:
        document = json.loads(data)
    except (ValueError, RecursionError):
        return
    try:
        zone = zone_from_document(document)
    except ZoneRefused:
        return
    watch = ZoneWatch([zone])
    for step in range(12):
        at_us = _START_US + step * 700_000
        seen = [
            Seen(number, one, (x, 0.3, x + 0.05, 0.6))
            for number, (one, x) in enumerate(
                ((ObjectClass.PERSON, step / 12), (ObjectClass.CAR, 0.9 - step / 14))
            )
        ]
        _, told = watch.update(at_us, seen, [0, 1], 16 / 9)
        told += watch.look(at_us, _PICTURE, [one.box for one in seen])
        for happening in told:
            assert happening_message("camera", happening)["zone_id"] == zone.id
    watch.finish(_START_US + 10_000_000)
