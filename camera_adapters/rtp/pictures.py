"""From NAL units to pictures: what the depacketisers of H.264 and H.265 share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from camera_adapters.codecs.nal import split_annex_b

_WAITING_LIMIT = 16

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


@dataclass(frozen=True, slots=True)
class NalRules:
    """What one codec says of NAL units: by the type of a unit, by its pieces, or by a payload.

    ``may_hold_embedded``: units of this type are searched for start codes inside.
    """

    kind_of: Callable[[int], int]
    slices: frozenset[int]
    parameter_sets: frozenset[int]
    supplements: frozenset[int]
    may_hold_embedded: frozenset[int]
    is_first_slice: Callable[[NalPieces], bool]
    is_keyframe: Callable[[list[NalPieces], list[bytes]], bool]
    is_of_keyframe: Callable[[bytes], bool]


class PictureDivider:
    """Divides the NAL units of one timestamp into pictures.

    What comes without a slice (some cameras give parameter sets and SEI a marker bit or a timestamp
    of their own) waits for the next picture. ``splits``: several first slices are several pictures;
    false for interlaced streams, whose two fields make one.
    """

    __slots__ = ("_rules", "before", "splits")

    def __init__(self, rules: NalRules) -> None:
        self.splits = True
        self.before: list[NalPieces] = []
        self._rules = rules

    def pictures(
        self, collector: NalCollector, payloads: list[bytes], *, hole: bool, after_gap: bool
    ) -> list[Picture]:
        """The pictures of the collected units; none while no slice has come.

        All are damaged when there is a ``hole``; the first is when a gap in front of it swallowed
        its first slice.
        """
        rules = self._rules
        damaged = hole or collector.torn
        divided = self._divide(_with_embedded_split(collector.units, rules))
        if not divided:
            return [Picture(b"", self._saw_keyframe(payloads), [], True)] if damaged else []
        pictures = [_build(rules, units, order) for order, units in enumerate(divided)]
        for picture in pictures:
            if damaged or (after_gap and picture.order == 0 and picture.continues):
                picture.damaged = True
                picture.keyframe = picture.keyframe or self._saw_keyframe(payloads)
        return pictures

    def _divide(self, units: list[NalPieces]) -> list[list[NalPieces]]:
        rules = self._rules
        divided: list[list[NalPieces]] = []
        current: list[NalPieces] = []
        waiting = self.before
        for unit in units:
            kind = rules.kind_of(unit[0][0])
            if kind in rules.slices:
                # What stands between two pictures' slices belongs to the second.
                if current and self.splits and rules.is_first_slice(unit):
                    divided.append(current)
                    current = []
                current += waiting
                current.append(unit)
                waiting = []
            elif kind in rules.parameter_sets or kind in rules.supplements:
                waiting.append(unit)
        if current:
            divided.append(current + waiting)
            waiting = []
        self.before = waiting[-_WAITING_LIMIT:]
        return divided

    def _saw_keyframe(self, payloads: list[bytes]) -> bool:
        return any(map(self._rules.is_of_keyframe, payloads))


def _build(rules: NalRules, units: list[NalPieces], order: int) -> Picture:
    parameter_sets: list[bytes] = []
    kept: list[NalPieces] = []
    first_slice: NalPieces | None = None
    for unit in units:
        kind = rules.kind_of(unit[0][0])
        if kind in rules.parameter_sets:
            parameter_sets.append(b"".join(unit))
            continue
        kept.append(unit)
        if first_slice is None and kind in rules.slices:
            first_slice = unit
    assert first_slice is not None
    return Picture(
        _join_units(kept),
        rules.is_keyframe(kept, parameter_sets),
        parameter_sets,
        False,
        continues=not rules.is_first_slice(first_slice),
        order=order,
    )


def _with_embedded_split(units: list[NalPieces], rules: NalRules) -> list[NalPieces]:
    """Take apart what some cameras send as one NAL unit: several with start codes between.

    Slices are not searched: they are too long to search each.
    """
    result: list[NalPieces] = []
    for unit in units:
        if rules.kind_of(unit[0][0]) in rules.may_hold_embedded:
            whole = b"".join(unit)
            if b"\x00\x00\x01" in whole:
                result += [[part] for part in split_annex_b(b"\x00\x00\x01" + whole)]
                continue
        result.append(unit)
    return result


def _join_units(units: list[NalPieces]) -> bytes:
    """The payload: each unit behind its length."""
    pieces: list[bytes] = []
    for unit in units:
        pieces.append(sum(map(len, unit)).to_bytes(4, "big"))
        pieces += unit
    return b"".join(pieces)
