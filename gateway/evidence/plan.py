"""Which files a package will have: pieces of one format and half an hour at most, camera by camera.

The plan depends on nothing but the footage and the order. So a job that was killed plans the same
again, and what was finished before fits in.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from camera_adapters.stream import Codec, Track
from gateway.evidence.order import Order
from gateway.footage.download import format_of
from gateway.footage.playback_index import Range, fragments_in
from gateway.footage.reader import FootageReader, Located
from gateway.footage.sound import needs_conversion
from gateway.masks import Polygons

# 30 minutes at 16 Mbit/s fit on a stick with a FAT file system, and little is lost by a kill.
PIECE_US = 30 * 60 * 1_000_000

FileKind = Literal["original", "viewing"]


@dataclass(frozen=True, slots=True)
class PlannedFile:
    """One file to be made. ``transcode``: its pictures are encoded anew, with ``masks``."""

    path: str
    kind: FileKind
    camera_number: int
    camera_id: str
    part: Range
    transcode: bool
    masks: Polygons

    @property
    def weight(self) -> int:
        """How much work a µs of it is: encoding takes some twenty times as long as copying."""
        return 20 if self.transcode else 1


def cut(
    items: Sequence[Located], tracks_of: dict[str, Sequence[Track]], wanted: Range
) -> list[Range]:
    """The ranges of the pieces: cut at each change of format and after each half hour of footage,
    counted from the range's start. Gaps are in no piece, and end none.
    """
    pieces: list[Range] = []
    last: object = None
    for located, fragment in fragments_in(items, wanted):
        start_us = max(wanted.start_us, fragment.start_us)
        end_us = min(wanted.end_us, fragment.start_us + fragment.duration_us)
        if end_us <= start_us:
            continue
        half_hour = (start_us - wanted.start_us) // PIECE_US
        current = (format_of(tracks_of[located.run.id]), half_hour)
        if pieces and current == last:
            pieces[-1] = Range(pieces[-1].start_us, max(pieces[-1].end_us, end_us))
        else:
            pieces.append(Range(start_us, end_us))
            last = current
    return pieces


def files_for(
    order: Order,
    number: int,
    pieces: Sequence[tuple[Range, Sequence[Track]]],
    *,
    masks: Polygons,
    may_lift_masks: bool,
) -> list[PlannedFile]:
    """The files of one camera (``number`` counts from 1), given what covers its picture.

    Who may not lift masks gets no original of a masked camera, but a masked copy, whatever was
    ordered.
    """
    camera = order.cameras[number - 1]
    covered = masks if order.burn_masks or not may_lift_masks else ()
    original = order.original and (may_lift_masks or not masks)
    burnt_in = bool(covered or order.burn_time or order.burn_viewer)
    files = []
    for part, tracks in pieces:
        name = f"camera-{number:02d}_{_file_time(part.start_us, order.utc_offset_minutes)}.mp4"
        transcode = burnt_in or any(track.codec is Codec.H265 for track in tracks)
        plays_anywhere = not transcode and not any(map(needs_conversion, tracks))
        viewing = (
            not original
            or order.viewing == "always"
            or (order.viewing == "auto" and not plays_anywhere)
        )
        if original:
            path = f"original/{name}"
            files.append(PlannedFile(path, "original", number, camera.id, part, False, ()))
        if viewing:
            path = f"viewing/{name}"
            files.append(PlannedFile(path, "viewing", number, camera.id, part, transcode, covered))
    return files


async def find_pieces(
    reader: FootageReader, camera_id: str, wanted: Range
) -> list[tuple[Range, Sequence[Track]]]:
    """The pieces of a camera's footage in the range, with their formats."""
    items = await reader.between(camera_id, "main", wanted.start_us, wanted.end_us)
    tracks_of: dict[str, Sequence[Track]] = {item.run.id: reader.tracks(item.run) for item in items}
    found = []
    for part in cut(items, tracks_of, wanted):
        first, _ = next(fragments_in(items, part))
        found.append((part, tracks_of[first.run.id]))
    return found


def _file_time(at_us: int, utc_offset_minutes: int) -> str:
    local = datetime.fromtimestamp(at_us // 1_000_000 + utc_offset_minutes * 60, UTC)
    return f"{local:%Y%m%d-%H%M%S}"
