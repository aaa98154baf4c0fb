"""Makes ``glyphs.bin``, the letters of :mod:`gateway.transcoder.glyphs`, from a Noto font.

Run once, by hand, where ffmpeg and the font are installed (Debian: ffmpeg, fonts-noto-cjk):
``python -m gateway.transcoder.make_glyphs``. The font's licence is the SIL Open Font License 1.1,
and what is made of it stays under it (NOTICE).
"""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path

import numpy as np

from gateway.transcoder.glyphs import EM, FILE, RANGES, Letters, pack_glyphs

_FONT = "Noto Sans Mono CJK SC"
_COLUMNS, _ROWS = 64, 64
_BASELINE = 20


def _sheet(characters: str, folder: Path) -> Letters:
    """The characters, each in a square of :data:`EM` pixels, its half for narrow ones."""
    filters = []
    for row in range(0, len(characters), _COLUMNS):
        text = folder / f"{row}.txt"
        text.write_text(characters[row : row + _COLUMNS], "utf-8")
        filters.append(
            f"drawtext=font='{_FONT}':fontsize={EM}:fontcolor=white:expansion=none:x=0"
            f":y={row // _COLUMNS * EM + _BASELINE}-ascent:textfile={text}"
        )
    command = ["ffmpeg", "-v", "error", "-f", "lavfi"]
    command += ["-i", f"color=black:s={_COLUMNS * EM}x{_ROWS * EM}", "-vf", ",".join(filters)]
    command += ["-frames:v", "1", "-pix_fmt", "gray", "-f", "rawvideo", "-"]
    raw = subprocess.run(command, check=True, capture_output=True).stdout
    return np.frombuffer(raw, np.uint8).reshape(_ROWS * EM, _COLUMNS * EM)


def make() -> bytes:
    """The contents of the file."""
    found: dict[str, Letters] = {}
    for first, last, width in RANGES:
        every = [chr(code) for code in range(first, last + 1)]
        for start in range(0, len(every), _COLUMNS * _ROWS):
            part = every[start : start + _COLUMNS * _ROWS]
            with tempfile.TemporaryDirectory() as folder:
                sheet = _sheet("".join(part), Path(folder))
            for number, character in enumerate(part):
                y, x = number // _COLUMNS * EM, number % _COLUMNS * width
                found[character] = sheet[y : y + EM, x : x + width]
    return pack_glyphs(found)


if __name__ == "__main__":
    FILE.write_bytes(make())
    print(f"{FILE.name}: {FILE.stat().st_size} bytes")
