"""Writes to sightings: told, expired, gone.

An object is complete in the store before its row is added. When its time is over, the row goes
first and its object's key is remembered in ``sighting_leftovers`` until the store has let go of it;
only then is it counted as deleted. After a crash at any line the next pass finishes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from gateway.audit.deletion_records import record_days
from gateway.database.platform_tables import platform_channels, platforms
from gateway.database.sighting_tables import (
    sighting_deletions,
    sighting_leftovers,
    sighting_places,
    sighting_plates,
    sightings,
)
from gateway.database.tables import areas, cameras
from gateway.identifiers import now_us
from gateway.sightings.keys import store_key
from recorder.deletion_rows import add_to_day
from recorder.retention import DAY_US
from recorder.rows import row_operation
from recorder.tables import held_ranges
from search.plates import fold

DELETED_ACTION = "sighting.deleted"


@row_operation("sightings.add")
def add(
    connection: sa.Connection, platform_id: str, items: Sequence[Mapping[str, Any]]
) -> list[bool]:
    """Add what a platform told, in order; True where it is new. May be repeated.

    Each: ``own_key, place_code, kind, at_us, received_us, plate, plate_color, color, lower_color,
    vehicle_type, facts, pictures, size_bytes``; its pictures are in the store already.
    """
    keys = [item["own_key"] for item in items]
    known = set(
        connection.scalars(sa.select(sightings.c.own_key).where(sightings.c.own_key.in_(keys)))
    )
    places: dict[str, int] = {}
    new = []
    for item in items:
        own_key = item["own_key"]
        new.append(own_key not in known)
        if own_key in known:
            continue
        known.add(own_key)
        code = item["place_code"]
        if code not in places:
            places[code] = _place(connection, platform_id, code)
        values = {name: value for name, value in item.items() if name != "place_code"}
        connection.execute(sa.insert(sightings).values(place_id=places[code], **values))
        if item["plate"] is not None:
            _note_plate(connection, item["plate"])
    return new


@row_operation("sightings.link_places")
def link_places(connection: sa.Connection) -> int:
    """Find the cameras of devices that have none yet; gives how many were found."""
    table = sighting_places
    unlinked = connection.execute(
        sa.select(table.c.id, table.c.platform_id, table.c.code).where(table.c.camera_id.is_(None))
    ).all()
    found = 0
    for place in unlinked:
        camera_id = _camera_of(connection, place.platform_id, place.code)
        if camera_id is not None:
            found += 1
            connection.execute(
                sa.update(table).where(table.c.id == place.id).values(camera_id=camera_id)
            )
    return found


@row_operation("sightings.expire")
def expire(
    connection: sa.Connection, place_id: int, before_us: int, limit: int, cause: str = "retention"
) -> int:
    """Take away what a place saw before ``before_us``, at most ``limit``, but what is held; gives
    how many. Objects go by ``sighting_leftovers``.
    """
    place = connection.execute(
        sa.select(sighting_places).where(sighting_places.c.id == place_id)
    ).one_or_none()
    if place is None:
        return 0
    due = connection.execute(
        sa.select(
            sightings.c.id,
            sightings.c.own_key,
            sightings.c.at_us,
            sightings.c.size_bytes,
            sightings.c.plate,
        )
        .where(
            sightings.c.place_id == place_id,
            sightings.c.at_us < before_us,
            ~is_held(place.camera_id),
        )
        .order_by(sightings.c.at_us)
        .limit(limit)
    ).all()
    if not due:
        return 0
    connection.execute(sa.delete(sightings).where(sightings.c.id.in_([row.id for row in due])))
    connection.execute(
        sa.insert(sighting_leftovers),
        [
            {
                "store_key": store_key(place.platform_id, row.at_us, row.own_key),
                "platform_id": place.platform_id,
                "size_bytes": row.size_bytes,
                "at_us": row.at_us,
                "cause": cause,
            }
            for row in due
        ],
    )
    _forget_plates(connection, {row.plate for row in due if row.plate is not None})
    return len(due)


@row_operation("sightings.forget")
def forget(connection: sa.Connection, store_keys: Sequence[str]) -> int:
    """The store has these objects no more: count them as deleted; gives how many."""
    table = sighting_leftovers
    gone = connection.execute(sa.select(table).where(table.c.store_key.in_(store_keys))).all()
    connection.execute(sa.delete(table).where(table.c.store_key.in_(store_keys)))
    today = now_us() // DAY_US
    sums: dict[tuple[str, str], list[int]] = {}
    for row in gone:
        counted = sums.setdefault((row.platform_id, row.cause), [0, 0, row.at_us, row.at_us])
        counted[0] += 1
        counted[1] += row.size_bytes
        counted[2] = min(counted[2], row.at_us)
        counted[3] = max(counted[3], row.at_us)
    for (platform_id, cause), (number, size_bytes, first_us, last_us) in sums.items():
        add_to_day(
            connection,
            sighting_deletions,
            {"platform_id": platform_id, "day": today, "cause": cause},
            {"sightings": number, "size_bytes": size_bytes},
            first_us,
            last_us,
        )
    return len(gone)


@row_operation("sightings.record_deletions")
def record_deletions(connection: sa.Connection, today: int) -> int:
    """Write the register's records that are missing of the days before ``today`` (days since 1970,
    UTC); gives how many. May be repeated.
    """
    table = sighting_deletions.c
    return record_days(
        connection,
        DELETED_ACTION,
        sighting_deletions,
        {
            "sightings": sa.func.sum(table.sightings),
            "bytes": sa.func.sum(table.size_bytes),
            "platforms": sa.func.count(),
        },
        today,
    )


def is_held(camera_id: str | None) -> sa.ColumnElement[bool]:
    """Of rows of ``sightings`` of one camera's place: those within a range that is held."""
    if camera_id is None:
        return sa.false()
    return sa.exists().where(
        held_ranges.c.camera_id == camera_id,
        held_ranges.c.start_us <= sightings.c.at_us,
        held_ranges.c.end_us > sightings.c.at_us,
    )


def _place(connection: sa.Connection, platform_id: str, code: str) -> int:
    table = sighting_places
    found = connection.execute(
        sa.select(table.c.id, table.c.camera_id).where(
            table.c.platform_id == platform_id, table.c.code == code
        )
    ).one_or_none()
    if found is not None:
        return int(found.id)
    made = connection.execute(
        sa.insert(table).values(
            platform_id=platform_id,
            code=code,
            camera_id=_camera_of(connection, platform_id, code),
            created_us=now_us(),
        )
    )
    assert made.inserted_primary_key is not None
    return int(made.inserted_primary_key[0])


def _camera_of(connection: sa.Connection, platform_id: str, code: str) -> str | None:
    """The camera that the device is: a channel of the same platform; else the only one of that
    code at any platform, if it stands where this platform may speak for.
    """
    channel = platform_channels
    own = connection.scalar(
        sa.select(channel.c.camera_id).where(
            channel.c.platform_id == platform_id, channel.c.code == code
        )
    )
    if own is not None:
        return str(own)
    home = connection.scalar(
        sa.select(areas.c.path)
        .select_from(platforms.join(areas, areas.c.id == platforms.c.area_id))
        .where(platforms.c.id == platform_id)
    )
    others = connection.execute(
        sa.select(cameras.c.id, areas.c.path)
        .select_from(
            channel.join(cameras, cameras.c.id == channel.c.camera_id).join(
                areas, areas.c.id == cameras.c.area_id
            )
        )
        .where(channel.c.code == code, cameras.c.deleted_us.is_(None))
        .distinct()
        .limit(2)
    ).all()
    if len(others) == 1 and home is not None and others[0].path.startswith(home):
        return str(others[0].id)
    return None


def _note_plate(connection: sa.Connection, plate: str) -> None:
    table = sighting_plates
    if connection.scalar(sa.select(table.c.plate).where(table.c.plate == plate)) is None:
        connection.execute(sa.insert(table).values(plate=plate, folded=fold(plate)))


def _forget_plates(connection: sa.Connection, plates: Iterable[str]) -> None:
    """Plates of which nothing is left go with their last pass."""
    for plate in plates:
        left = sa.select(sightings.c.id).where(sightings.c.plate == plate).limit(1)
        if connection.scalar(left) is None:
            connection.execute(sa.delete(sighting_plates).where(sighting_plates.c.plate == plate))
