"""``meetings.media``: what somebody who sits at this shard sends, for another shard of the meeting.

Each other shard asks once for each layer of each picture and for each microphone, on a connection
that carries nothing but media.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

from camera_adapters.event_wait import wait_for_event
from camera_adapters.rtp.group import Group
from camera_adapters.webrtc.conference.source import Source
from gateway.control.channel import ControlError
from gateway.meetings.member import Member
from gateway.meetings.rooms import Rooms
from gateway.meetings.wire import What
from gateway.relay.groups import GroupBacklog, GroupMessage

_LOOK_S = 0.5
_COMING_S = 0.05


class MediaSending:
    """All that the rooms of this shard send to others."""

    def __init__(self, rooms: Rooms) -> None:
        self._rooms = rooms
        self._open: set[_Sent] = set()
        # Of what has ended, by receiver.
        self._past: dict[str, Counter[str]] = {}

    def calls(self) -> dict[str, Callable[..., Any]]:
        """``meetings.media``."""
        return {"meetings.media": self._media}

    def figures(self) -> dict[str, dict[str, int]]:
        """As :meth:`gateway.relay.sending.RelaySending.figures`."""
        found = {peer: Counter(past) for peer, past in self._past.items()}
        for sent in self._open:
            counted = found.setdefault(sent.receiver, Counter())
            counted.update(sent.backlog.counted)
            counted["streams"] += 1
        return {peer: {"streams": 0, **counted} for peer, counted in found.items()}

    async def _media(
        self,
        meeting_id: str,
        participant_id: str,
        what: What,
        rid: str,
        receiver: str,
        incoming: AsyncIterator[Mapping[str, Any]],
    ) -> AsyncIterator[list[GroupMessage]]:
        room = self._rooms.rooms.get(meeting_id)
        member = None if room is None else room.members.get(participant_id)
        if room is None or member is None or member.elsewhere is not None:
            raise ControlError("not_found", "this participant does not sit here")
        if what not in member.publications:
            raise ControlError("not_found", f"this participant sends no {what}")
        sent = _Sent(member, what, rid, receiver)
        self._open.add(sent)
        # An uplink that nobody here looks at is paused.
        room.keep(participant_id, what, rid, keeper=sent)
        listening = asyncio.create_task(sent.listen(incoming))
        try:
            while messages := await sent.take():
                yield messages
        finally:
            room.release(participant_id, what, rid, keeper=sent)
            sent.close()
            listening.cancel()
            self._open.discard(sent)
            self._past.setdefault(receiver, Counter()).update(sent.backlog.counted)


class _Sent:
    """One source on its way to one other shard."""

    def __init__(self, member: Member, what: What, rid: str, receiver: str) -> None:
        self.receiver = receiver
        self._member = member
        self._what: What = what
        self._rid = rid
        self._source: Source | None = None
        self._waiting = asyncio.Event()
        self.backlog = GroupBacklog(self._waiting.set, asyncio.get_running_loop().time)

    async def take(self) -> list[GroupMessage]:
        """What waits, as soon as something does; empty when nothing will ever come."""
        while not (messages := self.backlog.take()):
            if self._member.gone or (self._source is not None and self._source.closed):
                break
            if self._source is None:
                self._attach()
            self._waiting.clear()
            await wait_for_event(self._waiting, _COMING_S if self._source is None else _LOOK_S)
        return messages

    async def listen(self, incoming: AsyncIterator[Mapping[str, Any]]) -> None:
        """``{keyframe}``: its viewers need one."""
        async for message in incoming:
            if message.get("keyframe") and self._source is not None:
                self._source.want_keyframe()

    def close(self) -> None:
        """Nothing more."""
        if self._source is not None:
            self._source.detach(self._take)

    def _attach(self) -> None:
        publication = self._member.publications.get(self._what)
        source = None if publication is None else publication.layers.get(self._rid)
        if source is not None:
            self._source = source
            source.attach(self._take)

    def _take(self, group: Group) -> None:
        self.backlog.put(group, picture=self._what != "microphone")
