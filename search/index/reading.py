"""Rows of the index as passages."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from search.index.messages import CropPlace, StoredPassage, classes_of, read_motion
from search.index.packing import unpack
from search.index.tables import (
    passage_cameras,
    passage_crops,
    passage_crossings,
    passage_details,
    passage_looks,
    passage_names,
    passage_plates,
    passages,
)
from search.objects import OBJECT_CLASSES
from search.passages import Attributes, Color, ColorFound, Crossing, Judged, began_us

_AT_ONCE = 500

_COLUMNS = (
    passages.c.id,
    passages.c.motion,
    passages.c.lasts_ms,
    passage_cameras.c.camera_id,
    passage_plates.c.plate,
    passage_details.c.packed,
    passage_details.c.best_ms,
    passage_details.c.model,
    passage_details.c.vectors,
    passage_details.c.crop_offset,
    passage_details.c.crop_bytes,
    passage_crops.c.store_key,
    *(
        passage_looks.c[name]
        for name in (
            "object_class", "possible", "monochrome", "vehicle_type", "rider",
            "color", "color_second", "upper_color", "upper_color_second",
            "lower_color", "lower_color_second", "plate_color", "plate_color_second",
        )
    ),
)  # fmt: skip


async def find_passage(connection: AsyncConnection, passage_id: int) -> StoredPassage | None:
    """The passage of that id; None where there is none (any more)."""
    return (await find_passages(connection, [passage_id])).get(passage_id)


async def find_passages(
    connection: AsyncConnection, ids: Collection[int]
) -> dict[int, StoredPassage]:
    """Those of these ids that there are, by id."""
    wanted = sorted(set(ids), reverse=True)
    found: dict[int, StoredPassage] = {}
    for start in range(0, len(wanted), _AT_ONCE):
        found |= await _find(connection, wanted[start : start + _AT_ONCE])
    return found


async def read_packed(connection: AsyncConnection, ids: Sequence[int]) -> dict[int, bytes]:
    """The packed details of those of these passages that there are, for their paths alone."""
    found: dict[int, bytes] = {}
    table = passage_details.c
    for start in range(0, len(ids), _AT_ONCE):
        rows = await connection.execute(
            sa.select(table.id, table.packed).where(table.id.in_(ids[start : start + _AT_ONCE]))
        )
        for row in rows:
            found[row.id] = row.packed
    return found


async def _find(connection: AsyncConnection, ids: Sequence[int]) -> dict[int, StoredPassage]:
    tables = (
        passages.join(passage_details, passage_details.c.id == passages.c.id)
        .join(passage_cameras, passage_cameras.c.number == passages.c.camera)
        .join(passage_looks, passage_looks.c.number == passages.c.look)
        .outerjoin(passage_plates, passage_plates.c.number == passages.c.plate)
        .outerjoin(passage_crops, passage_crops.c.number == passage_details.c.crop)
    )
    rows = (
        await connection.execute(
            sa.select(*_COLUMNS).select_from(tables).where(passages.c.id.in_(ids))
        )
    ).all()
    if not rows:
        return {}
    crossed = (
        await connection.execute(
            sa.select(passage_crossings)
            .where(passage_crossings.c.id.in_([row.id for row in rows]))
            .order_by(passage_crossings.c.id, passage_crossings.c.after_ms)
        )
    ).all()
    numbers = {one.zone for one in crossed}
    for row in rows:
        numbers |= {row.model, row.vectors, row.vehicle_type}
    names = await read_names(connection, numbers - {None})
    crossings: dict[int, list[Crossing]] = {}
    for one in crossed:
        at_us = began_us(one.id) + one.after_ms * 1000
        crossings.setdefault(one.id, []).append(Crossing(names[one.zone], one.how, at_us))
    return {row.id: _passage(row, names, crossings.get(row.id, [])) for row in rows}


async def read_names(connection: AsyncConnection, numbers: Collection[int]) -> dict[int, str]:
    """Names by their numbers."""
    table = passage_names.c
    rows = await connection.execute(
        sa.select(table.number, table.name).where(table.number.in_(numbers))
    )
    return {row.number: row.name for row in rows}


async def camera_numbers_of(
    connection: AsyncConnection, camera_ids: Collection[str]
) -> dict[str, int]:
    """The numbers of cameras of which anything is known here."""
    wanted = sorted(set(camera_ids))
    found: dict[str, int] = {}
    table = passage_cameras.c
    for start in range(0, len(wanted), _CAMERAS_AT_ONCE):
        some = wanted[start : start + _CAMERAS_AT_ONCE]
        rows = await connection.execute(
            sa.select(table.camera_id, table.number).where(table.camera_id.in_(some))
        )
        found |= {row.camera_id: row.number for row in rows}
    return found


_CAMERAS_AT_ONCE = 5000


def _passage(
    row: sa.Row[Any], names: Mapping[int, str], crossings: list[Crossing]
) -> StoredPassage:
    packed = unpack(row.packed)
    color, upper, lower, plate_color, vehicle_type, plate, rider = packed.confidences
    direction, speed = read_motion(row.motion)
    first_us = began_us(row.id)
    return StoredPassage(
        id=row.id,
        camera_id=row.camera_id,
        first_us=first_us,
        last_us=first_us + row.lasts_ms * 1000,
        best_us=first_us + row.best_ms * 1000,
        object_class=OBJECT_CLASSES[row.object_class],
        possible_classes=classes_of(row.possible),
        confidence=packed.confidence,
        box=packed.box,
        path=packed.path,
        direction=direction,
        speed=speed,
        monochrome=bool(row.monochrome),
        attributes=Attributes(
            color=_color(row.color, row.color_second, color),
            upper_color=_color(row.upper_color, row.upper_color_second, upper),
            lower_color=_color(row.lower_color, row.lower_color_second, lower),
            plate_color=_color(row.plate_color, row.plate_color_second, plate_color),
            vehicle_type=(
                None
                if row.vehicle_type is None
                else Judged(names[row.vehicle_type], vehicle_type or 0.0)
            ),
            plate=None if row.plate is None else Judged(row.plate, plate or 0.0),
            plate_places=packed.plate_places,
            rider=None if row.rider is None else Judged("yes" if row.rider else "no", rider or 0.0),
        ),
        crossings=crossings,
        model=names[row.model],
        vector_kind="" if row.vectors is None else names[row.vectors],
        crop=(
            None
            if row.store_key is None
            else CropPlace(row.store_key, row.crop_offset, row.crop_bytes)
        ),
    )


def _color(color: int | None, second: int | None, confidence: float | None) -> ColorFound | None:
    if color is None:
        return None
    return ColorFound(Color(color), confidence or 0.0, None if second is None else Color(second))
