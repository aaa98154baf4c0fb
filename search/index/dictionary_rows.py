"""What many passages share, as numbers: found, or made where it is new."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from search.index.packing import LOOK_COLUMNS, look_code
from search.index.tables import (
    passage_cameras,
    passage_crops,
    passage_looks,
    passage_names,
    passage_plates,
)
from search.plates import fold

Look = tuple[Sequence[Any], int | None]
"""The columns of a message's ``look``, and the number of its vehicle type."""


def camera_numbers(connection: sa.Connection, camera_ids: Collection[str]) -> dict[str, int]:
    """The numbers of cameras."""
    table = passage_cameras.c
    known = {
        row.camera_id: int(row.number)
        for row in connection.execute(
            sa.select(table.camera_id, table.number).where(table.camera_id.in_(camera_ids))
        )
    }
    for camera_id in sorted(set(camera_ids) - known.keys()):
        known[camera_id] = _insert(connection, passage_cameras, camera_id=camera_id, passages=0)
    return known


def name_numbers(
    connection: sa.Connection, names: Collection[tuple[str, str]]
) -> dict[tuple[str, str | None], int]:
    """The numbers of (kind, name)."""
    table = passage_names.c
    known: dict[tuple[str, str | None], int] = {
        (row.kind, row.name): int(row.number)
        for row in connection.execute(
            sa.select(passage_names).where(table.name.in_({name for _, name in names}))
        )
    }
    for kind, name in sorted(set(names) - known.keys()):
        known[kind, name] = _insert(connection, passage_names, kind=kind, name=name)
    return known


def look_numbers(connection: sa.Connection, looks: Mapping[int, Look]) -> dict[int, int]:
    """The numbers of looks, by the same keys."""
    codes = {key: look_code(*look) for key, look in looks.items()}
    table = passage_looks.c
    known = {
        bytes(row.code): int(row.number)
        for row in connection.execute(
            sa.select(table.code, table.number).where(table.code.in_(set(codes.values())))
        )
    }
    for key, (columns, vehicle_type) in looks.items():
        if codes[key] not in known:
            known[codes[key]] = _insert(
                connection,
                passage_looks,
                code=codes[key],
                vehicle_type=vehicle_type,
                passages=0,
                **dict(zip(LOOK_COLUMNS, columns, strict=True)),
            )
    return {key: known[code] for key, code in codes.items()}


def plate_numbers(connection: sa.Connection, plates: Collection[str]) -> dict[str, int]:
    """The numbers of plates."""
    table = passage_plates.c
    known = {
        row.plate: int(row.number)
        for row in connection.execute(
            sa.select(table.plate, table.number).where(table.plate.in_(plates))
        )
    }
    for plate in sorted(set(plates) - known.keys()):
        known[plate] = _insert(connection, passage_plates, plate=plate, folded=fold(plate))
    return known


def add_crops(connection: sa.Connection, crops: Sequence[tuple[str, int, int]]) -> dict[str, int]:
    """Count one more crop in each (store key, camera, where it ends); gives the objects' numbers by
    their keys.
    """
    added: dict[str, list[int]] = {}
    for key, camera, end in crops:
        one = added.setdefault(key, [camera, 0, 0])
        one[1] = max(one[1], end)
        one[2] += 1
    table = passage_crops.c
    numbers = {}
    for key, (camera, end, count_of) in added.items():
        known = connection.execute(
            sa.select(table.number, table.size_bytes).where(table.store_key == key)
        ).one_or_none()
        if known is None:
            numbers[key] = _insert(
                connection,
                passage_crops,
                store_key=key,
                camera=camera,
                size_bytes=end,
                passages=count_of,
            )
            continue
        numbers[key] = int(known.number)
        connection.execute(
            sa.update(passage_crops)
            .where(table.number == known.number)
            .values(size_bytes=max(known.size_bytes, end), passages=table.passages + count_of)
        )
    return numbers


def count(
    connection: sa.Connection, table: sa.Table, numbers: Mapping[int, int], sign: int = 1
) -> None:
    """Add to ``passages`` of rows, by their numbers, as many as told."""
    changes = [{"b_number": number, "b_more": sign * more} for number, more in numbers.items()]
    if changes:
        connection.execute(
            sa.update(table)
            .where(table.c.number == sa.bindparam("b_number"))
            .values(passages=table.c.passages + sa.bindparam("b_more")),
            changes,
        )


def _insert(connection: sa.Connection, table: sa.Table, **values: Any) -> int:
    made = connection.execute(sa.insert(table).values(**values))
    assert made.inserted_primary_key is not None
    return int(made.inserted_primary_key[0])
