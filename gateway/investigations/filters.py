"""What somebody looks for: the filters that a search and a standing search have in common."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from search.objects import ObjectClass

ColorName = Literal[
    "black", "white", "grey", "red", "blue", "yellow", "orange", "brown", "green", "purple",
    "cyan", "pink",
]  # fmt: skip
DirectionName = Literal[
    "stayed", "up", "up_right", "right", "down_right", "down", "down_left", "left", "up_left"
]
SpeedName = Literal["still", "slow", "medium", "fast"]
Source = Literal["passage", "sighting"]
Share = Annotated[float, Field(ge=0.0, le=1.0, allow_inf_nan=False)]
Point = tuple[Share, Share]
Id = Annotated[str, Field(min_length=1, max_length=40)]
Colors = Annotated[list[ColorName], Field(max_length=12)]

CAMERAS_LIMIT = 500
OBJECTS_LIMIT = 64
# Where a standing search may ask for a class and nothing else.
NARROW_CAMERAS = 10


class Form(BaseModel):
    """Nothing that is not known."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)


class PlateForm(Form):
    """``?`` one character, ``*`` any number; ``infix``: anywhere in the plate."""

    pattern: str = Field(min_length=1, max_length=40)
    infix: bool = False
    look_alikes: bool = False


class LineForm(Form):
    """A line across a camera's picture that the object's way crosses."""

    camera_id: Id
    points: tuple[Point, Point]
    how: Literal["forward", "backward"] | None = None


class RegionForm(Form):
    """A part of a camera's picture in which the object was."""

    camera_id: Id
    points: list[Point] = Field(min_length=3, max_length=32)


class Like(Form):
    """What it looks like: exactly one of the ids. ``object``: which of those found in the look or
    photo. ``least``: how alike at least, 1 is the same.
    """

    passage_id: str | None = Field(default=None, pattern=r"^[0-9]{1,19}$")
    look_id: Id | None = None
    photo_id: Id | None = None
    object: int = Field(default=0, ge=0, lt=OBJECTS_LIMIT)
    least: float | None = Field(default=None, ge=0.0, le=1.0, allow_inf_nan=False)

    @model_validator(mode="after")
    def _is_one_thing(self) -> Self:
        given = [one for one in (self.passage_id, self.look_id, self.photo_id) if one is not None]
        if len(given) != 1:
            raise ValueError("name exactly one of passage_id, look_id and photo_id")
        return self


class Filters(Form):
    """Lists are alternatives; what is left out does not matter."""

    area_id: Id | None = None
    camera_ids: list[Id] = Field(default=[], max_length=CAMERAS_LIMIT)
    classes: list[ObjectClass] = Field(default=[], max_length=len(ObjectClass))
    color: Colors = []
    upper_color: Colors = []
    lower_color: Colors = []
    vehicle_type: list[Annotated[str, Field(max_length=40)]] = Field(default=[], max_length=20)
    plate: PlateForm | None = None
    rider: Literal["yes", "no"] | None = None
    direction: list[DirectionName] = Field(default=[], max_length=9)
    speed: list[SpeedName] = Field(default=[], max_length=4)
    zone_id: Id | None = None
    line: LineForm | None = None
    region: RegionForm | None = None
    min_duration_s: float | None = Field(default=None, ge=0, le=86_400, allow_inf_nan=False)
    max_duration_s: float | None = Field(default=None, ge=0, le=86_400, allow_inf_nan=False)
    include_possible: bool = True
    like: Like | None = None

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        shortest, longest = self.min_duration_s, self.max_duration_s
        if shortest is not None and longest is not None and shortest > longest:
            raise ValueError("max_duration_s is less than min_duration_s")
        return self

    def asks_for_looks(self) -> bool:
        """Whether it asks for what only a description tells: colour, type, plate, rider."""
        return bool(
            self.color or self.upper_color or self.lower_color or self.vehicle_type
            or self.plate is not None or self.rider is not None
        )  # fmt: skip

    def told(self) -> dict[str, Any]:
        """The filters that are set, as the register has them."""
        given = self.model_dump(mode="json", exclude_defaults=True)
        return {name: value for name, value in given.items() if value not in (None, [], "")}


class StandingQuery(Filters):
    """What new passages are compared with: something must be asked for."""

    @model_validator(mode="after")
    def _asks_for_something(self) -> Self:
        asked = self.told().keys() - {"area_id", "camera_ids", "include_possible"}
        if not asked:
            raise ValueError("say what is searched for: every passage would be a match")
        if asked == {"classes"} and not 0 < len(self.camera_ids) <= NARROW_CAMERAS:
            raise ValueError(
                "say more than classes, or name at most 10 cameras: everybody would be a match"
            )
        if self.like is not None and self.like.look_id is not None:
            raise ValueError("a look is good for an hour: name a passage, or upload a photo")
        return self
