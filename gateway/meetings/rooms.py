"""All rooms of a shard: opened and closed as the rows say, each kept true."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Any

import sqlalchemy as sa
import structlog

from gateway.identifiers import now_us
from gateway.meetings.desired import MeetingReader, MeetingState
from gateway.meetings.journal import Journal
from gateway.meetings.room import Room

_log = structlog.get_logger(__name__)

TICK_S = 0.1
RECONCILE_S = 2.0
SEEN_S = 5.0


class Rooms:
    """The rooms, by meeting. One room's failure is logged and harms no other."""

    def __init__(
        self,
        reader: MeetingReader,
        journal: Journal,
        shard: str,
        clock_us: Callable[[], int] = now_us,
    ) -> None:
        self.rooms: dict[str, Room] = {}
        self._reader = reader
        self._journal = journal
        self.shard = shard
        self._clock_us = clock_us
        self._callbacks: list[Callable[[Room], None]] = []
        self._after: list[Callable[[], None]] = []
        self._reconciling = asyncio.Lock()
        self._next: asyncio.Future[None] | None = None
        self._closed = False

    def on_room(self, callback: Callable[[Room], None]) -> None:
        """Call ``callback`` with every room that is opened, and with those that are open."""
        self._callbacks.append(callback)
        for room in self.rooms.values():
            callback(room)

    def on_led_room(self, callback: Callable[[Room], None]) -> None:
        """As :meth:`on_room`, with those alone whose home is this shard: for what is done once."""

        def led(room: Room) -> None:
            if room.leads:
                callback(room)

        self.on_room(led)

    def on_reconciled(self, callback: Callable[[], None]) -> None:
        """Call ``callback`` whenever the rooms have been made what the rows say."""
        self._after.append(callback)

    async def reconcile(self) -> None:
        """Make the rooms what the rows say now. Raises DBAPIError.

        Who asks while another look has not begun shares it: hundreds join within seconds.
        """
        if self._next is None:
            self._next = asyncio.ensure_future(self._reconcile())
        await asyncio.shield(self._next)

    async def look_up(self, meeting_id: str, participant_id: str) -> None:
        """Make one seat what its row says now: hundreds take theirs within seconds. Raises
        DBAPIError.
        """
        if meeting_id not in self.rooms:
            await self.reconcile()
            return
        async with self._reconciling:
            invited = await self._reader.participant(meeting_id, participant_id)
            room = self.rooms.get(meeting_id)
            if room is not None and invited is not None:
                self._guarded(meeting_id, room.seat, invited)

    async def _reconcile(self) -> None:
        async with self._reconciling:
            # What is written from here on needs another look.
            self._next = None
            states = await self._reader.read()
            gone = [one for one in self.rooms if one not in states]
            why = {one: await self._reader.why_gone(one) for one in gone}
            if self._closed:
                return
            for meeting_id, reason in why.items():
                room = self.rooms.pop(meeting_id)
                self._guarded(meeting_id, room.close, reason)
            failure: sa.exc.DBAPIError | None = None
            for meeting_id, state in states.items():
                held = self.rooms.get(meeting_id)
                if held is not None and held.leads != state.leads:
                    # What is done once for a meeting is done from the room's beginning or never.
                    del self.rooms[meeting_id]
                    self._guarded(meeting_id, held.close, "moved")
                    held = None
                if held is None:
                    held = self.rooms[meeting_id] = Room(state, self._journal, self._clock_us)
                    for callback in self._callbacks:
                        self._guarded(meeting_id, callback, held)
                    continue
                try:
                    messages = await self._said_since(held, state)
                except sa.exc.DBAPIError as error:
                    # As it was, until the next look: what was said must not be passed over.
                    failure = error
                    continue
                self._guarded(meeting_id, held.apply, state)
                self._guarded(meeting_id, held.say, messages)
            for after in self._after:
                self._guarded("", after)
            if failure is not None:
                raise failure

    async def _said_since(self, room: Room, state: MeetingState) -> list[dict[str, Any]]:
        before = room.state.newest_said
        if state.newest_said <= before:
            return []
        return await self._reader.messages(state.meeting_id, before)

    async def run(self) -> None:
        """Keep everything true for ever."""
        # What a shard of this name held before it was killed is over, as far as the rows know.
        self._say_who_is_here()
        await asyncio.gather(self._reconcile_for_ever(), self._tick_for_ever(), self._journal.run())

    def revoke(self, session_ids: Iterable[str], reason: str) -> int:
        """End these sessions' connections now; gives how many there were."""
        revoked = set(session_ids)
        ended = 0
        for room in self.rooms.values():
            for member in tuple(room.members.values()):
                if member.session_id in revoked:
                    room.leave(member, reason)
                    ended += 1
        return ended

    def session_ids(self) -> list[str]:
        """The sessions that are open."""
        return [
            member.session_id
            for room in self.rooms.values()
            for member in room.members.values()
            if member.session_id is not None
        ]

    def status(self) -> dict[str, Any]:
        """``{session_ids, meetings}``; of each meeting what :meth:`Room.status` gives."""
        return {
            "session_ids": self.session_ids(),
            "meetings": {room.meeting_id: room.status() for room in self.rooms.values()},
        }

    async def close(self) -> None:
        """End all connections with ``shard_stopping``, and write down what is left to write."""
        self._closed = True
        for meeting_id, room in tuple(self.rooms.items()):
            self._guarded(meeting_id, room.close, "shard_stopping")
        self.rooms.clear()
        await self._journal.close()

    def _say_who_is_here(self) -> None:
        self._journal.note(
            "meetings.seen",
            shard=self.shard,
            session_ids=[one for room in self.rooms.values() for one in room.held],
            at_us=now_us(),
        )

    async def _reconcile_for_ever(self) -> None:
        while True:
            try:
                await self.reconcile()
            except sa.exc.DBAPIError as error:
                _log.warning("meetings cannot be read; holding what is held", why=str(error))
            except Exception:
                _log.exception("meetings could not be reconciled; trying again")
            await asyncio.sleep(RECONCILE_S)

    async def _tick_for_ever(self) -> None:
        turns = 0
        while True:
            await asyncio.sleep(TICK_S)
            turns += 1
            for room in tuple(self.rooms.values()):
                self._guarded(room.meeting_id, room.tick)
            if self.rooms and turns % round(SEEN_S / TICK_S) == 0:
                self._say_who_is_here()

    def _guarded(self, meeting_id: str, work: Callable[..., None], *arguments: object) -> None:
        try:
            work(*arguments)
        except Exception:
            _log.exception("a meeting's room failed; the others go on", meeting=meeting_id)
