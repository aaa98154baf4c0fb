"""Whose sound goes to whom: at most three microphones, into each listener's sound slots."""

from __future__ import annotations

from collections.abc import Mapping

from camera_adapters.webrtc.conference.source import Source
from camera_adapters.webrtc.fan_out import FanOut
from gateway.meetings.member import Member
from gateway.meetings.speakers import Level, seats

_SILENT = Level(127, voice=False)


def levels_of(members: Mapping[str, Member]) -> dict[str, Level]:
    """The levels of all who may be heard, by participant: nobody else's sound is ever chosen."""
    levels: dict[str, Level] = {}
    for member in members.values():
        if not member.may_be_heard or member.listens_only:
            continue
        publication = member.publications.get("microphone")
        if publication is not None and member.device.microphone:
            levels[member.participant_id] = Level(publication.level_dbov, publication.voice)
        elif member.feed is not None:
            # A camera speaks up by nobody's ear: it is heard while it has the floor.
            levels[member.participant_id] = _SILENT
    return levels


def seat(member: Member, heard: Mapping[str, Source | FanOut]) -> None:
    """Have the member's slots carry what is heard, except their own voice. One who is not inside
    hears nothing.
    """
    audible = {
        participant_id: feed
        for participant_id, feed in heard.items()
        if member.inside and member.connected and participant_id != member.participant_id
    }
    now = seats(member.seats, list(member.sounds), list(audible))
    carried = {slot: audible[participant_id] for participant_id, slot in now.items()}
    for mid, slot in member.sounds.items():
        slot.show(carried.get(mid))
    member.seats = now
