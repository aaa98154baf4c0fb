"""Signing in, and finding out who asks: sessions are random tokens, stored as their hash."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from gateway.audit import AuditRecord
from gateway.database.account_tables import totp_secrets
from gateway.database.tables import areas, grants, sign_in_sessions, users
from gateway.identifiers import US_PER_S, now_us
from gateway.people.account_rows import name_key
from gateway.people.authorize import Method, Principal
from gateway.people.grants import GRANT_COLUMNS, held_grants
from gateway.people.known_devices import device_of, token_hash
from gateway.people.passwords import hash_in_thread, needs_rehash, verify_in_thread
from gateway.people.roles import AT_THE_DESK
from gateway.people.totp import looks_like_recovery_code, matching_step, recovery_code_hash
from gateway.secrets import unseal
from gateway.settings import Settings, SignInSettings
from recorder.rows import RowError, RowWriter

__all__ = [
    "Lifetime",
    "Opening",
    "SignInError",
    "TooManyAttempts",
    "count_attempt",
    "find_principal",
    "new_token",
    "sign_in",
    "token_hash",
]

# A whole office may sit behind one address; and nobody shall lock a colleague out from elsewhere
# with a handful of guesses.
_WIDER = 10
_WITH_PASSWORD: frozenset[Method] = frozenset({"password", "totp", "recovery_code"})


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
    """``code``: ``wrong_password`` (or the name, or the account is disabled: which, is not said),
    ``code_required``, ``wrong_code``, ``code_used``.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class TooManyAttempts(Exception):
    """Guessing has been stopped for a while."""

    def __init__(self, retry_after_s: int) -> None:
        super().__init__(f"too many attempts: wait {retry_after_s} s")
        self.retry_after_s = retry_after_s


@dataclass(frozen=True, slots=True)
class Opening:
    """From where a session is opened, and what it takes the place of.

    ``device``: what the browser shows of having signed in before (:mod:`known_devices`).
    ``replaces``: the hash of the token that it holds now: that session ends, so that nobody can
    have one waiting that they know. ``desk_id``: the duty desk that the browser is.
    """

    address: str
    user_agent: str
    device: str | None = None
    replaces: str | None = None
    desk_id: str | None = None


@dataclass(slots=True)
class _Counted:
    """Keys under which this attempt was counted."""

    own: list[str] = field(default_factory=list)
    shared: list[str] = field(default_factory=list)


def new_token() -> str:
    """A session's token: 256 random bits."""
    return secrets.token_urlsafe(32)


async def sign_in(
    reader: AsyncEngine,
    rows: RowWriter,
    settings: Settings,
    secret: bytes,
    *,
    name: str,
    password: str,
    code: str | None,
    opening: Opening,
) -> tuple[str, Principal]:
    """Check the password, and the code where the account asks for one, and open a session; gives
    its token and whose it is. The session, the code used up and the record are one commit.

    Raises SignInError, TooManyAttempts, passwords.TooBusy.
    """
    key = name_key(name)[:100]
    counted = await _count(rows, settings.sign_in, secret, key, opening)
    async with reader.connect() as connection:
        row = (
            await connection.execute(
                sa.select(
                    users.c.id,
                    users.c.name,
                    users.c.password_hash,
                    users.c.enabled,
                    totp_secrets.c.secret_sealed,
                )
                .select_from(
                    users.outerjoin(
                        totp_secrets,
                        sa.and_(
                            totp_secrets.c.user_id == users.c.id,
                            totp_secrets.c.confirmed_us.is_not(None),
                        ),
                    )
                )
                .where(users.c.name_key == name_key(name))
            )
        ).one_or_none()
    stored = row.password_hash if row is not None else None
    if not await verify_in_thread(password, stored) or row is None or not row.enabled:
        raise SignInError("wrong_password", "the name or the password is wrong")
    method: Method = "password"
    used = None
    if row.secret_sealed is not None:
        if not code:
            # The password was right: no guess to be counted.
            await rows.write("sign_in.forgive", forget=[], give_back=counted.own + counted.shared)
            raise SignInError("code_required", "send the code of your authenticator too")
        device = device_of(secret, opening.device, key)
        suffix = f":{device}" if device else ""
        counted.own.append(f"totp:{row.id}{suffix}")
        await count_attempt(rows, settings.sign_in, {counted.own[-1]: settings.sign_in.attempts})
        method, used = _code_used(secret, row.id, row.secret_sealed, code)
    if needs_rehash(row.password_hash):
        stronger = await hash_in_thread(password)
        await rows.write(
            "accounts.rehash", user_id=row.id, old_hash=row.password_hash, password_hash=stronger
        )
    token = new_token()
    record = AuditRecord(
        "session.open",
        user_id=row.id,
        user_name=row.name,
        address=opening.address,
        detail={"method": method},
    )
    try:
        await rows.write(
            "sign_in.open",
            user_id=row.id,
            token_hash=token_hash(token),
            expires_us=now_us() + Lifetime.of(settings.sign_in).idle_us,
            address=opening.address,
            user_agent=opening.user_agent,
            forgive=counted.own,
            give_back=counted.shared,
            method=method,
            desk_id=opening.desk_id,
            replaces=opening.replaces,
            code=used,
            records=[record.to_message()],
        )
    except RowError as error:
        if error.code in ("code_used", "wrong_code"):
            raise SignInError(error.code, str(error)) from None
        raise
    principal = await find_principal(reader, token, settings)
    if principal is None:
        raise SignInError("wrong_password", "the account was changed meanwhile")
    return token, principal


async def _count(
    rows: RowWriter, settings: SignInSettings, secret: bytes, key: str, opening: Opening
) -> _Counted:
    """Count the attempt. A browser that has signed in as this person before counts by itself, so
    that who guesses elsewhere does not lock it out.
    """
    device = device_of(secret, opening.device, key)
    if device is not None:
        limits = {f"device:{device}:{key}": settings.attempts}
        counted = _Counted(list(limits))
    else:
        own, shared = f"both:{opening.address}:{key}", [f"name:{key}", f"address:{opening.address}"]
        limits = {own: settings.attempts} | dict.fromkeys(shared, settings.attempts * _WIDER)
        counted = _Counted([own], shared)
    await count_attempt(rows, settings, limits)
    return counted


async def count_attempt(rows: RowWriter, settings: SignInSettings, limits: dict[str, int]) -> None:
    """Count a guess before it is checked; ``limits`` as ``sign_in.attempt`` takes them.

    Raises TooManyAttempts.
    """
    retry_after_s: int = await rows.write(
        "sign_in.attempt",
        limits=limits,
        lock_s=settings.lock_s,
        lock_s_limit=settings.lock_s_limit,
    )
    if retry_after_s > 0:
        raise TooManyAttempts(retry_after_s)


def _code_used(
    secret: bytes, user_id: str, secret_sealed: str, code: str
) -> tuple[Method, dict[str, object]]:
    if looks_like_recovery_code(code):
        return "recovery_code", {"recovery_code_hash": recovery_code_hash(secret, user_id, code)}
    step = matching_step(unseal(secret, secret_sealed, f"totp:{user_id}"), code, now_us())
    if step is None:
        raise SignInError("wrong_code", "the code is wrong: is the telephone's clock right?")
    return "totp", {"step": step}


async def find_principal(
    reader: AsyncEngine, token: str, settings: Settings | None = None
) -> Principal | None:
    """Whose session this token is; None when it is nobody's any more.

    With ``settings`` also what they must do first: a password that has grown too old, a role that
    asks for an authenticator.
    """
    digest = token_hash(token)
    at_us = now_us()
    async with reader.connect() as connection:
        found = (
            await connection.execute(
                sa.select(
                    users.c.id,
                    users.c.name,
                    users.c.display_name,
                    users.c.must_change_password,
                    users.c.password_changed_us,
                    sign_in_sessions.c.id.label("session_id"),
                    sign_in_sessions.c.method,
                    sign_in_sessions.c.desk_id,
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
                    sign_in_sessions.c.expires_us > at_us,
                    users.c.enabled,
                )
            )
        ).all()
    if not found:
        return None
    first = found[0]
    held = held_grants(found)
    by_pin = first.method == "pin"
    must_change = first.must_change_password
    must_enrol = False
    if settings is not None:
        limit = settings.passwords.days_limit
        if limit is not None:
            must_change |= first.password_changed_us < at_us - limit * 24 * 3600 * US_PER_S
        asking = set(settings.sign_in.totp_roles)
        must_enrol = first.method == "password" and any(one.role in asking for one in held)
    return Principal(
        user_id=first.id,
        name=first.name,
        display_name=first.display_name,
        grants=held,
        # Who came another way may have no password at all.
        must_change_password=must_change and first.method in _WITH_PASSWORD,
        session_expires_us=first.expires_us,
        token_hash=digest,
        scopes=AT_THE_DESK if by_pin else None,
        desk_session=first.desk_id if by_pin else None,
        session_id=first.session_id,
        method=first.method,
        desk_id=first.desk_id,
        must_enrol_totp=must_enrol,
    )
