"""Writes to authenticators, recovery codes and PINs. A code counts once: here, in one commit."""

from __future__ import annotations

import sqlalchemy as sa

from gateway.database.account_tables import pins, recovery_codes, totp_secrets
from gateway.database.tables import sign_in_sessions
from gateway.identifiers import now_us
from recorder.rows import RowError, row_operation


def use_code(
    connection: sa.Connection,
    user_id: str,
    step: int | None = None,
    recovery_code_hash: str | None = None,
) -> None:
    """Use up the authenticator's code of a time ``step``, or a recovery code.

    No code of that step or an earlier one counts again (RFC 6238 §5.2). Raises RowError
    ``code_used``, and ``wrong_code`` for a recovery code that never was one.
    """
    at_us = now_us()
    if step is not None:
        used = connection.execute(
            sa.update(totp_secrets)
            .where(
                totp_secrets.c.user_id == user_id,
                totp_secrets.c.confirmed_us.is_not(None),
                totp_secrets.c.last_step < step,
            )
            .values(last_step=step)
        )
    else:
        table = recovery_codes
        this = (table.c.user_id == user_id, table.c.code_hash == recovery_code_hash)
        if connection.execute(sa.select(table.c.user_id).where(*this)).one_or_none() is None:
            raise RowError("wrong_code", "this is none of the recovery codes")
        used = connection.execute(
            sa.update(table).where(*this, table.c.used_us.is_(None)).values(used_us=at_us)
        )
    if used.rowcount != 1:
        raise RowError("code_used", "this code has been used already: wait for the next one")


@row_operation("totp.begin")
def begin(connection: sa.Connection, user_id: str, secret_sealed: str) -> None:
    """Keep a new secret, to be confirmed. Raises RowError ``totp_enrolled``."""
    table = totp_secrets
    known = connection.execute(
        sa.select(table.c.confirmed_us).where(table.c.user_id == user_id)
    ).one_or_none()
    if known is not None and known.confirmed_us is not None:
        raise RowError("totp_enrolled", "an authenticator is in use already: remove it first")
    connection.execute(sa.delete(table).where(table.c.user_id == user_id))
    connection.execute(
        sa.insert(table).values(
            user_id=user_id, secret_sealed=secret_sealed, created_us=now_us(), last_step=-1
        )
    )


@row_operation("totp.confirm")
def confirm(
    connection: sa.Connection,
    user_id: str,
    secret_sealed: str,
    step: int,
    recovery_code_hashes: list[str],
    token_hash: str,
) -> None:
    """From now on sign-ins ask for a code; those that are open end, but the one of ``token_hash``,
    which counts as made with one.
    """
    table = totp_secrets
    changed = connection.execute(
        sa.update(table)
        .where(
            table.c.user_id == user_id,
            table.c.secret_sealed == secret_sealed,
            table.c.confirmed_us.is_(None),
        )
        .values(confirmed_us=now_us(), last_step=step)
    )
    if changed.rowcount != 1:
        raise RowError("conflict", "the enrolment was begun anew meanwhile: begin again")
    replace_recovery_codes(connection, user_id, recovery_code_hashes)
    sessions = sign_in_sessions
    connection.execute(
        sa.delete(sessions).where(
            sessions.c.user_id == user_id, sessions.c.token_hash != token_hash
        )
    )
    connection.execute(
        sa.update(sessions).where(sessions.c.token_hash == token_hash).values(method="totp")
    )


@row_operation("totp.remove")
def remove(connection: sa.Connection, user_id: str, end_sessions: bool = False) -> None:
    """No code is asked for any more; recovery codes go too. May be repeated."""
    connection.execute(sa.delete(totp_secrets).where(totp_secrets.c.user_id == user_id))
    connection.execute(sa.delete(recovery_codes).where(recovery_codes.c.user_id == user_id))
    if end_sessions:
        connection.execute(sa.delete(sign_in_sessions).where(sign_in_sessions.c.user_id == user_id))


@row_operation("totp.use")
def use(
    connection: sa.Connection,
    user_id: str,
    step: int | None = None,
    recovery_code_hash: str | None = None,
) -> None:
    """See :func:`use_code`."""
    use_code(connection, user_id, step, recovery_code_hash)


@row_operation("recovery_codes.replace")
def replace_recovery_codes(
    connection: sa.Connection, user_id: str, recovery_code_hashes: list[str]
) -> None:
    """These are the recovery codes from now on."""
    connection.execute(sa.delete(recovery_codes).where(recovery_codes.c.user_id == user_id))
    connection.execute(
        sa.insert(recovery_codes),
        [{"user_id": user_id, "code_hash": one} for one in recovery_code_hashes],
    )


@row_operation("pins.set")
def set_pin(connection: sa.Connection, user_id: str, pin_hash: str | None) -> None:
    """Keep a PIN, or with None have none."""
    connection.execute(sa.delete(pins).where(pins.c.user_id == user_id))
    if pin_hash is not None:
        connection.execute(
            sa.insert(pins).values(user_id=user_id, pin_hash=pin_hash, changed_us=now_us())
        )
