"""A peer that only sends: a camera, or somebody who speaks to one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import structlog

from camera_adapters.webrtc.feedback import receiver_estimate
from camera_adapters.webrtc.header_extensions import elements
from camera_adapters.webrtc.peer import Transport
from camera_adapters.webrtc.receive_answer import IncomingTrack
from camera_adapters.webrtc.reception import Lane, PacketTaker, Reception
from camera_adapters.webrtc.srtp import SrtpError, SrtpSession

_log = structlog.get_logger(__name__)

ESTIMATE_BPS = 8_000_000
"""What we tell a sender that it may send at most."""


class MediaTaker(PacketTaker, Protocol):
    """Who takes a track's packets and answers its sender's reports."""

    def build_receiver_report(self, ssrc: int, now_us: int) -> bytes | None:
        """What to tell the sender; None before its first packet."""


class IncomingPeer:
    """``tracks`` are those of the answer. Media go to the takers that :meth:`take` was given.

    ``on_closed(reason)`` is called once. ``transport`` is set by the owner right after
    construction, who calls :meth:`turn` every 50 ms and :meth:`report` every second.
    """

    def __init__(
        self,
        tracks: Sequence[IncomingTrack],
        now_us: Callable[[], int],
        on_closed: Callable[[str], None],
    ) -> None:
        self.transport: Transport
        self.closed = False
        self.tracks = tuple(tracks)
        self._lanes = [Lane(track) for track in tracks]
        self._takers: list[MediaTaker | None] = [None] * len(self._lanes)
        self._on_closed = on_closed
        self._reception = Reception(
            now_us,
            find=self._find,
            on_adopted=lambda lane: None,
            send=self._send,
            on_failed=lambda: self.close("failed"),
        )

    @property
    def secured(self) -> bool:
        """Whether the handshake is over."""
        return self._reception.srtp is not None

    def take(self, takers: Sequence[MediaTaker | None]) -> None:
        """From now on the tracks' packets go there, in the order of ``tracks``; None: nowhere."""
        self._reception.flush()
        self._takers = list(takers)
        for lane, taker in zip(self._lanes, takers, strict=True):
            lane.taker = taker
            lane.packets = lane.octets = 0
            lane.nacked.clear()

    def counts(self, index: int) -> tuple[int, int]:
        """Packets and octets of a track since :meth:`take`."""
        return self._lanes[index].packets, self._lanes[index].octets

    def want_keyframe(self, index: int = 0) -> None:
        """Ask the sender for a keyframe, twice a second at most."""
        self._reception.want_keyframe(self._lanes[index])

    def turn(self, now_us: int) -> None:
        """Ask again for what is missing, and give up what is too late."""
        for lane in self._lanes:
            self._reception.turn(lane, now_us)

    def report(self, now_us: int) -> None:
        """Tell the sender how its packets arrive."""
        ssrcs = []
        for lane, taker in zip(self._lanes, self._takers, strict=True):
            if taker is None:
                continue
            packet = taker.build_receiver_report(self._reception.our_ssrc, now_us)
            if packet is not None:
                self._send(packet)
            if lane.ssrc is not None and "goog-remb" in lane.track.feedback:
                ssrcs.append(lane.ssrc)
        if ssrcs:
            self._send(receiver_estimate(self._reception.our_ssrc, ssrcs, ESTIMATE_BPS))

    def close(self, reason: str) -> None:
        """End it now. May be called twice."""
        if not self.closed:
            self.closed = True
            self._reception.flush()
            self.transport.close()
            self._on_closed(reason)

    def on_secured(self, srtp: SrtpSession) -> None:
        """See PeerEvents."""
        self._reception.srtp = srtp

    def on_moved(self) -> None:
        """See PeerEvents."""

    def on_lost(self, reason: str) -> None:
        """See PeerEvents."""
        self.close(reason)

    def on_rtp(self, datagram: bytes) -> None:
        """See PeerEvents."""
        self._reception.on_rtp(datagram)

    def on_rtcp(self, packet: bytes) -> None:
        """See PeerEvents."""
        self._reception.on_rtcp(packet)

    def _find(self, datagram: bytes) -> Lane | None:
        """The track of a source that is new: by the name of its section, else by payload type."""
        named = {lane.track.mid_extension for lane in self._lanes} - {0}
        mid = next((value for number, value in elements(datagram) if number in named), None)
        payload_type = datagram[1] & 0x7F
        for lane in self._lanes:
            if lane.track.payload_type == payload_type and (
                mid is None or lane.track.mid == mid.decode("ascii", "replace")
            ):
                return lane
        return None

    def _send(self, packet: bytes) -> None:
        try:
            self.transport.send_rtcp(packet)
        except SrtpError:
            _log.info("RTCP for a publisher could not be encrypted")
