"""What every source of a camera looks like from outside, whatever it speaks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

from camera_adapters.rtp.clocks import CameraClock
from camera_adapters.stream import GapCause, Interruption, Track


@dataclass(frozen=True, slots=True)
class SourceState:
    """How a source stands.

    ``connecting`` is before the first success or failure; ``offline`` goes on through retries, of
    which ``retry_at_us`` is the next. ``refused``: the password was refused twice, and nothing is
    tried before ``retry_at_us``, since cameras lock out. ``detail`` is one English line, and
    ``fault`` the same as a stable code, for other languages. ``queue`` is (position, length) while
    a place in the transcoder is waited for.
    """

    state: Literal["idle", "connecting", "live", "offline", "refused"]
    since_us: int
    cause: GapCause | None = None
    detail: str = ""
    retry_at_us: int | None = None
    track: Track | None = None
    fault: str = ""
    queue: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class SourceCounters:
    """Totals since :meth:`Source.start`, across reconnects.

    ``gop_us`` and ``gop_pictures`` describe the last whole GOP; ``camera_clock_offset_us`` is the
    camera's clock less ours, None while it has told nothing. What a protocol cannot know stays 0.
    """

    bytes: int = 0
    packets: int = 0
    lost: int = 0
    duplicates: int = 0
    reordered: int = 0
    malformed: int = 0
    pictures: int = 0
    keyframes: int = 0
    audio_frames: int = 0
    damaged: int = 0
    reconnects: int = 0
    gop_us: int = 0
    gop_pictures: int = 0
    camera_clock_offset_us: int | None = None
    camera_clock_trusted: bool = False
    clock_steps: int = 0


class Source(Protocol):
    """Drives one Stream for as long as it is wanted: connects, watches, connects again.

    No exception leaves :meth:`start`, :meth:`stop`, or what runs between them.
    """

    camera_clock: CameraClock

    @property
    def state(self) -> SourceState:
        """The newest state."""

    @property
    def counters(self) -> SourceCounters:
        """The totals now; cheap enough for once a second."""

    def start(self) -> None:
        """Begin, on the running loop. Starting twice is starting once."""

    async def stop(self, interruption: Interruption | None = None) -> None:
        """End for good. The Stream is interrupted, for this reason, if it was running."""
