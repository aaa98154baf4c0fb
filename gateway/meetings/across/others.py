"""Those who sit at another shard, kept in this shard's room as that shard says."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from gateway.meetings.across.far import FarMedia, FarSeat
from gateway.meetings.across.report import Entry
from gateway.meetings.desired import Invited
from gateway.meetings.room import Room


class Others:
    """All that one link tells of. They leave with it: nobody is shown who cannot be heard of."""

    def __init__(self, room: Room, media: FarMedia) -> None:
        self._room = room
        self._media = media
        self._entries: dict[str, Entry] = {}
        self._seats: dict[str, FarSeat] = {}
        self._loud: frozenset[str] = frozenset()
        self._heard: frozenset[str] = frozenset()
        self._ticks = 0
        self._second_s = asyncio.get_running_loop().time()

    def take(self, message: Mapping[str, Any]) -> None:
        """``{members, gone, levels}``, each if it is new."""
        for one in message.get("members", ()):
            entry = Entry.of_message(one)
            self._entries[entry.participant_id] = entry
            self._settle(entry)
        for participant_id in message.get("gone", ()):
            self._entries.pop(participant_id, None)
            self._drop(participant_id, "closed")
        if "levels" in message:
            self._hear(message["levels"])

    def tick(self) -> None:
        """Called ten times a second: the rows may have let somebody in, or taken them out."""
        for entry in self._entries.values():
            seat = self._seats.get(entry.participant_id)
            if seat is None or seat.member.gone:
                self._settle(entry)
        now_s = asyncio.get_running_loop().time()
        self._listen()
        for seat in self._seats.values():
            seat.tick(now_s)
        if now_s - self._second_s >= 1.0:
            for seat in self._seats.values():
                seat.second(now_s - self._second_s)
            self._second_s = now_s

    def close(self) -> None:
        """The other shard is not heard any more."""
        self._entries.clear()
        for participant_id in tuple(self._seats):
            self._drop(participant_id, "link_lost")

    def _settle(self, entry: Entry) -> None:
        participant_id = entry.participant_id
        invited = self._room.state.invited.get(participant_id)
        if invited is None or not invited.may_enter:
            self._drop(participant_id, "removed")
            return
        seat = self._seats.get(participant_id)
        if seat is not None and not seat.member.gone and seat.entry.session_id == entry.session_id:
            if seat.entry != entry:
                seat.take(entry)
        elif self._may_sit(entry, invited):
            self._seats[participant_id] = FarSeat(self._room, self._media, invited, entry)
            self._heard -= {participant_id}
            self._listen()

    def _may_sit(self, entry: Entry, invited: Invited) -> bool:
        """Not in place of who sits here by a newer ticket."""
        held = self._room.members.get(entry.participant_id)
        return held is None or held.elsewhere is not None or invited.session_id == entry.session_id

    def _drop(self, participant_id: str, reason: str) -> None:
        seat = self._seats.pop(participant_id, None)
        if seat is not None:
            seat.close(reason)

    def _hear(self, levels: Mapping[str, Sequence[Any]]) -> None:
        for participant_id in self._loud | levels.keys():
            seat = self._seats.get(participant_id)
            if seat is not None:
                seat.hear(levels.get(participant_id))
        self._loud = frozenset(levels)

    def _listen(self) -> None:
        """Have the microphones come that are heard, and no others."""
        heard = frozenset(self._room.decided.heard)
        if heard == self._heard:
            return
        for participant_id in heard ^ self._heard:
            seat = self._seats.get(participant_id)
            if seat is not None:
                seat.listen(participant_id in heard)
        self._heard = heard
