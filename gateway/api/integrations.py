"""Other systems that are told: channels, what was delivered by them, and what was given up."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import sqlalchemy as sa
from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, Field

from gateway.api.access import (
    CallerInPerson,
    act,
    check,
    not_there,
    require_full_sign_in,
)
from gateway.api.answers import Listing, TimeUs
from gateway.api.errors import invalid
from gateway.api.forms import Form
from gateway.api.paging import cursor_number, read_cursor, write_cursor
from gateway.api.services import Services, ServicesDep
from gateway.database.outbox_tables import outbox_channels, outbox_deliveries
from gateway.identifiers import US_PER_S, new_id, now_us
from gateway.outbox.addresses import AddressGuard, AddressRefused
from gateway.outbox.sending import seal_context
from gateway.outbox.signing import new_secret
from gateway.people.authorize import COUNTY
from gateway.people.roles import Right
from gateway.secrets import seal

router = APIRouter(prefix="/api/integrations", tags=["integrations"])

Topic = Literal["incidents", "alarms"]
DeliveryState = Literal["waiting", "delivered", "dead"]
OLD_SECRET_US = 24 * 3600 * US_PER_S
_PAGE = 100
_channel = outbox_channels.c
_delivery = outbox_deliveries.c


class ChannelForm(Form):
    """A new channel."""

    name: str = Field(min_length=1, max_length=100)
    address: str = Field(min_length=1, max_length=1000)
    topics: list[Topic] = Field(default=[], max_length=2)


class ChannelChange(Form):
    """What changes; absent fields stay."""

    name: str = Field(default="", min_length=1, max_length=100)
    address: str = Field(default="", min_length=1, max_length=1000)
    topics: list[Topic] = Field(default=[], max_length=2)
    enabled: bool = True


class ResendForm(Form):
    """Deliveries that were given up."""

    delivery_ids: list[Annotated[str, Field(max_length=40)]] = Field(min_length=1, max_length=500)


class ChannelAnswer(BaseModel):
    """A channel, and how it goes. ``waiting``, ``dead``: deliveries. ``secret`` is told once."""

    id: str
    name: str
    kind: Literal["webhook"]
    address: str
    topics: list[Topic]
    enabled: bool
    created_us: TimeUs
    delivered_us: TimeUs | None
    failed_us: TimeUs | None
    error: str | None
    failures: int
    next_try_us: TimeUs
    old_secret_until_us: TimeUs | None
    waiting: int
    dead: int
    secret: str = ""


class DeliveryAnswer(BaseModel):
    """A message to one channel. ``status``: of the last answer by HTTP."""

    id: str
    channel_id: str
    channel_name: str
    kind: str
    body: dict[str, Any]
    state: DeliveryState
    created_us: TimeUs
    tries: int
    tried_us: TimeUs | None
    status: int | None
    error: str | None
    done_us: TimeUs | None


class DeliveryPage(Listing[DeliveryAnswer]):
    """A page of them."""

    next_cursor: str | None


class Resent(BaseModel):
    """How many are tried again."""

    count: int


@router.get("/channels", response_model=Listing[ChannelAnswer], response_model_exclude_unset=True)
async def list_channels(caller: CallerInPerson, services: ServicesDep) -> dict[str, Any]:
    """All of them, by name."""
    check(caller, Right.SYSTEM, COUNTY)
    return {"items": await _documents(services)}


@router.post(
    "/channels", status_code=201, response_model=ChannelAnswer, response_model_exclude_unset=True
)
async def add_channel(
    body: ChannelForm, caller: CallerInPerson, request: Request, services: ServicesDep
) -> dict[str, Any]:
    """A webhook; its secret is told this once."""
    check(caller, Right.SYSTEM, COUNTY)
    require_full_sign_in(caller)
    _check_address(services, body.address)
    channel_id, secret = new_id("och"), new_secret()
    columns = {
        "id": channel_id,
        "name": body.name,
        "kind": "webhook",
        "address": body.address,
        "topics": sorted(set(body.topics)),
        "enabled": True,
        "secret_sealed": seal(services.secret, secret, seal_context(channel_id)),
        "created_by": caller.user_id,
    }
    shown = {name: columns[name] for name in ("id", "name", "address", "topics")}
    await act(
        services, request, caller, "integration.add", "outbox_channels.add", {"columns": columns},
        detail=shown,
    )  # fmt: skip
    return {**await _document(services, channel_id), "secret": secret}


@router.patch(
    "/channels/{outbox_channel_id}", response_model=ChannelAnswer, response_model_exclude_unset=True
)
async def change_channel(
    outbox_channel_id: str,
    body: ChannelChange,
    caller: CallerInPerson,
    request: Request,
    services: ServicesDep,
) -> dict[str, Any]:
    """Change it; what waits for it is tried at once."""
    check(caller, Right.SYSTEM, COUNTY)
    require_full_sign_in(caller)
    columns = body.model_dump(exclude_unset=True)
    if "address" in columns:
        _check_address(services, columns["address"])
    if "topics" in columns:
        columns["topics"] = sorted(set(columns["topics"]))
    await _document(services, outbox_channel_id)
    await act(
        services, request, caller, "integration.change", "outbox_channels.change",
        {"channel_id": outbox_channel_id, "columns": columns},
        detail={"id": outbox_channel_id, "changed": columns},
    )  # fmt: skip
    return await _document(services, outbox_channel_id)


@router.delete("/channels/{outbox_channel_id}", status_code=204)
async def remove_channel(
    outbox_channel_id: str, caller: CallerInPerson, request: Request, services: ServicesDep
) -> None:
    """It is told of nothing any more."""
    check(caller, Right.SYSTEM, COUNTY)
    known = await _document(services, outbox_channel_id)
    await act(
        services, request, caller, "integration.remove", "outbox_channels.remove",
        {"channel_id": outbox_channel_id},
        detail={"id": outbox_channel_id, "name": known["name"], "address": known["address"]},
    )  # fmt: skip


@router.post(
    "/channels/{outbox_channel_id}/secret",
    response_model=ChannelAnswer,
    response_model_exclude_unset=True,
)
async def rotate_secret(
    outbox_channel_id: str, caller: CallerInPerson, request: Request, services: ServicesDep
) -> dict[str, Any]:
    """Another secret, told this once; the one before signs beside it for a day."""
    check(caller, Right.SYSTEM, COUNTY)
    require_full_sign_in(caller)
    known = await _document(services, outbox_channel_id)
    secret = new_secret()
    await act(
        services, request, caller, "integration.rotate", "outbox_channels.rotate",
        {
            "channel_id": outbox_channel_id,
            "secret_sealed": seal(services.secret, secret, seal_context(outbox_channel_id)),
            "old_until_us": now_us() + OLD_SECRET_US,
        },
        detail={"id": outbox_channel_id, "name": known["name"]},
    )  # fmt: skip
    return {**await _document(services, outbox_channel_id), "secret": secret}


@router.post("/channels/{outbox_channel_id}/test", status_code=204)
async def test_channel(
    outbox_channel_id: str, caller: CallerInPerson, request: Request, services: ServicesDep
) -> None:
    """Send a trial message, behind what waits; the list of deliveries tells what became of it."""
    check(caller, Right.SYSTEM, COUNTY)
    known = await _document(services, outbox_channel_id)
    await act(
        services, request, caller, "integration.test", "outbox_channels.test",
        {"channel_id": outbox_channel_id, "once_key": new_id("test"), "body": {"by": caller.name}},
        detail={"id": outbox_channel_id, "name": known["name"]},
    )  # fmt: skip


@router.get("/deliveries", response_model=DeliveryPage)
async def list_deliveries(
    caller: CallerInPerson,
    services: ServicesDep,
    channel_id: Annotated[str | None, Query(max_length=40)] = None,
    state: DeliveryState | None = None,
    cursor: Annotated[str | None, Query(max_length=2000)] = None,
) -> dict[str, Any]:
    """The newest first."""
    check(caller, Right.SYSTEM, COUNTY)
    key = read_cursor(cursor, 1)
    where: list[sa.ColumnElement[bool]] = []
    if key is not None:
        where.append(_delivery.sequence < cursor_number(key[0]))
    if channel_id is not None:
        where.append(_delivery.channel_id == channel_id)
    if state is not None:
        where.append(_delivery.state == state)
    statement = (
        sa.select(outbox_deliveries, _channel.name.label("channel_name"))
        .join(outbox_channels, _channel.id == _delivery.channel_id)
        .where(*where)
        .order_by(_delivery.sequence.desc())
        .limit(_PAGE + 1)
    )
    async with services.reader.connect() as connection:
        rows = [dict(one) for one in (await connection.execute(statement)).mappings()]
    more = len(rows) > _PAGE
    rows = rows[:_PAGE]
    following = write_cursor([str(rows[-1]["sequence"])]) if more else None
    return {"items": rows, "next_cursor": following}


@router.post("/deliveries/resend", response_model=Resent)
async def resend(
    body: ResendForm, caller: CallerInPerson, request: Request, services: ServicesDep
) -> dict[str, Any]:
    """Try again what was given up, before everything younger that waits for the same channel."""
    check(caller, Right.SYSTEM, COUNTY)
    count = await act(
        services, request, caller, "integration.resend", "outbox.resend",
        {"delivery_ids": body.delivery_ids},
        detail={"deliveries": body.delivery_ids},
    )  # fmt: skip
    return {"count": count}


def _check_address(services: Services, address: str) -> None:
    try:
        AddressGuard(services.settings.outbox.allowed_networks).check_url(address)
    except AddressRefused as refusal:
        raise invalid(address=str(refusal)) from None


async def _document(services: Services, channel_id: str) -> dict[str, Any]:
    found = await _documents(services, _channel.id == channel_id)
    if not found:
        raise not_there()
    return found[0]


async def _documents(services: Services, *where: sa.ColumnElement[bool]) -> list[dict[str, Any]]:
    names = [name for name in ChannelAnswer.model_fields if name in _channel]
    async with services.reader.connect() as connection:
        rows = await connection.execute(
            sa.select(*(_channel[name] for name in names))
            .where(_channel.deleted_us.is_(None), *where)
            .order_by(_channel.name, _channel.id)
        )
        found = [dict(one) for one in rows.mappings()]
        counted = await connection.execute(
            sa.select(_delivery.channel_id, _delivery.state, sa.func.count())
            .where(
                _delivery.state.in_(("waiting", "dead")),
                _delivery.channel_id.in_([one["id"] for one in found]),
            )
            .group_by(_delivery.channel_id, _delivery.state)
        )
        counts = {(one[0], one[1]): one[2] for one in counted}
    for one in found:
        one["waiting"] = counts.get((one["id"], "waiting"), 0)
        one["dead"] = counts.get((one["id"], "dead"), 0)
    return found
