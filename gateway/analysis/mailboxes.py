"""What waits to be looked at: each camera's coded pictures, bounded in bytes and in age.

Coded, because a second of a camera's pictures is then a hundredth of what it is decoded. Whole
groups of pictures are dropped, the oldest first, and every instant that is dropped is told. Pure.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

Unit = Sequence[Any]
"""An access unit as :func:`gateway.transcoder.wire.units_to_wire` has it: track_index, payload,
pts_90k, dts_90k, keyframe, wall_us."""

_PAYLOAD, _KEYFRAME, _WALL_US = 1, 4, 5

# Causes, as search.index.rows has them.
DROPPED = "dropped"
FAILED = "failed"
UNDESCRIBED = "undescribed"
NOT_ANALYSED = "not_analysed"


@dataclass(frozen=True, slots=True)
class Missed:
    """[``start_us``, ``end_us``) of a camera was not looked at."""

    camera_id: str
    start_us: int
    end_us: int
    cause: str


@dataclass(slots=True)
class Mailbox:
    """One camera's. ``items``: ``("run", tracks)``, ``("unit", unit)``, ``("break", None)`` where
    pictures are missing, ``("end", None)`` where the camera was interrupted.
    """

    camera_id: str
    items: deque[tuple[str, Any]] = field(default_factory=deque)
    bytes: int = 0
    units: int = 0
    dropped_units: int = 0
    # The rest of a group whose beginning was dropped is of no use.
    skipping_since_us: int | None = None

    @property
    def oldest_us(self) -> int | None:
        """When the oldest waiting picture was taken."""
        return next((item[_WALL_US] for kind, item in self.items if kind == "unit"), None)


def _oldest_us(box: Mailbox, newest: Unit) -> int:
    oldest_us = box.oldest_us
    at_us: int = newest[_WALL_US]
    return at_us if oldest_us is None else oldest_us


class Mailboxes:
    """All cameras' mailboxes of one process.

    A camera may hold ``bytes_of_camera``, and no more than its share of ``bytes_limit``, of the
    last ``age_us``.
    """

    def __init__(self, *, bytes_of_camera: int, bytes_limit: int, age_us: int) -> None:
        self._bytes_of_camera = bytes_of_camera
        self._bytes_limit = bytes_limit
        self._age_us = age_us
        self._boxes: dict[str, Mailbox] = {}
        self.dropped_units = 0

    @property
    def bytes(self) -> int:
        """What waits, of all cameras."""
        return sum(box.bytes for box in self._boxes.values())

    def box(self, camera_id: str) -> Mailbox | None:
        """A camera's mailbox, if anything ever came for it."""
        return self._boxes.get(camera_id)

    def put_run(self, camera_id: str, tracks: Any) -> None:
        """A new run: other formats, maybe."""
        box = self._of(camera_id)
        box.skipping_since_us = None
        box.items.append(("run", tracks))

    def put_end(self, camera_id: str) -> None:
        """Nothing comes for the time being: objects that were there are over."""
        self._of(camera_id).items.append(("end", None))

    def put_break(self, camera_id: str) -> None:
        """Pictures are missing here; the next is a keyframe."""
        self._of(camera_id).items.append(("break", None))

    def put_units(self, camera_id: str, units: Iterable[Unit]) -> list[Missed]:
        """Take units in; gives what had to be dropped for them."""
        box = self._of(camera_id)
        missed: list[Missed] = []
        limit = min(self._bytes_of_camera, self._bytes_limit // max(1, len(self._boxes)))
        for unit in units:
            if box.skipping_since_us is not None:
                end_us = unit[_WALL_US] + (not unit[_KEYFRAME])
                if box.skipping_since_us < end_us:
                    missed.append(Missed(camera_id, box.skipping_since_us, end_us, DROPPED))
                if not unit[_KEYFRAME]:
                    box.skipping_since_us = end_us
                    self._count(box, 1)
                    continue
                box.skipping_since_us = None
                box.items.append(("break", None))
            box.items.append(("unit", unit))
            box.bytes += len(unit[_PAYLOAD])
            box.units += 1
            while box.bytes > limit or unit[_WALL_US] - _oldest_us(box, unit) > self._age_us:
                dropped = self._drop_oldest(box)
                if dropped is None:
                    break
                missed.append(dropped)
        return missed

    def take(self, camera_id: str, units_limit: int) -> list[tuple[str, Any]]:
        """The oldest items, up to so many pictures; they leave the mailbox."""
        box = self._boxes.get(camera_id)
        taken: list[tuple[str, Any]] = []
        while box is not None and box.items:
            kind, item = box.items[0]
            if kind == "unit":
                if units_limit == 0:
                    break
                units_limit -= 1
                box.bytes -= len(item[_PAYLOAD])
                box.units -= 1
            taken.append(box.items.popleft())
        return taken

    def waiting(self) -> list[str]:
        """Cameras for which something waits, those that wait longest first."""
        waiting = [(box.oldest_us or 0, box.camera_id) for box in self._boxes.values() if box.items]
        return [camera_id for _, camera_id in sorted(waiting)]

    def forget(self, camera_id: str) -> Missed | None:
        """The camera is not analysed any more; gives what of it was not looked at."""
        box = self._boxes.pop(camera_id, None)
        if box is None or box.oldest_us is None:
            return None
        newest_us = max(item[_WALL_US] for kind, item in box.items if kind == "unit")
        return Missed(camera_id, box.oldest_us, newest_us + 1, NOT_ANALYSED)

    def _of(self, camera_id: str) -> Mailbox:
        box = self._boxes.get(camera_id)
        if box is None:
            box = self._boxes[camera_id] = Mailbox(camera_id)
        return box

    def _drop_oldest(self, box: Mailbox) -> Missed | None:
        """Drop up to the next keyframe; None where the last keyframe is all that is left."""
        before: list[tuple[str, Any]] = []
        while box.items and box.items[0][0] != "unit":
            before.append(box.items.popleft())
        first = box.items.popleft()
        start_us = last_us = first[1][_WALL_US]
        count, size = 1, len(first[1][_PAYLOAD])
        while box.items:
            kind, item = box.items[0]
            if kind == "unit" and item[_KEYFRAME]:
                break
            box.items.popleft()
            if kind == "unit":
                last_us = item[_WALL_US]
                count += 1
                size += len(item[_PAYLOAD])
            else:
                before.append((kind, item))
        if not box.items and count == 1 and first[1][_KEYFRAME]:
            # A single picture is always looked at, however large it is.
            box.items.extend((*before, first))
            return None
        box.bytes -= size
        box.units -= count
        self._count(box, count)
        if box.items:
            end_us = box.items[0][1][_WALL_US]
        else:
            # The group goes on: what follows of it is dropped as it comes.
            end_us = box.skipping_since_us = last_us + 1
        kept = [item for item in before if item[0] != "break"]
        box.items.extendleft(reversed((*kept, ("break", None))))
        return Missed(box.camera_id, start_us, end_us, DROPPED)

    def _count(self, box: Mailbox, units: int) -> None:
        box.dropped_units += units
        self.dropped_units += units
