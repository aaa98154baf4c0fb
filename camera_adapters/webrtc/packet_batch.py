"""PacketBatch: one picture's RTP packets, made once and sent to many peers.

Packets lie contiguous in *runs*: equal-sized ones and a last one that may be shorter, which is what
one ``UDP_SEGMENT`` send takes. Each packet begins with :data:`HEADER_SIZE` bytes left blank, the
fixed RTP header and a block for header extensions (RFC 8285 §4.2), and is followed by room for the
SRTP tag. So a peer costs one copy of a run into a :class:`Scratch`, a patch of the headers, and
encryption in place.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from pylibsrtp._binding import ffi

RTP_HEADER_SIZE = 12
EXTENSION_BLOCK_SIZE = 16
HEADER_SIZE = RTP_HEADER_SIZE + EXTENSION_BLOCK_SIZE

# Where the extension block holds what differs from packet to packet, the transport-wide sequence
# number or the time of sending: behind the RTP header, the block's own header (4 bytes) and the
# element's id (1).
TRANSPORT_SEQUENCE_OFFSET = RTP_HEADER_SIZE + 5
SEND_TIME_OFFSET = RTP_HEADER_SIZE + 5
SEND_TIME_SIZE = 3

# 1232 bytes of UDP payload pass any IPv6 path unfragmented (RFC 8200 §5: 1280 - 40 - 8). Two bytes
# stay free for the original sequence number of a retransmission (RFC 4588 §4).
DATAGRAM_SIZE_LIMIT = 1232
TAG_SIZE_LIMIT = 16
PACKET_SIZE_LIMIT = DATAGRAM_SIZE_LIMIT - TAG_SIZE_LIMIT - 2
PAYLOAD_SIZE_LIMIT = PACKET_SIZE_LIMIT - HEADER_SIZE

# More segments or bytes in one send fail with EMSGSIZE.
RUN_PACKETS_LIMIT = 60
RUN_BYTES_LIMIT = 60_000

SCRATCH_BYTES = 4 * 64 * 1024
SCRATCH_PACKETS_LIMIT = 512

PayloadParts = tuple[bytes, bytes | memoryview]


class PacketRun:
    """Packets that leave in one send: all ``packet_size`` bytes long but the last.

    Sizes count header block and payload, without the SRTP tag; ``size`` is that of all packets
    together. ``ends_picture``: the last packet
    carries the marker bit (RFC 3550 §5.1).
    """

    __slots__ = ("_arrays", "_images", "count", "ends_picture", "last_size", "packet_size", "size")

    def __init__(
        self, count: int, packet_size: int, last_size: int, ends_picture: bool, image: bytearray
    ) -> None:
        self.count = count
        self.packet_size = packet_size
        self.last_size = last_size
        self.ends_picture = ends_picture
        self.size = (count - 1) * packet_size + last_size
        self._arrays: dict[int, npt.NDArray[np.uint8]] = {}
        self._images: dict[int, tuple[Any, int]] = {
            TAG_SIZE_LIMIT: (ffi.from_buffer(image), len(image))
        }

    def image(self, tag_size: int) -> tuple[Any, int]:
        """The packets with ``tag_size`` free bytes between them: address and length for memmove.

        Made once for each tag size in use, then shared by all peers.
        """
        found = self._images.get(tag_size)
        if found is None:
            found = self._images[tag_size] = self._spaced(tag_size)
        return found

    def array(self, tag_size: int) -> npt.NDArray[np.uint8]:
        """The same as an array of bytes."""
        found = self._arrays.get(tag_size)
        if found is None:
            address, _ = self.image(tag_size)
            found = self._arrays[tag_size] = np.frombuffer(ffi.buffer(address), np.uint8)
        return found

    def payload(self, index: int) -> memoryview:
        """The payload of one packet, as it was given."""
        address, _ = self._images[TAG_SIZE_LIMIT]
        start = index * (self.packet_size + TAG_SIZE_LIMIT)
        size = self.last_size if index == self.count - 1 else self.packet_size
        return memoryview(ffi.buffer(address))[start + HEADER_SIZE : start + size]

    def _spaced(self, tag_size: int) -> tuple[Any, int]:
        stride = self.packet_size + tag_size
        image = bytearray((self.count - 1) * stride + self.last_size)
        for index in range(self.count):
            payload = self.payload(index)
            start = index * stride + HEADER_SIZE
            image[start : start + len(payload)] = payload
        return ffi.from_buffer(image), len(image)


class PacketBatch:
    """One picture, or one audio frame, as RTP packets without addressee.

    ``timestamp`` is in the units of the RTP clock on the sender's own time line; each peer adds its
    base. ``track_index`` says which of the Stream's tracks it belongs to.
    """

    __slots__ = ("keyframe", "packet_count", "runs", "size", "timestamp", "track_index")

    def __init__(
        self, track_index: int, timestamp: int, keyframe: bool, runs: Sequence[PacketRun]
    ) -> None:
        self.track_index = track_index
        self.timestamp = timestamp
        self.keyframe = keyframe
        self.runs = tuple(runs)
        self.packet_count = sum(run.count for run in runs)
        self.size = sum(run.size for run in runs)


def runs_of_payloads(payloads: Iterable[PayloadParts], *, marker: bool) -> list[PacketRun]:
    """Lay payloads out in as few runs as possible, order kept.

    ``marker`` sets the marker bit on the last packet of all. Raises ValueError for a payload over
    :data:`PAYLOAD_SIZE_LIMIT`, which no path is promised to carry.
    """
    parts = list(payloads)
    runs: list[PacketRun] = []
    first = 0
    while first < len(parts):
        size = _size(parts[first])
        if size > PAYLOAD_SIZE_LIMIT:
            raise ValueError(f"a payload of {size} bytes does not fit a datagram")
        packets_limit = min(
            RUN_PACKETS_LIMIT, RUN_BYTES_LIMIT // (HEADER_SIZE + size + TAG_SIZE_LIMIT)
        )
        end = first + 1
        last = size
        while end < len(parts) and end - first < packets_limit and last == size:
            last = _size(parts[end])
            if last > size:
                last = size
                break
            end += 1
        ends_picture = marker and end == len(parts)
        runs.append(_run(parts[first:end], size, last, ends_picture))
        first = end
    return runs


def run_of_one(head: bytes, body: bytes | memoryview, *, marker: bool) -> PacketRun:
    """One packet by itself, for retransmissions; the caller answers for its size."""
    return _run(((head, body),), len(head) + len(body), len(head) + len(body), marker)


def _size(part: PayloadParts) -> int:
    return len(part[0]) + len(part[1])


def _run(parts: Sequence[PayloadParts], size: int, last: int, ends_picture: bool) -> PacketRun:
    packet_size = HEADER_SIZE + size
    stride = packet_size + TAG_SIZE_LIMIT
    image = bytearray((len(parts) - 1) * stride + HEADER_SIZE + last)
    position = HEADER_SIZE
    for head, body in parts:
        middle = position + len(head)
        image[position:middle] = head
        image[middle : middle + len(body)] = body
        position += stride
    return PacketRun(len(parts), packet_size, HEADER_SIZE + last, ends_picture, image)


class Slots:
    """A scratch buffer seen as packets ``stride`` bytes apart, with views on what differs.

    ``headers``, ``sequence_numbers``, ``transport_sequence_numbers`` are numpy views with one
    element a packet; ``addresses`` are the packets' addresses for libsrtp.
    """

    __slots__ = (
        "addresses",
        "headers",
        "sequence_numbers",
        "transport_sequence_numbers",
    )

    def __init__(self, scratch: Scratch, stride: int) -> None:
        count = min(RUN_PACKETS_LIMIT, max(1, RUN_BYTES_LIMIT // stride))
        memory = scratch.memory
        self.headers: npt.NDArray[np.void] = np.ndarray(
            (count,), f"V{HEADER_SIZE}", memory, 0, (stride,)
        )
        self.sequence_numbers: npt.NDArray[np.uint16] = np.ndarray(
            (count,), ">u2", memory, 2, (stride,)
        )
        self.transport_sequence_numbers: npt.NDArray[np.uint16] = np.ndarray(
            (count,), ">u2", memory, TRANSPORT_SEQUENCE_OFFSET, (stride,)
        )
        self.addresses = tuple(scratch.base + index * stride for index in range(count))


class Scratch:
    """Where runs are made ready for peers, a few rows at a time. One for each event loop.

    ``address`` is that of the memory, as a number; ``sizes`` holds the packets'
    lengths, which libsrtp reads and grows by the tag.
    """

    __slots__ = (
        "_slots",
        "address",
        "base",
        "memory",
        "size_addresses",
        "size_array",
        "sizes",
        "view",
    )

    def __init__(self) -> None:
        self.base = ffi.new("unsigned char[]", SCRATCH_BYTES)
        self.address = int(ffi.cast("uintptr_t", self.base))
        self.memory = ffi.buffer(self.base)
        self.view = memoryview(self.memory)
        self.sizes = ffi.new("int[]", SCRATCH_PACKETS_LIMIT)
        self.size_array = np.frombuffer(ffi.buffer(self.sizes), np.intc)
        self.size_addresses = tuple(self.sizes + index for index in range(SCRATCH_PACKETS_LIMIT))
        self._slots: dict[int, Slots] = {}

    def slots(self, stride: int) -> Slots:
        """The views for packets ``stride`` bytes apart; made once for each stride."""
        found = self._slots.get(stride)
        if found is None:
            found = self._slots[stride] = Slots(self, stride)
        return found
