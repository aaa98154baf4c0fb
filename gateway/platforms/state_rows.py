"""How platforms stand, as rows: states behind a lease, and who knocks without being known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from gateway.database.platform_tables import platform_applicants, platform_states, platforms
from recorder.rows import RowError, row_operation

LEASE_US = 15_000_000
APPLICANTS_LIMIT = 500


@row_operation("platforms.lease")
def lease(
    connection: sa.Connection, owner: str, platform_ids: Sequence[str], now_us: int
) -> dict[str, int]:
    """Take or prolong the lease of these platforms for 15 s; gives the epochs of those that
    ``owner`` speaks for now. A lease that another holds is left alone until it ends.
    """
    table = platform_states
    rows = {
        row.platform_id: row
        for row in connection.execute(
            sa.select(
                table.c.platform_id, table.c.owner, table.c.epoch, table.c.lease_until_us
            ).where(table.c.platform_id.in_(platform_ids))
        )
    }
    existing = set(
        connection.scalars(sa.select(platforms.c.id).where(platforms.c.id.in_(platform_ids)))
    )
    lease_until_us = now_us + LEASE_US
    # Nearly all: thousands are held and held on to, in one statement.
    epochs = {one: row.epoch for one, row in rows.items() if row.owner == owner and one in existing}
    connection.execute(
        sa.update(table)
        .where(table.c.platform_id.in_(list(epochs)))
        .values(lease_until_us=lease_until_us)
    )
    for platform_id in platform_ids:
        row = rows.get(platform_id)
        if platform_id not in existing or platform_id in epochs:
            continue
        if row is None:
            connection.execute(
                sa.insert(table).values(
                    platform_id=platform_id,
                    owner=owner,
                    epoch=1,
                    lease_until_us=lease_until_us,
                    state="connecting",
                    since_us=now_us,
                    facts={},
                    catalog={},
                )
            )
            epochs[platform_id] = 1
        elif row.lease_until_us <= now_us:
            epochs[platform_id] = row.epoch + 1
            connection.execute(
                sa.update(table)
                .where(table.c.platform_id == platform_id)
                .values(owner=owner, epoch=row.epoch + 1, lease_until_us=lease_until_us)
            )
    return epochs


@row_operation("platforms.states")
def report_states(
    connection: sa.Connection, owner: str, states: Mapping[str, Mapping[str, Any]]
) -> None:
    """The newest states, by platform id, of those that ``owner`` holds. May be repeated."""
    for platform_id, columns in states.items():
        connection.execute(
            sa.update(platform_states)
            .where(platform_states.c.platform_id == platform_id, platform_states.c.owner == owner)
            .values(**columns)
        )


@row_operation("platforms.applicants")
def note_applicants(connection: sa.Connection, applicants: Sequence[Mapping[str, Any]]) -> None:
    """Who knocked: each ``{kind, code, host, port, transport, knows_password, detail, at_us,
    attempts}``. Only the newest are kept.
    """
    table = platform_applicants
    for one in applicants:
        columns = {
            name: one[name] for name in ("host", "port", "transport", "knows_password", "detail")
        }
        changed = connection.execute(
            sa.update(table)
            .where(table.c.kind == one["kind"], table.c.code == one["code"])
            .values(last_us=one["at_us"], attempts=table.c.attempts + one["attempts"], **columns)
        )
        if changed.rowcount == 0:
            connection.execute(
                sa.insert(table).values(
                    kind=one["kind"],
                    code=one["code"],
                    first_us=one["at_us"],
                    last_us=one["at_us"],
                    attempts=one["attempts"],
                    **columns,
                )
            )
    oldest_kept = connection.scalar(
        sa.select(table.c.last_us)
        .order_by(table.c.last_us.desc())
        .offset(APPLICANTS_LIMIT - 1)
        .limit(1)
    )
    if oldest_kept is not None:
        connection.execute(sa.delete(table).where(table.c.last_us < oldest_kept))


@row_operation("platforms.forget_applicant")
def forget_applicant(connection: sa.Connection, kind: str, code: str) -> None:
    """Forget who knocked. Raises RowError ``not_found``."""
    table = platform_applicants
    gone = connection.execute(sa.delete(table).where(table.c.kind == kind, table.c.code == code))
    if gone.rowcount == 0:
        raise RowError("not_found", "nobody of that code has knocked")
