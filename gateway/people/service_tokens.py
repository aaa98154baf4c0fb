"""Tokens by which other platforms act: an account's rights, cut down, from known addresses."""

from __future__ import annotations

import ipaddress
import secrets
from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from gateway.database.account_tables import service_tokens
from gateway.database.tables import areas, grants, users
from gateway.identifiers import now_us
from gateway.people.authorize import Principal
from gateway.people.grants import GRANT_COLUMNS, held_grants
from gateway.people.known_devices import token_hash
from gateway.people.roles import Right

PREFIX = "gst_"

_LENGTH_LIMIT = 100


class TokenRefused(Exception):
    """The token opens nothing; the message says why, for the register, not for who sent it."""

    def __init__(self, message: str, token_id: str | None = None) -> None:
        super().__init__(message)
        self.token_id = token_id


def new_service_token() -> str:
    """``gst_`` and 256 random bits: scanners for leaked secrets know it by its beginning."""
    return PREFIX + secrets.token_urlsafe(32)


def network(text: str) -> str:
    """An address or network in its canonical form. Raises ValueError."""
    return str(ipaddress.ip_network(text.strip(), strict=False))


def is_within(address: str, networks: Sequence[str]) -> bool:
    """Whether the address lies in one of the networks; with none given, always."""
    if not networks:
        return True
    try:
        peer = ipaddress.ip_address(address)
    except ValueError:
        return False
    mapped = getattr(peer, "ipv4_mapped", None)
    return any((mapped or peer) in ipaddress.ip_network(one) for one in networks)


async def find_service(
    reader: AsyncEngine, token: str, address: str
) -> tuple[Principal, int | None]:
    """Whose token this is, and when it was last noted as used. Raises TokenRefused."""
    if not token.startswith(PREFIX) or len(token) > _LENGTH_LIMIT:
        raise TokenRefused("not a token of this gateway")
    digest = token_hash(token)
    table = service_tokens
    async with reader.connect() as connection:
        found = (
            await connection.execute(
                sa.select(
                    table.c.id.label("token_id"),
                    table.c.name.label("token_name"),
                    table.c.scopes,
                    table.c.addresses,
                    table.c.expires_us,
                    table.c.revoked_us,
                    table.c.used_us,
                    users.c.id,
                    users.c.name,
                    users.c.display_name,
                    users.c.enabled,
                    *GRANT_COLUMNS,
                )
                .select_from(
                    table.join(users, users.c.id == table.c.user_id)
                    .outerjoin(grants, grants.c.user_id == users.c.id)
                    .outerjoin(areas, areas.c.id == grants.c.area_id)
                )
                .where(table.c.token_hash == digest)
            )
        ).all()
    if not found:
        raise TokenRefused("unknown or forged")
    first = found[0]
    if first.revoked_us is not None:
        raise TokenRefused("withdrawn", first.token_id)
    if first.expires_us <= now_us():
        raise TokenRefused("expired", first.token_id)
    if not first.enabled:
        raise TokenRefused("its account is disabled", first.token_id)
    if not is_within(address, first.addresses):
        raise TokenRefused("from an address that it is not for", first.token_id)
    principal = Principal(
        user_id=first.id,
        name=first.name,
        display_name=first.display_name,
        grants=held_grants(found),
        must_change_password=False,
        session_expires_us=first.expires_us,
        token_hash=digest,
        kind="service",
        scopes=frozenset(Right(one) for one in first.scopes),
        session_id=first.token_id,
        method="token",
    )
    return principal, first.used_us
