"""Writes to accounts, grants and sign-in sessions."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from gateway.audit import append_rows
from gateway.database.tables import (
    grants,
    sign_in_failures,
    sign_in_sessions,
    users,
    viewing_sessions,
)
from gateway.identifiers import US_PER_S, new_id, now_us
from gateway.people.grant_rows import keep_an_admin, set_grants
from gateway.people.roles import WHOLE_COUNTY, Role
from recorder.rows import RowError, row_operation

_FAILURES_KEPT_US = 24 * 3600 * US_PER_S
# The register keeps who watched what; these rows only serve to end it.
_VIEWING_KEPT_US = 24 * 3600 * US_PER_S


def name_key(name: str) -> str:
    """What makes two names the same."""
    return name.strip().casefold()


@row_operation("accounts.create")
def create(
    connection: sa.Connection,
    name: str,
    display_name: str,
    password_hash: str,
    must_change_password: bool,
    granted: list[dict[str, Any]],
    area_id: str | None = None,
    granted_by: str | None = None,
) -> str:
    """Add an account; gives its id. ``area_id``: its home, None for the county. ``granted``: see
    :func:`gateway.people.grant_rows.set_grants`.
    """
    taken = sa.select(users.c.id).where(users.c.name_key == name_key(name))
    if connection.execute(taken).one_or_none() is not None:
        raise RowError("name_taken", f"there is already a user called {name}")
    user_id = new_id("usr")
    at_us = now_us()
    connection.execute(
        sa.insert(users).values(
            id=user_id,
            name=name.strip(),
            name_key=name_key(name),
            display_name=display_name,
            password_hash=password_hash,
            must_change_password=must_change_password,
            enabled=True,
            created_us=at_us,
            password_changed_us=at_us,
            area_id=area_id,
        )
    )
    set_grants(connection, user_id, granted, granted_by)
    return user_id


@row_operation("accounts.create_first")
def create_first(connection: sa.Connection, name: str, password_hash: str) -> str | None:
    """Add the first administrator, unless there is any account; None when there is."""
    if connection.execute(sa.select(users.c.id).limit(1)).one_or_none() is not None:
        return None
    whole = [{"role": Role.SYSTEM_ADMIN.value, "area_id": WHOLE_COUNTY}]
    return create(connection, name, name, password_hash, True, whole)


@row_operation("accounts.change")
def change(
    connection: sa.Connection,
    user_id: str,
    display_name: str | None = None,
    enabled: bool | None = None,
    granted: list[dict[str, Any]] | None = None,
    granted_by: str | None = None,
) -> None:
    """Change what is given; the last administrator cannot be taken away."""
    _require(connection, user_id)
    values: dict[str, Any] = {}
    if display_name is not None:
        values["display_name"] = display_name
    if enabled is not None:
        values["enabled"] = enabled
    if values:
        connection.execute(sa.update(users).where(users.c.id == user_id).values(**values))
    if granted is not None:
        set_grants(connection, user_id, granted, granted_by)
    if enabled is False:
        close_all(connection, user_id)
    keep_an_admin(connection)


@row_operation("accounts.set_password")
def set_password(
    connection: sa.Connection,
    user_id: str,
    password_hash: str,
    must_change_password: bool,
    keep_token_hash: str | None = None,
) -> None:
    """Replace the password and end every session but ``keep_token_hash``."""
    _require(connection, user_id)
    connection.execute(
        sa.update(users)
        .where(users.c.id == user_id)
        .values(
            password_hash=password_hash,
            must_change_password=must_change_password,
            password_changed_us=now_us(),
        )
    )
    close_all(connection, user_id, keep_token_hash)


@row_operation("accounts.rehash")
def rehash(connection: sa.Connection, user_id: str, old_hash: str, password_hash: str) -> None:
    """The same password under stronger parameters, unless it was changed meanwhile."""
    connection.execute(
        sa.update(users)
        .where(users.c.id == user_id, users.c.password_hash == old_hash)
        .values(password_hash=password_hash)
    )


@row_operation("accounts.delete")
def delete(connection: sa.Connection, user_id: str) -> None:
    """Delete an account. Its row stays, unusable, because the audit log names it."""
    _require(connection, user_id)
    connection.execute(sa.delete(grants).where(grants.c.user_id == user_id))
    connection.execute(
        sa.update(users)
        .where(users.c.id == user_id)
        .values(enabled=False, deleted_us=now_us(), name_key=user_id, password_hash="")
    )
    close_all(connection, user_id)
    keep_an_admin(connection)


@row_operation("sign_in.attempt")
def attempt(connection: sa.Connection, limits: dict[str, int], lock_s: int) -> int:
    """Count an attempt before it is made; gives the seconds to wait, 0 when it may be made.

    ``limits``: key → how many attempts it has before it is locked for ``lock_s``.
    """
    at_us = now_us()
    wait_us = 0
    for key, allowed in limits.items():
        row = connection.execute(
            sa.select(sign_in_failures).where(sign_in_failures.c.key == key)
        ).one_or_none()
        if row is not None and row.locked_until_us > at_us:
            wait_us = max(wait_us, row.locked_until_us - at_us)
            continue
        fresh = row is None or row.last_us < at_us - lock_s * US_PER_S
        count = 1 if row is None or fresh else row.attempts + 1
        locked_until_us = at_us + lock_s * US_PER_S if count > allowed else 0
        wait_us = max(wait_us, locked_until_us - at_us)
        values = {
            "attempts": count,
            "locks": 0,
            "last_us": at_us,
            "locked_until_us": locked_until_us,
        }
        if row is None:
            connection.execute(sa.insert(sign_in_failures).values(key=key, **values))
        else:
            connection.execute(
                sa.update(sign_in_failures).where(sign_in_failures.c.key == key).values(**values)
            )
    connection.execute(
        sa.delete(sign_in_failures).where(sign_in_failures.c.last_us < at_us - _FAILURES_KEPT_US)
    )
    return -(-max(0, wait_us) // US_PER_S)


@row_operation("sign_in.open")
def open_session(
    connection: sa.Connection,
    user_id: str,
    token_hash: str,
    expires_us: int,
    address: str,
    user_agent: str,
    forgive: list[str],
    method: str = "password",
) -> None:
    """Begin a session, and forget the failures under the keys of ``forgive``."""
    at_us = now_us()
    connection.execute(
        sa.insert(sign_in_sessions).values(
            token_hash=token_hash,
            id=new_id("in"),
            user_id=user_id,
            method=method,
            created_us=at_us,
            used_us=at_us,
            expires_us=expires_us,
            address=address,
            user_agent=user_agent[:300],
        )
    )
    connection.execute(sa.delete(sign_in_failures).where(sign_in_failures.c.key.in_(forgive)))
    connection.execute(sa.delete(sign_in_sessions).where(sign_in_sessions.c.expires_us <= at_us))


@row_operation("sign_in.prolong")
def prolong(
    connection: sa.Connection, token_hashes: list[str], idle_us: int, longest_us: int
) -> None:
    """Let sessions that are in use last ``idle_us`` from now, but ``longest_us`` at most in all.

    One that has ended stays ended.
    """
    at_us = now_us()
    last_us = sign_in_sessions.c.created_us + longest_us
    until_us = sa.case((last_us < at_us + idle_us, last_us), else_=at_us + idle_us)
    connection.execute(
        sa.update(sign_in_sessions)
        .where(
            sign_in_sessions.c.token_hash.in_(token_hashes),
            sign_in_sessions.c.expires_us > at_us,
            sign_in_sessions.c.expires_us < until_us,
        )
        .values(expires_us=until_us)
    )


@row_operation("sign_in.close")
def close_session(connection: sa.Connection, token_hash: str) -> None:
    """End one session. May be repeated."""
    connection.execute(
        sa.delete(sign_in_sessions).where(sign_in_sessions.c.token_hash == token_hash)
    )


def close_all(connection: sa.Connection, user_id: str, keep: str | None = None) -> None:
    """End every sign-in of a user but ``keep``."""
    connection.execute(
        sa.delete(sign_in_sessions).where(
            sign_in_sessions.c.user_id == user_id, sign_in_sessions.c.token_hash != (keep or "")
        )
    )


@row_operation("viewing.open")
def open_viewing(connection: sa.Connection, records: list[dict[str, Any]], **columns: Any) -> None:
    """Write into the register who looks at what, and remember the session that a ticket opens, so
    that it can be revoked: both or neither.
    """
    append_rows(connection, records)
    connection.execute(sa.insert(viewing_sessions).values(opened_us=now_us(), **columns))


@row_operation("viewing.ended")
def viewing_ended(connection: sa.Connection, session_ids: list[str]) -> None:
    """Say that these sessions are over, and forget those of long ago. May be repeated."""
    at_us = now_us()
    connection.execute(
        sa.update(viewing_sessions)
        .where(viewing_sessions.c.id.in_(session_ids), viewing_sessions.c.ended_us.is_(None))
        .values(ended_us=at_us)
    )
    connection.execute(
        sa.delete(viewing_sessions).where(viewing_sessions.c.ended_us < at_us - _VIEWING_KEPT_US)
    )


def _require(connection: sa.Connection, user_id: str) -> None:
    found = connection.execute(
        sa.select(users.c.id).where(users.c.id == user_id, users.c.deleted_us.is_(None))
    )
    if found.one_or_none() is None:
        raise RowError("not_found", "there is no such user")
