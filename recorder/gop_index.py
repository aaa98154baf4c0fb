"""The packed index of a segment's fragments, as a row holds it.

Each fragment is four numbers, as LEB128 varints: its start, as zigzag difference from the end of
the fragment before it (0 unless the camera's clock jumped); its duration; its size in bytes; and
the size of its beginning that holds its keyframe, 0 when it has none. Times are 1/90000 s from the
segment's first decoding time. Some ten bytes a fragment.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple


class GopIndexError(ValueError):
    """The packed index is damaged."""


class FragmentEntry(NamedTuple):
    """Where one fragment lies, in time and in the object.

    ``start_90k``: from the segment's first decoding time. ``offset``: from the segment's first
    fragment (add the row's ``header_bytes`` for the place in the object). ``keyframe_bytes``: how
    much of the fragment to read for its keyframe alone; 0 when it does not start with one.
    """

    start_90k: int
    duration_90k: int
    offset: int
    size_bytes: int
    keyframe_bytes: int


def pack(entries: Iterable[FragmentEntry]) -> bytes:
    """The packed form. Entries must be in order, without holes between their bytes."""
    packed = bytearray()
    expected = 0
    for start, duration, _, size, keyframe_bytes in entries:
        difference = start - expected
        for value in (
            difference << 1 if difference >= 0 else (-difference << 1) - 1,
            duration,
            size,
            keyframe_bytes,
        ):
            while value > 0x7F:
                packed.append(value & 0x7F | 0x80)
                value >>= 7
            packed.append(value)
        expected = start + duration
    return bytes(packed)


def unpack(packed: bytes) -> list[FragmentEntry]:
    """The entries, with absolute offsets. Raises GopIndexError when ``packed`` is damaged."""
    numbers = []
    value = shift = 0
    for byte in packed:
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            numbers.append(value)
            value = shift = 0
        else:
            shift += 7
            if shift > 63:
                raise GopIndexError("a number in the fragment index is too long")
    if shift or len(numbers) % 4:
        raise GopIndexError("the fragment index ends inside an entry")
    entries = []
    start = offset = 0
    for at in range(0, len(numbers), 4):
        difference, duration, size, keyframe_bytes = numbers[at : at + 4]
        start += difference >> 1 if not difference & 1 else -((difference + 1) >> 1)
        entries.append(FragmentEntry(start, duration, offset, size, keyframe_bytes))
        start += duration
        offset += size
    return entries
