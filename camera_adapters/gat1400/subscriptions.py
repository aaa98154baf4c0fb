"""Subscriptions and what is told to who subscribed (GA/T 1400.3: SubscribeObject,
SubscribeNotificationObject)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from camera_adapters.gat1400.codes import (
    SUBSCRIBE_FACES,
    SUBSCRIBE_MOTOR_VEHICLES,
    SUBSCRIBE_NON_MOTOR_VEHICLES,
    SUBSCRIBE_PERSONS,
)
from camera_adapters.gat1400.fields import DocumentError, named, read, read_text, write
from camera_adapters.gat1400.objects import BY_KIND, INTERFACES, Interface, SightingKind

NOTIFICATIONS_LIMIT = 50
RESOURCES_LIMIT = 500

_KINDS: dict[int, SightingKind] = {
    SUBSCRIBE_PERSONS: "person",
    SUBSCRIBE_MOTOR_VEHICLES: "vehicle",
    SUBSCRIBE_NON_MOTOR_VEHICLES: "non_motor",
}
KIND_DETAILS = {kind: detail for detail, kind in _KINDS.items()}

OPERATE_SUBSCRIBE, OPERATE_CANCEL = 0, 1
ACTIVE, CANCELLED, EXPIRED = 0, 1, 2


@dataclass(frozen=True, slots=True)
class Subscription:
    """A SubscribeObject. ``detail`` is a list of numbers, ``resources`` one of codes, both with
    commas; see :meth:`kinds` and :meth:`codes`.
    """

    id: str = named("SubscribeID", limit=64, required=True)
    title: str | None = named("Title", limit=256)
    detail: str | None = named("SubscribeDetail", limit=256)
    resources: str | None = named("ResourceURI", limit=20_000)
    resource_class: int | None = named("ResourceClass", "whole", 99)
    applicant: str | None = named("ApplicantName", limit=64)
    applicant_org: str | None = named("ApplicantOrg", limit=128)
    begins_us: int | None = named("BeginTime", "moment")
    ends_us: int | None = named("EndTime", "moment")
    receive_address: str | None = named("ReceiveAddr", limit=256)
    interval_s: int | None = named("ReportInterval", "whole", 86_400)
    reason: str | None = named("Reason", limit=256)
    operation: int | None = named("OperateType", "whole", 9)
    status: int | None = named("SubscribeStatus", "whole", 9)
    with_pictures: str | None = named("ResultImageDeclare", limit=64)
    cancelled_us: int | None = named("CancelTime", "moment")
    cancel_reason: str | None = named("CancelReason", limit=256)

    @property
    def details(self) -> frozenset[int]:
        """What is subscribed to, by SubscribeDetail's numbers."""
        parts = (self.detail or "").replace(";", ",").split(",")
        return frozenset(
            int(one) for one in map(str.strip, parts) if one.isdecimal() and len(one) < 4
        )

    @property
    def kinds(self) -> frozenset[SightingKind]:
        """Of what we tell; faces and catalogues of cases are not among it."""
        return frozenset(_KINDS[one] for one in self.details if one in _KINDS)

    @property
    def asks_for_faces(self) -> bool:
        """Whether faces are among it."""
        return SUBSCRIBE_FACES in self.details

    @property
    def codes(self) -> frozenset[str]:
        """The devices, checkpoints or platforms of which it is; empty where it names none."""
        parts = (self.resources or "").replace(";", ",").split(",")
        return frozenset(one.strip() for one in parts[:RESOURCES_LIMIT] if one.strip())


def read_subscription(document: object, path: str, *, utc_offset_minutes: int) -> Subscription:
    """A SubscribeObject. Raises DocumentError."""
    return read(Subscription, document, path, utc_offset_minutes=utc_offset_minutes)


def write_subscription(one: Subscription, *, utc_offset_minutes: int) -> dict[str, Any]:
    """A SubscribeObject."""
    return write(one, utc_offset_minutes=utc_offset_minutes)


@dataclass(frozen=True, slots=True)
class Device:
    """A camera or checkpoint of a catalogue (GA/T 1400.3: APEObject, TollgateObject)."""

    code: str
    name: str
    kind: str  # "camera" or "group"
    online: bool | None = None
    longitude: float | None = None
    latitude: float | None = None
    civil_code: str | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Notification:
    """A SubscribeNotificationObject, its objects as they came: (interface, JSON object)."""

    id: str
    subscribe_id: str
    objects: tuple[tuple[Interface, Any], ...]
    devices: tuple[Device, ...] = ()
    faces: int = 0


def read_notification(document: object, path: str, limit: int) -> Notification:
    """One of a request; at most ``limit`` objects. Raises DocumentError."""
    if not isinstance(document, Mapping):
        raise DocumentError(path, "an object is expected")
    notification_id = read_text(document.get("NotificationID"), 64)
    subscribe_id = read_text(document.get("SubscribeID"), 64)
    if notification_id is None or subscribe_id is None:
        raise DocumentError(path, "NotificationID and SubscribeID are needed")
    objects: list[tuple[Interface, Any]] = []
    for interface in INTERFACES:
        found = _inside(document.get(interface.notified), interface.inner)
        objects += [(interface, one) for one in found]
    if len(objects) > limit:
        raise DocumentError(path, f"more than {limit} objects in one request: send fewer")
    devices = [
        *read_devices(_inside(document.get("DeviceList"), "APEObject"), "ApeID", "camera"),
        *read_devices(
            _inside(document.get("TollgateObjectList"), "TollgateObject"), "TollgateID", "group"
        ),
    ]
    faces = len(_inside(document.get("FaceObjectList"), "FaceObject"))
    return Notification(
        notification_id, subscribe_id, tuple(objects), tuple(devices[:limit]), faces
    )


def write_notification(
    notification_id: str,
    subscription: Subscription,
    triggered: str,
    objects: Mapping[SightingKind, Sequence[Mapping[str, Any]]],
    ids: Iterable[str],
) -> dict[str, Any]:
    """A SubscribeNotificationObject; ``triggered`` is when, as local time."""
    document: dict[str, Any] = {
        "NotificationID": notification_id,
        "SubscribeID": subscription.id,
        "Title": subscription.title or "",
        "TriggerTime": triggered,
        "InfoIDs": ",".join(ids),
        "ExecuteOperation": 1,
    }
    for kind, found in objects.items():
        interface = BY_KIND[kind]
        if found:
            document[interface.notified] = {interface.inner: list(found)}
    return document


def read_devices(found: Iterable[object], code_name: str, kind: str) -> list[Device]:
    """APEObject or TollgateObject of a list; those without a code are left out."""
    devices = []
    for one in found:
        if not isinstance(one, Mapping):
            continue
        code = read_text(one.get(code_name), 40)
        if code is None:
            continue
        facts = {
            name: text
            for name, key, limit in (
                ("model", "Model", 100),
                ("address", "IPAddr", 64),
                ("place", "Place", 256),
            )
            if (text := read_text(one.get(key), limit)) is not None
        }
        devices.append(
            Device(
                code,
                read_text(one.get("Name"), 100) or code,
                kind,
                {"1": True, "2": False}.get(read_text(one.get("IsOnline"), 1) or ""),
                _degrees(one.get("Longitude"), 180),
                _degrees(one.get("Latitude"), 90),
                read_text(one.get("PlaceCode"), 12),
                facts,
            )
        )
    return devices


def _inside(held: object, inner: str) -> list[Any]:
    found = held.get(inner) if isinstance(held, Mapping) else held
    if isinstance(found, Mapping):
        return [found]
    return found if isinstance(found, list) else []


def _degrees(value: object, limit: float) -> float | None:
    text = read_text(value, 24)
    try:
        degrees = float(text or "")
    except ValueError:
        return None
    return degrees if -limit <= degrees <= limit and degrees != 0 else None
