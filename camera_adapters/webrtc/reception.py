"""What a peer sends: SRTP opened in place, packets in batches to each source's taker.

What costs per packet is one address look-up, one copy and one call into libsrtp; the receivers get
what came in one turn of the event loop at once, as they do from RTSP cameras.
"""

from __future__ import annotations

import asyncio
import secrets
import struct
from collections.abc import Callable
from typing import Any, Protocol

import structlog
from pylibsrtp._binding import ffi, lib

from camera_adapters.rtp import redundant_audio
from camera_adapters.rtp.receiver import RtpReceiver
from camera_adapters.webrtc.arrivals import Arrivals
from camera_adapters.webrtc.feedback import nack, picture_loss
from camera_adapters.webrtc.header_extensions import transport_number
from camera_adapters.webrtc.receive_answer import IncomingTrack
from camera_adapters.webrtc.srtp import SrtpSession

_log = structlog.get_logger(__name__)

NACK_TRIES = 4
_NACK_INTERVAL_US = 40_000
_NACKED_LIMIT = 256
_PLI_INTERVAL_S = 0.5
_BATCH_BYTES = 64 * 1024
_PACKET_BYTES_LIMIT = 2048
_FRAME_HEAD_BYTES = 4
_RTP_HEADER_BYTES = 12
_SSRC = struct.Struct(">I")
_SOURCES_LIMIT = 16
_SOURCES_EVER_LIMIT = 128

_free_buffers: list[Any] = []
_FREE_LIMIT = 16


class PacketTaker(Protocol):
    """Who takes a source's packets: a receiver, and somebody who reads its sender's reports."""

    @property
    def receiver(self) -> RtpReceiver:
        """Takes packets, in batches."""

    def receive_rtcp(self, data: bytes, now_us: int) -> bool:
        """Take the sender's reports; True when it says goodbye."""


class Lane:
    """One source: the batch that is being filled, and what was asked for again.

    ``rid`` names the quality where a section has several. ``taker`` None: what comes is opened and
    dropped. ``repairs`` is the lane whose packets this one sends again (RFC 4588). ``hear`` is
    given each authentic packet as it came, for its header extensions. Packets of
    ``redundancy_payload_type`` carry those before them again (RFC 2198): the taker gets each once,
    as if it had come by itself. ``transport_extension`` is the id of the header extension with the
    transport-wide number, 0 without.
    """

    __slots__ = (
        "_buffer",
        "hear",
        "highest",
        "keyframe_asked_s",
        "nack_interval_us",
        "nacked",
        "octets",
        "packets",
        "redundancy_payload_type",
        "repairs",
        "rid",
        "ssrc",
        "taker",
        "track",
        "transport_extension",
        "used",
    )

    def __init__(self, track: IncomingTrack, rid: str = "", repairs: Lane | None = None) -> None:
        self.track = track
        self.rid = rid
        self.repairs = repairs
        self.taker: PacketTaker | None = None
        self.hear: Callable[[bytes], None] | None = None
        self.ssrc: int | None = None
        self.redundancy_payload_type: int | None = None
        self.transport_extension = 0
        self.highest = -1
        self.used = 0
        self.packets = 0
        self.octets = 0
        self.nacked: dict[int, tuple[int, int]] = {}
        self.nack_interval_us = _NACK_INTERVAL_US
        self.keyframe_asked_s = -1e9
        self._buffer: Any = None

    @property
    def kept_away(self) -> bool:
        """Whether packets were asked for twice, and are missing still."""
        return any(tries >= 2 for tries, _ in self.nacked.values())

    def buffer(self) -> Any:
        """Memory for a batch; borrowed until :meth:`taken`, as most lanes are idle."""
        if self._buffer is None:
            self._buffer = _free_buffers.pop() if _free_buffers else ffi.new("char[]", _BATCH_BYTES)
        return self._buffer

    def taken(self) -> bytes:
        """What the batch holds; it is empty then."""
        data = bytes(ffi.buffer(self._buffer, self.used))
        self.used = 0
        self.drop()
        return data

    def drop(self) -> None:
        """What was last written is not kept: without a batch, the memory goes back."""
        if self.used == 0:
            if len(_free_buffers) < _FREE_LIMIT:
                _free_buffers.append(self._buffer)
            self._buffer = None


class Reception:
    """Takes a peer's media packets; ``srtp`` is set when the handshake is over.

    ``find(packet)`` gives the lane of a source that is new, by its header; the packet is not
    authentic yet. ``on_adopted(lane)`` is called with the first authentic packet of a source,
    ``send(packet)`` sends RTCP, ``on_failed()`` is called later when a taker raised. ``restless``:
    packets are missing, so :meth:`turn` is to be called soon. ``arrivals`` are of all packets that
    carry a transport-wide number.
    """

    def __init__(
        self,
        now_us: Callable[[], int],
        *,
        find: Callable[[bytes], Lane | None],
        on_adopted: Callable[[Lane], None],
        send: Callable[[bytes], None],
        on_failed: Callable[[], None],
    ) -> None:
        self.srtp: SrtpSession | None = None
        self.our_ssrc = secrets.randbits(32) or 1
        self.restless = False
        self.arrivals = Arrivals()
        self._by_ssrc: dict[int, Lane] = {}
        self._adopted = 0
        self._filled: list[Lane] = []
        self._now_us = now_us
        self._find = find
        self._on_adopted = on_adopted
        self._send = send
        self._on_failed = on_failed
        self._loop = asyncio.get_running_loop()
        self._length = ffi.new("int *")

    def on_rtp(self, datagram: bytes) -> None:
        """Open a packet where it lies in its source's batch."""
        size = len(datagram)
        srtp = self.srtp
        if srtp is None or not _RTP_HEADER_BYTES <= size <= _PACKET_BYTES_LIMIT:
            return
        ssrc = _SSRC.unpack_from(datagram, 8)[0]
        lane = self._by_ssrc.get(ssrc) or self._find(datagram)
        if lane is None or (lane.ssrc != ssrc and self._adopted >= _SOURCES_EVER_LIMIT):
            return
        if lane.used + _FRAME_HEAD_BYTES + size > _BATCH_BYTES:
            self.flush()
        buffer, start = lane.buffer(), lane.used + _FRAME_HEAD_BYTES
        ffi.memmove(buffer + start, datagram, size)
        length = self._length
        length[0] = size
        if lib.srtp_unprotect(srtp.inbound_handle, buffer + start, length):
            lane.drop()
            return  # Forged, damaged, or here already.
        opened = length[0]
        if lane.ssrc != ssrc:
            self._adopt(lane, ssrc)
        if lane.transport_extension:
            number = transport_number(datagram, lane.transport_extension)
            if number is not None:
                self.arrivals.note(number, self._now_us())
        if lane.hear is not None:
            lane.hear(datagram)
        if lane.repairs is not None:
            packet = bytes(ffi.buffer(buffer + start, opened))
            lane.drop()
            self._repair(lane.repairs, packet)
            return
        if lane.taker is None:
            lane.drop()
            return
        if datagram[1] & 0x7F == lane.redundancy_payload_type:
            packet = bytes(ffi.buffer(buffer + start, opened))
            lane.drop()
            self._unpack(lane, packet)
            return
        if datagram[0] == 0x90 and opened > 16:
            # Without the header extension it is a plain packet, which receivers take faster.
            extension = 4 + 4 * (datagram[14] << 8 | datagram[15])
            if _RTP_HEADER_BYTES + extension <= opened:
                opened -= extension
                payload = buffer + start + _RTP_HEADER_BYTES
                ffi.memmove(payload, payload + extension, opened - _RTP_HEADER_BYTES)
                buffer[start] = b"\x80"
        ffi.memmove(buffer + lane.used, b"$\x00" + opened.to_bytes(2, "big"), _FRAME_HEAD_BYTES)
        if lane.used == 0:
            self._note_filled(lane)
        lane.used = start + opened

    def lane_of(self, ssrc: int) -> Lane | None:
        """The lane of a source that has been heard."""
        return self._by_ssrc.get(ssrc)

    def want_keyframe(self, lane: Lane) -> None:
        """Ask the sender for a keyframe, twice a second at most."""
        now_s = self._loop.time()
        if lane.ssrc is not None and now_s - lane.keyframe_asked_s >= _PLI_INTERVAL_S:
            lane.keyframe_asked_s = now_s
            self.ask_keyframe(lane)

    def ask_keyframe(self, lane: Lane) -> None:
        """Ask the sender for a keyframe."""
        if lane.ssrc is not None:
            self._send(picture_loss(self.our_ssrc, lane.ssrc))

    def on_rtcp(self, packet: bytes) -> None:
        """Authentic RTCP: each report goes to the source that it speaks of."""
        now_us = self._now_us()
        for one in split_compound(packet):
            if len(one) < 8:
                continue
            lane = self._by_ssrc.get(_SSRC.unpack_from(one, 4)[0])
            if lane is not None and lane.taker is not None:
                self.flush()
                lane.taker.receive_rtcp(one, now_us)

    def turn(self, lane: Lane, now_us: int) -> None:
        """Ask again for what is missing, and give up what is too late."""
        self.flush()
        if lane.taker is not None:
            self._ask_again(lane, now_us)
            lane.taker.receiver.expire(now_us)

    def flush(self) -> None:
        """Hand on what has come."""
        filled = self._filled
        if not filled:
            return
        self._filled = []
        now_us = self._now_us()
        for lane in filled:
            if not lane.used:
                continue
            data = lane.taken()
            if lane.taker is None:
                continue
            receiver = lane.taker.receiver
            before = receiver.counters.packets
            try:
                receiver.receive_batch(data, now_us)
            except Exception:
                _log.exception("a sender's packets could not be taken")
                self._loop.call_soon(self._on_failed)
                return
            lane.packets += receiver.counters.packets - before
            lane.octets += len(data)
            self._ask_again(lane, now_us)

    def _note_filled(self, lane: Lane) -> None:
        if not self._filled:
            self._loop.call_soon(self.flush)
        self._filled.append(lane)

    def _repair(self, lane: Lane, packet: bytes) -> None:
        """A packet sent again in a stream of its own (RFC 4588 §4): as it was."""
        payload = _payload(packet)
        # One without payload is padding, by which senders probe the path.
        if len(payload) > 2:
            sequence = int.from_bytes(payload[:2], "big")
            self._write(lane, packet, sequence, packet[4:8], payload[2:])

    def _unpack(self, lane: Lane, packet: bytes) -> None:
        """The newest of a redundant packet, and of those before it what has not come."""
        sequence = int.from_bytes(packet[2:4], "big")
        timestamp = int.from_bytes(packet[4:8], "big")
        found = redundant_audio.blocks(_payload(packet))
        ahead = (sequence - lane.highest) & 0xFFFF if lane.highest >= 0 else 1
        if ahead < 0x8000:
            lane.highest = sequence
            for back, (ago, data) in zip(range(len(found) - 1, 0, -1), found, strict=False):
                if back < ahead and data:
                    earlier = (timestamp - ago & 0xFFFFFFFF).to_bytes(4, "big")
                    self._write(lane, packet, (sequence - back) & 0xFFFF, earlier, data)
        if found:
            self._write(lane, packet, sequence, packet[4:8], found[-1][1])

    def _write(
        self, lane: Lane, packet: bytes, sequence: int, timestamp: bytes, payload: bytes
    ) -> None:
        """Add a packet that was inside of another to the lane's batch."""
        if lane.ssrc is None or lane.taker is None:
            return
        original = b"".join(
            (
                b"\x80",
                bytes((packet[1] & 0x80 | lane.track.payload_type,)),
                sequence.to_bytes(2, "big"),
                timestamp,
                lane.ssrc.to_bytes(4, "big"),
                payload,
            )
        )
        size = len(original)
        if lane.used + _FRAME_HEAD_BYTES + size > _BATCH_BYTES:
            self.flush()
        if lane.used == 0:
            self._note_filled(lane)
        frame = b"$\x00" + size.to_bytes(2, "big") + original
        ffi.memmove(lane.buffer() + lane.used, frame, len(frame))
        lane.used += len(frame)

    def _adopt(self, lane: Lane, ssrc: int) -> None:
        """An authentic packet says which source the lane is; one that begins anew is another."""
        lane.ssrc = ssrc
        lane.nacked.clear()
        self._adopted += 1
        self._by_ssrc.pop(ssrc, None)
        self._by_ssrc[ssrc] = lane
        if len(self._by_ssrc) > _SOURCES_LIMIT:
            del self._by_ssrc[next(iter(self._by_ssrc))]
        self._on_adopted(lane)

    def _ask_again(self, lane: Lane, now_us: int) -> None:
        assert lane.taker is not None
        missing = lane.taker.receiver.missing()
        if not missing:
            if lane.nacked:
                lane.nacked.clear()
            return
        self.restless = True
        if lane.ssrc is None or "nack" not in lane.track.feedback:
            return
        asked: list[int] = []
        nacked: dict[int, tuple[int, int]] = {}
        for number in missing[:_NACKED_LIMIT]:
            tries, at_us = lane.nacked.get(number, (0, 0))
            if tries < NACK_TRIES and now_us - at_us >= lane.nack_interval_us:
                tries, at_us = tries + 1, now_us
                asked.append(number)
            nacked[number] = (tries, at_us)
        lane.nacked = nacked
        if asked:
            self._send(nack(self.our_ssrc, lane.ssrc, asked))


def _payload(packet: bytes) -> bytes:
    """What is behind header and extension, without padding."""
    start = _RTP_HEADER_BYTES + 4 * (packet[0] & 0x0F)
    if packet[0] & 0x10:
        start += 4 + 4 * int.from_bytes(packet[start + 2 : start + 4], "big")
    return packet[start : len(packet) - (packet[-1] if packet[0] & 0x20 else 0)]


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
