"""Writes to case files: opened, added to, closed. Notes are only ever added."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from gateway.database.evidence_tables import case_items, case_members, case_notes, cases
from gateway.database.tables import users
from gateway.evidence.hold_rows import release_case_holds, require_open_case
from gateway.identifiers import new_id, now_us
from recorder.rows import RowError, row_operation

LEAD = "lead"


@row_operation("evidence.open_case")
def open_case(
    connection: sa.Connection,
    number: str,
    title: str,
    description: str,
    area_id: str,
    user_id: str,
) -> str:
    """Open a case that the user leads; gives its id. Refused with ``case_number_taken``."""
    key = number_key(number)
    if connection.execute(sa.select(cases.c.id).where(cases.c.number_key == key)).first():
        raise RowError("case_number_taken", f"there is a case {number} already")
    case_id, at_us = new_id("case"), now_us()
    connection.execute(
        sa.insert(cases).values(
            id=case_id,
            number=number,
            number_key=key,
            title=title,
            description=description,
            area_id=area_id,
            created_us=at_us,
            created_by=user_id,
        )
    )
    connection.execute(
        sa.insert(case_members).values(
            case_id=case_id, user_id=user_id, role=LEAD, added_us=at_us, added_by=user_id
        )
    )
    return case_id


@row_operation("evidence.change_case")
def change_case(connection: sa.Connection, case_id: str, columns: dict[str, Any]) -> None:
    """Change title or description. Refused when it is closed."""
    require_open_case(connection, case_id)
    connection.execute(sa.update(cases).where(cases.c.id == case_id).values(**columns))


@row_operation("evidence.close_case")
def close_case(
    connection: sa.Connection, case_id: str, user_id: str, note: str, release_holds: bool
) -> list[str]:
    """Close a case; gives the ids of the holds that end with it."""
    require_open_case(connection, case_id)
    values = {"closed_us": now_us(), "closed_by": user_id, "closing_note": note}
    connection.execute(sa.update(cases).where(cases.c.id == case_id).values(**values))
    return release_case_holds(connection, case_id, user_id) if release_holds else []


@row_operation("evidence.reopen_case")
def reopen_case(connection: sa.Connection, case_id: str) -> None:
    """Take a case up again. What was released stays released."""
    changed = connection.execute(
        sa.update(cases)
        .where(cases.c.id == case_id, cases.c.closed_us.is_not(None))
        .values(closed_us=None, closed_by=None)
    )
    if not changed.rowcount:
        raise RowError("conflict", "the case is open")


@row_operation("evidence.set_member")
def set_member(
    connection: sa.Connection, case_id: str, user_id: str, role: str, added_by: str
) -> None:
    """Add a member, or give them another role. Refused with ``last_lead``."""
    require_open_case(connection, case_id)
    here = sa.and_(case_members.c.case_id == case_id, case_members.c.user_id == user_id)
    if role != LEAD:
        _require_another_lead(connection, case_id, user_id)
    changed = connection.execute(sa.update(case_members).where(here).values(role=role))
    if not changed.rowcount:
        connection.execute(
            sa.insert(case_members).values(
                case_id=case_id, user_id=user_id, role=role, added_us=now_us(), added_by=added_by
            )
        )


@row_operation("evidence.remove_member")
def remove_member(connection: sa.Connection, case_id: str, user_id: str) -> None:
    """Take a member out. Refused with ``last_lead``, ``not_found``."""
    require_open_case(connection, case_id)
    _require_another_lead(connection, case_id, user_id)
    here = sa.and_(case_members.c.case_id == case_id, case_members.c.user_id == user_id)
    if not connection.execute(sa.delete(case_members).where(here)).rowcount:
        raise RowError("not_found", "there is no such member")


@row_operation("evidence.add_note")
def add_note(connection: sa.Connection, case_id: str, author_id: str, text: str) -> str:
    """Add a note; gives its id."""
    require_open_case(connection, case_id)
    note_id = new_id("note")
    connection.execute(
        sa.insert(case_notes).values(
            id=note_id, case_id=case_id, author_id=author_id, text=text, created_us=now_us()
        )
    )
    return note_id


@row_operation("evidence.add_item")
def add_item(connection: sa.Connection, case_id: str, **columns: Any) -> str:
    """Add minutes of a camera; gives the item's id."""
    require_open_case(connection, case_id)
    item_id = new_id("item")
    values = {"id": item_id, "case_id": case_id, "added_us": now_us(), **columns}
    connection.execute(sa.insert(case_items).values(**values))
    return item_id


@row_operation("evidence.remove_item")
def remove_item(connection: sa.Connection, case_id: str, item_id: str) -> None:
    """Take minutes out again; the row stays, so that the case tells what was in it."""
    require_open_case(connection, case_id)
    changed = connection.execute(
        sa.update(case_items)
        .where(
            case_items.c.id == item_id,
            case_items.c.case_id == case_id,
            case_items.c.removed_us.is_(None),
        )
        .values(removed_us=now_us())
    )
    if not changed.rowcount:
        raise RowError("not_found", "there is no such item")


def number_key(number: str) -> str:
    """What two ways to write one case number have in common."""
    return "".join(number.casefold().split())


def _require_another_lead(connection: sa.Connection, case_id: str, user_id: str) -> None:
    """Refuse to leave the case without an enabled lead."""
    others = (
        sa.select(case_members.c.user_id)
        .join(users, users.c.id == case_members.c.user_id)
        .where(
            case_members.c.case_id == case_id,
            case_members.c.role == LEAD,
            case_members.c.user_id != user_id,
            users.c.enabled,
        )
    )
    is_lead = sa.select(case_members.c.role).where(
        case_members.c.case_id == case_id, case_members.c.user_id == user_id
    )
    if connection.execute(is_lead).scalar() == LEAD and not connection.execute(others).first():
        raise RowError("last_lead", "a case has a lead: make another member one first")
