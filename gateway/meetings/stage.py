"""What of a room is seen and heard, by whom: the members' media under the chair's decisions.

What a slot shows is always looked up among the members of this very room: no other room's source
can get there.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol

from camera_adapters.webrtc.conference.publication import Publication
from camera_adapters.webrtc.conference.source import Source
from camera_adapters.webrtc.fan_out import FanOut
from gateway.identifiers import now_us
from gateway.meetings import pictures, sound
from gateway.meetings.desired import MeetingState
from gateway.meetings.floor import Claims, OnAir, Poll, next_in_turn, poll, program_order
from gateway.meetings.kinds import POLLED, WITHOUT_PAGE
from gateway.meetings.member import Member
from gateway.meetings.speakers import Hearing, Speakers
from gateway.meetings.tiles import Sight, Uplinks, arrange
from gateway.meetings.wire import What

_ESTIMATE_TICKS = 10
_UPLINK_TICKS = 5
_REFRESH_S = 0.05
_WERE_ON = 8
_SLICE_S = 0.004
"""How long the event loop is held at most to arrange pictures, before others have their turn."""


class StageEvents(Protocol):
    """Who is told what everybody sees and hears."""

    def on_program(self, on_air: OnAir | None, at_us: int) -> None:
        """This is shown to everybody from now on; None: nothing is."""

    def on_heard(self, participant_ids: tuple[str, ...]) -> None:
        """These are forwarded from now on, three at most."""

    def on_speaking(self, participant_ids: tuple[str, ...]) -> None:
        """These speak now, the loudest first."""

    def on_polled(self, turn: Poll, next_id: str | None) -> None:
        """Sites are shown in turn: whose turn it is, and who comes next as it stands now."""


@dataclass(frozen=True, slots=True)
class Decided:
    """What a meeting's home has decided for all shards: the program, the strongest claim first;
    whose sound is forwarded; who speaks; whose turn it is where sites are shown in turn.
    """

    program: tuple[OnAir, ...] = ()
    heard: tuple[str, ...] = ()
    speaking: tuple[str, ...] = ()
    polled: tuple[Poll, str | None] | None = None


class Stage:
    """The media of one room. ``members`` is the room's own dictionary, by key of connection;
    ``clock_us`` the clock by which sources are stamped.
    """

    def __init__(
        self,
        state: MeetingState,
        members: dict[str, Member],
        events: StageEvents,
        clock_us: Callable[[], int],
    ) -> None:
        self.on_air: OnAir | None = None
        self.heard: dict[str, Source | FanOut] = {}
        self.kept: set[tuple[str, What, str | None, object]] = set()
        self._state = state
        self._members = members
        self._events = events
        self._clock_us = clock_us
        self._loop = asyncio.get_running_loop()
        self._speakers = Speakers()
        self._speaking: tuple[str, ...] = ()
        self._poll: Poll | None = None
        self._polled: tuple[Poll, str | None] | None = None
        self._program: tuple[OnAir, ...] = ()
        # Who was the program lately, the newest last.
        self._were_on: list[str] = []
        self._sharing: list[str] = []
        self._visible: frozenset[Sight] = frozenset()
        self._floor = _floor_of(state)
        self._uplinks = Uplinks()
        self._asked: Mapping[Sight, frozenset[str]] = {}
        self._uplinks_changed = False
        self._wanted: Counter[tuple[Sight, str]] = Counter()
        self._stale: dict[Member, None] = {}
        self._arranging: asyncio.Handle | None = None
        self._refreshing: asyncio.TimerHandle | None = None
        self._ticks = 0
        # What another shard decides; None: it is decided here.
        self._led: Decided | None = None

    @property
    def decided(self) -> Decided:
        """What is so now."""
        hearing = self._speakers.hearing if self._led is None else self._led
        return Decided(self._program, hearing.heard, self._speaking, self._polled)

    def lead(self, decided: Decided | None) -> None:
        """Another shard decides what everybody sees and hears; None: it is decided here."""
        if decided != self._led:
            self._led = decided
            self._hear()
            self._decide()

    def take(self, state: MeetingState) -> None:
        """The rows have changed: who may be heard, what the chair has decided."""
        self._state = state
        self._floor = _floor_of(state)
        self.refresh()

    def permit(self, member: Member) -> None:
        """What may be heard and seen of this member is different: it is let through or not from
        this moment on.
        """
        pictures.ask(member, self._asked)

    def refresh_soon(self) -> None:
        """As :meth:`refresh`, but for many at once: hundreds join within seconds."""
        if self._refreshing is None:
            self._refreshing = self._loop.call_later(_REFRESH_S, self.refresh)

    def refresh(self) -> None:
        """Members have come, gone, or send something else."""
        if self._refreshing is not None:
            self._refreshing.cancel()
            self._refreshing = None
        self._share()
        visible = frozenset(sight for member in self._members.values() for sight in member.sights())
        changed, self._visible = visible ^ self._visible, visible
        if changed:
            self._touch_concerned(changed)
        self._hear()
        self._decide()
        self._uplinks_changed = True
        self._arrange_soon()

    def touch(self, member: Member) -> None:
        """What this member is shown and hears is to be arranged anew."""
        self._stale[member] = None
        self._arrange_soon()

    def touch_watchers(self, sight: Sight) -> None:
        """Something of this can be shown that could not be before."""
        for member in self._members.values():
            if any(wanted == sight for wanted, _ in member.wants):
                self._stale[member] = None
        self._arrange_soon()

    def _touch_concerned(self, sights: frozenset[Sight]) -> None:
        """These can be seen that could not be before, or the other way round: whoever may be shown
        one of them, as the program or because they ask for it.
        """
        program = {one.participant_id for one in self._program}
        concerned = {one.participant_id for one in sights}
        if program & concerned:
            self._everything_is_stale()
            return
        for member in self._members.values():
            if any(tile.participant_id in concerned for tile in member.tiles):
                self._stale[member] = None
        self._arrange_soon()

    def remove(self, member: Member) -> None:
        """The member, who is not among the members any more, must not be shown any more either.
        What came by its connection ends with that; a camera has none.
        """
        self._want(member, frozenset())
        self._stale.pop(member, None)
        if not member.listens_only:
            self._uplinks.forget(member.participant_id)
        if member.feed is not None:
            for other in self._members.values():
                pictures.blank(other, member)
        self.refresh_soon()

    def tick(self) -> None:
        """Ten times a second: who speaks, what the networks carry."""
        self._ticks += 1
        self._hear()
        self._decide()
        members = list(self._members.values())
        for member in members[self._ticks % _ESTIMATE_TICKS :: _ESTIMATE_TICKS]:
            self._stale[member] = None
        if self._ticks % _UPLINK_TICKS == 0:
            self._uplinks_changed = True
        self._arrange_soon()

    def close(self) -> None:
        """Nothing is shown any more."""
        for waiting in (self._arranging, self._refreshing):
            if waiting is not None:
                waiting.cancel()
        self._stale.clear()
        self._put_on(())

    def _hear(self) -> None:
        hearing = self._hearing()
        heard: dict[str, Source | FanOut] = {}
        for participant_id in hearing.heard:
            member = self._members.get(participant_id)
            feed = None if member is None else member.sound()
            if feed is not None:
                heard[participant_id] = feed
        before, self.heard = self.heard, heard
        if before != heard:
            for member in self._members.values():
                sound.seat(member, heard)
        if before.keys() != heard.keys():
            self._events.on_heard(tuple(heard))
        if hearing.speaking != self._speaking:
            self._speaking = hearing.speaking
            self._events.on_speaking(hearing.speaking)

    def _hearing(self) -> Hearing:
        if self._led is not None:
            return Hearing(self._led.heard, self._led.speaking)
        return self._speakers.hear(
            sound.levels_of(self._members),
            [*self._floor, *self._leading()],
            int(self._loop.time() * 1000),
        )

    def _leading(self) -> list[str]:
        """The chair who is here; without one, the co-chairs."""
        here = [one.invited for one in self._members.values() if one.inside and one.connected]
        chairs = [one.participant_id for one in here if one.role == "chair"]
        return chairs or [one.participant_id for one in here if one.role == "co_chair"]

    def _share(self) -> None:
        """Who shares a screen, in the order in which they began to."""
        now = [
            member.participant_id
            for member in self._members.values()
            if member.device.screen and "screen" in member.publications and member.inside
        ]
        self._sharing = [one for one in self._sharing if one in now]
        self._sharing += [one for one in now if one not in self._sharing]

    def _shared_screen(self) -> str | None:
        """Whose screen everybody sees: that of who leads or has the floor; where nobody has it,
        anybody's. The newest goes first.
        """
        floor, leading = self._floor, self._leading()
        entitled = [one for one in self._sharing if one in floor or one in leading or not floor]
        return entitled[-1] if entitled else None

    def _decide(self) -> None:
        if self._led is not None:
            if self._led.polled is not None and self._led.polled != self._polled:
                self._events.on_polled(*self._led.polled)
            self._polled = self._led.polled
            self._put_on(self._led.program)
            return
        state, leading = self._state, self._leading()
        present = {
            member.participant_id
            for member in self._members.values()
            if member.inside and member.connected and not member.listens_only
        }
        self._poll_sites(present)
        pinned = state.pinned
        claims = Claims(
            called=state.called_id,
            pinned=None if pinned is None else (pinned.participant_id, pinned.picture),
            screen=self._shared_screen(),
            polled=None if self._poll is None else self._poll.participant_id,
            floor=self._floor,
            speaking=self._speakers.hearing.active,
            chair=leading[0] if leading else None,
        )
        self._put_on(program_order(claims, present))

    def _poll_sites(self, present: set[str]) -> None:
        polling = self._state.polling
        if polling is None:
            self._poll = self._polled = None
            return
        order = [
            one.participant_id
            for one in self._state.invited.values()
            if one.kind in POLLED and one.area_path.startswith(polling.area_path)
        ]
        self._poll = poll(self._poll, order, present, polling.interval_us, now_us())
        polled = (self._poll, next_in_turn(self._poll, order, present))
        if polled != self._polled:
            self._polled = polled
            self._events.on_polled(*polled)

    def _put_on(self, program: tuple[OnAir, ...]) -> None:
        if program == self._program:
            return
        self._program = program
        self._everything_is_stale()
        before, self.on_air = self.on_air, program[0] if program else None
        if self.on_air is not None:
            who = self.on_air.participant_id
            self._were_on = [*(one for one in self._were_on if one != who), who][-_WERE_ON:]
        if before != self.on_air:
            self._events.on_program(self.on_air, now_us())

    def _everything_is_stale(self) -> None:
        self._stale.update(dict.fromkeys(self._members.values()))
        self._arrange_soon()

    def _arrange_soon(self) -> None:
        if (self._stale or self._uplinks_changed) and self._arranging is None:
            self._arranging = self._loop.call_soon(self._arrange)

    def _arrange(self) -> None:
        """A few milliseconds' worth of members; the others in the loop's next turn."""
        self._arranging = None
        until_s = self._loop.time() + _SLICE_S
        while self._stale:
            member = next(iter(self._stale))
            del self._stale[member]
            if not member.gone:
                self._arrange_one(member)
            if self._loop.time() >= until_s:
                break
        if self._uplinks_changed and not self._stale:
            self._uplinks_changed = False
            self._ask_uplinks()
        self._arrange_soon()

    def _arrange_one(self, member: Member) -> None:
        sound.seat(member, self.heard)
        if not member.pictures:
            return
        placed = []
        if member.inside and member.connected:
            placed = arrange(
                [tile for tile in member.tiles if tile.slot in member.pictures],
                self._state.layout,
                self._program,
                self._visible,
                member.participant_id,
                looks_freely=member.invited.leads,
                otherwise=self._others() if member.invited.kind in WITHOUT_PAGE else (),
            )
            # Who has just left is in sight until the next refresh.
            placed = [one for one in placed if one.sight.participant_id in self._members]
        self._want(member, pictures.show(member, placed, self._members, self._clock_us()))

    def _others(self) -> Iterator[Sight]:
        """Who may be looked at where the program is nobody else: first who was on it last."""
        for participant_id in reversed(self._were_on):
            yield Sight(participant_id, "camera")
        yield from sorted(self._visible)

    def _want(self, member: Member, wants: frozenset[tuple[Sight, str]]) -> None:
        if wants == member.wants:
            return
        self._wanted.subtract(member.wants)
        self._wanted.update(wants)
        for one in member.wants - wants:
            if self._wanted[one] <= 0:
                del self._wanted[one]
        member.wants = wants
        self._uplinks_changed = True

    def _ask_uplinks(self) -> None:
        """Have everybody send what somebody wants of them, and nothing else."""
        before, self._asked = (
            self._asked,
            self._uplinks.update(
                (*self._wanted, *self._kept_sights()), int(self._loop.time() * 1000)
            ),
        )
        changed = {
            sight.participant_id
            for sight in before.keys() | self._asked.keys()
            if before.get(sight) != self._asked.get(sight)
        }
        for participant_id in changed:
            member = self._members.get(participant_id)
            if member is not None:
                pictures.ask(member, self._asked)

    def _kept_sights(self) -> Iterable[tuple[Sight, str]]:
        for participant_id, what, rid, _ in self.kept:
            member = self._members.get(participant_id)
            publication = None if member is None else member.publications.get(what)
            if publication is not None and what != "microphone":
                yield Sight(participant_id, what), _best_rid(publication) if rid is None else rid


def _floor_of(state: MeetingState) -> tuple[str, ...]:
    """Who has the floor, the newest first."""
    holders = [one for one in state.invited.values() if one.floor_us is not None]
    holders.sort(key=lambda one: -(one.floor_us or 0))
    return tuple(one.participant_id for one in holders)


def _best_rid(publication: Publication) -> str:
    rising = pictures.heights(publication)
    return max(rising, key=rising.__getitem__)
