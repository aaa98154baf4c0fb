"""Device events on their way into rows: joined, grouped, bounded. Sans IO: time comes in with each.

What lasts (``begin`` … ``end``) is one row. Pulses of one source within ten seconds are one row
with a count, and so is what flutters: a thousand alarms a second of a loose contact are a row every
few seconds. While rows cannot be written a bounded number waits; more is counted and left out.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from camera_adapters.device_events import DeviceEvent, DeviceEventState
from gateway.identifiers import US_PER_S, new_id

GROUP_US = 10 * US_PER_S
_FLUTTER_US = 2 * US_PER_S
# In the detail of what lasted when its device fell silent.
END_NOT_TOLD = "not_told"
WAITING_LIMIT = 100_000
"""More than a minute of a thousand alarms a second, while nothing can be written; some 60 MB."""
KNOWN_LIMIT = 150_000

# Platform, channel, kind, source, whether it is a pulse.
Key = tuple[str, str, str, str, bool]


@dataclass(slots=True)
class EventRow:
    """A row of ``device_events`` as far as it is known; ``is_new`` until it was written."""

    id: str
    platform_id: str
    channel: str
    kind: str
    source: str
    state: str
    begin_us: int
    end_us: int | None
    count: int = 1
    detail: dict[str, str] = field(default_factory=dict)
    camera_id: str | None = None
    is_new: bool = True

    @property
    def key(self) -> Key:
        """By which an end finds its begin. Pulses are a line of their own: one that comes while
        something lasts does not end it.
        """
        return (self.platform_id, self.channel, self.kind, self.source, self.state == "pulse")

    def to_columns(self) -> dict[str, Any]:
        """As the table has them."""
        return {
            "id": self.id,
            "platform_id": self.platform_id,
            "camera_id": self.camera_id,
            "channel": self.channel,
            "kind": self.kind,
            "source": self.source,
            "state": self.state,
            "begin_us": self.begin_us,
            "end_us": self.end_us,
            "count": self.count,
            "detail": dict(self.detail),
        }


class EventIntake:
    """Takes events, gives rows to write. ``make_id`` is for tests."""

    def __init__(self, make_id: Callable[[], str] = lambda: new_id("dev")) -> None:
        self.dropped = 0
        self.taken = 0
        self._make_id = make_id
        # The newest row of each key: the least recently told of is forgotten first.
        self._newest: OrderedDict[Key, EventRow] = OrderedDict()
        self._waiting: dict[str, EventRow] = {}

    def know(self, rows: Iterable[EventRow]) -> None:
        """Rows that are open from before this process began."""
        for row in rows:
            row.is_new = False
            self._remember(row)

    @property
    def waiting(self) -> int:
        """How many rows are to be written."""
        return len(self._waiting)

    def take(self, platform_id: str, event: DeviceEvent) -> None:
        """One event. Constant time, no IO."""
        self.taken += 1
        is_pulse = event.state is DeviceEventState.PULSE
        key = (platform_id, event.channel[:80], str(event.kind), event.source[:200], is_pulse)
        row = self._newest.get(key)
        match event.state:
            case DeviceEventState.BEGIN:
                row = self._begun(key, row, event)
            case DeviceEventState.END:
                row = self._ended(key, row, event)
            case DeviceEventState.PULSE:
                row = self._pulsed(key, row, event)
        if row is None:
            return
        # What is known already is bounded by itself, and an end must not be lost.
        if row.is_new and row.id not in self._waiting and len(self._waiting) >= WAITING_LIMIT:
            self.dropped += 1
            self._newest.pop(key, None)
            return
        self._waiting[row.id] = row
        self._remember(row)

    @property
    def open_platforms(self) -> set[str]:
        """Platforms of which something lasts, as far as was told."""
        return {row.platform_id for row in self._newest.values() if row.state == "open"}

    def give_up(self, platform_id: str, at_us: int) -> None:
        """The platform is silent since ``at_us``: what lasted then is over as far as anybody knows,
        and says so. Told again that it lasts, it is a new row.
        """
        for row in self._newest.values():
            if row.platform_id == platform_id and row.state == "open":
                row.state, row.end_us = "ended", max(at_us, row.begin_us)
                row.detail = {**row.detail, "end": END_NOT_TOLD}
                self._waiting[row.id] = row

    def take_waiting(self, limit: int) -> list[EventRow]:
        """Rows to write, oldest first. What could not be written is given :meth:`back`."""
        some = list(self._waiting.values())[:limit]
        for row in some:
            del self._waiting[row.id]
        return some

    def back(self, rows: Iterable[EventRow]) -> None:
        """They could not be written: they wait again, before the newer ones."""
        self._waiting = {row.id: row for row in rows} | self._waiting

    def _begun(self, key: Key, row: EventRow | None, event: DeviceEvent) -> EventRow | None:
        if row is not None and row.state == "open":
            return None
        if (
            row is not None
            and row.state == "ended"
            and row.end_us is not None
            and 0 <= event.at_us - row.end_us <= _FLUTTER_US
        ):
            row.state, row.end_us = "open", None
            row.count += 1
            return row
        return self._new(key, event, "open", None)

    def _ended(self, key: Key, row: EventRow | None, event: DeviceEvent) -> EventRow | None:
        if row is not None and row.state == "open":
            row.state, row.end_us = "ended", max(event.at_us, row.begin_us)
            return row
        if event.initial or row is not None:
            return None
        # Its begin was before our time: that it ended is known all the same.
        return self._new(key, event, "ended", event.at_us)

    def _pulsed(self, key: Key, row: EventRow | None, event: DeviceEvent) -> EventRow:
        if row is not None and row.begin_us <= event.at_us <= row.begin_us + GROUP_US:
            row.end_us = max(row.end_us or 0, event.at_us)
            row.count += 1
            row.detail = dict(event.detail)
            return row
        return self._new(key, event, "pulse", event.at_us)

    def _new(self, key: Key, event: DeviceEvent, state: str, end_us: int | None) -> EventRow:
        return EventRow(
            self._make_id(), *key[:4], state, event.at_us, end_us, detail=dict(event.detail)
        )

    def _remember(self, row: EventRow) -> None:
        self._newest[row.key] = row
        self._newest.move_to_end(row.key)
        while len(self._newest) > KNOWN_LIMIT:
            self._newest.popitem(last=False)
