"""``gridsight token add|list|revoke``: tokens of other platforms, for who has the machine."""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa

from gateway.audit import AuditRecord, act
from gateway.commands.rows import open_rows
from gateway.commands.user import find_user
from gateway.database.account_tables import service_tokens
from gateway.database.engine import create_reader_engine
from gateway.database.tables import users
from gateway.identifiers import US_PER_S, now_us
from gateway.people.known_devices import token_hash
from gateway.people.roles import Right
from gateway.people.service_tokens import network, new_service_token
from gateway.settings import Settings

_COMMAND_LINE = "(command line)"


@dataclass(frozen=True, slots=True)
class TokenLine:
    """One token as ``token list`` shows it."""

    id: str
    user_name: str
    name: str
    scopes: tuple[str, ...]
    addresses: tuple[str, ...]
    expires_us: int
    used_us: int | None


async def add_token(
    settings: Settings,
    user_name: str,
    name: str,
    scopes: list[str],
    addresses: list[str],
    days: int,
) -> str:
    """Make a token for an account and give it back, this once. Raises RowError, ValueError."""
    for scope in scopes:
        if scope not in tuple(Right):
            raise ValueError(f"{scope!r} is no right: there are {', '.join(Right)}")
    token = new_service_token()
    async with open_rows(settings) as rows:
        user_id = await find_user(settings, user_name)
        terms = {
            "name": name,
            "user_id": user_id,
            "scopes": sorted(set(scopes)),
            "addresses": [network(one) for one in addresses],
            "expires_us": now_us() + days * 24 * 3600 * US_PER_S,
        }
        await act(
            rows,
            "tokens.create",
            {**terms, "token_hash": token_hash(token), "created_by": _COMMAND_LINE},
            [AuditRecord("token.create", user_name=_COMMAND_LINE, detail=terms)],
            result_as="id",
        )
    return token


async def list_tokens(settings: Settings) -> list[TokenLine]:
    """Every token that was not withdrawn, by account."""
    async with open_rows(settings):
        pass  # Makes the tables where there are none.
    table = service_tokens.c
    engine = create_reader_engine(settings)
    async with engine.connect() as connection:
        rows = (
            await connection.execute(
                sa.select(service_tokens, users.c.name.label("user_name"))
                .join(users, users.c.id == table.user_id)
                .where(table.revoked_us.is_(None))
                .order_by(users.c.name_key, table.name)
            )
        ).all()
    await engine.dispose()
    return [
        TokenLine(
            row.id, row.user_name, row.name, tuple(row.scopes), tuple(row.addresses),
            row.expires_us, row.used_us,
        )
        for row in rows
    ]  # fmt: skip


async def revoke_token(settings: Settings, token_id: str) -> None:
    """Withdraw it; a running gateway ends what it watches. Raises ValueError for none."""
    if token_id not in {one.id for one in await list_tokens(settings)}:
        raise ValueError(f"there is no token {token_id}: see `gridsight token list`")
    async with open_rows(settings) as rows:
        await act(
            rows,
            "tokens.revoke",
            {"token_id": token_id},
            [AuditRecord("token.revoke", user_name=_COMMAND_LINE, detail={"id": token_id})],
        )
