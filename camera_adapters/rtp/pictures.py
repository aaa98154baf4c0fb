"""From NAL units to pictures: what the depacketisers of H.264 and H.265 share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from camera_adapters.codecs.nal import split_annex_b

# A NAL unit in pieces, as its fragments came; the first piece begins with the NAL unit header.
NalPieces = list[bytes]


@dataclass(slots=True)
class Picture:
    """One coded picture, as :class:`~camera_adapters.stream.AccessUnit` wants its payload.

    ``parameter_sets`` came with it, in order. ``damaged``: a part is missing, it must not be shown.
    ``continues``: its first slice is not a picture's first, so that it belongs to the one before.
    ``order`` counts the pictures of one timestamp.
    """

    payload: bytes
    keyframe: bool
    parameter_sets: list[bytes]
    damaged: bool
    continues: bool = False
    order: int = 0


@dataclass(slots=True)
class NalCollector:
    """Gathers whole NAL units out of payloads; ``torn`` when a fragment was missing."""

    units: list[NalPieces] = field(default_factory=list)
    torn: bool = False
    malformed: int = 0
    _open: NalPieces | None = None

    def start_fragmented(self, header: bytes, piece: bytes) -> None:
        """The first fragment."""
        if self._open is not None:
            self.torn = True
        self._open = [header, piece]

    def continue_fragmented(self, piece: bytes) -> None:
        """A fragment in the middle."""
        if self._open is None:
            self.torn = True
        else:
            self._open.append(piece)

    def end_fragmented(self, piece: bytes) -> None:
        """The last fragment."""
        if self._open is None:
            self.torn = True
            return
        self._open.append(piece)
        self.units.append(self._open)
        self._open = None

    def finish(self) -> None:
        """No more payloads."""
        if self._open is not None:
            self.torn = True
            self._open = None


def with_embedded_split(
    units: list[NalPieces], holds_embedded: Callable[[int], bool]
) -> list[NalPieces]:
    """Take apart what some cameras send as one NAL unit: several with start codes between.

    Only units whose first byte passes ``holds_embedded`` (parameter sets, nonsense) are searched:
    slices are too long to search each.
    """
    if not any(holds_embedded(unit[0][0]) for unit in units):
        return units
    result: list[NalPieces] = []
    for unit in units:
        if holds_embedded(unit[0][0]):
            whole = b"".join(unit)
            if b"\x00\x00\x01" in whole:
                result += [[part] for part in split_annex_b(b"\x00\x00\x01" + whole)]
                continue
        result.append(unit)
    return result


def join_units(units: list[NalPieces]) -> bytes:
    """The payload: each unit behind its length."""
    pieces: list[bytes] = []
    for unit in units:
        pieces.append(sum(map(len, unit)).to_bytes(4, "big"))
        pieces += unit
    return b"".join(pieces)
