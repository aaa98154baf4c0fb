"""Which pieces of an upload are there, and what becomes of one more. Pure.

As in tus 1.0: pieces come one after the other, and a telephone that has lost its way asks where to
go on. A piece that comes again is the same piece.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

PIECE_BYTES_LIMIT = 8 * 1024 * 1024

Verdict = Literal[
    "new",  # it goes on where the others end
    "known",  # it is there already
    "elsewhere",  # there is a hole before it, or it differs from what is there
    "beyond",  # it goes on behind the end
]


@dataclass(frozen=True, slots=True)
class Piece:
    """Bytes [``start``, ``start + size``) of the file."""

    start: int
    size: int
    sha256: str

    @property
    def end(self) -> int:
        """Behind its last byte."""
        return self.start + self.size


def next_offset(pieces: Sequence[Piece]) -> int:
    """Where the file goes on; pieces have no holes between them."""
    return max((one.end for one in pieces), default=0)


def judge(pieces: Sequence[Piece], size_bytes: int, piece: Piece) -> Verdict:
    """What becomes of this one, of a file of ``size_bytes``."""
    if piece.size <= 0 or piece.end > size_bytes:
        return "beyond"
    if piece in pieces:
        return "known"
    return "new" if piece.start == next_offset(pieces) else "elsewhere"
