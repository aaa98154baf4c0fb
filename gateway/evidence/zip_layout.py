"""A ZIP archive that exists only as a layout: its headers in memory, its files where they lie.

Files are stored, not compressed (video does not shrink), sizes and CRCs are known beforehand, and
nothing is left to choice. So the archive's length is known before its first byte is sent, any part
of it can be sent alone, and a verifier can say of every byte what it must be: APPNOTE.TXT 6.3.10,
ZIP64 where sizes or offsets ask for it.
"""

from __future__ import annotations

import struct
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

_LIMIT = 0xFFFFFFFF
_COUNT_LIMIT = 0xFFFF
_UTF8 = 0x0800
_LOCAL = struct.Struct("<IHHHIIIIHH")
_CENTRAL = struct.Struct("<IHHHHIIIIHHHHHII")

_END = struct.Struct("<IHHHHIIH")
_END64 = struct.Struct("<IQHHIIQQQQ")
_LOCATOR = struct.Struct("<IIQI")


# read(offset, length) gives that part of an archive.
Read = Callable[[int, int], bytes]


class ZipError(ValueError):
    """These bytes are no archive that :class:`ZipLayout` makes. The message says where."""


@dataclass(frozen=True, slots=True)
class ZipEntry:
    """One file: its path inside the archive, and what its bytes come to."""

    path: str
    size_bytes: int
    crc32: int


@dataclass(frozen=True, slots=True)
class _Part:
    offset: int
    size_bytes: int
    head: bytes | None  # bytes of the archive's own, or
    path: str | None  # the file that lies there


def dos_time(at_us: int, utc_offset_minutes: int = 0) -> int:
    """A moment as archives write it: local, in steps of two seconds, from 1980 to 2107."""
    at = datetime.fromtimestamp(at_us // 1_000_000 + utc_offset_minutes * 60, UTC)
    year = min(max(at.year, 1980), 2107)
    date = year - 1980 << 9 | at.month << 5 | at.day
    return date << 16 | at.hour << 11 | at.minute << 5 | at.second // 2


class ZipLayout:
    """Where everything lies. ``modified`` is the one time of all files (:func:`dos_time`)."""

    def __init__(self, entries: Sequence[ZipEntry], modified: int) -> None:
        self.entries = tuple(entries)
        self.modified = modified
        self._parts: list[_Part] = []
        self.size_bytes = 0
        central = []
        for entry in self.entries:
            offset = self.size_bytes
            self._put(_local_header(entry, modified))
            if entry.size_bytes:
                self._parts.append(_Part(self.size_bytes, entry.size_bytes, None, entry.path))
                self.size_bytes += entry.size_bytes
            central.append(_central_header(entry, modified, offset))
        self._put(b"".join(central) + _end(len(central), sum(map(len, central)), self.size_bytes))
        self._offsets = [part.offset for part in self._parts]

    def _put(self, head: bytes) -> None:
        self._parts.append(_Part(self.size_bytes, len(head), head, None))
        self.size_bytes += len(head)

    def heads(self) -> Iterator[tuple[int, bytes]]:
        """Every stretch of the archive's own bytes, with its offset."""
        for part in self._parts:
            if part.head is not None:
                yield part.offset, part.head

    def files(self) -> Iterator[tuple[ZipEntry, int]]:
        """Every file, with the offset of its first byte."""
        offsets = {part.path: part.offset for part in self._parts if part.path is not None}
        for entry in self.entries:
            yield entry, offsets.get(entry.path, 0)

    def pieces(self, start: int, end: int) -> Iterator[bytes | tuple[str, int, int]]:
        """What makes up the bytes [``start``, ``end``): bytes, or (path, from, to) of a file."""
        number = max(0, bisect_right(self._offsets, start) - 1)
        for part in self._parts[number:]:
            if part.offset >= end:
                return
            first = max(0, start - part.offset)
            last = min(part.size_bytes, end - part.offset)
            if first >= last:
                continue
            if part.head is not None:
                yield part.head[first:last]
            else:
                assert part.path is not None
                yield part.path, first, last


def read_directory(size_bytes: int, read: Read) -> ZipLayout:
    """The layout of an archive from its central directory. Every byte that is not a file's is
    compared: ZipError names the first that is not what it must be.
    """
    try:
        count, central_size, central_offset = _read_end(size_bytes, read)
        central = read(central_offset, central_size)
        entries, times = [], set()
        at = 0
        for _ in range(count):
            fields = _CENTRAL.unpack_from(central, at)
            modified, crc32, _, size, name_length, extra_length, comment_length = fields[5:12]
            at += _CENTRAL.size
            name = central[at : at + name_length].decode()
            extra = central[at + name_length : at + name_length + extra_length]
            if size == _LIMIT:
                (size,) = struct.unpack_from("<Q", extra, 4)
            entries.append(ZipEntry(name, size, crc32))
            times.add(modified)
            at += name_length + extra_length + comment_length
    except (struct.error, UnicodeDecodeError, IndexError) as error:
        raise ZipError(f"the archive's directory is damaged: {error}") from None
    if len({entry.path for entry in entries}) != len(entries):
        raise ZipError("the archive names a file twice")
    if len(times) != 1:
        raise ZipError("the archive's directory is damaged: its times differ")
    layout = ZipLayout(entries, times.pop())
    if layout.size_bytes != size_bytes:
        raise ZipError("the archive is longer or shorter than its directory says")
    for offset, head in layout.heads():
        if read(offset, len(head)) != head:
            raise ZipError(f"the archive's own bytes were altered near byte {offset}")
    return layout


def _local_header(entry: ZipEntry, modified: int) -> bytes:
    name = entry.path.encode()
    large = entry.size_bytes >= _LIMIT
    extra = struct.pack("<HHQQ", 1, 16, entry.size_bytes, entry.size_bytes) if large else b""
    size = _LIMIT if large else entry.size_bytes
    head = _LOCAL.pack(
        0x04034B50, 45 if large else 20, _UTF8, 0,
        modified, entry.crc32, size, size, len(name), len(extra),
    )  # fmt: skip
    return head + name + extra


def _central_header(entry: ZipEntry, modified: int, offset: int) -> bytes:
    name = entry.path.encode()
    size, at = entry.size_bytes, offset
    extra = b""
    if size >= _LIMIT:
        extra += struct.pack("<QQ", size, size)
        size = _LIMIT
    if at >= _LIMIT:
        extra += struct.pack("<Q", at)
        at = _LIMIT
    version = 45 if extra else 20
    if extra:
        extra = struct.pack("<HH", 1, len(extra)) + extra
    head = _CENTRAL.pack(
        0x02014B50, version, version, _UTF8, 0,
        modified, entry.crc32, size, size, len(name), len(extra), 0, 0, 0, 0, at,
    )  # fmt: skip
    return head + name + extra


def _end(count: int, central_size: int, central_offset: int) -> bytes:
    tail = b""
    if count >= _COUNT_LIMIT or central_size >= _LIMIT or central_offset >= _LIMIT:
        end64 = central_offset + central_size
        tail = _END64.pack(
            0x06064B50, 44, 45, 45, 0, 0, count, count, central_size, central_offset
        ) + _LOCATOR.pack(0x07064B50, 0, end64, 1)
        count, central_size = min(count, _COUNT_LIMIT), min(central_size, _LIMIT)
        central_offset = min(central_offset, _LIMIT)
    return tail + _END.pack(0x06054B50, 0, 0, count, count, central_size, central_offset, 0)


def _read_end(size_bytes: int, read: Read) -> tuple[int, int, int]:
    """Number of entries, size and offset of the central directory."""
    if size_bytes < _END.size:
        raise ZipError("this is no ZIP archive, or it was cut")
    signature, _, _, _, count, size, offset, comment = _END.unpack(
        read(size_bytes - _END.size, _END.size)
    )
    if signature != 0x06054B50 or comment:
        raise ZipError("this is no ZIP archive, or it was cut, or something was put behind it")
    if count == _COUNT_LIMIT or _LIMIT in (size, offset):
        at = size_bytes - _END.size - _LOCATOR.size - _END64.size
        end64 = _END64.unpack(read(max(0, at), _END64.size))
        if end64[0] != 0x06064B50:
            raise ZipError("the archive's directory is damaged")
        count, size, offset = end64[7], end64[8], end64[9]
    if offset + size > size_bytes or size > 64 * 1024 * 1024:
        raise ZipError("the archive's directory is damaged")
    return count, size, offset
