"""A peer that sends: SRTP opened in place, packets in batches to each track's receiver.

What costs per packet is one address look-up, one copy and one call into libsrtp; the receivers get
what came in one turn of the event loop at once, as they do from RTSP cameras.
"""

from __future__ import annotations

import asyncio
import secrets
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import structlog
from pylibsrtp._binding import ffi, lib

from camera_adapters.rtp.receiver import RtpReceiver
from camera_adapters.webrtc.feedback import nack, picture_loss, receiver_estimate
from camera_adapters.webrtc.peer import Transport
from camera_adapters.webrtc.receive_answer import IncomingTrack
from camera_adapters.webrtc.srtp import SrtpError, SrtpSession

_log = structlog.get_logger(__name__)

ESTIMATE_BPS = 8_000_000
"""What we tell a sender that it may send at most."""
NACK_TRIES = 4
_NACK_INTERVAL_US = 40_000
_NACKED_LIMIT = 256
_PLI_INTERVAL_S = 0.5
_BATCH_BYTES = 64 * 1024
_PACKET_BYTES_LIMIT = 2048
_FRAME_HEAD_BYTES = 4
_SSRC = struct.Struct(">I")
_SOURCES_LIMIT = 16


class MediaTaker(Protocol):
    """Who takes a track's packets: a receiver, and somebody who reads its sender's reports."""

    @property
    def receiver(self) -> RtpReceiver:
        """Takes packets, in batches."""

    def receive_rtcp(self, data: bytes, now_us: int) -> bool:
        """Take the sender's reports; True when it says goodbye."""

    def build_receiver_report(self, ssrc: int, now_us: int) -> bytes | None:
        """What to tell the sender; None before its first packet."""


@dataclass(slots=True)
class _Lane:
    """One track: the batch that is being filled, and what was asked for again."""

    track: IncomingTrack
    taker: MediaTaker | None = None
    ssrc: int | None = None
    buffer: object = field(default_factory=lambda: ffi.new("char[]", _BATCH_BYTES))
    used: int = 0
    packets: int = 0
    octets: int = 0
    nacked: dict[int, tuple[int, int]] = field(default_factory=dict)
    keyframe_asked_s: float = -1e9


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
        self._lanes = [_Lane(track) for track in tracks]
        self._by_ssrc: dict[int, _Lane] = {}
        self._now_us = now_us
        self._on_closed = on_closed
        self._ssrc = secrets.randbits(32) or 1
        self._loop = asyncio.get_running_loop()
        self._flushing = False
        self._srtp: SrtpSession | None = None
        self._length = ffi.new("int *")

    @property
    def secured(self) -> bool:
        """Whether the handshake is over."""
        return self._srtp is not None

    def take(self, takers: Sequence[MediaTaker | None]) -> None:
        """From now on the tracks' packets go there, in the order of ``tracks``; None: nowhere."""
        self._flush()
        for lane, taker in zip(self._lanes, takers, strict=True):
            lane.taker = taker
            lane.packets = lane.octets = 0
            lane.nacked.clear()

    def counts(self, index: int) -> tuple[int, int]:
        """Packets and octets of a track since :meth:`take`."""
        return self._lanes[index].packets, self._lanes[index].octets

    def want_keyframe(self, index: int = 0) -> None:
        """Ask the sender for a keyframe, twice a second at most."""
        lane = self._lanes[index]
        now_s = self._loop.time()
        if lane.ssrc is not None and now_s - lane.keyframe_asked_s >= _PLI_INTERVAL_S:
            lane.keyframe_asked_s = now_s
            self._send(picture_loss(self._ssrc, lane.ssrc))

    def turn(self, now_us: int) -> None:
        """Ask again for what is missing, and give up what is too late."""
        self._flush()
        for lane in self._lanes:
            if lane.taker is not None:
                self._ask_again(lane, now_us)
                lane.taker.receiver.expire(now_us)

    def report(self, now_us: int) -> None:
        """Tell the sender how its packets arrive."""
        ssrcs = []
        for lane in self._lanes:
            if lane.taker is None:
                continue
            packet = lane.taker.build_receiver_report(self._ssrc, now_us)
            if packet is not None:
                self._send(packet)
            if lane.ssrc is not None and "goog-remb" in lane.track.feedback:
                ssrcs.append(lane.ssrc)
        if ssrcs:
            self._send(receiver_estimate(self._ssrc, ssrcs, ESTIMATE_BPS))

    def close(self, reason: str) -> None:
        """End it now. May be called twice."""
        if not self.closed:
            self.closed = True
            self._flush()
            self.transport.close()
            self._on_closed(reason)

    def on_secured(self, srtp: SrtpSession) -> None:
        """See PeerEvents."""
        self._srtp = srtp

    def on_moved(self) -> None:
        """See PeerEvents."""

    def on_lost(self, reason: str) -> None:
        """See PeerEvents."""
        self.close(reason)

    def on_rtp(self, datagram: bytes) -> None:
        """See PeerEvents: open it where it lies in its track's batch."""
        size = len(datagram)
        srtp = self._srtp
        if srtp is None or not 12 <= size <= _PACKET_BYTES_LIMIT:
            return
        ssrc = _SSRC.unpack_from(datagram, 8)[0]
        lane = self._by_ssrc.get(ssrc) or self._find(datagram)
        if lane is None:
            return
        if lane.used + _FRAME_HEAD_BYTES + size > _BATCH_BYTES:
            self._flush()
        buffer, start = lane.buffer, lane.used + _FRAME_HEAD_BYTES
        ffi.memmove(buffer + start, datagram, size)  # type: ignore[operator]
        length = self._length
        length[0] = size
        if lib.srtp_unprotect(srtp.inbound_handle, buffer + start, length):  # type: ignore[operator]
            return  # Forged, damaged, or here already.
        opened = length[0]
        head = b"$\x00" + opened.to_bytes(2, "big")
        ffi.memmove(buffer + lane.used, head, _FRAME_HEAD_BYTES)  # type: ignore[operator]
        lane.used = start + opened
        if lane.ssrc != ssrc:
            self._adopt(lane, ssrc)
        if not self._flushing:
            self._flushing = True
            self._loop.call_soon(self._flush)

    def on_rtcp(self, packet: bytes) -> None:
        """See PeerEvents: each report goes to the track that it speaks of."""
        now_us = self._now_us()
        for one in split_compound(packet):
            if len(one) < 8:
                continue
            lane = self._by_ssrc.get(_SSRC.unpack_from(one, 4)[0])
            if lane is not None and lane.taker is not None:
                self._flush()
                lane.taker.receive_rtcp(one, now_us)

    def _find(self, datagram: bytes) -> _Lane | None:
        """The track of a source that is new: by the name of its section, else by payload type."""
        mid = _named_section(datagram, {lane.track.mid_extension for lane in self._lanes} - {0})
        payload_type = datagram[1] & 0x7F
        for lane in self._lanes:
            if mid is not None:
                found = lane.track.mid == mid and lane.track.payload_type == payload_type
            else:
                found = lane.track.payload_type == payload_type
            if found:
                return lane
        return None

    def _adopt(self, lane: _Lane, ssrc: int) -> None:
        """An authentic packet says which source the track is; one that begins anew is another."""
        lane.ssrc = ssrc
        lane.nacked.clear()
        self._by_ssrc.pop(ssrc, None)
        self._by_ssrc[ssrc] = lane
        if len(self._by_ssrc) > _SOURCES_LIMIT:
            del self._by_ssrc[next(iter(self._by_ssrc))]

    def _flush(self) -> None:
        self._flushing = False
        now_us = 0
        for lane in self._lanes:
            if not lane.used:
                continue
            data = ffi.buffer(lane.buffer, lane.used)[:]
            lane.used = 0
            if lane.taker is None:
                continue
            now_us = now_us or self._now_us()
            receiver = lane.taker.receiver
            before = receiver.counters.packets
            try:
                receiver.receive_batch(data, now_us)
            except Exception:
                _log.exception("a publisher's packets could not be taken")
                self._loop.call_soon(self.close, "failed")
                return
            lane.packets += receiver.counters.packets - before
            lane.octets += len(data)
            self._ask_again(lane, now_us)

    def _ask_again(self, lane: _Lane, now_us: int) -> None:
        assert lane.taker is not None
        if lane.ssrc is None or "nack" not in lane.track.feedback:
            return
        missing = lane.taker.receiver.missing()
        if not missing:
            if lane.nacked:
                lane.nacked.clear()
            return
        asked: list[int] = []
        nacked: dict[int, tuple[int, int]] = {}
        for number in missing[:_NACKED_LIMIT]:
            tries, at_us = lane.nacked.get(number, (0, 0))
            if tries < NACK_TRIES and now_us - at_us >= _NACK_INTERVAL_US:
                tries, at_us = tries + 1, now_us
                asked.append(number)
            nacked[number] = (tries, at_us)
        lane.nacked = nacked
        if asked:
            self._send(nack(self._ssrc, lane.ssrc, asked))

    def _send(self, packet: bytes) -> None:
        try:
            self.transport.send_rtcp(packet)
        except SrtpError:
            _log.info("RTCP for a publisher could not be encrypted")


def split_compound(packet: bytes) -> list[bytes]:
    """The packets of a compound RTCP packet; what comes behind a wrong length is left out."""
    found = []
    position = 0
    while position + 4 <= len(packet):
        end = position + 4 + 4 * int.from_bytes(packet[position + 2 : position + 4], "big")
        if end > len(packet):
            break
        found.append(packet[position:end])
        position = end
    return found


def _named_section(packet: bytes, extensions: set[int]) -> str | None:
    """The mid of a packet's header extension (RFC 8285 §4.2, one-byte form)."""
    if not packet[0] & 0x10 or not extensions:
        return None
    start = 12 + 4 * (packet[0] & 0x0F)
    if packet[start : start + 2] != b"\xbe\xde":
        return None
    end = min(start + 4 + 4 * int.from_bytes(packet[start + 2 : start + 4], "big"), len(packet))
    position = start + 4
    while position < end:
        first = packet[position]
        if first == 0:
            position += 1
            continue
        length = (first & 0x0F) + 1
        if first >> 4 in extensions:
            return packet[position + 1 : position + 1 + length].decode("ascii", "replace")
        position += 1 + length
    return None
