"""One worker's turns: what of its cameras waits longest goes first, recorded footage when nothing
does.

What a worker died of is found by giving it the same pictures again, camera by camera; pictures that
kill it twice are left out, counted, and said to be missed.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import structlog

from gateway.analysis.analyst import LIVE
from gateway.analysis.live import LiveCamera
from gateway.analysis.mailboxes import FAILED, Mailboxes, Missed
from gateway.analysis.results import Results
from gateway.analysis.spans import Indexed
from gateway.analysis.worker_process import WorkerFailed, WorkerProcess
from gateway.zones.zone_events import ZoneEvents
from gateway.zones.zone_reader import ZonesOfCameras
from recorder.intervals import Interval, subtract

_log = structlog.get_logger(__name__)

UNITS_OF_TURN = 64
UNITS_OF_CAMERA = 25
# A passage is handed on after a minute: what began earlier is in the index already.
UNDER_WAY_US = 65_000_000
# Pictures further apart than this do not tell what was in between: a stream that stalled, a clock
# that was set. A clock set back is told from pictures that come out of order.
APART_US = 30_000_000
_BACKWARDS_US = 5_000_000
# A decoder holds a few pictures back.
_HELD_US = 500_000
_TRIES = 2
_WALL_US = 5


class Watching(Protocol):
    """Whoever shows boxes."""

    def watched(self) -> Iterable[str]:
        """Cameras whose boxes somebody wants."""

    def show(self, camera_id: str, boxes: Mapping[str, Any]) -> None:
        """The newest boxes of one."""


@dataclass(slots=True)
class _Turn:
    """``looked_at``: the stretches of each camera that these pictures are; ``goes_on``: where the
    next ones join, None where they do not.
    """

    cameras: list[tuple[str, list[tuple[str, Any]]]]
    looked_at: list[Indexed] = field(default_factory=list)
    goes_on: dict[str, int | None] = field(default_factory=dict)
    tries: int = 0


@dataclass(slots=True)
class _Asked:
    request: dict[str, Any]
    answer: asyncio.Future[dict[str, Any]]


class Turns:
    """``cameras`` are all that are fed; ``is_mine`` says which of them are this worker's."""

    def __init__(
        self,
        worker: WorkerProcess,
        mailboxes: Mailboxes,
        results: Results,
        *,
        cameras: Mapping[str, LiveCamera],
        is_mine: Callable[[str], bool],
        wish: Callable[[str, int, bool], None],
        watching: Watching,
        zones: ZonesOfCameras,
        zone_events: ZoneEvents,
    ) -> None:
        self.worker = worker
        self.pictures = 0
        self.skipped_batches = 0
        self.failed_pictures = 0
        self.undescribed = 0
        self.looked_until_us: dict[str, int] = {}
        # Of each camera, those that could not be decoded.
        self.damaged_units: dict[str, int] = {}
        self.last_fault = ""
        self._mailboxes = mailboxes
        self._results = results
        self._cameras = cameras
        self._is_mine = is_mine
        self._wish = wish
        self._watching = watching
        self._zones = zones
        self._zone_events = zone_events
        self._wake = asyncio.Event()
        self._suspects: deque[_Turn] = deque()
        self._asked: deque[_Asked] = deque()
        self._leaving: deque[str] = deque()
        self._joins_us: dict[str, int | None] = {}
        # Since when this very worker knows a camera; what it knows dies with it.
        self._began_us: dict[str, int] = {}
        self._number = 0
        self._stopping = False
        self.stopped = asyncio.Event()
        self._recent: deque[tuple[float, int]] = deque(maxlen=1024)

    def pictures_per_s(self) -> float:
        """Live pictures that went through the detector, of the last minute."""
        now_s = time.monotonic()
        return round(sum(count for at_s, count in self._recent if at_s > now_s - 60) / 60, 2)

    def wake(self) -> None:
        """Something may wait."""
        self._wake.set()

    def forget(self, camera_id: str) -> None:
        """The camera is not looked at any more, but for what is under way: that is ended first."""
        self._leaving.append(camera_id)
        self.wake()

    async def when_idle(self, request: dict[str, Any]) -> dict[str, Any]:
        """Have the worker answer this when no live pictures wait. Raises WorkerFailed."""
        asked = _Asked(request, asyncio.get_running_loop().create_future())
        self._asked.append(asked)
        self.wake()
        return await asked.answer

    def stop(self) -> None:
        """Begin no further turn."""
        self._stopping = True
        self._wake.set()

    async def finish(self) -> None:
        """The process stops: end what is under way, and let it be kept. Raises WorkerFailed."""
        known = list(self._began_us)
        if known and self.worker.state == "ready":
            await self._look(
                _Turn([(camera_id, [("end", None)]) for camera_id in known], tries=_TRIES)
            )
        self._began_us.clear()

    def died(self) -> None:
        """The worker is gone, with what it knew of its cameras."""
        self._lose(list(self._began_us))
        self._joins_us.clear()

    def _part_from(self, camera_id: str) -> None:
        """The worker has ended what it knew of the camera, or lost it."""
        self.worker.tell({"type": "forget", "stream": LIVE, "camera_id": camera_id})
        self._began_us.pop(camera_id, None)
        self._joins_us.pop(camera_id, None)
        self.looked_until_us.pop(camera_id, None)
        self._zone_events.unwatched([camera_id])

    def _give_up(self, camera_ids: Iterable[str]) -> None:
        """What the living worker knows of these cameras is of no more use."""
        given_up = list(camera_ids)
        for camera_id in given_up:
            self.worker.tell({"type": "forget", "stream": LIVE, "camera_id": camera_id})
        self._lose([one for one in given_up if one in self._began_us])

    def _lose(self, camera_ids: Sequence[str]) -> None:
        """What was under way of these cameras is not known any more, and is said to be missed."""
        lost = []
        for camera_id in camera_ids:
            began_us = self._began_us.pop(camera_id)
            until_us = self.looked_until_us.get(camera_id)
            if until_us is not None:
                start_us = max(began_us, until_us - UNDER_WAY_US)
                lost.append(Indexed(camera_id, start_us, until_us))
            self._joins_us.pop(camera_id, None)
        self._results.lost(lost)
        self._zone_events.unwatched(camera_ids)

    async def run(self) -> None:
        """Until :meth:`stop`. The worker is started when there is something to do."""
        while not self._stopping:
            try:
                await self._turn()
            except Exception:
                _log.exception("a turn of analysis failed", worker=self.worker.name)
                await asyncio.sleep(1)
        self.stopped.set()

    async def _turn(self) -> None:
        await self._results.room.wait()
        self._wake.clear()
        if self._stopping:
            return
        while self._leaving and self._leaving[0] not in self._began_us:
            self._part_from(self._leaving.popleft())
        if not (self._suspects or self._leaving or self._asked or self._mine_waiting()):
            await self._wake.wait()
            return
        try:
            await self.worker.until_ready()
        except WorkerFailed as error:
            self._refuse_asked(error)
            await asyncio.sleep(1)
            return
        if self._leaving and not self._suspects:
            # Before its pictures of a later time, should it come back.
            camera_id = self._leaving.popleft()
            await self._look(_Turn([(camera_id, [("end", None)])], tries=_TRIES))
            self._part_from(camera_id)
            return
        turn = self._suspects.popleft() if self._suspects else self._live_turn()
        if turn is not None:
            await self._look(turn)
        elif self._asked:
            await self._answer(self._asked.popleft())

    async def _look(self, turn: _Turn) -> None:
        self._number += 1
        request = {
            "type": "round",
            "number": self._number,
            "stream": LIVE,
            "cameras": [
                [camera_id, [*self._beginning(camera_id, items), *items]]
                for camera_id, items in turn.cameras
            ],
            "watched": [one for one in self._watching.watched() if self._is_mine(one)],
            "zones": self._zones.of([camera_id for camera_id, _ in turn.cameras]),
        }
        try:
            reply = await self.worker.ask(request)
        except WorkerFailed as error:
            self._failed(turn, error)
            return
        self._take(turn, reply)

    def _take(self, turn: _Turn, reply: Mapping[str, Any]) -> None:
        ready = self.worker.ready
        assert ready is not None
        self.pictures += reply["detected"]
        self._recent.append((time.monotonic(), reply["detected"]))
        self.failed_pictures += len(reply["faults"])
        self.undescribed += reply["undescribed"]
        for camera_id, units in reply["damaged"].items():
            self.damaged_units[camera_id] = self.damaged_units.get(camera_id, 0) + units
        if reply["faults"]:
            self.last_fault = reply["fault"]
        self._results.take(ready.model, reply["passages"])
        self._zone_events.take(reply["happenings"])
        unseen: dict[str, list[Interval]] = {}
        for camera_id, start_us, end_us in reply["unseen"]:
            unseen.setdefault(camera_id, []).append((start_us, end_us))
        told: set[str] = set()
        for span in turn.looked_at:
            seen, missed = _parted(span, unseen.get(span.camera_id, ()))
            self._results.missed(missed)
            self._results.indexed(ready.model, seen)
            if span.camera_id not in told:
                told.add(span.camera_id)
                self._results.lost(self._earlier(span, unseen.get(span.camera_id, ())))
            until_us = max(self.looked_until_us.get(span.camera_id, 0), span.end_us)
            self.looked_until_us[span.camera_id] = until_us
            self._began_us.setdefault(span.camera_id, span.start_us)
        self._results.lost(Indexed(*one) for one in reply["lost"])
        self._joins_us.update(turn.goes_on)
        for camera_id, (open_until_us, settle) in reply["wishes"].items():
            self._wish(camera_id, open_until_us, settle)
        for camera_id, boxes in reply["boxes"].items():
            self._watching.show(camera_id, boxes)

    def _earlier(self, span: Indexed, unseen: Iterable[Interval]) -> list[Indexed]:
        """What of this stretch's unseen lies before it, and was said to be looked at by then."""
        began_us = self._began_us.get(span.camera_id, span.start_us)
        return [
            Indexed(span.camera_id, max(start_us, began_us), min(end_us, span.start_us))
            for start_us, end_us in unseen
            if min(end_us, span.start_us) - max(start_us, began_us) > _HELD_US
        ]

    def _failed(self, turn: _Turn, error: WorkerFailed) -> None:
        self.last_fault = str(error)
        if not error.died:
            # It lives, and has taken half of this in: what it makes of it now is not to be trusted.
            self._give_up(camera_id for camera_id, _ in turn.cameras)
        tries = turn.tries + error.asked
        if tries < _TRIES:
            for camera_id, items in turn.cameras:
                spans = [one for one in turn.looked_at if one.camera_id == camera_id]
                self._suspects.append(_Turn([(camera_id, items)], spans, {camera_id: None}, tries))
            return
        self.skipped_batches += 1
        _log.error(
            "pictures that end the worker are left out",
            cameras=[camera_id for camera_id, _ in turn.cameras],
            why=str(error),
        )
        self._results.missed(
            Missed(one.camera_id, one.start_us, one.end_us, FAILED) for one in turn.looked_at
        )
        for camera_id, _ in turn.cameras:
            self._joins_us[camera_id] = None

    async def _answer(self, asked: _Asked) -> None:
        if asked.answer.done():
            return
        try:
            answer = await self.worker.ask(asked.request)
        except WorkerFailed as error:
            if not asked.answer.done():
                asked.answer.set_exception(error)
            return
        if not asked.answer.done():
            asked.answer.set_result(answer)

    def _refuse_asked(self, error: WorkerFailed) -> None:
        while self._asked:
            asked = self._asked.popleft()
            if not asked.answer.done():
                asked.answer.set_exception(WorkerFailed(str(error), died=True, asked=False))

    def _mine_waiting(self) -> list[str]:
        return [one for one in self._mailboxes.waiting() if self._is_mine(one)]

    def _live_turn(self) -> _Turn | None:
        left = UNITS_OF_TURN
        turn = _Turn([])
        for camera_id in self._mine_waiting():
            if left <= 0:
                break
            items = self._mailboxes.take(camera_id, min(left, UNITS_OF_CAMERA))
            left -= sum(kind == "unit" for kind, _ in items)
            turn.cameras.append((camera_id, items))
            spans, joins_us = _stretches(camera_id, items, self._joins_us.get(camera_id))
            turn.looked_at += spans
            turn.goes_on[camera_id] = joins_us
        return turn if turn.cameras else None

    def _beginning(self, camera_id: str, items: list[tuple[str, Any]]) -> list[tuple[str, Any]]:
        """What a worker must know that has not seen this camera yet."""
        if camera_id in self._began_us or any(kind == "run" for kind, _ in items[:1]):
            return []
        camera = self._cameras.get(camera_id)
        return [] if camera is None or camera.tracks is None else [("run", camera.tracks)]


def _stretches(
    camera_id: str, items: Iterable[tuple[str, Any]], joins_us: int | None
) -> tuple[list[Indexed], int | None]:
    """What of the camera's time these pictures are, and where the next ones join."""
    found: list[Indexed] = []
    start_us, end_us = joins_us, joins_us
    for kind, item in items:
        if kind == "unit":
            at_us = item[_WALL_US]
            if end_us is not None and not -_BACKWARDS_US <= at_us - end_us <= APART_US:
                if start_us is not None and end_us > start_us:
                    found.append(Indexed(camera_id, start_us, end_us))
                start_us = end_us = None
            if start_us is None or end_us is None:
                start_us = end_us = at_us
            end_us = max(end_us, at_us + 1)
        else:
            if start_us is not None and end_us is not None and end_us > start_us:
                found.append(Indexed(camera_id, start_us, end_us))
            start_us = end_us = None
    if start_us is not None and end_us is not None and end_us > start_us:
        found.append(Indexed(camera_id, start_us, end_us))
    return found, end_us


def _parted(span: Indexed, unseen: Sequence[Interval]) -> tuple[list[Indexed], list[Missed]]:
    """Of a stretch, what was looked at, and what was not."""
    whole = (span.start_us, span.end_us)
    seen = subtract(whole, unseen)
    return (
        [Indexed(span.camera_id, *one) for one in seen],
        [Missed(span.camera_id, *one, FAILED) for one in subtract(whole, seen)],
    )
