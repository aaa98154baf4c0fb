"""What a photo's first bytes say of it: its format, its size, whether it moves.

Read by hand and before anything is decoded, because some decoders set memory aside for the size
that a header claims.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

_SCANS_LIMIT = 200
_BOX_DEPTH = 6
_BOXES_LIMIT = 4096


class HeaderError(ValueError):
    """No picture's header; the text says what is wrong with it."""


@dataclass(frozen=True, slots=True)
class PhotoHeader:
    """``format``: ``jpeg``, ``png``, ``webp`` or ``heic``. ``width`` and ``height`` in pixels as
    coded, before any turning. ``animated``: more than one picture, one after the other.
    """

    format: str
    width: int
    height: int
    animated: bool = False


_OTHERS = (
    (b"GIF8", "GIF"),
    (b"BM", "BMP"),
    (b"II*\0", "TIFF"),
    (b"MM\0*", "TIFF"),
    (b"%PDF", "PDF"),
    (b"PK\x03\x04", "ZIP"),
    (b"\x1aE\xdf\xa3", "Matroska"),
    (b"\0\0\0\x0cjP  ", "JPEG 2000"),
    (b"\xff\x4f\xff\x51", "JPEG 2000"),
    (b"\xff\x0a", "JPEG XL"),
    (b"<svg", "SVG"),
    (b"<?xml", "XML"),
)
_HEIC_BRANDS = frozenset({b"heic", b"heix", b"heim", b"heis", b"mif1"})
_SEQUENCE_BRANDS = frozenset({b"hevc", b"hevx", b"hevm", b"hevs", b"msf1"})


def read_header(data: bytes) -> PhotoHeader:
    """Raises :class:`HeaderError`, whose text completes "this file is ..."."""
    if data[:3] == b"\xff\xd8\xff":
        return _jpeg(data)
    if data[:8] == b"\x89PNG\r\n\x1a\n":
        return _png(data)
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return _webp(data)
    if data[4:8] == b"ftyp":
        return _heic(data)
    for magic, name in _OTHERS:
        if data.startswith(magic):
            raise HeaderError(f"a {name} file")
    raise HeaderError("no picture")


def _jpeg(data: bytes) -> PhotoHeader:
    size: tuple[int, int] | None = None
    at = 2
    scans = 0
    while at + 4 <= len(data):
        if data[at] != 0xFF:
            raise HeaderError("a damaged JPEG file")
        marker = data[at + 1]
        if marker == 0xFF:
            at += 1
            continue
        if marker == 0xD9:
            break
        if marker == 0x01 or 0xD0 <= marker <= 0xD7:
            at += 2
            continue
        length = struct.unpack_from(">H", data, at + 2)[0]
        if length < 2:
            raise HeaderError("a damaged JPEG file")
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            if at + 9 > len(data) or size is not None:
                raise HeaderError("a damaged JPEG file")
            height, width = struct.unpack_from(">HH", data, at + 5)
            size = (width, height)
        at += 2 + length
        if marker == 0xDA:
            # Scans of nothing, by the thousand, are how a small file takes minutes to decode.
            scans += 1
            if scans > _SCANS_LIMIT:
                raise HeaderError("a JPEG file of more passes than any camera writes")
            at = _next_marker(data, at)
    if size is None or not all(size) or not scans:
        raise HeaderError("a damaged JPEG file")
    return PhotoHeader("jpeg", *size)


def _next_marker(data: bytes, at: int) -> int:
    """Where the coded picture that begins at ``at`` is followed by a marker."""
    while True:
        at = data.find(b"\xff", at)
        if at < 0 or at + 1 >= len(data):
            return len(data)
        if data[at + 1] != 0 and not 0xD0 <= data[at + 1] <= 0xD7:
            return at
        at += 2


def _png(data: bytes) -> PhotoHeader:
    if len(data) < 33 or data[12:16] != b"IHDR":
        raise HeaderError("a damaged PNG file")
    width, height = struct.unpack_from(">II", data, 16)
    if not width or not height:
        raise HeaderError("a damaged PNG file")
    at = 8
    while at + 8 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, at)
        if kind == b"IDAT":
            break
        if kind == b"acTL" and at + 12 <= len(data):
            return PhotoHeader("png", width, height, struct.unpack_from(">I", data, at + 8)[0] > 1)
        at += 12 + length
    return PhotoHeader("png", width, height)


def _webp(data: bytes) -> PhotoHeader:
    kind = data[12:16]
    if len(data) < 30:
        raise HeaderError("a damaged WebP file")
    if kind == b"VP8X":
        width = 1 + int.from_bytes(data[24:27], "little")
        height = 1 + int.from_bytes(data[27:30], "little")
        return PhotoHeader("webp", width, height, bool(data[20] & 0x02))
    if kind == b"VP8L" and data[20] == 0x2F:
        bits = int.from_bytes(data[21:25], "little")
        return PhotoHeader("webp", 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF))
    if kind == b"VP8 " and data[23:26] == b"\x9d\x01\x2a":
        width, height = (one & 0x3FFF for one in struct.unpack_from("<HH", data, 26))
        if width and height:
            return PhotoHeader("webp", width, height)
    raise HeaderError("a damaged WebP file")


def _heic(data: bytes) -> PhotoHeader:
    """ISO/IEC 23008-12: the largest ``ispe`` of the file's items bounds what is decoded."""
    length = struct.unpack_from(">I", data, 0)[0]
    major = data[8:12]
    brands = {major} | {data[at : at + 4] for at in range(16, min(length, len(data), 128), 4)}
    if major in _SEQUENCE_BRANDS:
        return PhotoHeader("heic", 1, 1, animated=True)
    if b"avif" in brands or b"avis" in brands:
        raise HeaderError("an AVIF file")
    if not brands & _HEIC_BRANDS:
        raise HeaderError("a video" if major not in (b"jxl ", b"crx ") else "no picture")
    sizes: list[tuple[int, int]] = []
    budget = [_BOXES_LIMIT]
    _find_sizes(data, 0, len(data), 0, sizes, budget)
    if not sizes:
        raise HeaderError("a damaged HEIC file")
    width, height = max(sizes, key=lambda size: size[0] * size[1])
    return PhotoHeader("heic", width, height)


def _find_sizes(
    data: bytes, at: int, end: int, depth: int, sizes: list[tuple[int, int]], budget: list[int]
) -> None:
    while at + 8 <= end:
        budget[0] -= 1
        if budget[0] < 0 or depth > _BOX_DEPTH:
            raise HeaderError("a damaged HEIC file")
        length, kind = struct.unpack_from(">I4s", data, at)
        body = at + 8
        if length == 1 and at + 16 <= end:
            length = struct.unpack_from(">Q", data, body)[0]
            body += 8
        elif length == 0:
            length = end - at
        if length < body - at:
            raise HeaderError("a damaged HEIC file")
        box_end = min(end, at + length)
        if kind == b"ispe" and body + 12 <= box_end:
            width, height = struct.unpack_from(">II", data, body + 4)
            if width and height:
                sizes.append((width, height))
        elif kind == b"meta":
            _find_sizes(data, body + 4, box_end, depth + 1, sizes, budget)
        elif kind in (b"iprp", b"ipco"):
            _find_sizes(data, body, box_end, depth + 1, sizes, budget)
        at = box_end
