"""Damaged access units in the transcoder's worker: a failed job, never an exception."""

from __future__ import annotations

from typing import Any

from camera_adapters.stream import Codec, Track
from gateway.transcoder.wire import track_to_wire
from gateway.transcoder.worker import JobRunner

_SPS = bytes.fromhex("6764001facb301802 4d08000000300800000 0a078c1934".replace(" ", ""))
_VIDEO = Track("video", Codec.H264, 90000, (_SPS, bytes.fromhex("68e9706cb22c")), 768, 576)
_SOUND = Track("audio", Codec.AAC, 8000, (b"\x15\x88",), channels=1)

SEEDS = [
    b"\0\0\0\x05\x65\x88\x84\x00\x10",
    b"\0\0\0\x02\x41\x9a\0\0\0\x01\x06",
    b"\x01\x40\x22\x80",
]


def target(data: bytes) -> None:
    """Each kind of job takes the bytes and answers."""
    for kind, track in (("video", _VIDEO), ("opus", _SOUND)):
        runner = JobRunner()
        wire = track_to_wire(track)
        opening = {"kind": kind, "track": wire, "live": True, "masks": [[[0, 0], [1, 0], [1, 1]]]}
        runner.handle({"job": 1, "type": "open", **opening})
        units: list[Any] = [[0, data, 0, 0, True, 0], [0, data, 3600, 3600, False, 40_000]]
        answer = runner.handle({"job": 1, "type": "units", "units": units})
        assert answer is None or answer["type"] in ("units", "failed")
        runner.handle({"job": 1, "type": "finish", "token": 1})
        runner.handle({"job": 1, "type": "close"})
    request = {"job": 2, "type": "picture", "track": track_to_wire(_VIDEO), "at_90k": 0}
    request |= {"masks": [[[0, 0], [1, 0], [1, 1]]], "lines": ["x"]}
    runner.handle({**request, "units": [[0, data, 0, 0, True, 0]], "width": 64})
    assert runner.handle({"job": 3, "type": "units", "units": [[data]]}) is None
