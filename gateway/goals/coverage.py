"""Which villages are covered, and how many cameras work: counting, without any I/O."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

_DIVISION_DIGITS = 12


@dataclass(frozen=True, slots=True)
class AreaSeen:
    """An area of the county's own tree."""

    id: str
    path: str
    code: str | None


@dataclass(frozen=True, slots=True)
class CameraSeen:
    """A camera that is in use; ``state`` None: nobody has asked it for pictures."""

    area_path: str
    to_record: bool
    state: str | None
    recording: bool


@dataclass(frozen=True, slots=True)
class CameraCounts:
    """``idle``: in order as far as anybody knows; counted neither as on line nor as away."""

    total: int
    live: int
    away: int
    idle: int
    to_record: int
    recording: int


def villages(areas: Iterable[AreaSeen]) -> set[str]:
    """The ids of villages: by their division's code, and where there are no codes, the lowest
    areas, as long as they are no part of a village.
    """
    known = list(areas)
    above = {part for one in known for part in one.path.split("/")[:-2]}
    coded = {one.id for one in known if one.code is not None and _is_village(one.code)}
    lowest = {
        one.id
        for one in known
        if one.code is None and one.id not in above and not coded.intersection(one.path.split("/"))
    }
    return coded | lowest


def _is_village(code: str) -> bool:
    return len(code) == _DIVISION_DIGITS and not code.endswith("000")


def covered(village_ids: set[str], cameras: Iterable[CameraSeen]) -> set[str]:
    """Those of them in which at least one camera gives a picture."""
    found: set[str] = set()
    for camera in cameras:
        if camera.state == "live":
            found.update(village_ids.intersection(camera.area_path.split("/")))
    return found


def count_cameras(cameras: Iterable[CameraSeen]) -> CameraCounts:
    """How they are."""
    known = list(cameras)
    live = sum(one.state == "live" for one in known)
    idle = sum(one.state in (None, "idle") for one in known)
    return CameraCounts(
        total=len(known),
        live=live,
        idle=idle,
        away=len(known) - live - idle,
        to_record=sum(one.to_record for one in known),
        recording=sum(one.to_record and one.recording for one in known),
    )
