"""Under which id footage is asked for: a camera's own, or that of a meeting's track.

The recorder files a meeting's tracks as ``MEETING/program`` and ``MEETING/PARTICIPANT/microphone``;
in addresses and tickets dots stand for the slashes, which no camera's id has.
"""

from __future__ import annotations


def is_meeting(footage_id: str) -> bool:
    """Whether this is a meeting's track, and no camera."""
    return "." in footage_id


def own_source_id(footage_id: str, variant: str) -> str:
    """The source under which it is recorded; a meeting's track has no variants."""
    return footage_id.replace(".", "/") if is_meeting(footage_id) else f"{footage_id}/{variant}"


def track_footage_id(stream_id: str) -> str:
    """The footage id of a meeting's track."""
    return stream_id.replace("/", ".")


def meeting_of(footage_id: str) -> str:
    """The meeting whose track it is."""
    return footage_id.partition(".")[0]
