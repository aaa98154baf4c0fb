"""How people sign in, and what they say before they look."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr

from gateway.people.roles import Role
from gateway.settings.section import Section

# "07:00-20:00".
_HOURS = r"^([01]\d|2[0-4]):[0-5]\d-([01]\d|2[0-4]):[0-5]\d$"


class SignInSettings(Section):
    """How long a sign-in lasts, and when guessing is stopped.

    It ends ``session_hours`` after its last use, and ``session_days_limit`` after its beginning
    however much it is used. After ``attempts`` wrong ones there is a pause of ``lock_s``, twice as
    long each time, up to ``lock_s_limit``. Who holds one of ``totp_roles`` must use an
    authenticator.
    """

    session_hours: float = Field(default=12.0, gt=0)
    session_days_limit: float = Field(default=30.0, gt=0)
    attempts: int = Field(default=5, ge=1)
    lock_s: int = Field(default=300, ge=1)
    lock_s_limit: int = Field(default=3600, ge=1)
    totp_roles: list[Role] = Field(default=[])


class PasswordSettings(Section):
    """What a password must be. None of the last ``history`` comes back; ``days_limit``: how old it
    may grow before it must be changed.
    """

    minimum_length: int = Field(default=10, ge=8, le=64)
    character_classes: int = Field(default=1, ge=1, le=4)
    history: int = Field(default=5, ge=0, le=24)
    days_limit: int | None = Field(default=None, ge=1)


class OidcSettings(Section):
    """Sign-in at the county's own identity provider (OpenID Connect). Off without ``issuer``.

    ``accounts``: "linked": only identities that people have joined to their accounts themselves;
    "by_name": also the first identity whose ``name_claim`` is the name of an account (the provider
    must not let people choose that name); "created": an account without any grant for whoever has
    none.
    """

    issuer: str | None = None
    client_id: str = "gridsight"
    client_secret: SecretStr | None = None
    name: str = "OpenID Connect"
    scopes: list[str] = Field(default=["openid", "profile"])
    name_claim: str = "preferred_username"
    accounts: Literal["linked", "by_name", "created"] = "linked"
    ca_file: Path | None = None


class DeskSettings(Section):
    """Duty desks: a PIN is good there for ``full_sign_in_days`` after a sign-in with the password,
    and for ``wrong_pins`` wrong ones.
    """

    full_sign_in_days: float = Field(default=7.0, gt=0)
    wrong_pins: int = Field(default=5, ge=1)


class AccountabilitySettings(Section):
    """What who looks must say. ``live_purpose`` unset: yes, except in a demo.

    ``case_roles`` give a case number with each playback, search and export. Looks outside
    ``working_hours`` (local time) are shown to auditors, but for shifts of duty desks.
    """

    live_purpose: bool | None = None
    playback_reason: bool = True
    case_roles: list[Role] = Field(default=[Role.INVESTIGATOR, Role.SUPERVISOR])
    shift_hours: float = Field(default=12.0, gt=0, le=72)
    working_hours: str = Field(default="07:00-20:00", pattern=_HOURS)
