"""What a big screen is made of: scenes of widgets on a grid, and when which scene is shown."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import BaseModel, Field, model_validator

from gateway.alarms.priorities import Priority
from gateway.api.answers import TimeUs
from gateway.api.forms import Form

# 16:9, as screens are: a cell is square.
COLUMNS, ROWS = 32, 18
SCENES_LIMIT = 9
WIDGETS_LIMIT = 40
Identifier = Annotated[str, Field(min_length=1, max_length=40)]


class Widget(Form):
    """Something in a place of the grid, counted in cells from the upper left corner.

    ``live`` shows ``camera_ids`` one after the other, each for ``dwell_s``, and with ``area_id``
    all cameras of that area and below it; ``title`` shows ``text`` beside the clock. The other
    kinds need none of these.
    """

    kind: Literal["live", "map", "goals", "incidents", "alarms", "meetings", "title"]
    x: int = Field(ge=0, lt=COLUMNS)
    y: int = Field(ge=0, lt=ROWS)
    width: int = Field(ge=2, le=COLUMNS)
    height: int = Field(ge=1, le=ROWS)
    camera_ids: Annotated[list[Identifier], Field(max_length=200)] = Field(default_factory=list)
    area_id: Identifier | None = None
    dwell_s: int = Field(default=15, ge=5, le=3600)
    text: str = Field(default="", max_length=100)

    @model_validator(mode="after")
    def _inside(self) -> Self:
        if self.x + self.width > COLUMNS or self.y + self.height > ROWS:
            raise ValueError(f"a widget must lie within {COLUMNS} by {ROWS} cells")
        if self.area_id is not None and (self.kind != "live" or self.camera_ids):
            raise ValueError("an area is for live pictures, in place of a list of cameras")
        return self

    def overlaps(self, other: Widget) -> bool:
        """Whether both cover some cell."""
        return (
            self.x < other.x + other.width
            and other.x < self.x + self.width
            and self.y < other.y + other.height
            and other.y < self.y + self.height
        )


class Scene(Form):
    """One arrangement, of several that a screen can show."""

    name: str = Field(min_length=1, max_length=60)
    widgets: Annotated[list[Widget], Field(max_length=WIDGETS_LIMIT)] = Field(default_factory=list)

    @model_validator(mode="after")
    def _apart(self) -> Self:
        for index, one in enumerate(self.widgets):
            if any(one.overlaps(other) for other in self.widgets[:index]):
                raise ValueError("widgets must not cover one another")
        return self


class AlarmSwitch(Form):
    """An alarm of at least ``priority`` shows its camera large in ``scene`` for ``hold_s``."""

    scene: int = Field(ge=0, lt=SCENES_LIMIT)
    priority: Priority
    hold_s: int = Field(ge=5, le=600)


class ScreenForm(Form):
    """A screen. ``tour_s``: how long each scene is shown; null: until somebody chooses another."""

    name: str = Field(min_length=1, max_length=100)
    area_id: Identifier
    scenes: Annotated[list[Scene], Field(min_length=1, max_length=SCENES_LIMIT)]
    tour_s: int | None = Field(default=None, ge=5, le=86_400)
    alarm: AlarmSwitch | None = None

    @model_validator(mode="after")
    def _known_scene(self) -> Self:
        if self.alarm is not None and self.alarm.scene >= len(self.scenes):
            raise ValueError("there is no such scene to show at an alarm")
        return self


class ScreenChange(ScreenForm):
    """All of it, in place of ``version``."""

    version: int = Field(ge=1, lt=2**31)


class ScreenSummary(BaseModel):
    """A screen in the list."""

    id: str
    name: str
    area_id: str
    area_names: list[str]
    version: int
    changed_us: TimeUs
    changed_by: str
    may_change: bool


class ScreenAnswer(ScreenSummary):
    """A screen with what it shows."""

    scenes: list[Scene]
    tour_s: int | None
    alarm: AlarmSwitch | None
