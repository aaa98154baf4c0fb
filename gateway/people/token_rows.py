"""Writes to service tokens and to identities of the identity provider."""

from __future__ import annotations

import sqlalchemy as sa

from gateway.database.account_tables import identities, service_tokens
from gateway.database.tables import users
from gateway.identifiers import new_id, now_us
from recorder.rows import RowError, row_operation


@row_operation("tokens.create")
def create(
    connection: sa.Connection,
    user_id: str,
    token_hash: str,
    name: str,
    scopes: list[str],
    addresses: list[str],
    expires_us: int,
    created_by: str,
) -> str:
    """Add a token to an account; gives its id."""
    _require_account(connection, user_id)
    token_id = new_id("tok")
    connection.execute(
        sa.insert(service_tokens).values(
            id=token_id,
            token_hash=token_hash,
            user_id=user_id,
            name=name,
            scopes=scopes,
            addresses=addresses,
            created_us=now_us(),
            created_by=created_by,
            expires_us=expires_us,
        )
    )
    return token_id


@row_operation("tokens.revoke")
def revoke(connection: sa.Connection, token_id: str) -> None:
    """It opens nothing any more. May be repeated."""
    connection.execute(
        sa.update(service_tokens)
        .where(service_tokens.c.id == token_id, service_tokens.c.revoked_us.is_(None))
        .values(revoked_us=now_us())
    )


@row_operation("tokens.used")
def used(connection: sa.Connection, token_id: str, address: str) -> None:
    """Note that it is in use. May be repeated."""
    connection.execute(
        sa.update(service_tokens)
        .where(service_tokens.c.id == token_id)
        .values(used_us=now_us(), used_address=address[:64])
    )


@row_operation("identities.link")
def link(connection: sa.Connection, issuer: str, subject: str, user_id: str, name: str) -> str:
    """From now on this identity opens that account; gives its id. Raises RowError
    ``identity_taken`` when it opens another.
    """
    _require_account(connection, user_id)
    table = identities
    known = connection.execute(
        sa.select(table.c.id, table.c.user_id).where(
            table.c.issuer == issuer, table.c.subject == subject
        )
    ).one_or_none()
    if known is not None:
        if known.user_id != user_id:
            raise RowError("identity_taken", "this identity belongs to another account")
        return str(known.id)
    identity_id = new_id("idn")
    connection.execute(
        sa.insert(table).values(
            id=identity_id,
            issuer=issuer,
            subject=subject,
            user_id=user_id,
            name=name[:200],
            linked_us=now_us(),
        )
    )
    return identity_id


@row_operation("identities.unlink")
def unlink(connection: sa.Connection, user_id: str, identity_id: str) -> None:
    """This identity opens the account no more. Raises RowError ``not_found``."""
    gone = connection.execute(
        sa.delete(identities).where(identities.c.id == identity_id, identities.c.user_id == user_id)
    )
    if gone.rowcount != 1:
        raise RowError("not_found", "there is no such identity")


def _require_account(connection: sa.Connection, user_id: str) -> None:
    found = connection.execute(
        sa.select(users.c.id).where(users.c.id == user_id, users.c.deleted_us.is_(None))
    )
    if found.one_or_none() is None:
        raise RowError("not_found", "there is no such user")
