"""What pages know of everybody is what is so, whenever they came and however little was said."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.meetings.desired import Invited, MeetingState
from gateway.meetings.documents import UNSAID, participant_document
from gateway.meetings.member import Member
from gateway.meetings.notices import Notices
from gateway.meetings.wire import Device

IDS = ("p0", "p1", "p2", "p3")


def invited(participant_id: str, **columns: Any) -> Invited:
    given = {
        "kind": "site", "subject": "", "role": "site", "state": "invited", "name": participant_id,
        "area_id": None, "area_path": "", "user_id": None, "camera_id": None,
        "position": 0, "admitted": True, "session_id": None,
        "muted": False, "floor_us": None, "hand_us": None, "left_us": None, "token_hash": None,
        **columns,
    }  # fmt: skip
    return Invited(participant_id, **given)


def state(people: dict[str, Invited]) -> MeetingState:
    return MeetingState(
        "m", 1, "会商", "area", 0, False, False, False, "speaker", None, None, None, None, 0, people
    )


class Page:
    """As web/src/meetings/room_state.ts."""

    def __init__(self) -> None:
        self.knows: dict[str, dict[str, Any]] = {}
        self.bytes = 0

    def hear(self, text: str) -> None:
        self.bytes += len(text)
        message = json.loads(text)
        if message["type"] == "room":
            self.knows = {}
        for one in message.get("participants", ()):
            self.knows[one["id"]] = {**UNSAID, **self.knows.get(one["id"], {}), **one}
        for gone in message.get("gone", ()):
            self.knows.pop(gone, None)


class Room:
    def __init__(self) -> None:
        self.people = {one: invited(one, muted=one == "p1") for one in IDS}
        self.members: dict[str, Member] = {}
        self.pages: dict[str, Page] = {}
        self.notices = Notices(state(self.people), self.members)

    def enters(self, who: str) -> None:
        if who in self.people:
            page = self.pages[who] = Page()
            member = Member(self.people[who], "ses", say=page.hear, hang_up=lambda reason: None)
            member.inside = True
            self.members[who] = member
            self.notices.welcome(member)

    def leaves(self, who: str) -> None:
        if self.members.pop(who, None) is not None:
            del self.pages[who]
            self.notices.changed(who)

    def muted(self, who: str) -> None:
        self.becomes(who, muted=not self.people[who].muted) if who in self.people else None

    def hand(self, who: str) -> None:
        up = self.people[who].hand_us is None if who in self.people else False
        self.becomes(who, hand_us=5 if up else None)

    def films(self, who: str) -> None:
        if who in self.members:
            member = self.members[who]
            member.device = Device(camera=not member.device.camera)
            self.notices.changed(who)

    def invited_or_not(self, who: str) -> None:
        if who in self.people:
            self.leaves(who)
            self.people = {one: row for one, row in self.people.items() if one != who}
        else:
            self.people = {**self.people, who: invited(who)}
        self.notices.take(state(self.people))

    def becomes(self, who: str, **columns: Any) -> None:
        if who in self.people:
            self.people = {**self.people, who: replace(self.people[who], **columns)}
            self.notices.take(state(self.people))

    def told(self, who: str) -> None:
        self.notices._told_s = -1e9
        self.notices.tick()


@given(
    st.lists(
        st.tuples(
            st.sampled_from(
                ["enters", "leaves", "muted", "hand", "films", "invited_or_not", "told", "told"]
            ),
            st.sampled_from(IDS),
        ),
        max_size=40,
    )
)
def test_every_page_knows_what_is_so_once_it_was_told(steps: list[tuple[str, str]]) -> None:
    room = Room()
    room.enters("p0")
    for step, who in steps:
        getattr(room, step)(who)
    room.told("")
    truth = {
        one: json.loads(json.dumps({**UNSAID, **participant_document(row, room.members.get(one))}))
        for one, row in room.people.items()
    }
    for page in room.pages.values():
        assert {one: json.loads(json.dumps(known)) for one, known in page.knows.items()} == truth


def test_what_changes_is_told_and_not_all_that_is_known() -> None:
    room = Room()
    room.enters("p0")
    room.told("")
    before = room.pages["p0"].bytes
    room.muted("p2")
    room.told("")
    assert room.pages["p0"].knows["p2"]["muted"] is True
    assert room.pages["p0"].bytes - before < 80
    room.told("")
    assert room.pages["p0"].bytes - before < 80


@pytest.mark.parametrize("inside", [True, False])
def test_who_is_invited_and_comes_at_once_is_told_to_everybody_whole(inside: bool) -> None:
    """A camera that is brought in, and a guest in the lobby: both are there before the news."""
    room = Room()
    room.enters("p0")
    room.told("")
    room.people = {**room.people, "late": invited("late", kind="guest", admitted=inside)}
    room.notices.take(state(room.people))
    page = Page()
    late = Member(room.people["late"], "ses", say=page.hear, hang_up=lambda reason: None)
    late.inside = inside
    room.members["late"] = late
    room.notices.welcome(late)
    room.told("")
    known = room.pages["p0"].knows["late"]
    assert (known["name"], known["kind"]) == ("late", "guest")
    assert known["state"] == page.knows["late"]["state"]
