"""Fuzz target: a transport stream as it comes from anywhere."""

from __future__ import annotations

from camera_adapters.mpeg_ts.demultiplex import PES_BYTES_LIMIT, TransportDemultiplexer


def _packet(pid: int, payload: bytes, begins: bool = True, counter: int = 0) -> bytes:
    head = bytes((0x47, (0x40 if begins else 0) | pid >> 8, pid & 0xFF, 0x10 | counter & 0x0F))
    return (head + payload).ljust(188, b"\xff")


_PAT = b"\x00\x00\xb0\x0d\x00\x01\xc1\x00\x00\x00\x01\xe1\x00" + bytes(4)
_PMT = (
    b"\x00\x02\xb0\x17\x00\x01\xc1\x00\x00\xe1\x01\xf0\x00\x1b\xe1\x01\xf0\x00\x0f\xe1\x02\xf0\x00"
)
_PES = b"\x00\x00\x01\xe0\x00\x00\x80\x80\x05\x21\x00\x01\x00\x01\x00\x00\x00\x01\x65\x88"

SEEDS = [
    _packet(0, _PAT) + _packet(256, _PMT + bytes(4)) + _packet(257, _PES) + _packet(257, _PES),
    _packet(257, _PES, counter=3),
]


def target(data: bytes) -> None:
    """Must raise nothing."""
    demultiplexer = TransportDemultiplexer()
    for prefix in (b"", SEEDS[0]):
        for start in range(0, len(prefix + data), 61):
            demultiplexer.receive((prefix + data)[start : start + 61])
        demultiplexer.flush()
        demultiplexer.restart()
    assert len(demultiplexer._rest) < PES_BYTES_LIMIT
