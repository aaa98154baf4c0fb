"""Letters to burn into pictures: a bitmap of each, so that no font need be installed.

``glyphs.bin`` holds ASCII, the letters of Latin-1, Chinese punctuation, full-width forms and the
20,902 Chinese characters of Unicode 1.1 (all of GBK), 24 pixels high in four shades, made from Noto
Sans Mono CJK SC by :mod:`gateway.transcoder.make_glyphs`. What it lacks is drawn as 〓.
"""

from __future__ import annotations

import functools
import lzma
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

Letters = npt.NDArray[np.uint8]

EM = 24
FILE = Path(__file__).parent / "glyphs.bin"
# First and last code point, and the width in pixels. Characters of a range lie behind one another.
RANGES = (
    (0x20, 0x7E, EM // 2),
    (0xB7, 0xB7, EM // 2),
    (0xC0, 0xFF, EM // 2),
    (0x3001, 0x3029, EM),
    (0x4E00, 0x9FA5, EM),
    (0xFF01, 0xFF5E, EM),
)
_MISSING = "〓"
_SHADES = 4


def pack_glyphs(found: Mapping[str, Letters]) -> bytes:
    """The file of these bitmaps (0 to 255), in the order of :data:`RANGES`: two bits a pixel."""
    pixels = np.concatenate([found[character].ravel() for character in _order()])
    shades = (pixels.astype(np.uint16) * (_SHADES - 1) + 127) // 255
    quads = shades.astype(np.uint8).reshape(-1, 4)
    packed = quads[:, 0] << 6 | quads[:, 1] << 4 | quads[:, 2] << 2 | quads[:, 3]
    filters = [{"id": lzma.FILTER_LZMA2, "preset": 9 | lzma.PRESET_EXTREME, "lc": 0, "pb": 0}]
    return lzma.compress(packed.astype(np.uint8).tobytes(), filters=filters)


def draw_line(text: str) -> Letters:
    """``text`` as one line, :data:`EM` pixels high: 0 where nothing is, 255 on the letters."""
    widths = [_place(character)[1] for character in text]
    line = np.zeros((EM, max(1, sum(widths))), np.uint8)
    x = 0
    for character, width in zip(text, widths, strict=True):
        if character != "\N{IDEOGRAPHIC SPACE}":
            line[:, x : x + width] = _glyph(character)
        x += width
    return line


def _order() -> list[str]:
    return [chr(code) for first, last, _ in RANGES for code in range(first, last + 1)]


@functools.cache
def _packed() -> Letters:
    return np.frombuffer(lzma.decompress(FILE.read_bytes()), np.uint8)


def _place(character: str) -> tuple[int, int]:
    """Where the glyph begins, in bytes, and how wide it is, in pixels."""
    code = ord(character)
    if character == "\N{IDEOGRAPHIC SPACE}":
        return 0, EM
    offset = 0
    for first, last, width in RANGES:
        size = EM * width // 4
        if first <= code <= last:
            return offset + (code - first) * size, width
        offset += (last - first + 1) * size
    return _place(_MISSING)


@functools.lru_cache(maxsize=4096)
def _glyph(character: str) -> Letters:
    offset, width = _place(character)
    packed = _packed()[offset : offset + EM * width // 4]
    shades: Any = np.stack([packed >> 6, packed >> 4 & 3, packed >> 2 & 3, packed & 3], axis=1)
    glyph: Letters = (shades.reshape(EM, width) * (255 // (_SHADES - 1))).astype(np.uint8)
    return glyph
