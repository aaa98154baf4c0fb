"""Somebody who sits at another shard, as a member of this shard's room.

To the room they are like anybody: a publication for each thing they send, a source for each layer.
The packets of a source come from their shard while somebody here wants them, once.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import structlog

from camera_adapters import sdp
from camera_adapters.rtp.group import Group
from camera_adapters.stream import Codec
from camera_adapters.webrtc.conference.answer import PublishedSection
from camera_adapters.webrtc.conference.publication import SILENT_DBOV, Publication
from camera_adapters.webrtc.conference.source import Source
from camera_adapters.webrtc.receive_answer import IncomingTrack
from camera_adapters.webrtc.wheel import Wheel
from gateway.control.channel import ControlClient, ControlError, ControlStream
from gateway.meetings.across.report import Entry
from gateway.meetings.desired import Invited
from gateway.meetings.member import Member, unsaid
from gateway.meetings.room import Room
from gateway.meetings.wire import Device, What
from gateway.relay.groups import group_of

_log = structlog.get_logger(__name__)

_RETRY_S = 0.5
_KEYFRAME_INTERVAL_S = 0.3
_FORMATS = {
    Codec.OPUS: sdp.Format(111, "OPUS", 48_000, 2),
    Codec.H264: sdp.Format(96, "H264", 90_000),
    Codec.VP8: sdp.Format(97, "VP8", 90_000),
}


class FarMedia:
    """What media of other shards need of this one, ``name``: ``peer`` gives a channel to a shard
    that carries media alone; ``received`` counts by sending shard.
    """

    def __init__(
        self,
        name: str,
        peer: Callable[[str], ControlClient],
        wheel: Wheel,
        clock_us: Callable[[], int],
    ) -> None:
        self.name = name
        self.peer = peer
        self.wheel = wheel
        self.clock_us = clock_us
        self.received: dict[str, Counter[str]] = {}
        self._open: Counter[str] = Counter()

    def opened(self, shard: str) -> Counter[str]:
        """A source comes from there now; gives where it is counted."""
        self._open[shard] += 1
        return self.received.setdefault(shard, Counter(bytes=0, pictures=0, units_skipped=0))

    def closed(self, shard: str) -> None:
        """It comes no more."""
        self._open[shard] -= 1

    def figures(self) -> dict[str, dict[str, int]]:
        """As :meth:`gateway.relay.receiving.Relays.figures`."""
        return {
            peer: {"streams": self._open[peer], **counted}
            for peer, counted in self.received.items()
        }


class FarPublication(Publication):
    """How loud it is is said by the other shard."""

    __slots__ = ("_said",)

    def __init__(self, section: PublishedSection, clock_us: Callable[[], int]) -> None:
        super().__init__(section, clock_us, _ignore)
        self._said: tuple[int, bool] = (SILENT_DBOV, False)

    @property
    def level_dbov(self) -> int:
        """See Publication."""
        return self._said[0]

    @property
    def voice(self) -> bool:
        """See Publication."""
        return self._said[1]

    def say_level(self, dbov: int, voice: bool) -> None:
        """The other shard has heard this."""
        self._said = (dbov, voice)


class FarSeat:
    """One member of another shard in this shard's room, until :meth:`close`."""

    def __init__(self, room: Room, media: FarMedia, invited: Invited, entry: Entry) -> None:
        self.entry = entry
        self._room = room
        self._media = media
        self._pulls: dict[tuple[What, str], _Pull] = {}
        self.member = Member(
            invited,
            None,
            say=unsaid,
            hang_up=self._hung_up,
            elsewhere=entry.shard,
            ask_media=self._ask,
        )
        self._take_sections(entry)
        self._describe(entry)
        room.enter(self.member)

    def take(self, entry: Entry) -> None:
        """Their shard says this of them now."""
        self.entry = entry
        self._take_sections(entry)
        self._describe(entry)
        self._room.refresh(self.member)

    def hear(self, level: Sequence[Any] | None) -> None:
        """How loud their microphone is at the moment; None: silent."""
        publication = self.member.publications.get("microphone")
        if isinstance(publication, FarPublication):
            publication.say_level(*(level or (SILENT_DBOV, False)))

    def listen(self, wanted: bool) -> None:
        """Whether their microphone is heard in this room."""
        publication = self.member.publications.get("microphone")
        if publication is not None:
            for rid in publication.layers:
                self._want("microphone", rid, wanted)

    def tick(self, now_s: float) -> None:
        """Called ten times a second."""
        for pull in self._pulls.values():
            if pull.source.restless:
                pull.source.turn(now_s)

    def second(self, seconds: float) -> None:
        """Called once a second."""
        for pull in self._pulls.values():
            pull.source.measure(seconds)

    def close(self, reason: str) -> None:
        """They are here no more."""
        self._room.leave(self.member, reason)

    def _hung_up(self, reason: str) -> None:
        for pull in self._pulls.values():
            pull.end()
            pull.source.close(reason)

    def _take_sections(self, entry: Entry) -> None:
        member = self.member
        for what, (codec_name, rids) in entry.sends.items():
            if what in member.publications:
                continue
            codec = Codec(codec_name)
            form = _FORMATS[codec]
            kind = "audio" if what == "microphone" else "video"
            track = IncomingTrack(kind, codec, what, form.payload_type, form, 0, ())
            section = PublishedSection(track, tuple(rids), 0, 0, 0, None, {})
            publication = FarPublication(section, self._media.clock_us)
            member.publications[what] = publication
            for rid in rids or ("",):
                pull = _Pull(self._room, self._media, member, publication, what, rid)
                self._pulls[what, rid] = pull
                if what == "microphone":
                    # It is chosen by how loud it is said to be, before a packet has come.
                    publication.add(pull.source)

    def _describe(self, entry: Entry) -> None:
        member = self.member
        member.inside, member.connected = entry.inside, entry.connected
        member.arrived_us, member.unshown = entry.arrived_us, entry.unshown
        member.device = Device(*entry.device)

    def _ask(self, layers: Mapping[What, Sequence[str]]) -> None:
        for what, rid in self._pulls:
            if what != "microphone":
                self._want(what, rid, rid in layers.get(what, ()))

    def _want(self, what: What, rid: str, wanted: bool) -> None:
        pull = self._pulls[what, rid]
        if wanted and not self.member.gone:
            pull.begin()
        else:
            pull.end()


class _Pull:
    """One source, from the shard where its sender sits, while it is wanted."""

    def __init__(
        self,
        room: Room,
        media: FarMedia,
        member: Member,
        publication: FarPublication,
        what: What,
        rid: str,
    ) -> None:
        self._room = room
        self._media = media
        self._member = member
        self._publication = publication
        self._what = what
        self._rid = rid
        self._wishes = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        # Whether the room was told that something comes.
        self._announced = False
        self.source = Source(
            publication.section.track, rid, media.wheel, media.clock_us, self._wishes.set
        )

    def begin(self) -> None:
        """Have it come; may be called twice."""
        if self._task is None and not self.source.closed:
            self.source.restart()
            self._task = asyncio.get_running_loop().create_task(self._run())

    def end(self) -> None:
        """It is wanted no more, for now; may be called twice."""
        if self._task is not None:
            self._task.cancel()
            self._task = None
            self.source.mute()

    async def _run(self) -> None:
        while not self._member.gone:
            try:
                await self._pull()
            except (ConnectionError, TimeoutError, ControlError) as error:
                _log.info("a site of another shard does not come for now",
                          participant=self._member.participant_id, why=str(error))  # fmt: skip
            except Exception:
                _log.exception("a site of another shard does not come; trying again")
            await asyncio.sleep(_RETRY_S)

    async def _pull(self) -> None:
        shard = self._member.elsewhere
        assert shard is not None
        messages = self._media.peer(shard).stream(
            "meetings.media",
            meeting_id=self._room.meeting_id,
            participant_id=self._member.participant_id,
            what=self._what,
            rid=self._rid,
            receiver=self._media.name,
        )
        async with messages:
            counted = self._media.opened(shard)
            asking = asyncio.create_task(self._ask_keyframes(messages))
            try:
                async for groups in messages:
                    for message in groups:
                        group = group_of(message, self._publication.codec, self._media.clock_us())
                        counted["bytes"] += sum(map(len, message[2]))
                        counted["pictures"] += self._what != "microphone"
                        self._take(group)
            finally:
                asking.cancel()
                self._media.closed(shard)

    def _take(self, group: Group) -> None:
        if self._member.gone:
            return
        if not self._announced:
            self._announced = True
            self._publication.add(self.source)
            self._room.on_source(self._member, self._publication, self.source)
        if self._publication.accepted:
            self.source.take(group)

    async def _ask_keyframes(self, messages: ControlStream) -> None:
        with contextlib.suppress(ConnectionError, ControlError):
            while True:
                await self._wishes.wait()
                self._wishes.clear()
                await messages.send({"keyframe": True})
                await asyncio.sleep(_KEYFRAME_INTERVAL_S)


def _ignore(publication: Publication) -> None:
    """What is not accepted is not taken: see ``_Pull``."""
