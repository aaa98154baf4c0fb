"""One connection in a room: who it is, what it sends, what it is sent, what its page was told."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from camera_adapters.webrtc.conference.publication import Publication
from camera_adapters.webrtc.conference.site_peer import SitePeer
from camera_adapters.webrtc.conference.slot import Slot
from camera_adapters.webrtc.conference.source import Source
from camera_adapters.webrtc.fan_out import FanOut
from gateway.meetings.desired import Invited
from gateway.meetings.newest import Newest
from gateway.meetings.tiles import Sight, Tile
from gateway.meetings.wire import Device, What

DEVICE_EVERY_S = 0.5
VIEW_EVERY_S = 0.1


class Shown(NamedTuple):
    """What a slot shows at the moment; ``rid`` is None where the source has no layers."""

    sight: Sight
    rid: str | None


def unsaid(text: str) -> None:
    """What a room says or does to who reads nothing: a camera, a recording, a device."""


def keys_of(participant_id: str) -> tuple[str, str]:
    """Of a participant's connections: the one that sends, and the one that only receives."""
    return participant_id, f"{participant_id}/listens"


@dataclass(slots=True, eq=False)
class Member:
    """A connection of one participant. ``say`` and ``hang_up`` never block.

    ``inside`` is False in the lobby: nothing is forwarded, either way. ``connected`` says that the
    media handshake is done. ``listens_only`` is a second connection that only receives (WHEP).
    Without ``session_id`` it came by no ticket: a camera, a device. ``elsewhere`` is the shard at
    which the connection really is; that is told by ``ask_media`` which layers are wanted.
    """

    invited: Invited
    session_id: str | None
    say: Callable[[str], None]
    hang_up: Callable[[str], None]
    peer: SitePeer | None = None
    inside: bool = False
    connected: bool = False
    listens_only: bool = False
    gone: bool = False
    arrived_us: int | None = None
    elsewhere: str | None = None
    ask_media: Callable[[Mapping[What, Sequence[str]]], None] | None = None
    device: Device = field(default_factory=Device)
    tiles: tuple[Tile, ...] = ()
    # What the page says of itself, as it comes: others pay for each that is taken.
    devices: Newest[Device] = field(default_factory=lambda: Newest(DEVICE_EVERY_S))
    views: Newest[tuple[Tile, ...]] = field(default_factory=lambda: Newest(VIEW_EVERY_S))
    # The roll call whose answer is on its way into the rows, or there.
    answered_id: str | None = None
    publications: dict[What, Publication] = field(default_factory=dict)
    # A camera of the gateway has no peer: its Stream is fanned out.
    feed: FanOut | None = None
    # Its sub-stream, for small tiles, while there is one.
    small_feed: FanOut | None = None
    # Slots by mid, and what they carry now.
    pictures: dict[str, Slot] = field(default_factory=dict)
    sounds: dict[str, Slot] = field(default_factory=dict)
    shown: dict[str, Shown] = field(default_factory=dict)
    seats: dict[str, str] = field(default_factory=dict)
    # When the network last made a picture worse, and how long it is not to be tried again.
    lowered_us: int = -(1 << 62)
    patience_us: int = 0
    wants: frozenset[tuple[Sight, str]] = frozenset()
    # Why a terminal's screen is empty: see Screen.why in gateway/meetings/telephone.
    unshown: str | None = None
    told: dict[str, dict[str, Any]] = field(default_factory=dict)

    @property
    def participant_id(self) -> str:
        """Whose connection this is."""
        return self.invited.participant_id

    @property
    def key(self) -> str:
        """What the connection replaces: the participant's earlier one of the same sort."""
        return keys_of(self.participant_id)[self.listens_only]

    def take_peer(self, peer: SitePeer, sends: dict[str, What]) -> None:
        """The connection's one peer; ``sends`` says what its sections carry, by mid. A section
        that is not named, or of the wrong kind, carries nothing.
        """
        self.peer = peer
        for publication in peer.publications:
            what = sends.get(publication.mid)
            kind = "audio" if what == "microphone" else "video"
            if what is not None and publication.kind == kind:
                self.publications[what] = publication
            publication.accepted = False
        for slot in peer.slots:
            (self.pictures if slot.kind == "video" else self.sounds)[slot.mid] = slot

    def sights(self) -> Iterator[Sight]:
        """What can be seen of this participant now."""
        if not self.may_be_seen:
            return
        if self.feed is not None:
            yield Sight(self.participant_id, "camera")
        if self.device.camera and "camera" in self.publications:
            yield Sight(self.participant_id, "camera")
        if self.device.screen and "screen" in self.publications:
            yield Sight(self.participant_id, "screen")

    @property
    def may_be_seen(self) -> bool:
        """Whether pictures of this participant are let through."""
        # A camera is there to be looked at, whatever it is called.
        observes = self.invited.role == "observer" and self.feed is None
        return self.inside and self.connected and not observes

    @property
    def may_be_heard(self) -> bool:
        """Whether the chair lets this participant's sound through."""
        return self.may_be_seen and not self.invited.muted

    def sound(self) -> Source | FanOut | None:
        """What is heard of this participant, if they may be heard and anything has come."""
        if not self.may_be_heard:
            return None
        if self.feed is not None:
            return self.feed
        publication = self.publications.get("microphone")
        return None if publication is None else next(iter(publication.layers.values()), None)

    def tell(self, subject: str, message: dict[str, Any]) -> None:
        """Say something, unless it is what was said last of this subject."""
        if self.told.get(subject) != message:
            self.told[subject] = message
            self.say(json.dumps(message, separators=(",", ":"), ensure_ascii=False))
