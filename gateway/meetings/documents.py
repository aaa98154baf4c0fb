"""What a page is told of its meeting: the JSON of rooms, participants and changes."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from gateway.meetings.desired import Invited, MeetingState
from gateway.meetings.member import Member
from gateway.meetings.playing.playback import Playback


def meeting_document(state: MeetingState) -> dict[str, Any]:
    """``meeting`` of ``room`` and ``changed``. Times are UTC microseconds."""
    floor = sorted(
        (one for one in state.invited.values() if one.floor_us is not None),
        key=lambda one: -(one.floor_us or 0),
    )
    pinned, polling = state.pinned, state.polling
    call = {"id": state.roll_call_id, "current_id": state.called_id}
    return {
        "id": state.meeting_id,
        "title": state.title,
        "area_id": state.area_id,
        "state": "running",
        "started_us": state.started_us,
        "lobby": state.lobby,
        "locked": state.locked,
        "recording": state.records,
        "layout": state.layout,
        "floor": [one.participant_id for one in floor],
        "pinned": None if pinned is None else pinned.participant_id,
        "pinned_kind": None if pinned is None else pinned.picture,
        "polling": None if polling is None else {"interval_s": polling.interval_us / 1e6},
        "roll_call": call if state.roll_call_id is not None else None,
        "messages": state.newest_message,
        "agenda_item": state.agenda_item,
    }


def participant_document(invited: Invited, member: Member | None) -> dict[str, Any]:
    """One of ``participants``: the row, and what its connection says of itself.

    ``state`` is what is so at the moment, which the row may learn a little later.
    """
    state = invited.state
    if member is not None:
        state = ("connected" if member.connected else "joining") if member.inside else "lobby"
    elif state in ("connected", "lobby"):
        state = "left"
    empty = {"unshown": member and member.unshown} if invited.kind == "sip" else {}
    played = {} if invited.playback is None else {"playback": _playback(invited.playback)}
    return {
        **played,
        **empty,
        "id": invited.participant_id,
        "kind": invited.kind,
        "role": invited.role,
        "state": state,
        "name": invited.name,
        "area_id": invited.area_id,
        "area_path": invited.area_names,
        "user_id": invited.user_id,
        "camera_id": invited.camera_id,
        "position": invited.position,
        "muted": invited.muted,
        "has_floor": invited.floor_us is not None,
        "floor_us": invited.floor_us,
        "hand_us": invited.hand_us,
        "joined_us": None if member is None else member.arrived_us,
        "left_us": invited.left_us if member is None else None,
        "device": None if member is None else asdict(member.device),
    }


UNSAID: Mapping[str, Any] = {
    "area_id": None, "area_path": (), "user_id": None, "camera_id": None, "muted": False,
    "has_floor": False, "floor_us": None, "hand_us": None, "joined_us": None, "left_us": None,
    "device": None,
}  # fmt: skip
"""What is so of a participant where nothing is said: hundreds are told of hundreds."""


def said_of(document: Mapping[str, Any]) -> dict[str, Any]:
    """A participant's document without what goes without saying."""
    return {
        key: value for key, value in document.items() if key not in UNSAID or value != UNSAID[key]
    }


def changes_of(before: Mapping[str, Any], now: Mapping[str, Any]) -> dict[str, Any]:
    """``id`` and what is different in a participant's document; what is gone is None. Nothing
    where all is as it was.
    """
    changes = {key: value for key, value in now.items() if before.get(key, ...) != value}
    changes |= {key: UNSAID.get(key) for key in before.keys() - now.keys()}
    return {"id": now["id"], **changes} if changes else {}


def _playback(playback: Playback) -> dict[str, Any]:
    document = asdict(playback)
    del document["command"]
    return document


def as_text(message: Mapping[str, Any]) -> str:
    """The message as it goes to pages: made once, sent to all."""
    return json.dumps(message, separators=(",", ":"), ensure_ascii=False)


def room_text(
    meeting: str, participants: Iterable[str], you: Mapping[str, Any], speaking: Iterable[str]
) -> str:
    """The whole state, from parts that are text already: hundreds join within seconds."""
    return (
        f'{{"type":"room","meeting":{meeting},"participants":[{",".join(participants)}],'
        f'"you":{as_text(you)},"speaking":{json.dumps(list(speaking))}}}'
    )


def changed_text(
    meeting: Mapping[str, Any] | None, participants: Iterable[str], gone: Sequence[str]
) -> str:
    """What is new since the last message; ``participants`` are texts already."""
    fields = ['"type":"changed"']
    if meeting is not None:
        fields.append(f'"meeting":{as_text(meeting)}')
    fields.append(f'"participants":[{",".join(participants)}]')
    if gone:
        fields.append(f'"gone":{json.dumps(gone)}')
    return "{" + ",".join(fields) + "}"
