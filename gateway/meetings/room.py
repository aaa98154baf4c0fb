"""One running meeting: its rows projected on live connections.

The rows say who may be here, who is muted, what the chair has decided; connections say who is here
and what they send. A room puts the two together and asks nobody.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import structlog

from camera_adapters.webrtc.conference.publication import Publication
from camera_adapters.webrtc.conference.source import Source
from camera_adapters.webrtc.fan_out import FanOut
from gateway.identifiers import now_us
from gateway.meetings import pictures
from gateway.meetings.desired import Invited, MeetingState
from gateway.meetings.documents import as_text
from gateway.meetings.floor import FloorHistory, OnAir, Poll
from gateway.meetings.journal import Journal
from gateway.meetings.member import Member, keys_of
from gateway.meetings.notices import Notices
from gateway.meetings.stage import Decided, Stage
from gateway.meetings.tiles import Sight, Tile
from gateway.meetings.wire import Device, What

_log = structlog.get_logger(__name__)


class RoomWatcher(Protocol):
    """Who is told what goes on in a room, such as its recording. No call may block."""

    def on_program(self, on_air: OnAir | None, at_us: int) -> None:
        """This is shown to everybody from now on; None: nothing is."""

    def on_heard(self, participant_ids: Sequence[str]) -> None:
        """These are forwarded from now on, three at most."""

    def on_speaking(self, participant_ids: Sequence[str]) -> None:
        """These speak now, the loudest first."""

    def on_source(self, participant_id: str, what: What, rid: str, source: Source) -> None:
        """A participant has begun to send this (``rid``: "" without simulcast)."""

    def on_source_gone(self, participant_id: str, what: What, rid: str) -> None:
        """It will send this no more."""

    def on_room_closed(self, reason: str) -> None:
        """The meeting is over here (``ended``, ``moved``, ``shard_stopping``). Nothing follows."""


class Room:
    """All members of one meeting. Everything happens on the event loop and returns at once."""

    def __init__(
        self, state: MeetingState, journal: Journal, clock_us: Callable[[], int] = now_us
    ) -> None:
        self.state = state
        self.members: dict[str, Member] = {}
        self.closed = False
        self._journal = journal
        self._history = FloorHistory(state.program_us)
        self._watchers: list[RoomWatcher] = []
        # Counts up with whatever is said of connections to other shards.
        self.connections_version = 0
        self._notices = Notices(state, self.members)
        self._clock_us = clock_us
        # Whose pages have said more than was taken yet.
        self._unheeded: dict[Member, None] = {}
        self._stage = Stage(state, self.members, self, clock_us)

    @property
    def meeting_id(self) -> str:
        """Whose room it is."""
        return self.state.meeting_id

    @property
    def leads(self) -> bool:
        """Whether this shard is the meeting's home: what must be done once is done here."""
        return self.state.leads

    @property
    def held(self) -> list[str]:
        """The sessions of all who are here, and the participants of those without one."""
        return [
            one.session_id or one.participant_id
            for one in self.members.values()
            if self._is_ours(one)
        ]

    @property
    def decided(self) -> Decided:
        """What everybody sees and hears."""
        return self._stage.decided

    def lead(self, decided: Decided | None) -> None:
        """The meeting's home has decided this; None: it cannot be heard, and it is decided here for
        those who are here.
        """
        if not self.closed:
            self._stage.lead(decided)

    def apply(self, state: MeetingState) -> None:
        """The rows have changed. What the chair has taken away is gone when this returns."""
        before, self.state = self.state, state
        if state is before:
            return
        for member in tuple(self.members.values()):
            invited = state.invited.get(member.participant_id)
            if invited is None or not invited.may_enter:
                self.leave(member, "removed" if invited is None else invited.state)
            elif self._sits_elsewhere(member, invited):
                self.leave(member, "replaced")
            elif invited != member.invited:
                self._take_row(member, invited)
        self._stage.take(state)
        self._notices.take(state)
        if state.called_id is not None and state.called_id != before.called_id:
            self._call(state.called_id)

    def seat(self, invited: Invited) -> None:
        """The row of one participant has changed; of all others as much is known as before."""
        before = self.state.invited.get(invited.participant_id)
        if before == invited:
            return
        self.state.invited[invited.participant_id] = invited
        self._notices.changed(invited.participant_id)
        for key in keys_of(invited.participant_id):
            member = self.members.get(key)
            if member is None:
                continue
            if invited.may_enter:
                self._take_row(member, invited)
            else:
                self.leave(member, invited.state)

    def enter(self, member: Member) -> None:
        """A connection that the door has let in, to the room or to its lobby. The participant's
        earlier one of the same sort ends with ``replaced``.
        """
        earlier = self.members.get(member.key)
        if earlier is not None:
            self.leave(earlier, "replaced")
        self.members[member.key] = member
        self.connections_version += 1
        if member.elsewhere is not None:
            self.refresh(member)
            return
        member.inside = member.invited.admitted
        if not member.inside:
            self._note("meetings.waits", member)
        self._notices.welcome(member)
        if self.state.called_id == member.participant_id:
            self._call(member.participant_id)

    def refresh(self, member: Member) -> None:
        """What its shard says of a member who is elsewhere is different."""
        self.connections_version += 1
        self._notices.changed(member.participant_id)
        self._stage.permit(member)
        self._stage.refresh_soon()

    def leave(self, member: Member, reason: str) -> None:
        """The connection ends, whoever ends it. May be called twice."""
        if member.gone:
            return
        member.gone = True
        self.connections_version += 1
        if self.members.get(member.key) is member:
            del self.members[member.key]
        # First nobody is shown what has gone, then it goes.
        self._stage.remove(member)
        for what, publication in member.publications.items():
            for rid in publication.layers:
                self._tell_gone(member.participant_id, what, rid)
        if member.feed is not None:
            self._tell_gone(member.participant_id, "camera", "")
        if self._connections_of(member) == 0:
            self._note("meetings.departed", member, reason=reason)
        self._notices.changed(member.participant_id)
        member.hang_up(reason)

    def on_connected(self, member: Member) -> None:
        """The member's media handshake is done."""
        if not member.gone and not member.connected:
            member.connected = True
            self.connections_version += 1
            self._settle(member)

    def on_source(self, member: Member, publication: Publication, source: Source) -> None:
        """The first authentic packets of a layer, or of a microphone."""
        what = next((w for w, one in member.publications.items() if one is publication), None)
        if what is None or member.gone:
            return
        rid = next((r for r, one in publication.layers.items() if one is source), "")
        for watcher in self._watchers:
            watcher.on_source(member.participant_id, what, rid, source)
        if what == "microphone":
            self._stage.refresh_soon()
        else:
            self._stage.touch_watchers(Sight(member.participant_id, what))

    def view(self, member: Member, tiles: tuple[Tile, ...]) -> None:
        """The member's page would like to show this. Of many such wishes the newest is taken, a few
        times a second.
        """
        member.views.put(tiles)
        self._take_said(member)

    def device(self, member: Member, device: Device) -> None:
        """The member's page says what it sends. Of many such words the newest is taken, twice a
        second at most: everybody is told.
        """
        member.devices.put(device)
        self._take_said(member)

    def unshown(self, member: Member, why: str | None) -> None:
        """The member's terminal can be shown nothing of what there is, or can again (None)."""
        if member.unshown != why:
            member.unshown = why
            self._notices.changed(member.participant_id)

    def answer_call(self, member: Member) -> None:
        """Somebody on the spot says that they are here; they are told once it is written down
        (``answered``), or that it did not count.
        """
        roll_call_id = self.state.roll_call_id
        if not member.inside or roll_call_id is None or member.answered_id == roll_call_id:
            return
        member.answered_id = roll_call_id

        def told(counted_in: str | None) -> None:
            if counted_in is None:
                member.answered_id = None
            answered = {
                "type": "answered",
                "roll_call_id": roll_call_id,
                "counted": counted_in is not None,
            }
            member.say(as_text(answered))

        self._journal.note(
            "roll_calls.answered",
            roll_call_id=roll_call_id,
            participant_id=member.participant_id,
            at_us=now_us(),
            session_id=member.session_id,
            told=told,
        )

    def say(self, messages: Sequence[Mapping[str, Any]]) -> None:
        """Somebody has written this: whoever may read it is shown it."""
        for message in messages:
            text = as_text({"type": "message", "message": message})
            to_id, from_id = message["to_participant_id"], message["participant_id"]
            members = (
                tuple(self.members.values())
                if to_id is None
                else tuple(self.members[one] for one in (to_id, from_id) if one in self.members)
            )
            for member in members:
                if member.inside:
                    member.say(text)

    def watch(self, watcher: RoomWatcher) -> None:
        """Tell ``watcher`` of everything from now on, first of what there is."""
        self._watchers.append(watcher)
        watcher.on_program(self._stage.on_air, now_us())
        watcher.on_heard(tuple(self._stage.heard))
        watcher.on_speaking(self._notices.speaking)
        for member in self.members.values():
            for what, publication in member.publications.items():
                for rid, source in publication.layers.items():
                    watcher.on_source(member.participant_id, what, rid, source)

    def keep(
        self, participant_id: str, what: What, rid: str | None = None, *, keeper: object = None
    ) -> None:
        """Have a layer sent that nobody looks at; by default the best there is. Asked for once or
        often by the same keeper, it is released once.
        """
        self._stage.kept.add((participant_id, what, rid, keeper))
        self._stage.refresh_soon()

    def release(
        self, participant_id: str, what: What, rid: str | None = None, *, keeper: object = None
    ) -> None:
        """What :meth:`keep` asked for is needed no more."""
        self._stage.kept.discard((participant_id, what, rid, keeper))

    def source(self, participant_id: str, what: What) -> Source | FanOut | None:
        """What arrives of this now, the best of it; None while nothing does."""
        member = self.members.get(participant_id)
        if member is None or not (member.inside and member.connected):
            return None
        publication = member.publications.get(what)
        if publication is not None:
            return pictures.best(publication, self._clock_us())
        return member.feed if what != "screen" else None

    def tell_all(self, text: str) -> None:
        """Say this to everybody who is let in."""
        for member in self.members.values():
            if member.inside:
                member.say(text)

    def status(self) -> dict[str, Any]:
        """``{members, connected, waiting, heard, program}``, for people who look after it."""
        members = [one for one in self.members.values() if one.elsewhere is None]
        on_air = self._stage.on_air
        return {
            "members": len(members),
            "connected": sum(one.inside and one.connected for one in members),
            "waiting": sum(not one.inside for one in members),
            "heard": list(self._stage.heard),
            "program": None if on_air is None else on_air.participant_id,
        }

    def tick(self) -> None:
        """Called ten times a second."""
        for member in tuple(self._unheeded):
            self._take_said(member)
        self._stage.tick()
        self._notices.tick()

    def close(self, reason: str) -> None:
        """End every connection. May be called twice."""
        if self.closed:
            return
        self.closed = True
        for member in tuple(self.members.values()):
            self.leave(member, reason)
        self._stage.close()
        for watcher in self._watchers:
            watcher.on_room_closed(reason)

    def on_program(self, on_air: OnAir | None, at_us: int) -> None:
        """See StageEvents: a new turn begins, and is written down."""
        before = self._history.current
        ended = self._history.put(on_air, at_us)
        now = self._history.current
        if now is not before and self.leads:
            # By the history's time: a clock that was set back must not lose what follows.
            at_us = now.start_us if now is not None else (ended.end_us if ended else None) or at_us
            self._journal.note(
                "meetings.program",
                meeting_id=self.meeting_id,
                participant_id=None if on_air is None else on_air.participant_id,
                kind="camera" if on_air is None else on_air.picture,
                why="" if on_air is None else on_air.cause,
                at_us=at_us,
            )
        for watcher in self._watchers:
            watcher.on_program(on_air, at_us)
        self._notices.on_program(on_air)

    def on_heard(self, participant_ids: tuple[str, ...]) -> None:
        """See StageEvents."""
        for watcher in self._watchers:
            watcher.on_heard(participant_ids)

    def on_speaking(self, participant_ids: tuple[str, ...]) -> None:
        """See StageEvents."""
        self._notices.speaking = participant_ids
        for watcher in self._watchers:
            watcher.on_speaking(participant_ids)

    def on_polled(self, turn: Poll, next_id: str | None) -> None:
        """See StageEvents."""
        self._notices.on_polled(turn, next_id)

    def _take_said(self, member: Member) -> None:
        now_s = time.monotonic()
        tiles = member.views.due(now_s)
        if tiles is not None and tiles != member.tiles:
            member.tiles = tiles
            self._stage.touch(member)
        device = member.devices.due(now_s)
        if device is not None and device != member.device and not member.gone:
            member.device = device
            self.connections_version += 1
            self._notices.changed(member.participant_id)
            self._stage.refresh_soon()
        if not member.gone and (member.views.waits or member.devices.waits):
            self._unheeded[member] = None
        else:
            self._unheeded.pop(member, None)

    def _take_row(self, member: Member, invited: Invited) -> None:
        before, member.invited = member.invited, invited
        self._stage.permit(member)
        if member.elsewhere is not None:
            return
        if invited.muted != before.muted:
            member.tell("muted", {"type": "muted", "by": "chair" if invited.muted else None})
        if invited.admitted and not member.inside:
            member.inside = True
            self.connections_version += 1
            self._notices.welcome(member)
            self._settle(member)

    def _settle(self, member: Member) -> None:
        """Once it is both let in and connected, it is there."""
        if not (member.inside and member.connected):
            return
        if member.arrived_us is None:
            member.arrived_us = now_us()
            if self._connections_of(member) == 1:
                self._note("meetings.arrived", member)
        self._notices.changed(member.participant_id)
        self._stage.permit(member)
        self._stage.refresh_soon()
        self._stage.touch(member)

    def _connections_of(self, member: Member) -> int:
        """How many there are: a device may send and receive by two."""
        both = (self.members.get(key) for key in keys_of(member.participant_id))
        return sum(one is not None and one.session_id == member.session_id for one in both)

    def _is_ours(self, member: Member) -> bool:
        """Whether it is for this shard to write down that they are here: each writes of those who
        sit at it, cameras sit at the meeting's home.
        """
        return member.elsewhere is None and (self.leads or member.session_id is not None)

    def _sits_elsewhere(self, member: Member, invited: Invited) -> bool:
        """Whether a connection to this shard has lost its seat to one that is at another."""
        ours = member.elsewhere is None and member.session_id is not None
        return ours and not self.state.sits_here(invited)

    def _note(self, operation: str, member: Member, **more: Any) -> None:
        if not self._is_ours(member):
            return
        self._journal.note(
            operation,
            participant_id=member.participant_id,
            session_id=member.session_id,
            at_us=now_us(),
            **more,
        )

    def _call(self, participant_id: str) -> None:
        member = self.members.get(participant_id)
        if member is not None and member.inside:
            message = {
                "type": "called",
                "roll_call_id": self.state.roll_call_id,
                "participant_id": participant_id,
            }
            member.say(as_text(message))

    def _tell_gone(self, participant_id: str, what: What, rid: str) -> None:
        for watcher in self._watchers:
            watcher.on_source_gone(participant_id, what, rid)
