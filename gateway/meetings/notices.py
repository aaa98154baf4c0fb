"""What a room's pages are told: the whole once, then what has changed, the same text to all."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from typing import Any

from gateway.meetings.desired import MeetingState
from gateway.meetings.documents import (
    as_text,
    changed_text,
    changes_of,
    meeting_document,
    participant_document,
    room_text,
    said_of,
)
from gateway.meetings.floor import OnAir, Poll
from gateway.meetings.member import Member, keys_of

_EVERY_S = 0.3
"""Hundreds join within seconds: each is told of the others a few times a second, not each time."""
_MEMBERS_A_SECOND = 600
"""The more there are, the longer it is collected who comes and goes."""


class Notices:
    """What is new is collected by :meth:`changed` and told by :meth:`tick`, as what is different
    from what was told before. Who enters is told what the others know, and the rest with them.
    """

    def __init__(self, state: MeetingState, members: Mapping[str, Member]) -> None:
        self.speaking: tuple[str, ...] = ()
        self._state = state
        self._members = members
        self._meeting = meeting_document(state)
        self._turn: dict[str, Any] = {}
        # What everybody knows of each participant, and that as text.
        self._known: dict[str, dict[str, Any]] = {}
        self._texts: dict[str, str] = {}
        self._changed: set[str] = set()
        self._meeting_changed: dict[str, Any] = {}
        self._told_s = 0.0
        self._told_speaking: tuple[str, ...] = ()

    def take(self, state: MeetingState) -> None:
        """The rows have changed."""
        before, self._state = self._state, state
        for participant_id in before.invited.keys() | state.invited.keys():
            if before.invited.get(participant_id) != state.invited.get(participant_id):
                self.changed(participant_id)
            if participant_id not in state.invited:
                # Who is invited anew is told whole: some were never told of them.
                self._known.pop(participant_id, None)
                self._texts.pop(participant_id, None)
        if state.polling is None:
            self._turn = {}
        meeting = meeting_document(state) | {"program": self._meeting.get("program")}
        if state.polling is not None:
            meeting["polling"] |= self._turn
        self._take_meeting(meeting)

    def on_program(self, on_air: OnAir | None) -> None:
        """This is shown to everybody."""
        program = (
            None
            if on_air is None
            else {
                "participant_id": on_air.participant_id,
                "kind": on_air.picture,
                "why": on_air.cause,
            }
        )
        self._take_meeting(self._meeting | {"program": program})

    def on_polled(self, turn: Poll, next_id: str | None) -> None:
        """Whose turn it is where sites are shown in turn, and who comes next."""
        self._turn = {
            "current_id": turn.participant_id,
            "next_id": next_id,
            "since_us": turn.since_us,
        }
        if self._state.polling is not None:
            self._take_meeting(self._meeting | {"polling": self._meeting["polling"] | self._turn})

    def changed(self, participant_id: str) -> None:
        """Something about a participant or their connection is different."""
        self._changed.add(participant_id)

    def welcome(self, member: Member) -> None:
        """Tell the whole state; in the lobby, no more than how it stands with oneself."""
        self.changed(member.participant_id)
        self._introduce(member)
        if member.inside:
            participants = [self._text(one) for one in self._state.invited]
            meeting, speaking = as_text(self._meeting), self.speaking
        else:
            participants = [self._text(member.participant_id)]
            shown = ("id", "title", "area_id", "state", "started_us", "lobby", "locked")
            meeting = as_text({key: self._meeting[key] for key in shown})
            speaking = ()
        you = {
            "participant_id": member.participant_id,
            "role": member.invited.role,
            "state": "connected" if member.inside else "lobby",
        }
        member.say(room_text(meeting, participants, you, speaking))

    def tick(self) -> None:
        """Tell what is new, a few times a second at most."""
        now_s = time.monotonic()
        wait_s = _EVERY_S
        if not self._meeting_changed:
            wait_s = max(wait_s, len(self._members) / _MEMBERS_A_SECOND)
        if now_s - self._told_s < wait_s:
            return
        self._told_s = now_s
        if self._changed or self._meeting_changed:
            self._tell_changes()
        if set(self.speaking) != set(self._told_speaking):
            self._told_speaking = self.speaking
            text = as_text({"type": "speaking", "participant_ids": self.speaking})
            for member in self._inside():
                member.say(text)

    def _tell_changes(self) -> None:
        changed, self._changed = self._changed, set()
        meeting, self._meeting_changed = self._meeting_changed, {}
        texts = {
            one: as_text(changes)
            for one in changed
            if one in self._state.invited and (changes := self._news_of(one))
        }
        gone = [one for one in changed if one not in self._state.invited]
        if not (meeting or texts or gone):
            return
        text = changed_text(meeting or None, texts.values(), gone)
        for member in self._inside():
            member.say(text)
        for one in texts:
            for key in keys_of(one):
                waiting = self._members.get(key)
                if waiting is not None and not waiting.inside:
                    waiting.say(changed_text(None, [texts[one]], []))

    def _introduce(self, entering: Member) -> None:
        """Tell everybody at once, and whole, of those of whom nobody was told anything: who enters
        is told what all know.
        """
        new = [one for one in self._state.invited if one not in self._known]
        if not new:
            return
        self._known |= {one: self._document(one) for one in new}
        inside = [one for one in self._inside() if one is not entering]
        if inside:
            text = changed_text(None, [as_text(self._known[one]) for one in new], [])
            for member in inside:
                member.say(text)

    def _take_meeting(self, meeting: dict[str, Any]) -> None:
        for key, value in meeting.items():
            if self._meeting.get(key) != value:
                self._meeting_changed[key] = value
        self._meeting = meeting

    def _inside(self) -> Iterator[Member]:
        return (member for member in self._members.values() if member.inside)

    def _news_of(self, participant_id: str) -> dict[str, Any]:
        """What nobody was told yet of this one."""
        now = self._document(participant_id)
        before = self._known.get(participant_id)
        self._known[participant_id] = now
        self._texts.pop(participant_id, None)
        return now if before is None else changes_of(before, now)

    def _text(self, participant_id: str) -> str:
        """What everybody knows of this one."""
        text = self._texts.get(participant_id)
        if text is None:
            known = self._known[participant_id]
            text = self._texts[participant_id] = as_text(said_of(known))
        return text

    def _document(self, participant_id: str) -> dict[str, Any]:
        return participant_document(
            self._state.invited[participant_id], self._members.get(participant_id)
        )
