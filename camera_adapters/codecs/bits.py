"""A reader of bits and Exp-Golomb numbers over a raw byte sequence payload (H.264 §7.2, §9.1)."""

from __future__ import annotations

from camera_adapters.codecs import CodecError

# The longest parameter set seen in the field is some 200 bytes; this only bounds the work.
_BYTES_LIMIT = 8192


def without_emulation_prevention(nal_unit: bytes) -> bytes:
    """The NAL unit's bytes with each ``00 00 03`` turned back into ``00 00`` (H.264 §7.4.1)."""
    if b"\x00\x00\x03" not in nal_unit:
        return nal_unit
    pieces = []
    start = 0
    while (at := nal_unit.find(b"\x00\x00\x03", start)) >= 0:
        pieces.append(nal_unit[start : at + 2])
        start = at + 3
    pieces.append(nal_unit[start:])
    return b"".join(pieces)


class BitReader:
    """Reads from the most significant bit on. Raises CodecError past the end."""

    __slots__ = ("_length", "_position", "_value")

    def __init__(self, data: bytes) -> None:
        if len(data) > _BYTES_LIMIT:
            raise CodecError(f"a parameter set of {len(data)} bytes is absurd")
        self._value = int.from_bytes(data, "big")
        self._length = len(data) * 8
        self._position = 0

    @property
    def bits_left(self) -> int:
        """How many bits have not been read."""
        return self._length - self._position

    def bits(self, count: int) -> int:
        """The next ``count`` bits as an unsigned number: u(n)."""
        self._position += count
        if self._position > self._length:
            raise CodecError("the bit stream ends inside a field")
        return (self._value >> (self._length - self._position)) & ((1 << count) - 1)

    def flag(self) -> bool:
        """The next bit: u(1)."""
        return self.bits(1) == 1

    def skip(self, count: int) -> None:
        """Pass over ``count`` bits."""
        self.bits(count)

    def unsigned(self) -> int:
        """An Exp-Golomb number: ue(v), at most 2^32 - 2 (H.264 §9.1)."""
        zeros = 0
        while not self.bits(1):
            zeros += 1
            if zeros > 31:
                raise CodecError("an Exp-Golomb number has more than 31 leading zeros")
        return (1 << zeros) - 1 + self.bits(zeros)

    def signed(self) -> int:
        """A signed Exp-Golomb number: se(v) (H.264 §9.1.1)."""
        code = self.unsigned()
        return (code + 1) // 2 if code & 1 else -(code // 2)
