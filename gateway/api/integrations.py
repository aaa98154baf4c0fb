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
from gateway.api.channel_forms import (
    ChannelChange,
    ChannelForm,
    ChannelKind,
    Topic,
    options_of,
    password_of,
)
from gateway.api.errors import invalid
from gateway.api.forms import Form
from gateway.api.paging import cursor_number, read_cursor, write_cursor
from gateway.api.services import Services, ServicesDep
from gateway.database.outbox_tables import outbox_channels, outbox_deliveries
from gateway.identifiers import US_PER_S, new_id, now_us
from gateway.outbox.addresses import KINDS, AddressGuard, AddressRefused
from gateway.outbox.sending import seal_context
from gateway.outbox.signing import new_secret
from gateway.people.authorize import COUNTY
from gateway.people.roles import Right
from gateway.secrets import seal

router = APIRouter(prefix="/api/integrations", tags=["integrations"])

DeliveryState = Literal["waiting", "delivered", "dead"]
OLD_SECRET_US = 24 * 3600 * US_PER_S
_PAGE = 100
_channel = outbox_channels.c
_delivery = outbox_deliveries.c


class ResendForm(Form):
    """Deliveries that were given up."""

    delivery_ids: list[Annotated[str, Field(max_length=40)]] = Field(min_length=1, max_length=500)


class MailOptions(BaseModel):
    """An account of e-mail."""

    username: str | None
    sender: str
    recipients: list[str]


class MqttOptions(BaseModel):
    """An account of MQTT; published is below ``topic``, by the kind of each message."""

    username: str | None
    topic: str


class ChannelAnswer(BaseModel):
    """A channel, and how it goes. ``options``: the account of ``email`` and ``mqtt``, without its
    password. ``waiting``, ``dead``: deliveries. ``secret`` is told once, of a webhook alone.
    """

    id: str
    name: str
    kind: ChannelKind
    address: str
    options: MailOptions | MqttOptions | None
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
    """A webhook, whose secret is told this once; or an account, whose password is never told."""
    check(caller, Right.SYSTEM, COUNTY)
    require_full_sign_in(caller)
    _check_address(services, body.kind, body.address)
    options = options_of(body.kind, body)
    is_webhook = body.kind == "webhook"
    if options is None and not is_webhook:
        raise invalid(**{body.kind: "say whose account it is"})
    channel_id = new_id("och")
    secret = new_secret() if is_webhook else password_of(body) or ""
    columns = {
        "id": channel_id,
        "name": body.name,
        "kind": body.kind,
        "address": body.address,
        "options": options,
        "topics": sorted(set(body.topics)),
        "enabled": True,
        "secret_sealed": seal(services.secret, secret, seal_context(channel_id)),
        "created_by": caller.user_id,
    }
    shown = {name: columns[name] for name in ("id", "name", "kind", "address", "options", "topics")}
    await act(
        services, request, caller, "integration.add", "outbox_channels.add", {"columns": columns},
        detail=shown,
    )  # fmt: skip
    told = {"secret": secret} if is_webhook else {}
    return {**await _document(services, channel_id), **told}


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
    """Change it; what waits for it is tried at once. A password goes on to another address or
    account only where it is said anew.
    """
    check(caller, Right.SYSTEM, COUNTY)
    require_full_sign_in(caller)
    columns = body.model_dump(exclude_unset=True, exclude={"email", "mqtt"})
    known = await _document(services, outbox_channel_id)
    if "address" in columns:
        _check_address(services, known["kind"], columns["address"])
    if "topics" in columns:
        columns["topics"] = sorted(set(columns["topics"]))
    options = options_of(known["kind"], body)
    if options is not None:
        columns["options"] = options
    shown, password = dict(columns), password_of(body)
    if password is not None:
        context = seal_context(outbox_channel_id)
        columns["secret_sealed"] = seal(services.secret, password, context)
        shown["password"] = "changed"
    elif _moves(known, columns):
        raise invalid(password="say the password anew: the address or the account is another one")
    await act(
        services, request, caller, "integration.change", "outbox_channels.change",
        {"channel_id": outbox_channel_id, "columns": columns},
        detail={"id": outbox_channel_id, "changed": shown},
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
    if known["kind"] != "webhook":
        raise invalid(kind="only a webhook has a secret of ours: change the account's password")
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


def _moves(known: dict[str, Any], columns: dict[str, Any]) -> bool:
    """Whether an account's password would go elsewhere than to whom it was given for."""
    if known["kind"] == "webhook" or known["options"]["username"] is None:
        return False
    account = columns.get("options", known["options"])["username"]
    elsewhere = columns.get("address", known["address"]) != known["address"]
    return account is not None and (elsewhere or account != known["options"]["username"])


def _check_address(services: Services, kind: ChannelKind, address: str) -> None:
    try:
        AddressGuard(services.settings.outbox.allowed_networks).check_url(address, KINDS[kind])
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
