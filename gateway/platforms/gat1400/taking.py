"""What those below tell: sightings, notifications of what we subscribed to, catalogues."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import structlog

from camera_adapters.gat1400.answers import ResponseStatus, write_statuses
from camera_adapters.gat1400.body import as_body_error, listed
from camera_adapters.gat1400.codes import Status
from camera_adapters.gat1400.fields import DocumentError, read_text
from camera_adapters.gat1400.objects import (
    BY_RESOURCE,
    OBJECTS_LIMIT,
    Interface,
    Sighting,
    read_sighting,
)
from camera_adapters.gat1400.registrations import Registration
from camera_adapters.gat1400.subscriptions import (
    NOTIFICATIONS_LIMIT,
    Device,
    Notification,
    read_devices,
    read_notification,
)
from gateway.database.platform_tables import platform_channels
from gateway.database.sighting_tables import sighting_places
from gateway.identifiers import now_us
from gateway.platforms.gat1400.bounds import TOO_MANY, beyond
from gateway.platforms.gat1400.listener import Incoming, take_body
from gateway.platforms.gat1400.system import admit_below
from gateway.platforms.operations import Channel

if TYPE_CHECKING:
    from gateway.platforms.gat1400.hub import Hub

_log = structlog.get_logger(__name__)

NO_FACES = "faces are not taken: this system keeps no identities of faces"
NO_DISPOSITIONS = "dispositions are not carried out here"
_IDS_LIMIT = 1000


@dataclass(frozen=True, slots=True)
class Parsed:
    """What a body held: what can be taken, and what cannot with its answer."""

    sightings: tuple[Sighting, ...]
    refused: tuple[ResponseStatus, ...]


async def take_objects(hub: Hub, incoming: Incoming) -> Mapping[str, Any]:
    """POST /VIID/{MotorVehicles, NonMotorVehicles, Persons, Images, VideoSlices}."""
    registration = admit_below(hub, incoming)
    name = incoming.parts[0].lower()
    interface = next(one for key, one in BY_RESOURCE.items() if key.lower() == name)

    def parse(document: dict[str, Any]) -> Parsed:
        found = listed(document, interface.outer, interface.inner, OBJECTS_LIMIT)
        return parse_objects(
            [(interface, one) for one in found], incoming.path, hub.utc_offset_minutes
        )

    parsed = await take_body(hub, incoming, parse)
    statuses = await store(hub, registration, parsed, incoming.path)
    return write_statuses(statuses, now_us(), hub.utc_offset_minutes)


async def take_notifications(hub: Hub, incoming: Incoming) -> Mapping[str, Any]:
    """POST /VIID/SubscribeNotifications: what a library below passes on to us."""
    registration = admit_below(hub, incoming)

    def parse(document: dict[str, Any]) -> list[tuple[Notification, Parsed]]:
        found = listed(
            document, "SubscribeNotificationListObject", "SubscribeNotificationObject",
            NOTIFICATIONS_LIMIT,
        )  # fmt: skip
        parsed = []
        for number, one in enumerate(found):
            path = f"SubscribeNotificationObject[{number}]"
            try:
                notification = read_notification(one, path, OBJECTS_LIMIT)
            except DocumentError as error:
                raise as_body_error(error) from None
            objects = parse_objects(notification.objects, path, hub.utc_offset_minutes)
            parsed.append((notification, objects))
        return parsed

    statuses = []
    for notification, objects in await take_body(hub, incoming, parse):
        held = await hub.holds_subscription(
            registration.account.platform_id, notification.subscribe_id
        )
        if not held:
            text = "there is no such subscription of ours: it was ended"
            statuses.append(
                ResponseStatus(incoming.path, Status.INVALID_OPERATION, text, notification.id)
            )
            continue
        too_many: set[str] = set()
        if notification.devices:
            too_many = await take_channels(
                hub, registration.account.platform_id, notification.devices
            )
        inner = await store(hub, registration, objects, incoming.path)
        inner += [_too_many(incoming.path, code) for code in sorted(too_many)]
        refused = next((one for one in inner if not one.ok), None)
        if notification.faces:
            hub.figures["gat1400_refused"] += notification.faces
        if refused is not None and not any(one.ok for one in inner):
            statuses.append(
                ResponseStatus(incoming.path, refused.status, refused.text, notification.id)
            )
        else:
            text = "OK" if refused is None else f"in part: {refused.id} {refused.text}"[:250]
            statuses.append(ResponseStatus(incoming.path, Status.OK, text, notification.id))
    return write_statuses(statuses, now_us(), hub.utc_offset_minutes)


async def take_devices(hub: Hub, incoming: Incoming) -> Mapping[str, Any]:
    """POST /VIID/APEs, /VIID/Tollgates: names and positions of cameras, checkpoints."""
    registration = admit_below(hub, incoming)
    is_tollgate = incoming.parts[0].lower() == "tollgates"
    outer, inner, code_name, kind = (
        ("TollgateListObject", "TollgateObject", "TollgateID", "group")
        if is_tollgate
        else ("APEListObject", "APEObject", "ApeID", "camera")
    )

    def parse(document: dict[str, Any]) -> list[Device]:
        return read_devices(listed(document, outer, inner, _IDS_LIMIT), code_name, kind)

    devices = await take_body(hub, incoming, parse)
    too_many = await take_channels(hub, registration.account.platform_id, devices)
    statuses = [
        _too_many(incoming.path, one.code)
        if one.code in too_many
        else ResponseStatus(incoming.path, Status.OK, "OK", one.code)
        for one in devices
    ]
    return write_statuses(statuses, now_us(), hub.utc_offset_minutes)


async def refuse_faces(hub: Hub, incoming: Incoming) -> Mapping[str, Any]:
    """POST /VIID/Faces: answered object by object, and not read any further than their ids."""
    return await _refuse(hub, incoming, "FaceListObject", "FaceObject", "FaceID", NO_FACES)


async def refuse_dispositions(hub: Hub, incoming: Incoming) -> Mapping[str, Any]:
    """POST /VIID/Dispositions: orders to watch for somebody."""
    return await _refuse(
        hub, incoming, "DispositionListObject", "DispositionObject", "DispositionID",
        NO_DISPOSITIONS,
    )  # fmt: skip


async def store(
    hub: Hub, registration: Registration, parsed: Parsed, path: str
) -> list[ResponseStatus]:
    """Keep what can be kept; durable when it returns."""
    account = registration.account
    codes = [one.place_code or account.code for one in parsed.sightings]
    too_many = await beyond(hub, sighting_places, account.platform_id, codes)
    kept = [one for one, code in zip(parsed.sightings, codes, strict=True) if code not in too_many]
    refused = [
        _too_many(path, one.id)
        for one, code in zip(parsed.sightings, codes, strict=True)
        if code in too_many
    ]
    taken = await hub.intake.take(account.platform_id, kept, account.code, now_us())
    new = sum(one.new for one in taken)
    if new:
        hub.note_arrived(new)
    if any(one.clock_doubtful for one in taken):
        hub.note_doubtful_clock(account.platform_id, taken)
    statuses = []
    for one in taken:
        text = "OK" if not one.sighting.left_out else f"in part: {one.sighting.left_out[0]}"
        statuses.append(ResponseStatus(path, Status.OK, text[:250], one.sighting.id))
    return [*statuses, *refused, *parsed.refused]


def parse_objects(
    found: Sequence[tuple[Interface, Any]], path: str, utc_offset_minutes: int
) -> Parsed:
    """Read each; one that cannot be read is answered by itself."""
    sightings: list[Sighting] = []
    refused: list[ResponseStatus] = []
    for number, (interface, one) in enumerate(found):
        name = f"{interface.inner}[{number}]"
        try:
            sightings.append(
                read_sighting(interface, one, name, utc_offset_minutes=utc_offset_minutes)
            )
        except DocumentError as error:
            own_id = _id_of(interface, one)
            refused.append(
                ResponseStatus(path, Status.INVALID_JSON_CONTENT, str(error)[:250], own_id)
            )
    return Parsed(tuple(sightings), tuple(refused))


async def take_channels(hub: Hub, platform_id: str, devices: Sequence[Device]) -> set[str]:
    """Devices of a catalogue become channels; those that it leaves out stay. Gives the codes of
    those that are too many.
    """
    too_many = await beyond(hub, platform_channels, platform_id, [one.code for one in devices])
    channels = [
        Channel(
            code=one.code,
            parent_code=None,
            kind="camera" if one.kind == "camera" else "group",
            name=one.name,
            status={True: "on", False: "off", None: "unknown"}[one.online],  # type: ignore[arg-type]
            civil_code=one.civil_code,
            longitude=one.longitude,
            latitude=one.latitude,
            facts=one.facts,
        )
        for one in devices
        if one.code not in too_many
    ]
    if channels:
        await hub.context.sink.channels(platform_id, channels, complete=False)
    return too_many


def _too_many(path: str, code: str) -> ResponseStatus:
    return ResponseStatus(path, Status.INVALID_OPERATION, TOO_MANY, code)


async def _refuse(
    hub: Hub, incoming: Incoming, outer: str, inner: str, id_name: str, text: str
) -> Mapping[str, Any]:
    admit_below(hub, incoming)

    def parse(document: dict[str, Any]) -> list[str]:
        found = listed(document, outer, inner, _IDS_LIMIT)
        return [
            read_text(one.get(id_name), 64) or "" if isinstance(one, Mapping) else ""
            for one in found
        ]

    ids = await take_body(hub, incoming, parse)
    hub.figures["gat1400_refused"] += len(ids)
    statuses = [
        ResponseStatus(incoming.path, Status.INVALID_OPERATION, text, one) for one in ids or [""]
    ]
    return write_statuses(statuses, now_us(), hub.utc_offset_minutes)


def _id_of(interface: Interface, document: object) -> str:
    for field_of in interface.document.__dataclass_fields__.values():
        if field_of.name == "id" and isinstance(document, Mapping):
            name = field_of.metadata["gat1400"][0]
            inner = document.get(interface.info) if interface.info else document
            if isinstance(inner, Mapping):
                return read_text(inner.get(name), 64) or ""
    return ""
