"""What signalling tells of platforms, gathered and written in batches behind the event loop.

Five thousand devices say every minute that they live: that is no write each.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import structlog

from gateway.control.channel import ControlError
from gateway.identifiers import now_us
from gateway.platforms.operations import Channel, PlatformState
from recorder.rows import RowError, RowWriter

_log = structlog.get_logger(__name__)

_GATHER_S = 0.5
_AGAIN_S = 2.0
# `seen_us` alone is news only this often.
_SEEN_US = 30_000_000
_STATES_AT_ONCE = 200
_APPLICANTS_WAITING_LIMIT = 1000


class Reporting:
    """A :class:`gateway.platforms.operations.StateSink` over the writer process."""

    def __init__(self, rows: RowWriter, owner: str) -> None:
        self.states: dict[str, PlatformState] = {}
        self._rows = rows
        self._owner = owner
        self._written: dict[str, PlatformState] = {}
        self._changed: dict[str, None] = {}
        self._status: dict[str, dict[str, str]] = {}
        self._applicants: dict[tuple[str, str], dict[str, Any]] = {}
        self._wake = asyncio.Event()

    def state(self, platform_id: str, state: PlatformState) -> None:
        """See StateSink."""
        self.states[platform_id] = state
        written = self._written.get(platform_id)
        if (
            written is not None
            and replace(state, seen_us=written.seen_us) == written
            and (state.seen_us or 0) - (written.seen_us or 0) < _SEEN_US
        ):
            return
        self._changed[platform_id] = None
        self._wake.set()

    def forget(self, platform_id: str) -> None:
        """It is not held here any more."""
        self.states.pop(platform_id, None)
        self._written.pop(platform_id, None)
        self._changed.pop(platform_id, None)
        self._status.pop(platform_id, None)

    async def channels(
        self, platform_id: str, found: Sequence[Channel], *, complete: bool = True
    ) -> dict[str, int]:
        """See StateSink. Raises RowError and ConnectionError."""
        self._status.pop(platform_id, None)
        counts: dict[str, int] = await self._rows.write(
            "platforms.channels",
            platform_id=platform_id,
            channels=[one.to_message() for one in found],
            at_us=now_us(),
            complete=complete,
        )
        return counts

    def channel_status(self, platform_id: str, status: Mapping[str, str]) -> None:
        """See StateSink."""
        self._status.setdefault(platform_id, {}).update(status)
        self._wake.set()

    def applicant(
        self,
        kind: str,
        code: str,
        *,
        host: str,
        port: int,
        transport: str,
        knows_password: bool,
        detail: str = "",
    ) -> None:
        """See StateSink. More than a thousand new ones at a time are a flood, and not kept."""
        key = (kind, code)
        if key not in self._applicants and len(self._applicants) >= _APPLICANTS_WAITING_LIMIT:
            return
        attempts = self._applicants.get(key, {}).get("attempts", 0)
        self._applicants[key] = {
            "kind": kind,
            "code": code,
            "host": host,
            "port": port,
            "transport": transport,
            "knows_password": knows_password,
            "detail": detail,
            "at_us": now_us(),
            "attempts": attempts + 1,
        }
        self._wake.set()

    async def run(self) -> None:
        """Write for ever; what cannot be written now is written later."""
        while True:
            await self._wake.wait()
            await asyncio.sleep(_GATHER_S)
            self._wake.clear()
            try:
                await self.flush()
            except (ConnectionError, TimeoutError, ControlError, RowError) as error:
                _log.warning("states of platforms cannot be written yet", why=str(error))
                self._wake.set()
                await asyncio.sleep(_AGAIN_S)

    async def flush(self) -> None:
        """Write what is new. Raises what the writer raises; nothing is forgotten then."""
        while self._changed:
            some = list(self._changed)[:_STATES_AT_ONCE]
            states = {one: self.states[one] for one in some if one in self.states}
            await self._rows.write(
                "platforms.states",
                owner=self._owner,
                states={one: state.to_message() for one, state in states.items()},
            )
            for one in some:
                if one in states:
                    self._written[one] = states[one]
                if self.states.get(one) is states.get(one):
                    self._changed.pop(one, None)
        for platform_id in list(self._status):
            status = self._status[platform_id]
            self._status[platform_id] = {}
            try:
                await self._rows.write(
                    "platforms.channel_status", platform_id=platform_id, status=status
                )
            except BaseException:
                # What was told meanwhile is newer.
                self._status[platform_id] = {**status, **self._status.get(platform_id, {})}
                raise
            if not self._status.get(platform_id):
                self._status.pop(platform_id, None)
        if self._applicants:
            applicants, self._applicants = self._applicants, {}
            await self._rows.write("platforms.applicants", applicants=list(applicants.values()))
