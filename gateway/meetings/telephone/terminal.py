"""A video terminal's pictures at the shard, both ways: its camera as a source of the room, its
screen as a slot, and the reports between (RFC 3550 §6, RFC 4585, RFC 5104).

Whoever of the two sides needs a keyframe says so by RTCP, as far as it was agreed on; where it was
not, or where that has no effect, by signalling (RFC 5168).
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any

from camera_adapters import sdp
from camera_adapters.rtp import rtcp
from camera_adapters.stream import Codec
from camera_adapters.webrtc.conference.answer import PublishedSection
from camera_adapters.webrtc.conference.publication import Publication
from camera_adapters.webrtc.conference.source import Source
from camera_adapters.webrtc.feedback import (
    FeedbackError,
    parse_feedback,
    picture_loss,
    sender_report,
)
from camera_adapters.webrtc.receive_answer import IncomingTrack
from camera_adapters.webrtc.wheel import Wheel
from gateway.identifiers import now_us as wall_us
from gateway.meetings.telephone import wire
from gateway.meetings.telephone.screen import Screen
from gateway.meetings.telephone.shown_format import ShownFormat

CAMERA_OFF_S = 4.0
"""A camera that has sent nothing for so long is off."""

_PAYLOAD_TYPE = 96
_MARKER = 0x80
_PLAIN = 0x80
"""The first byte of a packet without padding, extension or contributors."""
_FU_A = 28
_NAME = "gridsight"
_REORDER_WAIT_US = 80_000
"""A terminal repeats nothing: what is not there by then does not come."""
_ASKED_BY_SIGNALLING_S = 2.0
_FIR = struct.Struct(">BBHIIIBxxx")

_CAMERA = PublishedSection(
    IncomingTrack(
        "video",
        Codec.H264,
        "terminal",
        _PAYLOAD_TYPE,
        sdp.Format(_PAYLOAD_TYPE, "H264", 90_000),
        0,
        (),
    ),
    rids=(),
    rid_extension=0,
    repaired_rid_extension=0,
    level_extension=0,
    repair_payload_type=None,
    repairs={},
)


class Terminal:
    """The pictures of one call. ``send(kind, packet)`` goes to its worker; ``ask_by_signalling``
    has a keyframe asked for by SIP; ``on_source(publication, source)`` is told of the first packet
    that is let through, ``on_why`` when the reason for an empty screen has changed.
    """

    def __init__(
        self,
        wheel: Wheel,
        clock_us: Callable[[], int],
        send: Callable[[bytes, bytes], None],
        ask_by_signalling: Callable[[], None],
        on_source: Callable[[Publication, Source], None],
        on_why: Callable[[], None],
    ) -> None:
        self.filming = False
        self.source = Source(_CAMERA.track, "", wheel, clock_us, self._ask_keyframe)
        self.publication = Publication(_CAMERA, clock_us, self._on_accepted)
        self.publication.accepted = False
        self.screen = Screen(lambda packet: send(wire.PICTURE, packet), on_why)
        self._send = send
        self._ask_by_signalling = ask_by_signalling
        self._on_source = on_source
        self._types: frozenset[int] = frozenset()
        self._feedback: frozenset[str] = frozenset()
        self._seen_s = -1e9
        self._asked_s = -1e9
        self._keyframes = 0
        self._fir_number = 0

    def agree(self, agreed: dict[str, Any] | None) -> None:
        """What both sides take now, as :meth:`Pictures.to_message` says it; None: no pictures."""
        formats = [] if agreed is None else agreed["formats"]
        shows = agreed is not None and agreed["shows"]
        sends = agreed is not None and agreed["sends"]
        self._types = frozenset(one[0] for one in formats) if sends else frozenset()
        self._feedback = frozenset(() if agreed is None else agreed["feedback"])
        shown = tuple(ShownFormat(*one) for one in formats) if shows else ()
        self.screen.agree(shown, 0 if agreed is None else agreed["kbps"])
        if not sends:
            self._seen_s = -1e9

    def take(self, packet: bytes, now_s: float, now_us: int) -> None:
        """A packet of its camera: nothing of it goes further while nobody may see it."""
        if len(packet) < 13 or packet[1] & 0x7F not in self._types:
            return
        self._seen_s = now_s
        if packet[12] & 0x1F == _FU_A and packet[0] == _PLAIN:
            self.screen.take_fragments()
        if not self.publication.accepted:
            return
        if packet[1] & 0x7F != _PAYLOAD_TYPE:
            # All of them are H.264: the source knows one name for it.
            packet = b"%c%c%b" % (packet[0], packet[1] & _MARKER | _PAYLOAD_TYPE, packet[2:])
        if not self.publication.layers:
            self.publication.add(self.source)
            self._on_source(self.publication, self.source)
        self.source.receiver.receive_packet(packet, 0, len(packet), now_us)

    def take_report(self, packet: bytes, now_s: float, now_us: int) -> None:
        """RTCP: what it says of its camera, and what it wants of our pictures."""
        self.source.receive_rtcp(packet, now_us)
        try:
            feedback = parse_feedback(packet)
        except FeedbackError:
            return
        for one in feedback.reports:
            if one.ssrc == self.screen.ssrc:
                self.screen.note_loss(one.fraction_lost)
        if self.screen.ssrc in feedback.keyframe_wanted:
            self.screen.want_keyframe(now_s)

    def turn(self, now_s: float, now_us: int) -> None:
        """To be called some times a second."""
        self.source.receiver.expire(now_us)
        self.source.turn(now_s)

    def second(self, now_s: float, now_us: int) -> None:
        """To be called once a second: reports, measures, whether its camera is on."""
        self.filming = now_s - self._seen_s < CAMERA_OFF_S
        self.source.measure(1.0)
        self.screen.second(now_s)
        self._report(now_s, now_us)

    def close(self, reason: str) -> None:
        """It has hung up. May be called twice."""
        self.screen.close()
        self.source.close(reason)

    def _report(self, now_s: float, now_us: int) -> None:
        screen = self.screen
        block = self.source.receiver.report_block(now_us) if self.publication.accepted else None
        time = screen.rtp_time(now_s)
        if time is not None:
            name = _NAME.encode()
            report = sender_report(
                screen.ssrc, wall_us(), time, screen.packets, screen.octets, name, block
            )
        else:
            # It goes even where there is nothing to say: that keeps a NAT's way open.
            blocks = [] if block is None else [block]
            report = rtcp.build_receiver_report(screen.ssrc, blocks, _NAME)
        self._send(wire.REPORT, report)

    def _ask_keyframe(self) -> None:
        now_s = self.source.distribution.now_s()
        of = self.source.receiver.ssrc
        begins = rtcp.build_receiver_report(self.screen.ssrc, [], _NAME)
        if of and "nack pli" in self._feedback:
            self._send(wire.REPORT, begins + picture_loss(self.screen.ssrc, of))
        elif of and "ccm fir" in self._feedback:
            self._fir_number = (self._fir_number + 1) & 0xFF
            fir = _FIR.pack(0x84, 206, 4, self.screen.ssrc, 0, of, self._fir_number)
            self._send(wire.REPORT, begins + fir)
        unheard = self.source.keyframes == self._keyframes
        self._keyframes = self.source.keyframes
        if (unheard or not self._feedback) and now_s - self._asked_s >= _ASKED_BY_SIGNALLING_S:
            self._asked_s = now_s
            self._ask_by_signalling()

    def _on_accepted(self, publication: Publication) -> None:
        if publication.accepted:
            self.source.restart()
            self.source.receiver.wait_for(_REORDER_WAIT_US)
        else:
            self.source.mute()
