"""One change to many cameras: what it would do to each, as people see it and as rows. Pure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from gateway.analysis.hours import HoursForm, hours_text
from gateway.camera_form import Analysis, Record, Transport
from gateway.cameras import Camera

CAMERAS_LIMIT = 10_000
_NAME_LENGTH_LIMIT = 200
_PLAIN = ("record", "analysis", "transport", "retention_days", "retention_bytes", "enabled")

_Id = Annotated[str, Field(max_length=40)]


class Rename(BaseModel):
    """Replace a part of every name."""

    model_config = ConfigDict(extra="forbid")

    find: str = Field(min_length=1, max_length=200)
    replace: str = Field(max_length=200, pattern=r"^[^\x00-\x1f/\\]*$")


class BulkChange(BaseModel):
    """What changes; absent fields stay."""

    model_config = ConfigDict(extra="forbid")

    area_id: _Id = ""
    add_place_ids: list[_Id] = Field(default=[], max_length=50)
    remove_place_ids: list[_Id] = Field(default=[], max_length=50)
    record: Record = "continuous"
    analysis: Analysis = "auto"
    analysis_hours: HoursForm | None = None
    transport: Transport = "auto"
    retention_days: int | None = Field(default=None, ge=1, le=3650)
    retention_bytes: int | None = Field(default=None, ge=1, le=2**62)
    enabled: bool = True
    rename: Rename | None = None

    @model_validator(mode="after")
    def _something(self) -> Self:
        if not self.model_fields_set:
            raise ValueError("say what is to change")
        return self

    def place_ids(self) -> set[str]:
        """Every area that the change puts cameras into or takes them out of."""
        home = {self.area_id} if "area_id" in self.model_fields_set else set()
        return home | {*self.add_place_ids, *self.remove_place_ids}


@dataclass(frozen=True, slots=True)
class CameraEdit:
    """What the change does to one camera: ``columns`` for its row (and ``place_ids``), and each
    field before and after.
    """

    camera: Camera
    columns: dict[str, Any]
    changes: list[dict[str, str]]


def plan_bulk(
    cameras: Iterable[Camera], change: BulkChange, names: Mapping[str, str]
) -> list[CameraEdit]:
    """The cameras that it changes. ``names``: how areas are shown, by id. Raises ValueError for a
    name that would be blank or too long.
    """
    edits = []
    for camera in cameras:
        columns = _columns(camera, change)
        if columns:
            changes = [
                {
                    "field": name,
                    "before": _shown(name, _before(camera, name), names),
                    "after": _shown(name, value, names),
                }
                for name, value in columns.items()
            ]
            edits.append(CameraEdit(camera, columns, changes))
    return edits


def bulk_token(edits: Sequence[CameraEdit]) -> str:
    """Stands for exactly these edits of exactly these rows; another after any change of either."""
    content = [(edit.camera.id, edit.camera.changed_us, edit.columns) for edit in edits]
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _columns(camera: Camera, change: BulkChange) -> dict[str, Any]:
    given = change.model_fields_set
    wanted: dict[str, Any] = {name: getattr(change, name) for name in _PLAIN if name in given}
    if "analysis_hours" in given:
        hours = change.analysis_hours
        wanted["analysis_hours"] = None if hours is None else hours.model_dump()
    if "area_id" in given:
        wanted["area_id"] = change.area_id
    if change.rename is not None:
        wanted["name"] = _renamed(camera.name, change.rename)
    columns = {name: value for name, value in wanted.items() if value != _before(camera, name)}
    places = (camera.place_ids | set(change.add_place_ids)) - set(change.remove_place_ids)
    places -= {columns.get("area_id", camera.area_id)}
    if places != camera.place_ids:
        columns["place_ids"] = sorted(places)
    return columns


def _renamed(name: str, rename: Rename) -> str:
    renamed = name.replace(rename.find, rename.replace).strip()
    if not 0 < len(renamed) <= _NAME_LENGTH_LIMIT:
        raise ValueError(
            f"{name!r} would get a name that is blank or longer than {_NAME_LENGTH_LIMIT}"
        )
    return renamed


def _before(camera: Camera, name: str) -> Any:
    return sorted(camera.place_ids) if name == "place_ids" else getattr(camera, name)


def _shown(name: str, value: Any, names: Mapping[str, str]) -> str:
    if name == "area_id":
        return names.get(value, "?")
    if name == "place_ids":
        return "; ".join(sorted(names.get(one, "?") for one in value))
    if name == "analysis_hours":
        return hours_text(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value)
