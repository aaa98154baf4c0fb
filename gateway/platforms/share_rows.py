"""Writes of what platforms above are given, and of the codes by which they know it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from camera_adapters.gb28181 import codes
from gateway.database.cascade_tables import platform_codes, platform_shares
from gateway.database.platform_tables import platforms
from gateway.database.tables import areas, cameras
from gateway.identifiers import new_id, now_us
from recorder.rows import RowError, row_operation

TYPES = {
    "group": codes.BUSINESS_GROUP_TYPE,
    "area": codes.VIRTUAL_ORGANISATION_TYPE,
    "camera": codes.NETWORK_CAMERA_TYPE,
}


@row_operation("platforms.share")
def share(
    connection: sa.Connection,
    platform_id: str,
    area_ids: Sequence[str],
    camera_ids: Sequence[str],
    user_id: str,
    user_name: str,
) -> dict[str, int]:
    """Share exactly these with a platform above; gives {added, removed}. May be repeated.

    Raises RowError ``not_found`` for what does not exist, ``invalid`` for a platform that is not
    above us.
    """
    direction = connection.scalar(
        sa.select(platforms.c.direction).where(
            platforms.c.id == platform_id, platforms.c.deleted_us.is_(None)
        )
    )
    if direction is None:
        raise RowError("not_found", "there is no such platform")
    if direction != "above":
        raise RowError("invalid", "only a platform above us can be given something")
    wanted = {("area", one) for one in area_ids} | {("camera", one) for one in camera_ids}
    _require_there(connection, {one for kind, one in wanted if kind == "area"}, areas, "area")
    _require_there(connection, {one for kind, one in wanted if kind == "camera"}, cameras, "camera")
    table = platform_shares
    held = {
        ("area", row.area_id) if row.area_id is not None else ("camera", row.camera_id): row.id
        for row in connection.execute(
            sa.select(table.c.id, table.c.area_id, table.c.camera_id).where(
                table.c.platform_id == platform_id
            )
        )
    }
    removed = [identifier for place, identifier in held.items() if place not in wanted]
    if removed:
        connection.execute(sa.delete(table).where(table.c.id.in_(removed)))
    added = [
        {
            "id": new_id("shr"),
            "platform_id": platform_id,
            "area_id": one if kind == "area" else None,
            "camera_id": one if kind == "camera" else None,
            "created_us": now_us(),
            "user_id": user_id,
            "user_name": user_name,
        }
        for kind, one in sorted(wanted - held.keys())
    ]
    if added:
        connection.execute(sa.insert(table), added)
    return {"added": len(added), "removed": len(removed)}


@row_operation("platforms.codes")
def ensure_codes(
    connection: sa.Connection, platform_id: str, centre: str, items: Sequence[Sequence[str]]
) -> dict[str, dict[str, str]]:
    """Give each ``(kind, id)`` its code if it has none; gives {kind: {id: code}} of all asked for.

    A code is given once and for ever: ``centre`` counts for new ones alone. May be repeated. Raises
    RowError ``full`` when the centre has no serial number left.
    """
    table = platform_codes
    held: dict[tuple[str, str], str] = {}
    taken: set[str] = set()
    for row in connection.execute(sa.select(table).where(table.c.platform_id == platform_id)):
        held[row.item_kind, row.item_id] = row.code
        taken.add(row.code)
    found: dict[str, dict[str, str]] = {kind: {} for kind in TYPES}
    added = []
    next_serial = dict.fromkeys(TYPES, len(held))
    for kind, item_id in items:
        code = held.get((kind, item_id))
        if code is None:
            code = _free_code(kind, centre, taken, next_serial)
            taken.add(code)
            added.append(_code_row(platform_id, kind, item_id, code))
        found[kind][item_id] = code
    if added:
        connection.execute(sa.insert(table), added)
    return found


@row_operation("platforms.code")
def set_code(
    connection: sa.Connection, platform_id: str, kind: str, item_id: str, code: str
) -> None:
    """Give something the code that the platform above has chosen for it. Raises RowError
    ``conflict`` when it names something else there, or ever did.
    """
    if not codes.is_valid(code):
        raise RowError("invalid", "a code has 20 digits")
    _require_there(connection, {item_id}, areas if kind == "area" else cameras, kind)
    table = platform_codes
    own = sa.and_(table.c.item_kind == kind, table.c.item_id == item_id)
    other = connection.scalar(
        sa.select(table.c.item_id).where(
            table.c.platform_id == platform_id, table.c.code == code, sa.not_(own)
        )
    )
    if other is not None:
        raise RowError("conflict", f"{code} names something else to this platform, or once did")
    changed = connection.execute(
        sa.update(table).where(table.c.platform_id == platform_id, own).values(code=code)
    )
    if changed.rowcount == 0:
        connection.execute(sa.insert(table), [_code_row(platform_id, kind, item_id, code)])


def _free_code(kind: str, centre: str, taken: set[str], next_serial: dict[str, int]) -> str:
    try:
        while True:
            next_serial[kind] += 1
            code = codes.make(centre, TYPES[kind], next_serial[kind])
            if code not in taken:
                return code
    except codes.CodeError as error:
        raise RowError("full", f"no code is left: {error}") from None


def _code_row(platform_id: str, kind: str, item_id: str, code: str) -> dict[str, Any]:
    return {
        "platform_id": platform_id,
        "item_kind": kind,
        "item_id": item_id,
        "code": code,
        "created_us": now_us(),
    }


def _require_there(connection: sa.Connection, wanted: set[str], table: sa.Table, name: str) -> None:
    where = [table.c.id.in_(wanted)]
    if "deleted_us" in table.c:
        where.append(table.c.deleted_us.is_(None))
    found = set(connection.scalars(sa.select(table.c.id).where(*where)))
    if missing := sorted(wanted - found):
        raise RowError("not_found", f"there is no {name} {missing[0]}")
