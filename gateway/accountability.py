"""Why somebody looks: asked before footage is opened, and written into the register with the look.

Live views ask once a shift, and the answer is kept in ``shift_purposes`` until the shift ends or is
handed over. Playback, search and export ask every time. Which code of the pick-list it was, the
words, and the case number go into the record of the look; a role may demand the case number.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any, Literal, Protocol

import sqlalchemy as sa
from pydantic import BaseModel, ConfigDict, Field, field_validator
from sqlalchemy.ext.asyncio import AsyncEngine

from gateway.api.errors import ApiError
from gateway.audit import ReasonGiven
from gateway.audit.wording import is_blank
from gateway.database.audit_tables import shift_purposes
from gateway.identifiers import US_PER_S, now_us
from gateway.people.authorize import Principal
from gateway.people.roles import ROLE_RIGHTS, Right
from gateway.settings import AccountabilitySettings, Settings
from recorder.rows import RowWriter

LookAction = Literal["live", "playback", "search", "export"]

_RIGHTS: dict[LookAction, Right] = {
    "live": Right.LIVE,
    "playback": Right.PLAYBACK,
    "search": Right.SEARCH,
    "export": Right.EXPORT,
}


class ReasonCode(StrEnum):
    """The pick-list."""

    INCIDENT = "incident"
    LOST_PERSON = "lost_person"
    LOST_PROPERTY = "lost_property"
    TRAFFIC = "traffic"
    MAINTENANCE = "maintenance"
    PATROL = "patrol"
    TRAINING = "training"
    INSPECTION = "inspection"
    OTHER = "other"


# Codes that say nothing without words.
TEXT_CODES = frozenset({ReasonCode.OTHER})


class Purpose(BaseModel):
    """What a request says of its why. ``case_id`` is a case file's id, or the police's number."""

    model_config = ConfigDict(extra="forbid")

    code: ReasonCode
    text: str | None = Field(default=None, max_length=500)
    case_id: str | None = Field(default=None, max_length=64)

    @field_validator("text", "case_id", mode="after")
    @classmethod
    def _something_or_nothing(cls, value: str | None) -> str | None:
        return None if value is None or is_blank(value) else value.strip()

    def given(self) -> ReasonGiven:
        """As it is written into the register."""
        return ReasonGiven(self.code.value, self.text, self.case_id)


class Desk(Protocol):
    """What the question needs to be answered: ``Services`` of the API is one."""

    @property
    def settings(self) -> Settings: ...
    @property
    def reader(self) -> AsyncEngine: ...
    @property
    def rows(self) -> RowWriter: ...


async def require_purpose(
    desk: Desk,
    principal: Principal,
    action: LookAction,
    purpose: Purpose | None,
    *,
    address: str | None = None,
    with_case: bool = False,
) -> ReasonGiven:
    """The reason to be written with the look; call it before footage is opened.

    ``purpose`` is what the request says. A live view without one takes that of the running shift;
    one with a purpose states it for the shift. Where nothing is asked and nothing said, the reason
    is empty. ``with_case``: this look is for a case alone, whatever the role and the settings say.
    Raises ApiError 422 ``purpose_required``, or ``case_required`` where a case number is demanded;
    ``detail``: ``action``, ``codes`` (the pick-list), ``text_codes`` (those that need words),
    ``case_required``.
    """
    settings = desk.settings
    asked = asks(settings, action)
    case_required = with_case or (
        asked and demands_case(settings.accountability, principal, action)
    )
    if action == "live" and purpose is None:
        standing = await standing_purpose(desk.reader, principal.user_id)
        if standing is not None:
            return standing
    if purpose is None:
        if with_case:
            raise _refused("case_required", action, case_required)
        if asked:
            raise _refused("purpose_required", action, case_required)
        return ReasonGiven()
    if purpose.code in TEXT_CODES and purpose.text is None:
        raise _refused("purpose_required", action, case_required)
    if case_required and purpose.case_id is None:
        raise _refused("case_required", action, case_required)
    if action == "live":
        await state_purpose(desk, principal, purpose, address=address)
    return purpose.given()


def asks(settings: Settings, action: LookAction) -> bool:
    """Whether a look of this kind must say why."""
    if action == "live":
        return settings.asks_live_purpose
    return settings.accountability.playback_reason


def demands_case(
    settings: AccountabilitySettings, principal: Principal, action: LookAction
) -> bool:
    """Whether a role of the principal that carries the right asks for a case number.

    Live views never do: they are the duty's, not a case's.
    """
    if action == "live":
        return False
    at_us = now_us()
    return any(
        grant.role in settings.case_roles and _RIGHTS[action] in ROLE_RIGHTS[grant.role]
        for grant in principal.grants
        if grant.in_force(at_us)
    )


async def standing_purpose(reader: AsyncEngine, user_id: str) -> ReasonGiven | None:
    """The purpose of the user's running shift; None when it must be asked."""
    shift = await running_shift(reader, user_id)
    return ReasonGiven(shift["code"], shift["text"], shift["case_id"]) if shift else None


async def running_shift(reader: AsyncEngine, user_id: str) -> dict[str, Any] | None:
    """The user's running shift: ``code``, ``text``, ``case_id``, ``given_us``, ``expires_us``."""
    table = shift_purposes.c
    statement = (
        sa.select(table.code, table.text, table.case_id, table.given_us, table.expires_us)
        .where(table.user_id == user_id, table.ended_us.is_(None), table.expires_us > now_us())
        .order_by(table.given_us.desc())
        .limit(1)
    )
    async with reader.connect() as connection:
        row = (await connection.execute(statement)).mappings().one_or_none()
    return dict(row) if row is not None else None


async def state_purpose(
    desk: Desk, principal: Principal, purpose: Purpose, *, address: str | None = None
) -> None:
    """State the purpose of the shift that begins now; it replaces the one before."""
    lasts_us = round(desk.settings.accountability.shift_hours * 3600 * US_PER_S)
    await desk.rows.write(
        "purposes.state",
        user_id=principal.user_id,
        user_name=principal.name,
        address=address,
        code=purpose.code.value,
        text=purpose.text,
        case_id=purpose.case_id,
        lasts_us=lasts_us,
    )


def _refused(code: str, action: LookAction, case_required: bool) -> ApiError:
    message = (
        "this needs a case number: send it as purpose.case_id"
        if code == "case_required"
        else 'say why: send "purpose" with one of detail.codes, and with words for "other"'
    )
    detail: dict[str, Any] = {
        "action": action,
        "codes": [one.value for one in ReasonCode],
        "text_codes": sorted(one.value for one in TEXT_CODES),
        "case_required": case_required,
    }
    return ApiError(422, code, message, detail)
