"""Writes to sign-ins: attempts are counted before they are made; opening one is one commit with
all that it uses up and with its record.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from gateway.audit import append_rows
from gateway.database.tables import sign_in_failures, sign_in_sessions, viewing_sessions
from gateway.identifiers import US_PER_S, new_id, now_us
from gateway.people.desk_rows import noted_at_desk
from gateway.people.second_factor_rows import use_code
from recorder.rows import RowError, row_operation

_FAILURES_KEPT_US = 24 * 3600 * US_PER_S


@row_operation("sign_in.attempt")
def attempt(
    connection: sa.Connection, limits: dict[str, int], lock_s: int, lock_s_limit: int = 3600
) -> int:
    """Count an attempt before it is made; gives the seconds to wait, 0 when it may be made.

    ``limits``: key → how many attempts it has before it is locked for ``lock_s``. Each further lock
    lasts twice as long, up to ``lock_s_limit``, until a day has passed without an attempt.
    """
    at_us = now_us()
    wait_us = 0
    table = sign_in_failures
    connection.execute(sa.delete(table).where(table.c.last_us < at_us - _FAILURES_KEPT_US))
    for key, allowed in limits.items():
        row = connection.execute(sa.select(table).where(table.c.key == key)).one_or_none()
        if row is not None and row.locked_until_us > at_us:
            wait_us = max(wait_us, row.locked_until_us - at_us)
            continue
        fresh = row is None or row.locked_until_us > 0 or row.last_us < at_us - lock_s * US_PER_S
        count = 1 if row is None or fresh else row.attempts + 1
        locks = 0 if row is None else row.locks
        locked_until_us = 0
        if count > allowed:
            locks += 1
            lasts_s = min(lock_s * 2 ** min(locks - 1, 20), max(lock_s, lock_s_limit))
            locked_until_us = at_us + lasts_s * US_PER_S
        wait_us = max(wait_us, locked_until_us - at_us)
        values = {
            "attempts": count,
            "locks": locks,
            "last_us": at_us,
            "locked_until_us": locked_until_us,
        }
        if row is None:
            connection.execute(sa.insert(table).values(key=key, **values))
        else:
            connection.execute(sa.update(table).where(table.c.key == key).values(**values))
    return -(-max(0, wait_us) // US_PER_S)


@row_operation("sign_in.forgive")
def forgive(connection: sa.Connection, forget: list[str], give_back: list[str]) -> None:
    """Forget the attempts under the keys of ``forget``; count one less under ``give_back``."""
    table = sign_in_failures
    connection.execute(sa.delete(table).where(table.c.key.in_(forget)))
    connection.execute(
        sa.update(table)
        .where(table.c.key.in_(give_back), table.c.attempts > 0)
        .values(attempts=table.c.attempts - 1)
    )


@row_operation("sign_in.unlock")
def unlock(connection: sa.Connection, user_id: str, name_key: str) -> None:
    """Forget every attempt at this account, from wherever. May be repeated."""
    key = sign_in_failures.c.key
    own = [f"name:{name_key}", f"change:{user_id}", f"totp:{user_id}"]
    connection.execute(
        sa.delete(sign_in_failures).where(
            sa.or_(
                key.in_(own),
                key.startswith(f"totp:{user_id}:", autoescape=True),
                sa.and_(
                    sa.or_(key.startswith("both:"), key.startswith("device:")),
                    key.endswith(f":{name_key}", autoescape=True),
                ),
            )
        )
    )


@row_operation("sign_in.open")
def open_session(
    connection: sa.Connection,
    user_id: str,
    token_hash: str,
    expires_us: int,
    address: str,
    user_agent: str,
    forgive: list[str],
    give_back: list[str] | None = None,
    method: str = "password",
    desk_id: str | None = None,
    replaces: str | None = None,
    code: dict[str, Any] | None = None,
    records: list[dict[str, Any]] | None = None,
) -> str:
    """Begin a session and end the one that it ``replaces`` (a token's hash); gives its id.

    ``code`` is used up by it: see :func:`gateway.people.second_factor_rows.use_code`. The attempts
    under the keys of ``forgive`` are forgotten. Raises RowError ``code_used``.
    """
    at_us = now_us()
    if code is not None:
        use_code(connection, user_id, **code)
    session_id = new_id("in")
    connection.execute(
        sa.insert(sign_in_sessions).values(
            token_hash=token_hash,
            id=session_id,
            user_id=user_id,
            method=method,
            desk_id=desk_id,
            created_us=at_us,
            used_us=at_us,
            expires_us=expires_us,
            address=address,
            user_agent=user_agent[:300],
        )
    )
    if replaces is not None:
        close_session(connection, replaces)
    if desk_id is not None:
        noted_at_desk(connection, desk_id, user_id, full=method != "pin")
    _forgive(connection, forgive, give_back or [])
    connection.execute(sa.delete(sign_in_sessions).where(sign_in_sessions.c.expires_us <= at_us))
    append_rows(
        connection,
        [
            {**one, "detail": {**(one.get("detail") or {}), "sign_in_id": session_id}}
            for one in records or []
        ],
    )
    return session_id


# `open_session` has an argument of that name.
_forgive = forgive


@row_operation("sign_in.renew")
def renew(connection: sa.Connection, token_hash: str, new_token_hash: str) -> None:
    """The same session under another token: whoever knew the old one is out."""
    changed = connection.execute(
        sa.update(sign_in_sessions)
        .where(sign_in_sessions.c.token_hash == token_hash)
        .values(token_hash=new_token_hash)
    )
    if changed.rowcount != 1:
        raise RowError("not_found", "this sign-in has ended")
    connection.execute(
        sa.update(viewing_sessions)
        .where(viewing_sessions.c.token_hash == token_hash)
        .values(token_hash=new_token_hash)
    )


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
        .values(expires_us=until_us, used_us=at_us)
    )


@row_operation("sign_in.close")
def close_session(connection: sa.Connection, token_hash: str) -> None:
    """End one session. May be repeated."""
    connection.execute(
        sa.delete(sign_in_sessions).where(sign_in_sessions.c.token_hash == token_hash)
    )


@row_operation("sign_in.close_all")
def close_all(connection: sa.Connection, user_id: str, keep: str | None = None) -> None:
    """End every sign-in of a user but ``keep``."""
    connection.execute(
        sa.delete(sign_in_sessions).where(
            sign_in_sessions.c.user_id == user_id, sign_in_sessions.c.token_hash != (keep or "")
        )
    )
