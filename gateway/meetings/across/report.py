"""What one shard tells another of the people of a meeting who sit at it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from gateway.meetings.floor import OnAir, Poll
from gateway.meetings.member import Member
from gateway.meetings.room import Room
from gateway.meetings.stage import Decided
from gateway.meetings.wire import What


@dataclass(frozen=True, slots=True)
class Entry:
    """One connection. ``sends``: by what it is, the codec and the layers' names (none without
    simulcast).
    """

    participant_id: str
    shard: str
    session_id: str | None
    inside: bool
    connected: bool
    arrived_us: int | None
    device: tuple[bool, bool, bool]
    sends: Mapping[What, tuple[str, tuple[str, ...]]]
    unshown: str | None = None

    @classmethod
    def of_message(cls, message: Mapping[str, Any]) -> Entry:
        """From the control channel."""
        microphone, camera, screen = message["device"]
        sends = {what: (codec, tuple(rids)) for what, (codec, rids) in message["sends"].items()}
        return cls(**{**message, "device": (microphone, camera, screen), "sends": sends})


def entry_of(member: Member, here: str) -> Entry:
    """What is so of a member now."""
    device = member.device
    return Entry(
        participant_id=member.participant_id,
        shard=member.elsewhere or here,
        session_id=member.session_id,
        inside=member.inside,
        connected=member.connected,
        arrived_us=member.arrived_us,
        device=(device.microphone, device.camera, device.screen),
        sends={
            what: (str(one.codec), one.section.rids) for what, one in member.publications.items()
        },
        unshown=member.unshown,
    )


@dataclass(slots=True)
class Told:
    """What another shard was told already; ``news`` gives what is different since."""

    _entries: dict[str, Entry] = field(default_factory=dict)

    def news(self, entries: Iterable[Entry]) -> dict[str, Any]:
        """``{members, gone}``; empty when nothing is new."""
        now = {one.participant_id: one for one in entries}
        changed = [one for one in now.values() if self._entries.get(one.participant_id) != one]
        gone = [one for one in self._entries if one not in now]
        self._entries = now
        news: dict[str, Any] = {}
        if changed:
            news["members"] = [asdict(one) for one in changed]
        if gone:
            news["gone"] = gone
        return news


def is_told(member: Member) -> bool:
    """Whether other shards are told of it: each has cameras for itself, and nothing comes from a
    connection that only listens.
    """
    return member.feed is None and not member.listens_only


def levels_of(room: Room) -> dict[str, list[Any]]:
    """How loud those are who sit here and are not silent."""
    found: dict[str, list[Any]] = {}
    for member in room.members.values():
        publication = member.publications.get("microphone")
        if (
            publication is not None
            and member.elsewhere is None
            and member.device.microphone
            and member.may_be_heard
            and publication.level_dbov < _SILENT
        ):
            found[member.participant_id] = [publication.level_dbov, publication.voice]
    return found


_SILENT = 127


def decided_message(decided: Decided) -> dict[str, Any]:
    """For the control channel."""
    polled = decided.polled
    return {
        "program": [[one.participant_id, one.picture, one.cause] for one in decided.program],
        "heard": list(decided.heard),
        "speaking": list(decided.speaking),
        "polled": None
        if polled is None
        else [polled[0].participant_id, polled[0].since_us, polled[1]],
    }


def decided_of(message: Mapping[str, Any]) -> Decided:
    """From the control channel."""
    polled = message["polled"]
    return Decided(
        program=tuple(OnAir(*one) for one in message["program"]),
        heard=tuple(message["heard"]),
        speaking=tuple(message["speaking"]),
        polled=None if polled is None else (Poll(polled[0], polled[1]), polled[2]),
    )
