"""Masks: which parts of a camera's picture are shown to nobody without the right to lift them.

Footage is covered by the masks of now and by those that were in force when it was recorded: a mask
that is drawn today covers yesterday as well, and one that is taken away today does not uncover what
was recorded beneath it.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import sqlalchemy as sa
from pydantic import BaseModel, ConfigDict, Field, field_validator
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from gateway.database.privacy_tables import camera_masks

MASKS_LIMIT = 32
POINTS_LIMIT = 32
# How long a change of masks may go unseen by a process that was not told.
KNOWN_S = 1.0
# Pictures of a range begin with the keyframe before it, which may be as old as a segment is long.
_KEYFRAME_BEFORE_US = 60_000_000

Polygons = tuple[tuple[tuple[float, float], ...], ...]
"""See :data:`gateway.transcoder.burn_in.Polygon`; hashable, and () where nothing is masked."""

Share = Annotated[float, Field(ge=0.0, le=1.0, allow_inf_nan=False)]


class Mask(BaseModel):
    """One mask: what it is there for, and its corners as shares of the picture's size."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)

    name: str = Field(default="", max_length=100)
    points: list[tuple[Share, Share]] = Field(min_length=3, max_length=POINTS_LIMIT)

    @field_validator("points")
    @classmethod
    def _encloses(cls, points: list[tuple[float, float]]) -> list[tuple[float, float]]:
        rounded = [(round(x, 5), round(y, 5)) for x, y in points]
        if len(set(rounded)) < 3:
            raise ValueError("a mask has at least three different corners")
        return rounded


@dataclass(frozen=True, slots=True)
class MaskVersion:
    """The masks of one camera, in force from ``from_us`` until ``until_us`` (None: until now)."""

    camera_id: str
    version: int
    masks: tuple[dict[str, Any], ...]
    from_us: int
    until_us: int | None
    user_name: str

    @property
    def polygons(self) -> Polygons:
        """Their outlines."""
        return polygons_of(self.masks)

    def to_document(self) -> dict[str, Any]:
        """``Masks`` of docs/http-api.md."""
        return {
            "camera_id": self.camera_id,
            "version": self.version,
            "masks": list(self.masks),
            "changed_us": self.from_us,
            "changed_by": self.user_name,
        }


def polygons_of(masks: Iterable[Mapping[str, Any]]) -> Polygons:
    """The outlines of stored masks."""
    return tuple(
        tuple((float(x), float(y)) for x, y in mask["points"]) for mask in masks if mask["points"]
    )


def uncovers(before: Sequence[Mapping[str, Any]], after: Sequence[Mapping[str, Any]]) -> bool:
    """Whether a change takes away a mask or moves its outline. Names may change."""
    return not set(polygons_of(before)) <= set(polygons_of(after))


async def masks_in_force(
    connection: AsyncConnection, camera_ids: Sequence[str] | None = None
) -> dict[str, MaskVersion]:
    """The newest version of these cameras, or of all; cameras never masked are left out."""
    where = [camera_masks.c.until_us.is_(None)]
    if camera_ids is not None:
        where.append(camera_masks.c.camera_id.in_(camera_ids))
    rows = await connection.execute(sa.select(camera_masks).where(*where))
    return {row.camera_id: _version(row) for row in rows}


async def masks_in_force_of(connection: AsyncConnection, camera_id: str) -> Polygons:
    """What is masked in one camera's picture now."""
    newest = (await masks_in_force(connection, [camera_id])).get(camera_id)
    return newest.polygons if newest is not None else ()


async def ever_masked(connection: AsyncConnection, camera_ids: Iterable[str]) -> set[str]:
    """Those of the cameras of which something is, or once was, masked."""
    statement = sa.select(camera_masks.c.camera_id).distinct()
    found = await connection.execute(
        statement.where(camera_masks.c.camera_id.in_(sorted(camera_ids)))
    )
    return set(found.scalars())


async def mask_history(connection: AsyncConnection, camera_id: str) -> list[MaskVersion]:
    """Every version that the camera ever had, the newest first."""
    rows = await connection.execute(
        sa.select(camera_masks)
        .where(camera_masks.c.camera_id == camera_id)
        .order_by(camera_masks.c.version.desc())
    )
    return [_version(row) for row in rows]


async def mask_histories(
    connection: AsyncConnection, camera_ids: Iterable[str]
) -> dict[str, list[MaskVersion]]:
    """:func:`mask_history` of several cameras; those never masked have none."""
    histories: dict[str, list[MaskVersion]] = {one: [] for one in camera_ids}
    rows = await connection.execute(
        sa.select(camera_masks)
        .where(camera_masks.c.camera_id.in_(list(histories)))
        .order_by(camera_masks.c.version.desc())
    )
    for row in rows:
        histories[row.camera_id].append(_version(row))
    return histories


class MaskReader:
    """What covers footage, asked again and again: each camera is looked up once a second."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._known: dict[str, tuple[float, list[MaskVersion]]] = {}

    async def covering(self, camera_id: str, start_us: int, end_us: int) -> Polygons:
        """What covers the camera's footage of [``start_us``, ``end_us``)."""
        return covering(await self.versions(camera_id), start_us, end_us)

    def forget(self, camera_id: str) -> None:
        """Look anew: the masks were changed."""
        self._known.pop(camera_id, None)

    async def versions(self, camera_id: str) -> list[MaskVersion]:
        """See :func:`mask_history`."""
        known = self._known.get(camera_id)
        if known is not None and known[0] > time.monotonic():
            return known[1]
        async with self._engine.connect() as connection:
            versions = await mask_history(connection, camera_id)
        if len(self._known) > 10_000:
            self._known.clear()
        self._known[camera_id] = (time.monotonic() + KNOWN_S, versions)
        return versions


def covering(versions: Iterable[MaskVersion], start_us: int, end_us: int) -> Polygons:
    """The outlines in force now, and those in force at any time in [``start_us``, ``end_us``), or
    since the keyframe before it.
    """
    since_us = start_us - _KEYFRAME_BEFORE_US
    found: dict[tuple[tuple[float, float], ...], None] = {}
    for version in versions:
        now = version.until_us is None
        then = version.from_us < end_us and (version.until_us or since_us) >= since_us
        if now or then:
            found.update(dict.fromkeys(version.polygons))
    return tuple(found)


def covered_as(
    versions: Sequence[MaskVersion], start_us: int, end_us: int, may_lift_masks: bool
) -> int:
    """Under which version of the masks (the newest first) somebody sees the footage of a range; 0
    when they see it as it is.
    """
    if may_lift_masks or not covering(versions, start_us, end_us):
        return 0
    return versions[0].version


def footage_path(server: str, camera_id: str, covered: int) -> str:
    """Where a footage server answers for a camera. Masked footage has addresses of its own for each
    version of the masks: a browser's cache is shared by who sign in there one after the other.
    """
    return (
        f"/s/{server}/masked/{covered}/{camera_id}"
        if covered
        else (f"/s/{server}/playback/{camera_id}")
    )


def _version(row: Any) -> MaskVersion:
    return MaskVersion(
        row.camera_id, row.version, tuple(row.masks), row.from_us, row.until_us, row.user_name
    )
