"""Writes to accounts, and to what is being watched by whom."""

from __future__ import annotations

import unicodedata
from typing import Any

import sqlalchemy as sa

from gateway.audit import append_rows
from gateway.database.account_tables import (
    identities,
    password_history,
    pins,
    recovery_codes,
    service_tokens,
    totp_secrets,
)
from gateway.database.tables import grants, users, viewing_sessions
from gateway.identifiers import US_PER_S, new_id, now_us
from gateway.people.grant_rows import keep_an_admin, set_grants
from gateway.people.roles import WHOLE_COUNTY, Role
from gateway.people.sign_in_rows import close_all
from recorder.rows import RowError, row_operation

_NAME_LENGTH = 100
# More than any rule asks for.
_PASSWORDS_KEPT = 24
# The register keeps who watched what; these rows only serve to end it.
_VIEWING_KEPT_US = 24 * 3600 * US_PER_S


def name_key(name: str) -> str:
    """What makes two names the same: case, and wide or narrow letters, do not tell them apart."""
    return unicodedata.normalize("NFKC", name).strip().casefold()


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
    if not 1 <= len(name_key(name)) <= _NAME_LENGTH:
        raise RowError("invalid", f"a name has 1 to {_NAME_LENGTH} characters")
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
    home: dict[str, str | None] | None = None,
    password_hash: str | None = None,
) -> None:
    """Change what is given; the last administrator cannot be taken away. ``home`` holds the
    ``area_id``, None for the county. A password must be changed at the next sign-in.
    """
    _require(connection, user_id)
    values: dict[str, Any] = dict(home or {})
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
    if password_hash is not None:
        set_password(connection, user_id, password_hash, True)
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
    _remember_password(connection, user_id)
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
    for table in (totp_secrets, recovery_codes, pins, password_history, identities):
        connection.execute(sa.delete(table).where(table.c.user_id == user_id))
    connection.execute(
        sa.update(service_tokens)
        .where(service_tokens.c.user_id == user_id, service_tokens.c.revoked_us.is_(None))
        .values(revoked_us=now_us())
    )
    keep_an_admin(connection)


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


def _remember_password(connection: sa.Connection, user_id: str) -> None:
    """Keep the hash of the password that goes, and forget the oldest."""
    current = connection.execute(
        sa.select(users.c.password_hash).where(users.c.id == user_id)
    ).scalar_one()
    table = password_history
    if current:
        connection.execute(
            sa.insert(table).values(user_id=user_id, replaced_us=now_us(), password_hash=current)
        )
    kept = (
        sa.select(table.c.replaced_us)
        .where(table.c.user_id == user_id)
        .order_by(table.c.replaced_us.desc())
        .limit(_PASSWORDS_KEPT)
    )
    connection.execute(
        sa.delete(table).where(table.c.user_id == user_id, table.c.replaced_us.not_in(kept))
    )
