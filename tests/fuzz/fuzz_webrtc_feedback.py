"""RTCP from viewers."""

from __future__ import annotations

from camera_adapters.webrtc.feedback import (
    NACKED_LIMIT,
    FeedbackError,
    parse_feedback,
    round_trip_s,
    sender_report,
)

SEEDS = [
    sender_report(7, 1_700_000_000_000_000, 90, 3, 300, b"gridsight"),
    bytes.fromhex("81c90007 00000001 00000007 05000002 0000ffff 0000001e 12345678 00010000"),
    bytes.fromhex("81cd0003 00000001 00000007 0010ffff 81ce0002 00000001 00000007"),
    bytes.fromhex("8fce0005 00000001 00000000 52454d42 01061234 00000007"),
    bytes.fromhex("8fcd0005 00000001 00000007 00010004 00000100 2004d001 00000000"),
]


def target(data: bytes) -> None:
    """Only FeedbackError, and bounded work."""
    try:
        feedback = parse_feedback(data)
    except FeedbackError:
        return
    assert len(feedback.nacked) <= NACKED_LIMIT
    for report in feedback.reports:
        round_trip_s(report, 1_700_000_000_000_000)
