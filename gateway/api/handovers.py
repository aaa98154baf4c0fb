"""Hand-overs of a shift: who goes and who comes sign the same document."""

from __future__ import annotations

import json
from typing import Annotated, Any

import sqlalchemy as sa
from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, Field, model_validator
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.api.access import Caller, CallerInPerson, act
from gateway.api.account_answers import Handover, HandoverPage
from gateway.api.desks import permitted_desk
from gateway.api.errors import ApiError, invalid, not_found
from gateway.api.services import Services, ServicesDep
from gateway.api.session import require_password, require_secret
from gateway.database.account_tables import handovers, pins
from gateway.database.tables import sign_in_sessions
from gateway.people.authorize import Principal
from gateway.people.roles import Right
from gateway.people.totp import peppered_pin

router = APIRouter(tags=["desks"])


class Signature(BaseModel):
    """By what somebody signs: their password, or their PIN."""

    password: str | None = Field(default=None, min_length=1, max_length=1000)
    pin: str | None = Field(default=None, min_length=1, max_length=40)

    @model_validator(mode="after")
    def _one(self) -> Signature:
        if (self.password is None) == (self.pin is None):
            raise ValueError("sign with the password or the PIN")
        return self


class GiveForm(Signature):
    """Who takes over, and what there is to say."""

    to_user_id: str = Field(max_length=40)
    summary: str = Field(min_length=1, max_length=4000)


class TakeForm(Signature):
    """A remark of who takes over, if they have one."""

    remark: str | None = Field(default=None, max_length=2000)


@router.get("/api/desks/{desk_id}/handovers", response_model=HandoverPage)
async def list_handovers(
    desk_id: str,
    caller: Caller,
    services: ServicesDep,
    cursor: Annotated[int | None, Query(ge=0, lt=2**62)] = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> dict[str, Any]:
    """The hand-overs at a desk, newest first."""
    table = handovers
    async with services.reader.connect() as connection:
        await permitted_desk(connection, caller, desk_id, Right.LIVE)
        statement = sa.select(table).where(table.c.desk_id == desk_id)
        if cursor is not None:
            statement = statement.where(table.c.given_us < cursor)
        rows = (
            await connection.execute(statement.order_by(table.c.given_us.desc()).limit(limit + 1))
        ).all()
    page = rows[:limit]
    return {
        "items": [_document(row) for row in page],
        "next_cursor": page[-1].given_us if len(rows) > limit else None,
    }


@router.post("/api/desks/{desk_id}/handovers", status_code=201, response_model=Handover)
async def give(
    desk_id: str, body: GiveForm, caller: CallerInPerson, request: Request, services: ServicesDep
) -> dict[str, Any]:
    """Who goes signs what they leave behind: the summary, and what is open now."""
    async with services.reader.connect() as connection:
        desk, path = await permitted_desk(connection, caller, desk_id, Right.LIVE)
        shift_start_us = await _shift_start_us(connection, caller, desk_id)
    method = await _require_signature(services, request, caller, body)
    made = await act(
        services, request, caller, "handover.give", "handovers.give",
        {
            "desk_id": desk_id,
            "desk_name": desk.name,
            "shift_start_us": shift_start_us,
            "given_by": caller.user_id,
            "given_method": method,
            "taken_by": body.to_user_id,
            "summary": body.summary,
        },
        area=path,
        result_as="handover",
        detail={"desk_id": desk_id, "method": method},
    )  # fmt: skip
    return await _read(services, made["id"])


@router.post("/api/handovers/{handover_id}/take", response_model=Handover)
async def take(
    handover_id: str,
    body: TakeForm,
    caller: CallerInPerson,
    request: Request,
    services: ServicesDep,
) -> dict[str, Any]:
    """Who comes signs the same document; the shift of who went is over."""
    row, path = await _permitted_handover(services, caller, handover_id)
    if row.taken_by != caller.user_id:
        raise not_found("hand-over for you")
    method = await _require_signature(services, request, caller, body)
    await act(
        services, request, caller, "handover.take", "handovers.take",
        {
            "handover_id": handover_id,
            "user_id": caller.user_id,
            "method": method,
            "remark": body.remark,
        },
        area=path,
        result_as="document_sha256",
        detail={"handover_id": handover_id, "method": method, "from": row.given_by},
    )  # fmt: skip
    return await _read(services, handover_id)


@router.post("/api/handovers/{handover_id}/withdraw", response_model=Handover)
async def withdraw(
    handover_id: str, caller: CallerInPerson, request: Request, services: ServicesDep
) -> dict[str, Any]:
    """Who gave it takes it back, before it is taken."""
    row, path = await _permitted_handover(services, caller, handover_id)
    if row.given_by != caller.user_id:
        raise ApiError(403, "not_allowed", "only who gave a hand-over takes it back")
    await act(
        services, request, caller, "handover.withdraw", "handovers.withdraw",
        {"handover_id": handover_id},
        area=path,
        detail={"handover_id": handover_id},
    )  # fmt: skip
    return await _read(services, handover_id)


async def _require_signature(
    services: Services, request: Request, caller: Principal, body: Signature
) -> str:
    """By what was signed. Raises ApiError or TooManyAttempts when it is not the caller's."""
    if body.password is not None:
        await require_password(services, request, caller, body.password)
        return "password"
    async with services.reader.connect() as connection:
        stored = await connection.scalar(
            sa.select(pins.c.pin_hash).where(pins.c.user_id == caller.user_id)
        )
    peppered = peppered_pin(services.secret, caller.user_id, body.pin or "")
    wrong = invalid(pin="this is not your PIN")
    await require_secret(services, request, caller, peppered, stored, "wrong_pin", wrong)
    return "pin"


async def _shift_start_us(connection: AsyncConnection, caller: Principal, desk_id: str) -> int:
    """When the caller took this desk over last; else when this sign-in began."""
    taken_us = await connection.scalar(
        sa.select(sa.func.max(handovers.c.taken_us)).where(
            handovers.c.desk_id == desk_id, handovers.c.taken_by == caller.user_id
        )
    )
    given_us = await connection.scalar(
        sa.select(sa.func.max(handovers.c.given_us)).where(
            handovers.c.desk_id == desk_id, handovers.c.given_by == caller.user_id
        )
    )
    if taken_us is not None and taken_us > (given_us or 0):
        return int(taken_us)
    created_us = await connection.scalar(
        sa.select(sign_in_sessions.c.created_us).where(
            sign_in_sessions.c.token_hash == caller.token_hash
        )
    )
    return int(created_us or 0)


async def _permitted_handover(
    services: Services, caller: Principal, handover_id: str
) -> tuple[sa.Row[Any], str]:
    async with services.reader.connect() as connection:
        row = (
            await connection.execute(sa.select(handovers).where(handovers.c.id == handover_id))
        ).one_or_none()
        if row is None:
            raise not_found("hand-over")
        _, path = await permitted_desk(connection, caller, row.desk_id, Right.LIVE)
    return row, path


async def _read(services: Services, handover_id: str) -> dict[str, Any]:
    async with services.reader.connect() as connection:
        row = (
            await connection.execute(sa.select(handovers).where(handovers.c.id == handover_id))
        ).one()
    return _document(row)


def _document(row: sa.Row[Any]) -> dict[str, Any]:
    signed = json.loads(row.document)
    state = "taken" if row.taken_us is not None else "given"
    return {
        **{name: signed[name] for name in ("shift_start_us", "given_us", "given_by", "taken_by")},
        "id": row.id,
        "desk_id": row.desk_id,
        "summary": signed["summary"],
        "items": signed["items"],
        "taken_us": row.taken_us,
        "remark": row.remark,
        "document_sha256": row.document_sha256,
        "state": "withdrawn" if row.withdrawn_us is not None else state,
    }
