"""``gridsight user …``: for who has the machine, not a right on it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from gateway.audit import AuditRecord, act
from gateway.commands.rows import open_rows
from gateway.database.engine import create_reader_engine
from gateway.database.tables import areas, grants, users
from gateway.people.account_rows import name_key
from gateway.people.passwords import check_strength, hash_password, one_time_password
from gateway.people.roles import WHOLE_COUNTY, Role
from gateway.settings import Settings
from recorder.rows import RowError


@dataclass(frozen=True, slots=True)
class UserLine:
    """One account as ``user list`` shows it."""

    id: str
    name: str
    display_name: str
    enabled: bool
    grants: tuple[str, ...]


async def add_user(
    settings: Settings, name: str, display_name: str, granted: list[str], password: str | None
) -> str | None:
    """Add an account with grants ``ROLE`` or ``ROLE@AREA-ID``; gives a one-time password when none
    was chosen. Raises RowError, WeakPassword, ValueError for a grant that is none.
    """
    chosen = _chosen(settings, password, name)
    async with open_rows(settings) as rows:
        granting = [_grant(text) for text in granted]
        await act(
            rows,
            "accounts.create",
            {
                "name": name,
                "display_name": display_name or name,
                "password_hash": hash_password(chosen),
                "must_change_password": password is None,
                "granted": granting,
            },
            _records("user.create", name, granted=granting),
            result_as="id",
        )
    return chosen if password is None else None


async def set_password(settings: Settings, name: str, password: str | None) -> str | None:
    """Set a password, or make a one-time password and give it back; every sign-in ends."""
    chosen = _chosen(settings, password, name)
    async with open_rows(settings) as rows:
        await act(
            rows,
            "accounts.set_password",
            {
                "user_id": await find_user(settings, name),
                "password_hash": hash_password(chosen),
                "must_change_password": password is None,
            },
            _records("user.password", name),
        )
    return chosen if password is None else None


async def disable_user(settings: Settings, name: str) -> None:
    """Disable an account; every sign-in ends."""
    await _change(settings, name, "user.disable", "accounts.change", enabled=False)


async def enable_user(settings: Settings, name: str) -> None:
    """Open a disabled account again."""
    await _change(settings, name, "user.enable", "accounts.change", enabled=True)


async def unlock_user(settings: Settings, name: str) -> None:
    """Count attempts from nothing again."""
    key = name_key(name)[:100]
    await _change(settings, name, "user.unlock", "sign_in.unlock", name_key=key)


async def sign_out_user(settings: Settings, name: str) -> None:
    """End every sign-in of an account; a running gateway ends what they watch."""
    await _change(settings, name, "session.revoke_all", "sign_in.close_all")


async def reset_totp(settings: Settings, name: str) -> None:
    """For a lost telephone: authenticator and recovery codes are gone, every sign-in ends."""
    await _change(settings, name, "user.totp_reset", "totp.remove", end_sessions=True)


async def list_users(settings: Settings) -> list[UserLine]:
    """Every account, by name."""
    async with open_rows(settings):
        pass  # Makes the tables where there are none.
    engine = create_reader_engine(settings)
    async with engine.connect() as connection:
        found = (
            await connection.execute(
                sa.select(users).where(users.c.deleted_us.is_(None)).order_by(users.c.name_key)
            )
        ).all()
        held = (
            await connection.execute(
                sa.select(grants, areas.c.name.label("area_name")).outerjoin(
                    areas, areas.c.id == grants.c.area_id
                )
            )
        ).all()
    await engine.dispose()
    return [
        UserLine(
            row.id,
            row.name,
            row.display_name,
            row.enabled,
            tuple(
                grant.role if grant.area_id == WHOLE_COUNTY else f"{grant.role}@{grant.area_name}"
                for grant in held
                if grant.user_id == row.id
            ),
        )
        for row in found
    ]


def _chosen(settings: Settings, password: str | None, name: str) -> str:
    if password is None:
        return one_time_password()
    check_strength(password, name, settings.passwords)
    return password


async def _change(
    settings: Settings, name: str, action: str, operation: str, **arguments: Any
) -> None:
    async with open_rows(settings) as rows:
        user_id = await find_user(settings, name)
        await act(rows, operation, {"user_id": user_id, **arguments}, _records(action, name))


async def find_user(settings: Settings, name: str) -> str:
    """The id of an account. Raises RowError ``not_found``."""
    engine = create_reader_engine(settings)
    async with engine.connect() as connection:
        user_id: str | None = await connection.scalar(
            sa.select(users.c.id).where(users.c.name_key == name_key(name))
        )
    await engine.dispose()
    if user_id is None:
        raise RowError("not_found", f"there is no user called {name}")
    return user_id


def _grant(text: str) -> dict[str, str]:
    role, _, area_id = text.partition("@")
    try:
        return {"role": Role(role).value, "area_id": area_id or WHOLE_COUNTY}
    except ValueError:
        raise ValueError(f"{role!r} is no role: there are {', '.join(Role)}") from None


def _records(action: str, name: str, **detail: Any) -> list[AuditRecord]:
    return [AuditRecord(action, user_name="(command line)", detail={"name": name, **detail})]
