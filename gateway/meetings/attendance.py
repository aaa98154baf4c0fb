"""Who was in a meeting from when to when: from the spans of their connections, pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from gateway.meetings.roll_call import Span, connected_us


@dataclass(frozen=True, slots=True)
class Attended:
    """``first_us`` and ``last_us`` are None for who was never there; ``last_us`` too while they
    are. ``connected_us`` is how long in all, what overlaps once.
    """

    first_us: int | None
    last_us: int | None
    times: int
    connected_us: int


def attended(spans: Sequence[Span], until_us: int) -> Attended:
    """What one participant's spans amount to, of a meeting that lasts or lasted to ``until_us``."""
    lasts = any(span.left_us is None for span in spans)
    return Attended(
        first_us=min((span.connected_us for span in spans), default=None),
        last_us=None if lasts else _latest(span.left_us for span in spans),
        times=len(spans),
        connected_us=connected_us(spans, until_us),
    )


def _latest(moments: Iterable[int | None]) -> int | None:
    return max((one for one in moments if one is not None), default=None)
