"""Borrowing a device's own footage because somebody plays it: fetched ahead of the player, kept for
a day, the same for everybody.

A player says where it is, again and again; the fetch goes on as long as somebody does. So pausing
ends nothing that is needed, seeking begins another stretch, the second viewer finds what the first
one fetched, and every speed and direction works, since what is played is footage like any other.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import structlog
from sqlalchemy.ext.asyncio import AsyncEngine

from gateway.control.channel import ControlError
from gateway.fetching.cameras import fetched_cameras
from gateway.fetching.fetch import Fetch, FetchedCamera, FetchFailed, NothingThere

_log = structlog.get_logger(__name__)

AHEAD_US = 600_000_000
# Before the instant that was asked for, so that its GOP is whole.
LEAD_US = 3_000_000
IDLE_S = 30.0
# A device has few sessions to give.
STRETCHES_PER_CAMERA = 2
STRETCHES = 16
_KEPT_S = 120.0
_FAILED_S = 10.0

MakeFetch = Callable[[FetchedCamera, int, int], Fetch]


@dataclass(slots=True)
class _Stretch:
    fetch: Fetch
    asked_s: float
    task: asyncio.Task[None] | None = None
    state: str = "fetching"
    fault: str = ""
    detail: str = ""
    ended_s: float = field(default=0.0)

    def holds(self, at_us: int) -> bool:
        return self.fetch.start_us <= at_us < self.fetch.end_us

    def counts(self, at_us: int, now_s: float) -> bool:
        """Whether it still answers for this instant: a failure is tried again after a while, and
        what was broken off does not go on by itself.
        """
        match self.state:
            case "failed":
                return now_s - self.ended_s < _FAILED_S
            case "ended":
                return at_us < self.fetch.until_us()
        return True

    def answer(self) -> dict[str, Any]:
        return {
            "state": self.state,
            "start_us": self.fetch.start_us,
            "until_us": self.fetch.until_us(),
            "end_us": self.fetch.end_us,
            "fault": self.fault,
            "detail": self.detail,
        }


class Borrowing:
    """All stretches that are being fetched for players by this shard."""

    def __init__(
        self, reader: AsyncEngine, make_fetch: MakeFetch, *, secret: bytes, owner: str
    ) -> None:
        self._reader = reader
        self._make_fetch = make_fetch
        self._secret = secret
        self._owner = owner
        self._stretches: dict[str, list[_Stretch]] = {}

    async def borrow(self, camera_id: str, at_us: int, end_us: int) -> dict[str, Any]:
        """Somebody plays ``at_us`` and may go on until ``end_us``: fetch it if nobody does yet.

        Gives ``{state, start_us, until_us, end_us, fault, detail}`` of the stretch that holds it:
        ``fetching``, ``fetched``, ``nothing`` (the device has none), ``failed``. Raises
        ControlError ``not_found`` for a camera that no device brings, ``busy``.
        """
        now_s = asyncio.get_running_loop().time()
        if (found := self._found(camera_id, at_us, now_s)) is not None:
            return found.answer()
        async with self._reader.connect() as connection:
            known = await fetched_cameras(connection, self._secret, self._owner, [camera_id])
        if camera_id not in known:
            raise ControlError("not_found", "no device or platform brings this camera")
        # Another viewer may have asked for the same while the rows were read.
        if (found := self._found(camera_id, at_us, now_s)) is not None:
            return found.answer()
        self._make_room(camera_id)
        start_us = at_us - LEAD_US
        last_us = min(at_us + AHEAD_US, end_us)
        for other in self._stretches.get(camera_id, []):
            # What another one fetches is not fetched twice.
            if other.state == "fetching" and other.fetch.start_us > at_us:
                last_us = min(last_us, other.fetch.start_us)
            if other.fetch.end_us <= at_us:
                start_us = max(start_us, min(other.fetch.end_us, at_us))
        stretch = _Stretch(self._make_fetch(known[camera_id], start_us, last_us), now_s)
        self._stretches.setdefault(camera_id, []).append(stretch)
        stretch.task = asyncio.create_task(self._fetch(stretch))
        return stretch.answer()

    async def run(self) -> None:
        """End what nobody plays any more, for ever."""
        try:
            while True:
                await asyncio.sleep(IDLE_S / 4)
                now_s = asyncio.get_running_loop().time()
                for camera_id in list(self._stretches):
                    self._tidy(camera_id, now_s)
        finally:
            await self.close()

    async def close(self) -> None:
        """End them all; what came is kept."""
        tasks = [one.task for found in self._stretches.values() for one in found if one.task]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._stretches.clear()

    def _found(self, camera_id: str, at_us: int, now_s: float) -> _Stretch | None:
        """The stretch that holds the instant, noted as asked for."""
        for stretch in self._tidy(camera_id, now_s):
            if stretch.holds(at_us) and stretch.counts(at_us, now_s):
                stretch.asked_s = now_s
                return stretch
        return None

    def _tidy(self, camera_id: str, now_s: float) -> list[_Stretch]:
        kept = []
        for stretch in self._stretches.get(camera_id, []):
            running = stretch.task is not None and not stretch.task.done()
            if running and now_s - stretch.asked_s > IDLE_S:
                assert stretch.task is not None
                stretch.task.cancel()
            elif running or now_s - stretch.ended_s < _KEPT_S:
                kept.append(stretch)
        if kept:
            self._stretches[camera_id] = kept
        else:
            self._stretches.pop(camera_id, None)
        return kept

    def _make_room(self, camera_id: str) -> None:
        """Somebody seeked: the stretch that was longest not asked for gives way."""
        running = self._running(self._stretches.get(camera_id, []))
        if len(running) >= STRETCHES_PER_CAMERA:
            oldest = min(running, key=lambda one: one.asked_s)
            assert oldest.task is not None
            oldest.task.cancel()
            self._stretches[camera_id].remove(oldest)
        everywhere = [one for found in self._stretches.values() for one in self._running(found)]
        if len(everywhere) >= STRETCHES:
            raise ControlError("busy", "others play devices' own recordings: try again soon")

    @staticmethod
    def _running(stretches: list[_Stretch]) -> list[_Stretch]:
        return [one for one in stretches if one.task is not None and not one.task.done()]

    async def _fetch(self, stretch: _Stretch) -> None:
        try:
            await stretch.fetch.run()
            stretch.state = "fetched"
        except NothingThere:
            stretch.state = "nothing"
        except FetchFailed as error:
            stretch.state, stretch.fault, stretch.detail = "failed", error.code, str(error)
        except (ConnectionError, TimeoutError) as error:
            stretch.state, stretch.fault, stretch.detail = "failed", "unavailable", str(error)
        except asyncio.CancelledError:
            stretch.state = "ended"
            raise
        except Exception as error:
            _log.exception("a device's footage could not be borrowed")
            stretch.state, stretch.fault, stretch.detail = "failed", "internal", repr(error)
        finally:
            stretch.ended_s = asyncio.get_running_loop().time()
