"""What opens a stretch of a device's own recording again: an RTSP address, and its clock's offset.

A text, since it travels through rows and control channels without being looked at.
"""

from __future__ import annotations

from dataclasses import dataclass

_MARK = "#clock_offset_us="


@dataclass(frozen=True, slots=True)
class ReplayReference:
    """``url`` is without credentials; ``clock_offset_us`` is the device's clock less ours when the
    recording was looked up.
    """

    url: str
    clock_offset_us: int = 0

    def to_text(self) -> str:
        """The reference as a text."""
        return f"{self.url}{_MARK}{self.clock_offset_us}"

    @classmethod
    def from_text(cls, text: str) -> ReplayReference:
        """The inverse. Raises ValueError."""
        url, mark, offset = text.rpartition(_MARK)
        if not mark or not url.lower().startswith("rtsp"):
            raise ValueError("this is no reference to a recording of an ONVIF device")
        return cls(url, int(offset))
