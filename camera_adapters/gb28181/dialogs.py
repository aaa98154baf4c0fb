"""The control side of a media session, as the side that receives the media sees it.

Signalling holds the SIP dialog; this is what it gives: an answer, later events, and a way to say
pause, resume, seek and scale. Leaving the context says BYE.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Literal, Protocol

from camera_adapters.gb28181.media_terms import MediaAnswer, MediaOffer

ControlAction = Literal["pause", "resume", "seek", "scale"]


class SessionRefused(Exception):
    """No session came about. ``code`` is stable (see :class:`~camera_adapters.retrying.Ending`):
    ``platform_offline``, ``declined``, ``busy``, ``channel_not_found``, ``no_answer``,
    ``device_error``, ``unsupported``, ``signalling_away``; the message is one English line.
    ``retry_s``: when to try again, where that is known better than by the back-off.
    """

    def __init__(self, code: str, line: str, retry_s: float | None = None) -> None:
        super().__init__(line)
        self.code = code
        self.retry_s = retry_s


@dataclass(frozen=True, slots=True)
class SessionEnded:
    """The dialog is over; nothing follows. ``code`` is stable, ``device_ended`` for its BYE."""

    code: str
    line: str


@dataclass(frozen=True, slots=True)
class FileEnd:
    """The device has sent all of what was asked for (MediaStatus 121, GB/T 28181-2016 §9.8.4)."""


DialogEvent = SessionEnded | FileEnd


class MediaDialog(Protocol):
    """An established session."""

    answer: MediaAnswer

    async def next_event(self) -> DialogEvent:
        """Wait for the next event. A restart of signalling is bridged, and no event."""

    async def control(self, action: ControlAction, **arguments: float | int) -> None:
        """``seek`` has ``from_s`` since the start of what was asked for, ``scale`` has ``scale``.

        Raises SessionRefused when the device does not do it.
        """


OpenDialog = Callable[[MediaOffer], AbstractAsyncContextManager[MediaDialog]]
"""Sends the INVITE; entering the context raises SessionRefused, leaving it says BYE."""
