"""Signing in, and finding out who asks: sessions are random tokens, stored as their hash."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from gateway.database.tables import areas, grants, sign_in_sessions, users
from gateway.identifiers import US_PER_S, now_us
from gateway.people.account_rows import name_key
from gateway.people.authorize import Principal
from gateway.people.grants import GRANT_COLUMNS, held_grants
from gateway.people.passwords import hash_in_thread, needs_rehash, verify_in_thread
from gateway.settings import SignInSettings
from recorder.rows import RowWriter

# A whole office may sit behind one address; and nobody shall lock a colleague out from elsewhere
# with a handful of guesses.
_WIDER = 10


@dataclass(frozen=True, slots=True)
class Lifetime:
    """How long a sign-in lasts: ``idle_us`` after its last use, ``longest_us`` in all."""

    idle_us: int
    longest_us: int

    @classmethod
    def of(cls, settings: SignInSettings) -> Lifetime:
        """As configured."""
        longest_us = round(settings.session_days_limit * 24 * 3600 * US_PER_S)
        return cls(min(round(settings.session_hours * 3600 * US_PER_S), longest_us), longest_us)

    def is_due(self, expires_us: int, at_us: int) -> bool:
        """Whether use at ``at_us`` is worth a write: not again for a twenty-fourth of the time."""
        return expires_us - at_us < self.idle_us - self.idle_us // 24


class SignInError(Exception):
    """Name or password is wrong, or the account is disabled: which, is not said."""


@dataclass(frozen=True, slots=True)
class TooManyAttempts(Exception):
    """Guessing has been stopped for a while."""

    retry_after_s: int


def token_hash(token: str) -> str:
    """What is stored of a session's token."""
    return hashlib.sha256(token.encode()).hexdigest()


async def sign_in(
    reader: AsyncEngine,
    rows: RowWriter,
    settings: SignInSettings,
    *,
    name: str,
    password: str,
    address: str,
    user_agent: str,
) -> tuple[str, Principal]:
    """Check the password and open a session; gives its token and whose it is.

    Raises SignInError, TooManyAttempts.
    """
    key = name_key(name)[:100]
    limits = {
        f"both:{address}:{key}": settings.attempts,
        f"name:{key}": settings.attempts * _WIDER,
        f"address:{address}": settings.attempts * _WIDER,
    }
    retry_after_s: int = await rows.write("sign_in.attempt", limits=limits, lock_s=settings.lock_s)
    if retry_after_s > 0:
        raise TooManyAttempts(retry_after_s)
    async with reader.connect() as connection:
        row = (
            await connection.execute(
                sa.select(users.c.id, users.c.password_hash, users.c.enabled).where(
                    users.c.name_key == name_key(name)
                )
            )
        ).one_or_none()
    stored = row.password_hash if row is not None else None
    if not await verify_in_thread(password, stored) or row is None or not row.enabled:
        raise SignInError("the name or the password is wrong")
    if needs_rehash(row.password_hash):
        stronger = await hash_in_thread(password)
        await rows.write(
            "accounts.rehash", user_id=row.id, old_hash=row.password_hash, password_hash=stronger
        )
    token = secrets.token_urlsafe(32)
    await rows.write(
        "sign_in.open",
        user_id=row.id,
        token_hash=token_hash(token),
        expires_us=now_us() + Lifetime.of(settings).idle_us,
        address=address,
        user_agent=user_agent,
        forgive=list(limits),
    )
    principal = await find_principal(reader, token)
    if principal is None:
        raise SignInError("the account was changed meanwhile")
    return token, principal


async def find_principal(reader: AsyncEngine, token: str) -> Principal | None:
    """Whose session this token is; None when it is nobody's any more."""
    digest = token_hash(token)
    async with reader.connect() as connection:
        found = (
            await connection.execute(
                sa.select(
                    users.c.id,
                    users.c.name,
                    users.c.display_name,
                    users.c.must_change_password,
                    sign_in_sessions.c.expires_us,
                    *GRANT_COLUMNS,
                )
                .select_from(
                    sign_in_sessions.join(users, users.c.id == sign_in_sessions.c.user_id)
                    .outerjoin(grants, grants.c.user_id == users.c.id)
                    .outerjoin(areas, areas.c.id == grants.c.area_id)
                )
                .where(
                    sign_in_sessions.c.token_hash == digest,
                    sign_in_sessions.c.expires_us > now_us(),
                    users.c.enabled,
                )
            )
        ).all()
    if not found:
        return None
    first = found[0]
    return Principal(
        user_id=first.id,
        name=first.name,
        display_name=first.display_name,
        grants=held_grants(found),
        must_change_password=first.must_change_password,
        session_expires_us=first.expires_us,
        token_hash=digest,
    )
