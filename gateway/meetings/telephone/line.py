"""One telephone or terminal in one room, from when it is let to the door until it hangs up."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from typing import Any, cast

from camera_adapters import sdp
from camera_adapters.stream import Codec
from camera_adapters.webrtc.conference.answer import PublishedSection
from camera_adapters.webrtc.conference.publication import Publication
from camera_adapters.webrtc.conference.slot import Slot
from camera_adapters.webrtc.conference.source import Source
from camera_adapters.webrtc.receive_answer import IncomingTrack
from camera_adapters.webrtc.wheel import Wheel
from gateway.meetings.desired import Invited
from gateway.meetings.member import Member
from gateway.meetings.room import Room
from gateway.meetings.telephone import wire
from gateway.meetings.telephone.ears import Ear
from gateway.meetings.telephone.screen import SLOT
from gateway.meetings.telephone.terminal import Terminal
from gateway.meetings.tiles import Tile
from gateway.meetings.wire import Device

_SCREEN_PX = 1080
_SOUND = sdp.Format(wire.OPUS_TYPE, "OPUS", 48_000, 2)
_MICROPHONE = PublishedSection(
    IncomingTrack("audio", Codec.OPUS, "telephone", wire.OPUS_TYPE, _SOUND, 0, ()),
    rids=(),
    rid_extension=0,
    repaired_rid_extension=0,
    level_extension=wire.LEVEL_EXTENSION,
    repair_payload_type=None,
    repairs={},
)


class Line:
    """See the module. ``send`` takes what goes to the call's worker behind its token."""

    def __init__(
        self,
        room: Room,
        invited: Invited,
        session_id: str,
        send: Callable[[bytes], None],
        wheel: Wheel,
        clock_us: Callable[[], int],
    ) -> None:
        self.source = Source(_MICROPHONE.track, "", wheel, clock_us, _ask_nobody)
        self.terminal: Terminal | None = None
        self.member = Member(invited, session_id, say=self._said, hang_up=self._hung_up)
        self.member.device = Device(microphone=True)
        self._room = room
        self._send = send
        self._wheel = wheel
        self._clock_us = clock_us
        self._changed = asyncio.Event()
        self._reason: str | None = None
        self._keyframe_wanted = False
        self._publication = Publication(_MICROPHONE, clock_us, self._on_accepted)
        self._publication.accepted = False
        self._publication.add(self.source)
        self.member.publications["microphone"] = self._publication
        self._ears = [Ear(number, send) for number in range(wire.SEATS)]
        # They are shown feeds as a browser's slots are; nobody asks them for anything else.
        self.member.sounds.update({str(ear.number): cast("Slot", ear) for ear in self._ears})

    def take(self) -> None:
        """Enter the room, or its lobby."""
        self._room.enter(self.member)
        self._room.on_connected(self.member)

    def receive(self, datagram: bytes, now_s: float, now_us: int) -> None:
        """What its worker sends."""
        kind, body = datagram[wire.KIND_AT : wire.BODY_AT], datagram[wire.BODY_AT :]
        if kind == wire.VOICE:
            self._speak(body, now_us)
        elif self.terminal is not None and kind == wire.PICTURE:
            self.terminal.take(body, now_s, now_us)
        elif self.terminal is not None and kind == wire.REPORT:
            self.terminal.take_report(body, now_s, now_us)

    def expire(self, now_us: int) -> None:
        """Sound that is still missing is waited for no longer."""
        self.source.receiver.expire(now_us)

    def turn(self, now_s: float, now_us: int) -> None:
        """To be called some times a second."""
        if self.terminal is not None:
            self.terminal.turn(now_s, now_us)

    def second(self, now_s: float, now_us: int) -> None:
        """To be called once a second."""
        terminal = self.terminal
        if terminal is not None and not self.member.gone:
            terminal.second(now_s, now_us)
            if terminal.filming != self.member.device.camera:
                device = replace(self.member.device, camera=terminal.filming)
                self._room.device(self.member, device)

    async def told(self) -> AsyncIterator[dict[str, Any]]:
        """What the caller has to be told, until the end."""
        inside, muted, called, recorded = self.member.inside, False, False, False
        while self._reason is None:
            self._changed.clear()
            if self.member.inside != inside:
                inside = self.member.inside
                yield {"type": "inside"}
            if self.member.inside and self.member.invited.muted != muted:
                muted = self.member.invited.muted
                yield {"type": "muted", "muted": muted}
            if self.member.inside and self._room.state.records != recorded:
                recorded = self._room.state.records
                if recorded:
                    yield {"type": "recorded"}
            if (self._room.state.called_id == self.member.participant_id) != called:
                called = not called
                if called:
                    yield {"type": "called"}
            if self._keyframe_wanted:
                self._keyframe_wanted = False
                yield {"type": "keyframe"}
            await self._changed.wait()
        yield {"type": "ended", "reason": self._reason}

    async def obey(self, incoming: AsyncIterator[Any]) -> None:
        """Take what the caller does, for as long as they are there."""
        async for item in incoming:
            if self.member.gone:
                return
            if item.get("type") == "answer_call":
                self._room.answer_call(self.member)
            elif item.get("type") == "pictures":
                self._agree(item["agreed"])
            elif item.get("type") == "keyframe" and self.terminal is not None:
                self.terminal.screen.want_keyframe(asyncio.get_running_loop().time())

    def close(self) -> None:
        """They have hung up. May be called twice."""
        self._room.leave(self.member, "hung_up")
        for ear in self._ears:
            ear.show(None)
        self.source.close("hung_up")
        if self.terminal is not None:
            self.terminal.close("hung_up")

    def _speak(self, packet: bytes, now_us: int) -> None:
        """What the telephone says: nothing of it goes further while it may not be heard."""
        if self._publication.accepted and len(packet) > 20:
            self._publication.hear(packet)
            self.source.receiver.receive_packet(packet, 0, len(packet), now_us)

    def _agree(self, agreed: dict[str, Any] | None) -> None:
        """It has pictures from now on, or others, or none."""
        member = self.member
        if self.terminal is None:
            if agreed is None:
                return
            self.terminal = Terminal(
                self._wheel,
                self._clock_us,
                lambda kind, packet: self._send(kind + packet),
                self._ask_keyframe,
                lambda publication, source: self._room.on_source(member, publication, source),
                self._on_why,
            )
            member.publications["camera"] = self.terminal.publication
            member.pictures[SLOT] = cast("Slot", self.terminal.screen)
            self._room.view(member, (Tile(SLOT, None, "camera", _SCREEN_PX),))
        self.terminal.agree(agreed)

    def _ask_keyframe(self) -> None:
        self._keyframe_wanted = True
        self._changed.set()

    def _on_why(self) -> None:
        if self.terminal is not None:
            self._room.unshown(self.member, self.terminal.screen.why)

    def _said(self, text: str) -> None:
        self._changed.set()

    def _hung_up(self, reason: str) -> None:
        self._reason = self._reason or reason
        self._changed.set()

    def _on_accepted(self, publication: Publication) -> None:
        if publication.accepted:
            self.source.restart()
        else:
            self.source.mute()


def _ask_nobody() -> None:
    """Sound has no keyframes."""
