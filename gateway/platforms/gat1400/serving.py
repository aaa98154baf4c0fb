"""What those above ask: subscriptions to what passes, and queries (GA/T 1400.4)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote_plus, urlsplit

import sqlalchemy as sa
import structlog

from camera_adapters.gat1400.answers import ResponseStatus, write_statuses
from camera_adapters.gat1400.body import BodyError, listed
from camera_adapters.gat1400.codes import Status, color_code
from camera_adapters.gat1400.fields import DocumentError, read_moment, write_moment
from camera_adapters.gat1400.objects import BY_RESOURCE, clean_plate
from camera_adapters.gat1400.subscriptions import (
    OPERATE_CANCEL,
    Subscription,
    read_subscription,
    write_subscription,
)
from gateway.audit import AuditRecord, append
from gateway.database.sighting_tables import sighting_subscriptions
from gateway.identifiers import now_us
from gateway.platforms.gat1400.clock import now_s
from gateway.platforms.gat1400.listener import SMALL_BODY, Incoming, Refused, take_body
from gateway.platforms.gat1400.shares import shared_places
from gateway.platforms.operations import DesiredPlatform
from gateway.sightings.keys import own_key
from gateway.sightings.search import SightingQuery, find_by_keys, search
from recorder.retention import DAY_US
from recorder.rows import RowError
from search.plates import PatternError, read_pattern

if TYPE_CHECKING:
    from gateway.platforms.gat1400.hub import Hub

_log = structlog.get_logger(__name__)

SUBSCRIPTIONS_LIMIT = 100
PAGE_LIMIT = 100
_PAGES_LIMIT = 50
_QUERY_DAYS = 92
_GIVEN_BYTES_LIMIT = 12 * 1024**2
_CONDITION = re.compile(r"\(?\s*([A-Za-z.]{2,60})\s*(>=|<=|=|>|<| like )\s*(.{1,200}?)\s*\)?", re.I)


async def admit_above(hub: Hub, incoming: Incoming) -> DesiredPlatform:
    """The platform above that asks, by its digest; by its address alone only where its option
    ``trust_address`` says so. Raises Refused.
    """
    platform = hub.above.get(incoming.code)
    known = (
        platform is not None
        and platform.options.get("trust_address") is True
        and incoming.address in hub.above_addresses.get(platform.id, frozenset())
    )
    if platform is None or not known:

        def password_of(username: str) -> str | None:
            if platform is None or username not in (platform.username, platform.code):
                return None
            return platform.password

        found = hub.digest.verify(
            incoming.authorization, incoming.method, incoming.uri, password_of, now_s()
        )
        if platform is None or not found.accepted:
            if not hub.unknown_rates.allows(incoming.address, now_s()):
                raise Refused(429, Status.BUSY, "fewer requests, please")
            challenges = tuple(hub.digest.challenges(now_s(), stale=found.verdict == "stale"))
            raise Refused(401, Status.INVALID_OPERATION, "name and password are needed", challenges)
    if not hub.rates.allows(platform.id, now_s()):
        raise Refused(503, Status.BUSY, "more requests than are taken: come again in a moment")
    return platform


async def subscribe(hub: Hub, incoming: Incoming) -> Mapping[str, Any]:
    """POST and PUT /VIID/Subscribes: begin, change, or (OperateType 1) end."""
    platform = await admit_above(hub, incoming)

    def parse(document: dict[str, Any]) -> list[Subscription]:
        found = listed(document, "SubscribeListObject", "SubscribeObject", SUBSCRIPTIONS_LIMIT)
        try:
            return [
                read_subscription(
                    one, f"SubscribeObject[{number}]", utc_offset_minutes=hub.utc_offset_minutes
                )
                for number, one in enumerate(found)
            ]
        except DocumentError as error:
            raise BodyError(Status.INVALID_JSON_CONTENT, str(error)[:200]) from None

    statuses = []
    for one in await take_body(hub, incoming, parse, SMALL_BODY * 4):
        status, text = await _subscribe_one(hub, platform, one, incoming)
        statuses.append(ResponseStatus(incoming.path, status, text, one.id))
    return write_statuses(statuses, now_us(), hub.utc_offset_minutes)


async def _subscribe_one(
    hub: Hub, platform: DesiredPlatform, one: Subscription, incoming: Incoming
) -> tuple[Status, str]:
    if one.operation == OPERATE_CANCEL:
        await _end(hub, platform, [one.id], incoming)
        return Status.OK, "OK"
    if not one.kinds:
        if one.asks_for_faces:
            return Status.INVALID_OPERATION, "faces are not given: this system keeps none"
        return Status.INVALID_OPERATION, "SubscribeDetail: 11, 13 and 14 are served"
    trouble = receive_trouble(one, hub.above_addresses.get(platform.id, frozenset()), platform)
    if trouble:
        return Status.INVALID_JSON_CONTENT, trouble
    try:
        await hub.context.rows.write(
            "audit.act",
            operation="sightings.subscribe",
            arguments={
                "platform_id": platform.id,
                "subscription_id": one.id,
                "direction": "given",
                "document": write_subscription(one, utc_offset_minutes=hub.utc_offset_minutes),
                "ends_us": one.ends_us,
            },
            records=[
                _record(
                    "cascade.subscribe",
                    platform,
                    incoming.address,
                    subscription=one.id,
                    kinds=sorted(one.kinds),
                ).to_message()
            ],
        )
    except RowError as error:
        if error.code == "too_many":
            return Status.BUSY, str(error)
        raise
    hub.wake_above(platform.id)
    return Status.OK, "OK"


def receive_trouble(one: Subscription, addresses: frozenset[str], platform: DesiredPlatform) -> str:
    """Why notifications cannot go where they are wanted: nowhere but to the platform itself."""
    found = urlsplit(one.receive_address or "")
    try:
        port = found.port
    except ValueError:
        port = -1
    if found.scheme not in ("http", "https") or not found.hostname or port == -1:
        return "ReceiveAddr: an address that begins with http:// is needed"
    if found.username is not None or found.hostname not in {*addresses, platform.host}:
        return "ReceiveAddr: notifications go to the subscriber's own address only"
    return ""


async def list_subscriptions(hub: Hub, incoming: Incoming) -> Mapping[str, Any]:
    """GET /VIID/Subscribes: one's own."""
    platform = await admit_above(hub, incoming)
    table = sighting_subscriptions
    async with hub.context.reader.connect() as connection:
        rows = await connection.scalars(
            sa.select(table.c.document).where(
                table.c.platform_id == platform.id, table.c.direction == "given"
            )
        )
        return {"SubscribeListObject": {"SubscribeObject": list(rows)}}


async def unsubscribe(hub: Hub, incoming: Incoming) -> Mapping[str, Any]:
    """DELETE /VIID/Subscribes?IDList=… or /VIID/Subscribes/ID."""
    platform = await admit_above(hub, incoming)
    text = incoming.parts[1] if len(incoming.parts) == 2 else incoming.query.get("IDList", "")
    ids = [one.strip()[:64] for one in text.split(",") if one.strip()][:SUBSCRIPTIONS_LIMIT]
    ended = set(await _end(hub, platform, ids, incoming))
    statuses = [
        ResponseStatus(incoming.path, Status.OK, "OK", one)
        if one in ended
        else ResponseStatus(incoming.path, Status.INVALID_OPERATION, "there is none such", one)
        for one in ids
    ]
    return write_statuses(statuses, now_us(), hub.utc_offset_minutes)


async def list_devices(hub: Hub, incoming: Incoming) -> Mapping[str, Any]:
    """GET /VIID/APEs: the devices whose passes are shared."""
    platform = await admit_above(hub, incoming)
    async with hub.context.reader.connect() as connection:
        places = await shared_places(connection, platform.id)
    devices = [{"ApeID": one.code, "Name": one.name, "IsOnline": "1"} for one in places.values()]
    return {"APEListObject": {"APEObject": devices[:5000]}}


async def find_objects(hub: Hub, incoming: Incoming) -> Mapping[str, Any]:
    """GET /VIID/MotorVehicles?… and the like, or …/ID: what passed at shared places."""
    platform = await admit_above(hub, incoming)
    name = incoming.parts[0].lower()
    interface = next(one for key, one in BY_RESOURCE.items() if key.lower() == name)
    async with hub.context.reader.connect() as connection:
        places = await shared_places(connection, platform.id)
        if len(incoming.parts) == 2:
            page, size = 1, 1
            own_id = incoming.parts[1]
            tellers = {one.platform_id for one in places.values()}
            keys = [own_key(teller, interface.kind, own_id) for teller in sorted(tellers)]
            found = await find_by_keys(connection, keys)
            rows = [row for row in found if row.place_id in places]
            wanted: dict[str, Any] = {"id": own_id}
        else:
            wanted = _conditions(incoming)
            page = _number(wanted.pop("RecordStartNo", None), 1, _PAGES_LIMIT)
            size = _number(wanted.pop("PageRecordNum", None), 20, PAGE_LIMIT)
            query = _query(interface.kind, wanted, places, hub.utc_offset_minutes)
            rows = await search(connection, query, page * size + 1) if query else []
    shown = rows[(page - 1) * size : page * size]
    await append(
        hub.context.rows,
        [
            _record(
                "cascade.search",
                platform,
                incoming.address,
                kind=interface.kind,
                conditions={one: str(value)[:100] for one, value in wanted.items()},
                found=len(shown),
            )
        ],
    )
    objects = []
    given_bytes = 0
    for row in shown:
        with_pictures = given_bytes < _GIVEN_BYTES_LIMIT
        document, pictures = await hub.giver.give(
            row, places[row.place_id], with_pictures=with_pictures
        )
        given_bytes += sum(one[2] for one in row.pictures) * 4 // 3 if pictures else 0
        objects.append(document)
    return {
        interface.outer: {
            "RecordStartNo": page,
            "PageRecordNum": len(objects),
            "MaxNumRecordReturn": size,
            "MoreRecords": len(rows) > page * size,
            "CurrentTime": write_moment(now_us(), hub.utc_offset_minutes),
            interface.inner: objects,
        }
    }


def _conditions(incoming: Incoming) -> dict[str, Any]:
    """``Name`` or ``Name>=``, ``Name<=`` → value. Raises Refused for what is not understood."""
    found: dict[str, Any] = {}
    query = incoming.uri.partition("?")[2]
    for part in query.split("&")[:32]:
        text = unquote_plus(part)
        if not text.strip():
            continue
        match = _CONDITION.fullmatch(text)
        if match is None:
            raise Refused(400, Status.INVALID_OPERATION, f"not understood: {text[:80]}")
        name = match[1].rpartition(".")[2]
        operator = match[2].strip().lower()
        suffix = {"=": "", "like": "", ">": ">=", "<": "<="}.get(operator, operator)
        found[name + suffix] = match[3].strip("'\"")
    return found


def _query(
    kind: str, wanted: Mapping[str, Any], places: Mapping[int, Any], utc_offset_minutes: int
) -> SightingQuery | None:
    end_us = now_us() + DAY_US
    start_us = end_us - _QUERY_DAYS * DAY_US
    place_ids = set(places)
    more: dict[str, Any] = {}
    for name, value in wanted.items():
        match name:
            case "PassTime>=" | "AppearTime>=" | "ShotTime>=" | "PersonAppearTime>=":
                start_us = max(start_us, read_moment(value, utc_offset_minutes) or start_us)
            case "PassTime<=" | "AppearTime<=" | "ShotTime<=" | "PersonAppearTime<=":
                end_us = min(end_us, (read_moment(value, utc_offset_minutes) or end_us) + 1)
            case "PlateNo":
                text = str(value).replace("%", "*").replace("_", "?")
                try:
                    more["plate"] = read_pattern(
                        text if set("*?") & set(text) else clean_plate(text) or text
                    )
                except PatternError as error:
                    raise Refused(400, Status.INVALID_OPERATION, f"PlateNo: {error}") from None
            case "PlateColor" | "VehicleColor" | "CoatColor" | "TrousersColor":
                key = {"PlateColor": "plate_colors", "TrousersColor": "lower_colors"}
                color = color_code(str(value))
                if color is None:
                    return None
                more[key.get(name, "colors")] = [color]
            case "DeviceID" | "TollgateID":
                codes = set(str(value).split(","))
                place_ids &= {one.id for one in places.values() if one.code in codes}
            case _:
                raise Refused(400, Status.INVALID_OPERATION, f"{name[:60]} cannot be asked for")
    return SightingQuery(start_us, end_us, [kind], sorted(place_ids), **more)


async def _end(
    hub: Hub, platform: DesiredPlatform, ids: list[str], incoming: Incoming
) -> list[str]:
    ended: list[str] = await hub.context.rows.write(
        "audit.act",
        operation="sightings.unsubscribe",
        arguments={"platform_id": platform.id, "subscription_ids": ids},
        records=[_record("cascade.unsubscribe", platform, incoming.address, ids=ids).to_message()],
        result_as="ended",
    )
    hub.wake_above(platform.id)
    return ended


def _record(action: str, platform: DesiredPlatform, address: str, **detail: Any) -> AuditRecord:
    return AuditRecord(
        action,
        user_name=platform.name[:100],
        address=address,
        detail={"platform_id": platform.id, "code": platform.code, **detail},
    )


def _number(text: object, default: int, limit: int) -> int:
    try:
        return min(max(int(str(text)), 1), limit) if text is not None else default
    except ValueError:
        return default
