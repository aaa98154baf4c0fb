"""Hits: passages, and what checkpoints told of, as one person may see them.

An object mostly beneath a mask is not told at all to who may not lift it there: it is no hit. Nor
is a plate that lies beneath one, of a vehicle that is to be seen.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from camera_adapters.gat1400.codes import COLORS, DIRECTIONS
from gateway.api.search_scope import SearchCamera, names_of_areas
from gateway.audit import ReasonGiven
from gateway.identifiers import now_us
from gateway.mask_cover import MOSTLY, beside_masks, covered_shares, is_hidden
from gateway.masks import MaskVersion, Polygons, covering, mask_histories
from gateway.people.authorize import Place, Principal, authorize
from gateway.people.roles import Right
from gateway.sightings.looks import LookSigner
from gateway.sightings.places import SightingPlace
from search.index.messages import StoredPassage
from search.passages import ColorFound, Direction, Judged, PathPoint, SpeedClass

_CLASS_OF_KIND = {"person": "person", "non_motor": "motorcycle", "vehicle": "car"}
# GA/T 1400 tells types of vehicles; each is one of our classes.
CLASS_OF_TYPE = {
    "car": "car", "suv": "car", "van": "van", "bus": "bus", "truck": "truck", "tractor": "truck",
    "trailer": "truck", "motorcycle": "motorcycle", "three_wheeler": "tricycle",
    "machinery": "farm_vehicle", "farm_tractor": "farm_vehicle",
}  # fmt: skip
_NOTHING_KNOWN: dict[str, Any] = {
    "color": None, "upper_color": None, "lower_color": None, "vehicle_type": None, "plate": None,
    "plate_color": None, "rider": None,
}  # fmt: skip


@dataclass(slots=True)
class Eyes:
    """Through which hits are seen: whose, with which reason; remembers what it has read."""

    caller: Principal
    signer: LookSigner
    reason: ReasonGiven
    at_us: int = field(default_factory=now_us)
    # Of the look by which they see it; None: on record now, and good for an hour.
    until_us: int | None = None
    _versions: dict[str, list[MaskVersion]] = field(default_factory=dict)
    _areas: dict[str, list[str]] = field(default_factory=dict)

    def may_lift_masks(self, place: Place) -> bool:
        """At a place where they may search."""
        return authorize(self.caller, Right.SEARCH, place, self.at_us).may_lift_masks

    async def read(self, connection: AsyncConnection, cameras: Collection[SearchCamera]) -> None:
        """What :meth:`masks` and :meth:`areas` will need of these cameras."""
        unread = [one for one in cameras if one.area_path not in self._areas]
        if unread:
            self._areas |= await names_of_areas(connection, unread)
        masked = [
            one.id
            for one in cameras
            if one.id not in self._versions and not self.may_lift_masks(one)
        ]
        if masked:
            self._versions |= await mask_histories(connection, masked)

    def masks(self, camera_id: str | None, first_us: int, last_us: int) -> Polygons:
        """What covers that time for them; read before."""
        return covering(self._versions.get(camera_id or "", ()), first_us, last_us + 1)

    def area_names(self, path: str) -> list[str]:
        """From the root down; read before."""
        return self._areas.get(path, [])

    def crop_url(self, passage_id: int) -> str:
        """Good for an hour, for this passage alone and for who searched."""
        about = {"passage": passage_id}
        look = self.signer.sign(self.caller.user_id, self.reason, about, self.until_us)
        return f"/api/search/passages/{passage_id}/crop?look={look}"


def hides(eyes: Eyes, passage: StoredPassage) -> bool:
    """Whether they may not hear of it."""
    masks = eyes.masks(passage.camera_id, passage.first_us, passage.last_us)
    return is_hidden(passage.box, [_edges(point) for point in passage.path], masks)


def as_told(eyes: Eyes, passage: StoredPassage) -> StoredPassage:
    """The passage with what they may know of it; the very same where that is all."""
    masks = eyes.masks(passage.camera_id, passage.first_us, passage.last_us)
    return beside_masks(passage, masks)


def passage_hit(
    eyes: Eyes,
    passage: StoredPassage,
    camera: SearchCamera,
    why: Sequence[str] = (),
    likeness: float | None = None,
) -> dict[str, Any]:
    """``Hit`` of docs/http-api.md, of one that is not hidden."""
    passage = as_told(eyes, passage)
    found = passage.attributes
    playback = authorize(eyes.caller, Right.PLAYBACK, camera, eyes.at_us).allowed
    live = authorize(eyes.caller, Right.LIVE, camera, eyes.at_us).allowed
    return {
        "id": str(passage.id),
        "source": "passage",
        "camera_id": camera.id,
        "camera_name": camera.name,
        "area_path": eyes.area_names(camera.area_path),
        "position": camera.position,
        "first_us": passage.first_us,
        "last_us": passage.last_us,
        "best_us": passage.best_us,
        "class": str(passage.object_class),
        "possible_classes": [str(one) for one in passage.possible_classes],
        "confidence": passage.confidence,
        "box": list(passage.box),
        "crop_url": None if passage.crop is None else eyes.crop_url(passage.id),
        "withheld": "none" if passage.crop is None else None,
        "path": _path(eyes, passage),
        "direction": Direction(passage.direction).name.lower(),
        "speed": SpeedClass(passage.speed).name.lower(),
        "attributes": {
            "color": _color(found.color),
            "upper_color": _color(found.upper_color),
            "lower_color": _color(found.lower_color),
            "vehicle_type": _judged(found.vehicle_type),
            "plate": _judged(found.plate),
            "plate_color": _color(found.plate_color),
            "rider": _judged(found.rider),
        },
        "monochrome": passage.monochrome,
        "possible": bool(why),
        "possible_why": list(why),
        "likeness": likeness,
        "playback": playback,
        "live": live and camera.deleted_us is None,
    }


def sighting_hit(
    eyes: Eyes,
    row: sa.Row[Any],
    place: SightingPlace,
    camera: SearchCamera | None,
    why: Sequence[str] = (),
) -> dict[str, Any]:
    """The same of what a checkpoint told of. Nobody knows what its pictures show of the whole:
    those of a masked camera are withheld.
    """
    known = dict(_NOTHING_KNOWN)
    if row.kind == "person":
        known["upper_color"] = _told_color(row.color)
        known["lower_color"] = _told_color(row.lower_color)
    else:
        known["color"] = _told_color(row.color)
    if row.vehicle_type:
        known["vehicle_type"] = {"value": row.vehicle_type, "confidence": 1.0}
    if row.plate:
        known["plate"] = {"value": row.plate, "confidence": 1.0}
    known["plate_color"] = _told_color(row.plate_color)
    masked = bool(eyes.masks(place.camera_id, row.at_us, row.at_us))
    url = None
    if row.pictures and not masked:
        look = eyes.signer.sign(eyes.caller.user_id, eyes.reason, {"sighting": row.id})
        url = f"/api/sightings/{row.id}/pictures/0?look={look}"
    direction = row.facts.get("direction")
    spot = place.as_place()
    return {
        "id": f"s{row.id}",
        "source": "sighting",
        "camera_id": place.camera_id,
        "camera_name": place.name,
        "area_path": eyes.area_names(place.area_path),
        "position": None if camera is None else camera.position,
        "first_us": row.at_us,
        "last_us": row.at_us,
        "best_us": row.at_us,
        "class": sighting_class(row),
        "possible_classes": [],
        "confidence": None,
        "box": None,
        "crop_url": url,
        "withheld": None if url else ("masked" if masked and row.pictures else "none"),
        "path": [],
        "direction": None if direction is None else DIRECTIONS.get(direction, "other"),
        "speed": None,
        "attributes": known,
        "monochrome": False,
        "possible": bool(why),
        "possible_why": list(why),
        "likeness": None,
        "playback": camera is not None
        and authorize(eyes.caller, Right.PLAYBACK, spot, eyes.at_us).allowed,
        "live": camera is not None
        and camera.deleted_us is None
        and authorize(eyes.caller, Right.LIVE, spot, eyes.at_us).allowed,
    }


def sighting_class(row: sa.Row[Any]) -> str:
    """Which of our classes it is told to be."""
    if row.kind == "vehicle" and row.vehicle_type in CLASS_OF_TYPE:
        return CLASS_OF_TYPE[row.vehicle_type]
    return _CLASS_OF_KIND.get(row.kind, "car")


def _path(eyes: Eyes, passage: StoredPassage) -> list[dict[str, Any]]:
    """Its way, as far as it was not beneath a mask."""
    masks = eyes.masks(passage.camera_id, passage.first_us, passage.last_us)
    boxes = [_edges(point) for point in passage.path]
    covered: Iterable[float] = covered_shares(boxes, masks)
    return [
        {"after_ms": point.after_ms, "box": [min(1.0, max(0.0, one)) for one in box]}
        for point, box, share in zip(passage.path, boxes, covered, strict=True)
        if share <= MOSTLY
    ]


def _edges(point: PathPoint) -> tuple[float, float, float, float]:
    return point.left, point.top, point.right, point.bottom


def _color(found: ColorFound | None) -> dict[str, Any] | None:
    if found is None:
        return None
    return {
        "value": found.color.name.lower(),
        "confidence": found.confidence,
        "second": None if found.second is None else found.second.name.lower(),
    }


def _judged(found: Judged | None) -> dict[str, Any] | None:
    return None if found is None else {"value": found.value, "confidence": found.confidence}


def _told_color(code: int | None) -> dict[str, Any] | None:
    name = None if code is None else COLORS.get(code)
    return None if name is None else {"value": name, "confidence": 1.0, "second": None}
