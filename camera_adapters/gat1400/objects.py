"""What a checkpoint tells of: vehicles, people, pictures, clips (GA/T 1400.3).

Of a person only what may be looked for is kept: what they wear and carry, where and when. Names,
documents, nationality, marks of the body and every judgement that the standard has fields for are
not read, and neither is anything of a face. Attributes keep the standard's codes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from camera_adapters.gat1400.codes import FACE_PICTURES, color_code, vehicle_type
from camera_adapters.gat1400.fields import (
    DocumentError,
    named,
    read,
    read_text,
    write,
    write_moment,
)
from camera_adapters.gat1400.pictures import Picture, PictureError, read_picture

SightingKind = Literal["vehicle", "non_motor", "person", "image", "clip"]

OBJECTS_LIMIT = 200
PICTURES_LIMIT = 8
_PICTURES_LISTED = 32


@dataclass(frozen=True, slots=True)
class MotorVehicle:
    """A vehicle's pass (GA/T 1400.3 MotorVehicleObject)."""

    id: str = named("MotorVehicleID", limit=64, required=True)
    device_id: str | None = named("DeviceID", limit=40)
    tollgate_id: str | None = named("TollgateID", limit=40)
    info_kind: int | None = named("InfoKind", "whole", 9)
    source_id: str | None = named("SourceID", limit=64)
    passed_us: int | None = named("PassTime", "moment")
    marked_us: int | None = named("MarkTime", "moment")
    appeared_us: int | None = named("AppearTime", "moment")
    disappeared_us: int | None = named("DisappearTime", "moment")
    lane: int | None = named("LaneNo", "whole", 999)
    direction: str | None = named("Direction", limit=2)
    speed_kmh: float | None = named("Speed", "real", 400)
    road: str | None = named("NameOfPassedRoad", limit=64)
    has_plate: bool | None = named("HasPlate", "flag")
    plate: str | None = named("PlateNo", limit=15)
    plate_class: str | None = named("PlateClass", limit=4)
    plate_color: str | None = named("PlateColor", limit=2)
    plate_covered: bool | None = named("IsCovered", "flag")
    plate_altered: bool | None = named("IsAltered", "flag")
    plate_doubled: bool | None = named("IsDecked", "flag")
    vehicle_class: str | None = named("VehicleClass", limit=4)
    vehicle_color: str | None = named("VehicleColor", limit=2)
    brand: str | None = named("VehicleBrand", limit=32)
    model: str | None = named("VehicleModel", limit=32)
    styles: str | None = named("VehicleStyles", limit=16)
    length_mm: int | None = named("VehicleLength", "whole", 100_000)


@dataclass(frozen=True, slots=True)
class NonMotorVehicle:
    """A bicycle, tricycle, electric scooter (GA/T 1400.3 NonMotorVehicleObject)."""

    id: str = named("NonMotorVehicleID", limit=64, required=True)
    device_id: str | None = named("DeviceID", limit=40)
    tollgate_id: str | None = named("TollgateID", limit=40)
    info_kind: int | None = named("InfoKind", "whole", 9)
    source_id: str | None = named("SourceID", limit=64)
    marked_us: int | None = named("MarkTime", "moment")
    appeared_us: int | None = named("AppearTime", "moment")
    disappeared_us: int | None = named("DisappearTime", "moment")
    lane: int | None = named("LaneNo", "whole", 999)
    direction: str | None = named("Direction", limit=2)
    speed_kmh: float | None = named("Speed", "real", 400)
    has_plate: bool | None = named("HasPlate", "flag")
    plate: str | None = named("PlateNo", limit=15)
    plate_class: str | None = named("PlateClass", limit=4)
    plate_color: str | None = named("PlateColor", limit=2)
    vehicle_color: str | None = named("VehicleColor", limit=2)
    brand: str | None = named("VehicleBrand", limit=32)
    vehicle_class: str | None = named("VehicleType", limit=32)


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody on foot, by their clothes (GA/T 1400.3 PersonObject)."""

    id: str = named("PersonID", limit=64, required=True)
    device_id: str | None = named("DeviceID", limit=40)
    tollgate_id: str | None = named("TollgateID", limit=40)
    info_kind: int | None = named("InfoKind", "whole", 9)
    source_id: str | None = named("SourceID", limit=64)
    marked_us: int | None = named("LocationMarkTime", "moment")
    appeared_us: int | None = named("PersonAppearTime", "moment")
    disappeared_us: int | None = named("PersonDisAppearTime", "moment")
    accompanied_by: int | None = named("AccompanyNumber", "whole", 999)
    coat_color: str | None = named("CoatColor", limit=2)
    coat_style: str | None = named("CoatStyle", limit=4)
    coat_length: str | None = named("CoatLength", limit=4)
    trousers_color: str | None = named("TrousersColor", limit=2)
    trousers_style: str | None = named("TrousersStyle", limit=4)
    trousers_length: str | None = named("TrousersLen", limit=4)
    shoes_color: str | None = named("ShoesColor", limit=2)
    shoes_style: str | None = named("ShoesStyle", limit=4)
    cap_color: str | None = named("CapColor", limit=2)
    cap_style: str | None = named("CapStyle", limit=4)
    bag_color: str | None = named("BagColor", limit=2)
    bag_style: str | None = named("BagStyle", limit=4)
    umbrella_color: str | None = named("UmbrellaColor", limit=2)


@dataclass(frozen=True, slots=True)
class Image:
    """A picture that stands for itself (GA/T 1400.3 ImageInfoObject)."""

    id: str = named("ImageID", limit=64, required=True)
    device_id: str | None = named("DeviceID", limit=40)
    info_kind: int | None = named("InfoKind", "whole", 9)
    shot_us: int | None = named("ShotTime", "moment")
    title: str | None = named("Title", limit=128)
    event_sort: int | None = named("EventSort", "whole", 99)


@dataclass(frozen=True, slots=True)
class VideoSlice:
    """A reference to a clip that the other side keeps (GA/T 1400.3 VideoSliceInfoObject)."""

    id: str = named("VideoID", limit=64, required=True)
    device_id: str | None = named("DeviceID", limit=40)
    info_kind: int | None = named("InfoKind", "whole", 9)
    begins_us: int | None = named("BeginTime", "moment")
    ends_us: int | None = named("EndTime", "moment")
    storage_path: str | None = named("StoragePath", limit=256)
    title: str | None = named("Title", limit=128)
    file_format: str | None = named("FileFormat", limit=16)


Described = MotorVehicle | NonMotorVehicle | Person | Image | VideoSlice


@dataclass(frozen=True, slots=True)
class Interface:
    """How one kind travels: the resource of GA/T 1400.4 and the names of its envelope."""

    kind: SightingKind
    resource: str
    outer: str
    inner: str
    notified: str  # the list's name within a notification
    document: type[Described]
    info: str | None = None  # where the fields are one object further in


INTERFACES: tuple[Interface, ...] = (
    Interface(
        "vehicle", "MotorVehicles", "MotorVehicleListObject", "MotorVehicleObject",
        "MotorVehicleObjectList", MotorVehicle,
    ),
    Interface(
        "non_motor", "NonMotorVehicles", "NonMotorVehicleListObject", "NonMotorVehicleObject",
        "NonMotorVehicleObjectList", NonMotorVehicle,
    ),
    Interface(
        "person", "Persons", "PersonListObject", "PersonObject", "PersonObjectList", Person
    ),
    Interface("image", "Images", "ImageListObject", "Image", "ImageObjectList", Image, "ImageInfo"),
    Interface(
        "clip", "VideoSlices", "VideoSliceListObject", "VideoSlice", "VideoSliceObjectList",
        VideoSlice, "VideoSliceInfo",
    ),
)  # fmt: skip
BY_RESOURCE = {one.resource: one for one in INTERFACES}
BY_KIND = {one.kind: one for one in INTERFACES}


@dataclass(frozen=True, slots=True)
class Sighting:
    """One of them with its pictures. ``left_out``: what was not taken of it, and why."""

    kind: SightingKind
    described: Described
    pictures: tuple[Picture, ...] = ()
    left_out: tuple[str, ...] = field(default=(), compare=False)

    @property
    def id(self) -> str:
        """Its own, by which it is told twice."""
        return self.described.id

    @property
    def place_code(self) -> str | None:
        """The device that saw it, else the checkpoint."""
        return self.described.device_id or getattr(self.described, "tollgate_id", None)

    @property
    def at_us(self) -> int | None:
        """When, by the device's clock."""
        for name in ("passed_us", "marked_us", "appeared_us", "shot_us", "begins_us"):
            at_us: int | None = getattr(self.described, name, None)
            if at_us is not None:
                return at_us
        return None

    @property
    def plate(self) -> str | None:
        """The plate as searches compare it: upper case, without spaces and dots."""
        plate = getattr(self.described, "plate", None)
        if plate is None or getattr(self.described, "has_plate", None) is False:
            return None
        return clean_plate(plate)

    @property
    def plate_color(self) -> int | None:
        """ColorType of the plate."""
        return color_code(getattr(self.described, "plate_color", None))

    @property
    def color(self) -> int | None:
        """ColorType of the vehicle, or of a person's coat."""
        one = self.described
        return color_code(
            one.coat_color if isinstance(one, Person) else getattr(one, "vehicle_color", None)
        )

    @property
    def lower_color(self) -> int | None:
        """ColorType of a person's trousers."""
        one = self.described
        return color_code(one.trousers_color) if isinstance(one, Person) else None

    @property
    def vehicle_type(self) -> str | None:
        """A word of :data:`~camera_adapters.gat1400.codes.VEHICLE_TYPES`."""
        one = self.described
        return vehicle_type(one.vehicle_class) if isinstance(one, MotorVehicle) else None


# Words that devices write where they read no plate.
_NO_PLATE = frozenset(
    {"无车牌", "未识别", "车牌", "无牌", "无牌车", "UNKNOWN", "NULL", "NONE", "00000000"}
)


def clean_plate(plate: str) -> str | None:
    """Upper case, without what stands between the characters; None for words that mean none."""
    cleaned = "".join(mark for mark in plate.upper() if mark.isalnum())
    return None if not cleaned or cleaned in _NO_PLATE or len(cleaned) > 15 else cleaned


def read_sighting(
    interface: Interface, document: object, path: str, *, utc_offset_minutes: int
) -> Sighting:
    """One object of a request, with its pictures. Raises DocumentError; a picture that cannot be
    taken is left out, and named.
    """
    if not isinstance(document, Mapping):
        raise DocumentError(path, "an object is expected")
    inner = document.get(interface.info) if interface.info is not None else None
    facts = inner if isinstance(inner, Mapping) else document
    described = read(interface.document, facts, path, utc_offset_minutes=utc_offset_minutes)
    if interface.kind == "clip":
        taken: list[Picture] = []
        left_out = ["Data: clips are kept as references"] if document.get("Data") else []
    else:
        taken, left_out = _pictures(document, facts)
    if interface.kind == "image" and not taken:
        raise DocumentError(f"{path}.Data", left_out[0] if left_out else "missing")
    return Sighting(interface.kind, described, tuple(taken), tuple(left_out))


def write_sighting(
    interface: Interface, sighting: Sighting, encoded: Mapping[int, str], *, utc_offset_minutes: int
) -> dict[str, Any]:
    """The object of a request; ``encoded`` holds Base64 of those pictures that may be given."""
    document = write(sighting.described, utc_offset_minutes=utc_offset_minutes)
    at_us = sighting.at_us
    shot = "" if at_us is None else write_moment(at_us, utc_offset_minutes)
    images = [
        {
            "ImageID": f"{sighting.id[:41]}{number:02d}",
            "EventSort": 1,
            "DeviceID": sighting.described.device_id or "",
            "StoragePath": "",
            "Type": picture.code,
            "FileFormat": "Jpeg",
            "ShotTime": shot,
            "Width": picture.width,
            "Height": picture.height,
            "Data": encoded[number],
        }
        for number, picture in enumerate(sighting.pictures)
        if number in encoded
    ]
    if interface.info is not None:
        whole: dict[str, Any] = {interface.info: document}
        if images and interface.kind == "image":
            whole["Data"] = images[0]["Data"]
        return whole
    if images:
        document["SubImageList"] = {"SubImageInfoObject": images}
    return document


def _pictures(
    document: Mapping[str, Any], facts: Mapping[str, Any]
) -> tuple[list[Picture], list[str]]:
    taken: list[Picture] = []
    left_out: list[str] = []
    for number, held in enumerate(_sub_images(document, facts)):
        code = read_text(held.get("Type"), 3) or "100"
        code = code.rjust(2, "0")
        encoded = held.get("Data")
        if not isinstance(encoded, str) or not encoded:
            continue
        if code in FACE_PICTURES:
            left_out.append(f"picture {number}: faces are not taken")
        elif len(taken) == PICTURES_LIMIT:
            left_out.append(f"picture {number}: more than {PICTURES_LIMIT}")
        else:
            try:
                taken.append(read_picture(code, encoded))
            except PictureError as error:
                left_out.append(f"picture {number}: {error}")
    return taken, left_out


def _sub_images(document: Mapping[str, Any], facts: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    held = facts.get("SubImageList")
    found = held.get("SubImageInfoObject") if isinstance(held, Mapping) else held
    if isinstance(found, Mapping):
        found = [found]
    if not isinstance(found, list):
        # An Image has its one picture beside its description.
        found = [{"Data": document.get("Data"), "Type": facts.get("Type")}]
    return [one for one in found[:_PICTURES_LISTED] if isinstance(one, Mapping)]
