"""Recordings that are played, for those who sit at other shards than the meeting's home.

The home alone plays: it reads footage, covers what is masked, and makes anew what browsers cannot
be shown. What it shows goes once to each other shard of the meeting, and is a member of the room
there as it is at the home.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

import structlog

from camera_adapters.stream import Stream, Variant
from camera_adapters.webrtc.output import WebRtcOutput
from gateway.control.channel import ControlError, ControlStream
from gateway.meetings.across.far import FarMedia
from gateway.meetings.desired import Invited
from gateway.meetings.member import Member, unsaid
from gateway.meetings.room import Room
from gateway.meetings.rooms import Rooms
from gateway.relay.backlog import Backlog, Event
from gateway.relay.receiving import take_event

_log = structlog.get_logger(__name__)

_RETRY_S = 0.5
_KEYFRAME_INTERVAL_S = 0.5


class PlayedSending:
    """The home's side: ``meetings.played``."""

    def __init__(self, rooms: Rooms) -> None:
        self._rooms = rooms
        self._open: set[_Sent] = set()
        # Of what has ended, by receiver.
        self._past: dict[str, Counter[str]] = {}

    def calls(self) -> dict[str, Callable[..., Any]]:
        """``meetings.played``."""
        return {"meetings.played": self._played}

    def figures(self) -> dict[str, dict[str, int]]:
        """As :meth:`gateway.relay.sending.RelaySending.figures`."""
        found = {peer: Counter(past) for peer, past in self._past.items()}
        for sent in self._open:
            counted = found.setdefault(sent.receiver, Counter())
            counted.update(sent.counted())
            counted["streams"] += 1
        return {peer: {"streams": 0, **counted} for peer, counted in found.items()}

    async def _played(
        self,
        meeting_id: str,
        participant_id: str,
        receiver: str,
        incoming: AsyncIterator[Mapping[str, Any]],
    ) -> AsyncIterator[list[Event]]:
        room = self._rooms.rooms.get(meeting_id)
        member = None if room is None else room.members.get(participant_id)
        if room is None or not room.leads or member is None or member.feed is None:
            raise ControlError("not_found", "nothing is played by this participant here")
        sent = _Sent(member.feed.stream, receiver)
        self._open.add(sent)
        listening = asyncio.create_task(sent.listen(incoming))
        sent.stream.attach(sent.backlog)
        try:
            while events := await sent.take():
                yield events
        finally:
            sent.stream.detach(sent.backlog)
            listening.cancel()
            self._open.discard(sent)
            self._past.setdefault(receiver, Counter()).update(sent.counted())


class _Sent:
    """One recording on its way to one other shard."""

    def __init__(self, stream: Stream, receiver: str) -> None:
        self.stream = stream
        self.receiver = receiver
        self._waiting = asyncio.Event()
        self.backlog = Backlog(
            self._waiting.set, stream.want_keyframe, asyncio.get_running_loop().time
        )

    async def take(self) -> list[Event]:
        """What waits, as soon as something does; empty when it is played no more."""
        while not (events := self.backlog.take()):
            if self.backlog.closed:
                break
            self._waiting.clear()
            await self._waiting.wait()
        return events

    async def listen(self, incoming: AsyncIterator[Mapping[str, Any]]) -> None:
        """``{keyframe}``: somebody there needs one."""
        async for message in incoming:
            if message.get("keyframe"):
                self.stream.want_keyframe()

    def counted(self) -> dict[str, int]:
        """See :meth:`PlayedSending.figures`."""
        backlog = self.backlog
        return {
            "bytes": backlog.bytes_sent,
            "pictures": backlog.pictures_sent,
            "units_dropped": backlog.units_dropped,
        }


class PlayedSites:
    """The other shards' side: all that is played in meetings of which some sit here."""

    def __init__(self, rooms: Rooms, media: FarMedia, output: WebRtcOutput) -> None:
        self._rooms = rooms
        self._media = media
        self._output = output
        self._sites: dict[tuple[str, str], _Site] = {}
        rooms.on_reconciled(self.reconcile)

    def reconcile(self) -> None:
        """Have exactly what the rows name in the rooms whose home is elsewhere."""
        wanted = {
            (room.meeting_id, invited.participant_id): (room, invited)
            for room in self._rooms.rooms.values()
            if not room.leads
            for invited in room.state.invited.values()
            if invited.may_enter and invited.playback is not None
        }
        for key in self._sites.keys() - wanted.keys():
            self._sites.pop(key).close()
        for key, (room, invited) in wanted.items():
            site = self._sites.get(key)
            if site is not None and (site.room is not room or site.home != room.state.home):
                site.close()
                site = None
            if site is None:
                self._sites[key] = _Site(room, invited, self._media, self._output)
            else:
                site.invited = invited

    async def close(self) -> None:
        """The shard stops: when this returns, nothing is held any more."""
        sites = [*self._sites.values()]
        self._sites.clear()
        for site in sites:
            site.close()
        await asyncio.gather(*(site.task for site in sites), return_exceptions=True)


class _Site:
    """One recording in one meeting, as its home plays it."""

    def __init__(self, room: Room, invited: Invited, media: FarMedia, output: WebRtcOutput) -> None:
        self.room = room
        self.home = room.state.home
        self.invited = invited
        self._media = media
        self._output = output
        self._member: Member | None = None
        self._wishes = asyncio.Event()
        self.task = asyncio.get_running_loop().create_task(self._run())

    def close(self) -> None:
        """Take it out of the meeting."""
        self.task.cancel()
        self._hide("removed")

    async def _run(self) -> None:
        while not self.room.closed:
            try:
                await self._pull()
            except (ConnectionError, TimeoutError, ControlError) as error:
                _log.debug("what is played does not come for now",
                           participant=self.invited.participant_id, why=str(error))  # fmt: skip
            except Exception:
                _log.exception("what is played in a meeting does not come; trying again")
            await asyncio.sleep(_RETRY_S)

    async def _pull(self) -> None:
        stream = Stream(self.invited.participant_id, Variant.MAIN)
        stream.on_keyframe_wanted = lambda _: self._wishes.set()
        messages = self._media.peer(self.home).stream(
            "meetings.played",
            meeting_id=self.room.meeting_id,
            participant_id=self.invited.participant_id,
            receiver=self._media.name,
        )
        async with messages:
            counted = self._media.opened(self.home)
            asking = asyncio.create_task(self._ask_keyframes(messages))
            try:
                async for events in messages:
                    for event in events:
                        take_event(stream, event, counted)
                    if self._member is None and stream.running:
                        self._show(stream)
            finally:
                asking.cancel()
                self._media.closed(self.home)
                # Nobody is shown what is let go of.
                self._hide("no_picture")
                stream.close()

    def _show(self, stream: Stream) -> None:
        member = self._member = Member(
            self.invited, None, say=unsaid, hang_up=unsaid, feed=self._output.claim(stream)
        )
        self.room.enter(member)
        self.room.on_connected(member)

    def _hide(self, reason: str) -> None:
        member, self._member = self._member, None
        if member is not None:
            assert member.feed is not None
            self.room.leave(member, reason)
            self._output.release(member.feed)

    async def _ask_keyframes(self, messages: ControlStream) -> None:
        with contextlib.suppress(ConnectionError, ControlError):
            while True:
                await self._wishes.wait()
                self._wishes.clear()
                await messages.send({"keyframe": True})
                await asyncio.sleep(_KEYFRAME_INTERVAL_S)
