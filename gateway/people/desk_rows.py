"""Writes to duty desks: who is at home there, wrong PINs, and the change of the person."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from gateway.database.account_tables import desk_items, desk_people, desks
from gateway.database.tables import areas, viewing_sessions
from gateway.identifiers import new_id, now_us
from recorder.rows import RowError, row_operation


@row_operation("desks.create")
def create(
    connection: sa.Connection, name: str, area_id: str, token_hash: str, registered_by: str
) -> str:
    """Register the browser whose cookie has this hash; gives the desk's id."""
    _require_area(connection, area_id)
    desk_id = new_id("desk")
    at_us = now_us()
    connection.execute(
        sa.insert(desks).values(
            id=desk_id,
            name=name,
            area_id=area_id,
            token_hash=token_hash,
            registered_us=at_us,
            registered_by=registered_by,
            seen_us=at_us,
        )
    )
    return desk_id


@row_operation("desks.change")
def change(
    connection: sa.Connection, desk_id: str, name: str | None = None, area_id: str | None = None
) -> None:
    """Change what is given."""
    values = {}
    if name is not None:
        values["name"] = name
    if area_id is not None:
        _require_area(connection, area_id)
        values["area_id"] = area_id
    if values:
        connection.execute(sa.update(desks).where(desks.c.id == desk_id).values(**values))


@row_operation("desks.remove")
def remove(connection: sa.Connection, desk_id: str) -> None:
    """The browser is no desk any more; hand-overs stay. May be repeated."""
    connection.execute(
        sa.update(desks)
        .where(desks.c.id == desk_id, desks.c.removed_us.is_(None))
        .values(removed_us=now_us())
    )
    connection.execute(sa.delete(desk_people).where(desk_people.c.desk_id == desk_id))


@row_operation("desks.forget_person")
def forget_person(connection: sa.Connection, desk_id: str, user_id: str) -> None:
    """They sign in there in full the next time. May be repeated."""
    connection.execute(sa.delete(desk_people).where(*_person(desk_id, user_id)))


def noted_at_desk(connection: sa.Connection, desk_id: str, user_id: str, *, full: bool) -> None:
    """Somebody has signed in there, in full or by PIN: wrong PINs are forgotten."""
    at_us = now_us()
    connection.execute(sa.update(desks).where(desks.c.id == desk_id).values(seen_us=at_us))
    values: dict[str, Any] = {"wrong_pins": 0}
    if full:
        values["full_sign_in_us"] = at_us
    known = connection.execute(
        sa.update(desk_people).where(*_person(desk_id, user_id)).values(**values)
    )
    if known.rowcount == 0 and full:
        connection.execute(
            sa.insert(desk_people).values(desk_id=desk_id, user_id=user_id, **values)
        )


@row_operation("desks.pin_attempt")
def pin_attempt(
    connection: sa.Connection, desk_id: str, user_id: str, limit: int, since_us: int
) -> int:
    """Count an attempt before it is made; gives how many are left if it is wrong.

    Raises RowError ``full_sign_in_required`` for who has not signed in there in full after
    ``since_us``, or has no attempt left.
    """
    known = connection.execute(
        sa.update(desk_people)
        .where(
            *_person(desk_id, user_id),
            desk_people.c.full_sign_in_us > since_us,
            desk_people.c.wrong_pins < limit,
        )
        .values(wrong_pins=desk_people.c.wrong_pins + 1)
        .returning(desk_people.c.wrong_pins)
    ).one_or_none()
    if known is None:
        raise RowError("full_sign_in_required", "sign in here with your password first")
    return limit - int(known.wrong_pins)


@row_operation("desks.pin_right")
def pin_right(connection: sa.Connection, desk_id: str, user_id: str) -> None:
    """The PIN was right. May be repeated."""
    connection.execute(
        sa.update(desk_people).where(*_person(desk_id, user_id)).values(wrong_pins=0)
    )


@row_operation("viewing.take_over")
def take_over(
    connection: sa.Connection, session_ids: list[str], user_id: str, token_hash: str
) -> None:
    """What is being watched at a desk is from now on watched by somebody else."""
    connection.execute(
        sa.update(viewing_sessions)
        .where(viewing_sessions.c.id.in_(session_ids), viewing_sessions.c.ended_us.is_(None))
        .values(user_id=user_id, token_hash=token_hash)
    )


@row_operation("desk_items.open")
def open_item(
    connection: sa.Connection,
    desk_id: str,
    text: str,
    opened_by: str,
    camera_id: str | None = None,
    at_us: int | None = None,
) -> str:
    """Note what the next shift must know of; gives its id."""
    item_id = new_id("item")
    connection.execute(
        sa.insert(desk_items).values(
            id=item_id,
            desk_id=desk_id,
            text=text,
            camera_id=camera_id,
            at_us=at_us,
            opened_us=now_us(),
            opened_by=opened_by,
        )
    )
    return item_id


@row_operation("desk_items.close")
def close_item(
    connection: sa.Connection, desk_id: str, item_id: str, closed_by: str, resolution: str
) -> None:
    """Done, and how. Raises RowError ``not_found``, ``conflict``."""
    table = desk_items
    found = connection.execute(
        sa.select(table.c.closed_us).where(table.c.id == item_id, table.c.desk_id == desk_id)
    ).one_or_none()
    if found is None:
        raise RowError("not_found", "there is no such item")
    if found.closed_us is not None:
        raise RowError("conflict", "this item is closed already")
    connection.execute(
        sa.update(table)
        .where(table.c.id == item_id)
        .values(closed_us=now_us(), closed_by=closed_by, resolution=resolution)
    )


def _person(desk_id: str, user_id: str) -> tuple[sa.ColumnElement[bool], ...]:
    return desk_people.c.desk_id == desk_id, desk_people.c.user_id == user_id


def _require_area(connection: sa.Connection, area_id: str) -> None:
    found = connection.execute(sa.select(areas.c.id).where(areas.c.id == area_id)).one_or_none()
    if found is None:
        raise RowError("invalid", f"there is no area {area_id}")
