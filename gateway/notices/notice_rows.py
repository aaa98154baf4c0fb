"""Writes to notices: published, read, shown and confirmed by sites, withdrawn.

What was published is not changed: whoever read it read exactly that. Whoever errs withdraws it and
publishes another.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from gateway.attachments.rows import attach
from gateway.database.notice_tables import notice_areas, notice_receipts, notice_sites, notices
from gateway.identifiers import now_us
from recorder.rows import RowError, row_operation

SUBJECT = "notice"
"""What its files are attached to."""


@row_operation("notices.publish")
def publish(
    connection: sa.Connection,
    notice_id: str,
    user_id: str,
    areas: Sequence[dict[str, str]],
    file_ids: Sequence[str],
    **columns: Any,
) -> str:
    """A new notice to these ``areas`` (``area_id``, ``path``, ``name``); gives its id. Refused
    with ``invalid`` where it would be over already, and as :func:`attach` refuses.
    """
    at_us = now_us()
    if columns["until_us"] <= max(at_us, columns["from_us"]):
        raise RowError("invalid", "this notice would be over before anybody could read it")
    connection.execute(
        sa.insert(notices).values(
            id=notice_id, version=1, created_us=at_us, created_by=user_id, **columns
        )
    )
    connection.execute(sa.insert(notice_areas), [{"notice_id": notice_id, **one} for one in areas])
    attach(connection, file_ids, SUBJECT, notice_id, user_id)
    return notice_id


@row_operation("notices.read")
def read(connection: sa.Connection, notice_id: str, user_id: str) -> None:
    """Somebody has read it; the first time counts. May be repeated. Refused with ``conflict`` for
    what was withdrawn.
    """
    _require_standing(connection, notice_id)
    table = notice_receipts.c
    known = sa.select(table.read_us).where(table.notice_id == notice_id, table.user_id == user_id)
    if connection.execute(known).first() is None:
        connection.execute(
            sa.insert(notice_receipts).values(
                notice_id=notice_id, user_id=user_id, read_us=now_us()
            )
        )
        _changed(connection, notice_id)


@row_operation("notices.at_site")
def at_site(
    connection: sa.Connection, notice_id: str, area_id: str, user_id: str, confirmed: bool
) -> None:
    """The screen of an office shows it, or somebody confirmed it there; the first time counts. May
    be repeated. Refused with ``conflict`` for what was withdrawn.
    """
    _require_standing(connection, notice_id)
    table = notice_sites.c
    here = sa.and_(table.notice_id == notice_id, table.area_id == area_id)
    at_us = now_us()
    before = connection.execute(sa.select(table.confirmed_us).where(here)).one_or_none()
    confirmation = {"confirmed_us": at_us, "confirmed_by": user_id} if confirmed else {}
    if before is None:
        connection.execute(
            sa.insert(notice_sites).values(
                notice_id=notice_id, area_id=area_id, shown_us=at_us, **confirmation
            )
        )
    elif confirmed and before.confirmed_us is None:
        connection.execute(sa.update(notice_sites).where(here).values(**confirmation))
    else:
        return
    _changed(connection, notice_id)


@row_operation("notices.withdraw")
def withdraw(connection: sa.Connection, notice_id: str, user_id: str, note: str) -> None:
    """It does not hold any more. Refused with ``conflict`` where it was withdrawn before."""
    _require_standing(connection, notice_id)
    _changed(
        connection,
        notice_id,
        withdrawn_us=now_us(),
        withdrawn_by=user_id,
        withdrawal_note=note,
    )


def _require_standing(connection: sa.Connection, notice_id: str) -> None:
    row = connection.execute(
        sa.select(notices.c.withdrawn_us).where(notices.c.id == notice_id)
    ).one_or_none()
    if row is None:
        raise RowError("not_found", "there is no such notice")
    if row.withdrawn_us is not None:
        raise RowError("conflict", "this notice was withdrawn")


def _changed(connection: sa.Connection, notice_id: str, **columns: Any) -> None:
    connection.execute(
        sa.update(notices)
        .where(notices.c.id == notice_id)
        .values(version=notices.c.version + 1, **columns)
    )
