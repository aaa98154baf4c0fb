"""Which sign-ins and service tokens are still good, and for what, asked of many at once."""

from __future__ import annotations

from collections.abc import Collection

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.database.account_tables import service_tokens
from gateway.database.tables import sign_in_sessions, users, viewing_sessions
from gateway.identifiers import now_us
from gateway.people.roles import AT_THE_DESK, Right

# As in :class:`gateway.people.authorize.Principal`: None is no limit.
Scopes = frozenset[Right] | None


async def living_tokens(
    connection: AsyncConnection, token_hashes: Collection[str]
) -> dict[str, Scopes]:
    """Those of the tokens that open something (not ended, not expired, of an enabled account), and
    the scopes of each.
    """
    at_us = now_us()
    sign_ins = (
        sa.select(sign_in_sessions.c.token_hash, sign_in_sessions.c.method)
        .join(users, users.c.id == sign_in_sessions.c.user_id)
        .where(
            sign_in_sessions.c.token_hash.in_(token_hashes),
            sign_in_sessions.c.expires_us > at_us,
            users.c.enabled,
        )
    )
    services = (
        sa.select(service_tokens.c.token_hash, service_tokens.c.scopes)
        .join(users, users.c.id == service_tokens.c.user_id)
        .where(
            service_tokens.c.token_hash.in_(token_hashes),
            service_tokens.c.expires_us > at_us,
            service_tokens.c.revoked_us.is_(None),
            users.c.enabled,
        )
    )
    living: dict[str, Scopes] = {
        row.token_hash: AT_THE_DESK if row.method == "pin" else None
        for row in await connection.execute(sign_ins)
    }
    for row in await connection.execute(services):
        living[row.token_hash] = frozenset(Right(one) for one in row.scopes)
    return living


async def scopes_of_session(connection: AsyncConnection, session_id: str) -> Scopes:
    """The scopes of the sign-in or token under which a viewing session was opened; nothing at all
    when that has ended.
    """
    token_hash = await connection.scalar(
        sa.select(viewing_sessions.c.token_hash).where(viewing_sessions.c.id == session_id)
    )
    if token_hash is None:
        return None
    return (await living_tokens(connection, [token_hash])).get(token_hash, frozenset())
