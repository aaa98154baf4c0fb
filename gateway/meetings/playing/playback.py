"""What a recording in a meeting plays, and where it stands: a row, and arithmetic on it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

Source = Literal["footage", "meeting", "file"]
State = Literal["playing", "paused"]

SHOWN = (
    "source", "recording_id", "file_id", "start_us", "end_us", "length_us", "state",
    "position_us", "since_us", "loop", "problem",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Playback:
    """One row of ``meeting_playbacks``. ``start_us`` and ``end_us``: when what is shown happened,
    None of a file. ``command`` is another one after each word of the chair.
    """

    source: Source
    camera_id: str | None
    recording_id: str | None
    file_id: str | None
    start_us: int | None
    end_us: int | None
    length_us: int
    state: State
    position_us: int
    since_us: int
    loop: bool
    command: int
    problem: str | None = None

    def position_at(self, at_us: int) -> int:
        """Where it stands at ``at_us`` UTC, counted from its beginning; from its beginning again
        behind the end where it loops.
        """
        if self.state == "paused":
            return self.position_us
        position_us = self.position_us + max(0, at_us - self.since_us)
        if self.loop and self.length_us > 0:
            return position_us % self.length_us
        return min(position_us, self.length_us)


def playback_document(row: Mapping[Any, Any]) -> dict[str, Any]:
    """``playback`` of a participant, of a row of ``meeting_playbacks`` with its ``camera_id``."""
    return {"camera_id": row["camera_id"], **{name: row[name] for name in SHOWN}}


def playback_of(row: Mapping[Any, Any]) -> Playback:
    """The same, to be played."""
    fields = (*SHOWN, "camera_id", "command")
    return Playback(**{name: row[name] for name in fields})
