"""What a sheet is compared with: the areas, cameras and users that there are."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, cast

import sqlalchemy as sa

from gateway.database.tables import areas, camera_places, cameras, grants, users
from gateway.people.roles import WHOLE_COUNTY, Role

# Between names from the root down; so no name holds one.
NAME_SEPARATOR = "/"
_ID_MARK = "#"


@dataclass(frozen=True, slots=True)
class KnownArea:
    """An area as it is."""

    id: str
    parent_id: str | None
    axis: str
    name: str
    code: str | None
    path: str
    position: int


@dataclass(slots=True)
class KnownAreas:
    """Every area, found by what sheets call it."""

    by_id: dict[str, KnownArea] = field(default_factory=dict)
    by_code: dict[tuple[str, str], KnownArea] = field(default_factory=dict)
    # (axis, parent's id, name): several may be called the same.
    by_name: dict[tuple[str, str | None, str], list[KnownArea]] = field(
        default_factory=lambda: defaultdict(list)
    )

    def add(self, area: KnownArea) -> None:
        """Make an area known."""
        self.by_id[area.id] = area
        if area.code:
            self.by_code[area.axis, area.code] = area
        self.by_name[area.axis, area.parent_id, area.name].append(area)

    def find(self, axis: str, names: Sequence[str]) -> KnownArea | None:
        """The area with these names from the root down; None where there is none, or several."""
        found: KnownArea | None = None
        for name in names:
            below = self.by_name.get(
                (axis, found.id if found is not None else None, name.strip()), []
            )
            if len(below) != 1:
                return None
            found = below[0]
        return found

    def resolve(self, axis: str, text: str) -> KnownArea | None:
        """The area of that axis that a cell means: by code, names from the root, or ``#id``."""
        if text.startswith(_ID_MARK):
            area = self.by_id.get(text[1:])
            return area if area is not None and area.axis == axis else None
        names = [part.strip() for part in text.split(NAME_SEPARATOR)]
        return self.by_code.get((axis, text)) or self.find(axis, names)

    def label(self, area: KnownArea) -> str:
        """What :meth:`resolve` finds it by."""
        return area.code or f"{_ID_MARK}{area.id}"

    def names(self, area_id: str) -> list[str]:
        """The names from the root down."""
        return [self.by_id[part].name for part in self.by_id[area_id].path.split("/") if part]


def read_areas(connection: sa.Connection) -> KnownAreas:
    """Every area there is; parents before their children."""
    known = KnownAreas()
    statement = sa.select(
        areas.c.id, areas.c.parent_id, areas.c.axis, areas.c.name, areas.c.code, areas.c.path,
        areas.c.position,
    ).order_by(areas.c.path)  # fmt: skip
    for row in connection.execute(statement):
        known.add(KnownArea(*row))
    return known


@dataclass(frozen=True, slots=True)
class KnownCamera:
    """A camera as it is. ``columns`` are those of its row that a sheet may change."""

    id: str
    area_id: str
    place_ids: frozenset[str]
    paths: tuple[str, ...]
    columns: dict[str, Any]
    password_sealed: str | None

    @property
    def number(self) -> str | None:
        """What people file it under."""
        return cast("str | None", self.columns["number"])


CAMERA_COLUMNS = (
    "number",
    "name",
    "main_url",
    "sub_url",
    "username",
    "transport",
    "record",
    "analysis",
    "retention_days",
    "retention_bytes",
    "enabled",
    "longitude",
    "latitude",
    "heading_deg",
    "view_deg",
)


def read_cameras(connection: sa.Connection, known: KnownAreas) -> list[KnownCamera]:
    """Every camera that is not deleted, by area and name."""
    places: dict[str, list[str]] = defaultdict(list)
    for row in connection.execute(sa.select(camera_places)):
        places[row.camera_id].append(row.area_id)
    statement = (
        sa.select(
            cameras.c.id,
            cameras.c.area_id,
            cameras.c.password_sealed,
            *(cameras.c[name] for name in CAMERA_COLUMNS),
        )
        .select_from(cameras.join(areas, areas.c.id == cameras.c.area_id))
        .where(cameras.c.deleted_us.is_(None))
        .order_by(areas.c.path, cameras.c.name, cameras.c.id)
    )
    found = []
    for camera in connection.execute(statement).mappings():
        place_ids = places.get(camera["id"], [])
        area_ids = (camera["area_id"], *place_ids)
        found.append(
            KnownCamera(
                camera["id"],
                camera["area_id"],
                frozenset(place_ids),
                tuple(known.by_id[area_id].path for area_id in area_ids),
                {name: camera[name] for name in CAMERA_COLUMNS},
                camera["password_sealed"],
            )
        )
    return found


@dataclass(frozen=True, slots=True)
class KnownGrant:
    """What a grant says; ``area_id`` may be "*"."""

    role: Role
    area_id: str
    valid_from_us: int | None = None
    valid_until_us: int | None = None
    ptz_priority: int | None = None

    def as_row(self) -> dict[str, Any]:
        """As the row operations on accounts take it."""
        return {**asdict(self), "role": self.role.value}


@dataclass(frozen=True, slots=True)
class KnownUser:
    """An account as it is."""

    id: str
    name: str
    display_name: str
    enabled: bool
    area_id: str | None
    grants: frozenset[KnownGrant]


def read_users(connection: sa.Connection, known: KnownAreas) -> list[KnownUser]:
    """Every account, by name; without grants in areas that are gone."""
    held: dict[str, set[KnownGrant]] = defaultdict(set)
    for row in connection.execute(sa.select(grants)):
        if row.area_id == WHOLE_COUNTY or row.area_id in known.by_id:
            held[row.user_id].add(
                KnownGrant(
                    Role(row.role),
                    row.area_id,
                    row.valid_from_us,
                    row.valid_until_us,
                    row.ptz_priority,
                )
            )
    statement = (
        sa.select(users.c.id, users.c.name, users.c.display_name, users.c.enabled, users.c.area_id)
        .where(users.c.deleted_us.is_(None))
        .order_by(users.c.name_key)
    )
    return [
        KnownUser(*row, frozenset(held.get(row.id, ()))) for row in connection.execute(statement)
    ]
