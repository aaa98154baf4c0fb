"""Which sign-ins and service tokens are still good, asked of many at once."""

from __future__ import annotations

from collections.abc import Collection

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.database.account_tables import service_tokens
from gateway.database.tables import sign_in_sessions, users
from gateway.identifiers import now_us


async def living_tokens(connection: AsyncConnection, token_hashes: Collection[str]) -> set[str]:
    """Those of the tokens that open something: not ended, not expired, of an enabled account."""
    at_us = now_us()
    sign_ins = (
        sa.select(sign_in_sessions.c.token_hash)
        .join(users, users.c.id == sign_in_sessions.c.user_id)
        .where(
            sign_in_sessions.c.token_hash.in_(token_hashes),
            sign_in_sessions.c.expires_us > at_us,
            users.c.enabled,
        )
    )
    services = (
        sa.select(service_tokens.c.token_hash)
        .join(users, users.c.id == service_tokens.c.user_id)
        .where(
            service_tokens.c.token_hash.in_(token_hashes),
            service_tokens.c.expires_us > at_us,
            service_tokens.c.revoked_us.is_(None),
            users.c.enabled,
        )
    )
    return set(await connection.scalars(sign_ins.union_all(services)))
