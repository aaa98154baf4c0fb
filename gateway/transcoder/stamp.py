"""What is written into each picture of a copy: lines of text, and when it was taken."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any


@dataclass(frozen=True, slots=True)
class Stamp:
    """``lines`` are the same in every picture; ``utc_offset_minutes`` adds a line before them with
    the picture's time in that zone, None does not.
    """

    lines: tuple[str, ...] = ()
    utc_offset_minutes: int | None = None

    def at(self, wall_us: int) -> tuple[str, ...]:
        """The lines of a picture that was taken at ``wall_us``."""
        if self.utc_offset_minutes is None:
            return self.lines
        return clock_line(wall_us, self.utc_offset_minutes), *self.lines

    def to_wire(self) -> dict[str, Any]:
        """A dictionary of plain values."""
        return asdict(self)

    @classmethod
    def from_wire(cls, value: Mapping[str, Any]) -> Stamp:
        """The inverse of :meth:`to_wire`. Raises KeyError or TypeError."""
        return cls(tuple(value["lines"]), value["utc_offset_minutes"])


def clock_line(wall_us: int, utc_offset_minutes: int) -> str:
    """``2026-11-01 08:00:00.120 +08:00``."""
    local = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(
        microseconds=wall_us, minutes=utc_offset_minutes
    )
    sign = "-" if utc_offset_minutes < 0 else "+"
    hours, minutes = divmod(abs(utc_offset_minutes), 60)
    return f"{local:%Y-%m-%d %H:%M:%S}.{wall_us // 1000 % 1000:03d} {sign}{hours:02d}:{minutes:02d}"
