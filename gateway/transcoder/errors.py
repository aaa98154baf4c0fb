"""What the transcoder can refuse, by stable codes."""

from __future__ import annotations


class TranscodeError(Exception):
    """A job failed. ``code`` is stable: ``undecodable`` (the stream), ``unsupported`` (its format),
    ``crashed`` (the process that did the work), ``preempted`` (a live viewer took the place),
    ``unavailable`` (no transcoder in reach). The message is one English line.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
