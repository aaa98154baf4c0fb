"""What was really watched, told to the register by the process that showed it.

That somebody may look is on record before they see anything; this adds how long they did. Reports
wait in memory while the writer is away, and go out in batches.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

import structlog

from gateway.control.channel import ControlError
from gateway.identifiers import US_PER_S, new_id, now_us
from recorder.rows import RowError, RowWriter

_log = structlog.get_logger(__name__)

_BATCH = 200
_WAITING_LIMIT = 50_000
_RETRY_S = 2.0
_LOOK_S = 5.0
RANGES_LIMIT = 50


@dataclass(frozen=True, slots=True)
class Watched:
    """Somebody saw these minutes: of the footage for playback, of the clock for all else."""

    action: Literal["live", "playback", "restream", "talk"]
    session_id: str
    user_id: str
    camera_id: str
    start_us: int
    end_us: int
    detail: dict[str, Any]
    report_id: str = field(default_factory=lambda: new_id("wat"))


class WatchedLog:
    """Sends reports to the writer, each until it is durable: by :meth:`run`, then :meth:`close`."""

    def __init__(self, rows: RowWriter) -> None:
        self._rows = rows
        self._waiting: list[Watched] = []
        self._wake = asyncio.Event()

    def add(self, watched: Watched) -> None:
        """Take a report. Never blocks; the oldest goes when far too many wait."""
        if len(self._waiting) >= _WAITING_LIMIT:
            lost = self._waiting.pop(0)
            _log.error("what was watched cannot be recorded", session=lost.session_id)
        self._waiting.append(watched)
        self._wake.set()

    async def run(self) -> None:
        """Send for ever."""
        while True:
            await self._wake.wait()
            try:
                await self.flush()
            except (ConnectionError, TimeoutError, ControlError, RowError) as error:
                _log.warning("what was watched cannot be recorded yet", why=str(error))
                await asyncio.sleep(_RETRY_S)
            except Exception:
                _log.exception("what was watched cannot be recorded yet")
                await asyncio.sleep(_RETRY_S)

    async def flush(self) -> None:
        """Send all that waits. Raises ConnectionError, TimeoutError, ControlError, RowError."""
        while self._waiting:
            batch = self._waiting[:_BATCH]
            await self._rows.write("watching.report", watched=[asdict(one) for one in batch])
            # Only what was sent: more may have come meanwhile.
            sent = {one.report_id for one in batch}
            self._waiting = [one for one in self._waiting if one.report_id not in sent]
        self._wake.clear()

    async def close(self) -> None:
        """Send what is left, if the writer still answers."""
        with contextlib.suppress(
            ConnectionError, TimeoutError, ControlError, RowError, asyncio.TimeoutError
        ):
            await asyncio.wait_for(self.flush(), 5.0)


@dataclass(slots=True)
class _Footage:
    user_id: str
    ranges: list[tuple[int, int]] = field(default_factory=list)
    first_s: float = 0.0
    last_s: float = 0.0


class FootageWatched:
    """Collects which footage each session was given, and reports it when it pauses, ends, or goes
    on for long.
    """

    IDLE_S = 60.0
    LONGEST_S = 300.0

    def __init__(self, log: WatchedLog) -> None:
        self._log = log
        self._collected: dict[tuple[str, str], _Footage] = {}

    def note(
        self, session_id: str, user_id: str, camera_id: str, start_us: int, end_us: int
    ) -> None:
        """This footage was given out just now."""
        at_s = asyncio.get_running_loop().time()
        key = (session_id, camera_id)
        footage = self._collected.get(key)
        if footage is None:
            footage = self._collected[key] = _Footage(user_id, first_s=at_s)
        footage.last_s = at_s
        if footage.ranges and footage.ranges[-1][0] <= start_us <= footage.ranges[-1][1]:
            # Playing on: the usual case.
            footage.ranges[-1] = (footage.ranges[-1][0], max(footage.ranges[-1][1], end_us))
        else:
            footage.ranges.append((start_us, end_us))

    async def run(self) -> None:
        """Report for ever."""
        while True:
            await asyncio.sleep(_LOOK_S)
            at_s = asyncio.get_running_loop().time()
            self._report(
                key
                for key, footage in tuple(self._collected.items())
                if at_s - footage.last_s >= self.IDLE_S or at_s - footage.first_s >= self.LONGEST_S
            )

    def ended(self, session_ids: Iterable[str]) -> None:
        """These sessions are over."""
        over = set(session_ids)
        self._report(key for key in tuple(self._collected) if key[0] in over)

    def report_all(self) -> None:
        """The process stops."""
        self._report(tuple(self._collected))

    def _report(self, keys: Iterable[tuple[str, str]]) -> None:
        for key in keys:
            footage = self._collected.pop(key)
            ranges = merged(footage.ranges, RANGES_LIMIT)
            session_id, camera_id = key
            self._log.add(
                Watched(
                    "playback",
                    session_id,
                    footage.user_id,
                    camera_id,
                    ranges[0][0],
                    ranges[-1][1],
                    {
                        "seconds": sum(end - start for start, end in ranges) // US_PER_S,
                        "ranges": [list(one) for one in ranges],
                    },
                )
            )


def watched_live(
    session_id: str,
    user_id: str,
    camera_id: str,
    opened_us: int,
    variant: str,
    why: str,
    action: Literal["live", "talk"] = "live",
) -> Watched:
    """A live view, or a talk, that ends now."""
    end_us = max(opened_us, now_us())
    return Watched(
        action,
        session_id,
        user_id,
        camera_id,
        opened_us,
        end_us,
        {"seconds": (end_us - opened_us) // US_PER_S, "variant": variant, "why": why},
    )


def watched_restream(
    restream_id: str,
    user_id: str,
    camera_id: str,
    variant: str,
    address: str,
    start_us: int,
    end_us: int,
) -> Watched:
    """Another player at ``address`` was sent a camera, on the account of who handed that out."""
    return Watched(
        "restream",
        restream_id,
        user_id,
        camera_id,
        start_us,
        end_us,
        {
            "seconds": (end_us - start_us) // US_PER_S,
            "variant": variant,
            "restream_id": restream_id,
            "address": address,
        },
    )


def merged(ranges: Iterable[tuple[int, int]], limit: int) -> list[tuple[int, int]]:
    """The union of the ranges, in order; what is less than a second apart is one. When more than
    ``limit`` are left, those nearest to each other become one too.
    """
    apart_us = US_PER_S
    union = sorted(ranges)
    while True:
        joined: list[tuple[int, int]] = []
        for start, end in union:
            if joined and start - joined[-1][1] <= apart_us:
                joined[-1] = (joined[-1][0], max(joined[-1][1], end))
            else:
                joined.append((start, end))
        if len(joined) <= limit:
            return joined
        union, apart_us = joined, apart_us * 2
