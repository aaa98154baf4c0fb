"""What devices tell by MESSAGE and NOTIFY, in the words of all kinds of devices."""

from __future__ import annotations

from camera_adapters.device_events import (
    DeviceEvent,
    DeviceEventKind,
    DeviceEventState,
    bounded_detail,
)
from camera_adapters.gb28181 import alarm
from camera_adapters.gb28181.alarm import Alarm
from camera_adapters.gb28181.catalog_assembly import AssembledCatalog
from camera_adapters.gb28181.codes import CodeKind, kind_of
from camera_adapters.gb28181.mobile_position import MobilePosition
from gateway.geo.coordinates import CoordinateSystem, to_wgs84
from gateway.platforms import catalog_rows
from gateway.platforms.operations import Channel

# Beyond that a device's clock says nothing of when something happened.
_CLOCK_TRUST_US = 5 * 60 * 1_000_000

_KINDS = {
    "video_lost": DeviceEventKind.VIDEO_LOSS,
    "tamper": DeviceEventKind.TAMPER,
    "picture_covered": DeviceEventKind.TAMPER,
    "video_abnormal": DeviceEventKind.TAMPER,
    "moving_object": DeviceEventKind.MOTION,
    "fast_movement": DeviceEventKind.MOTION,
    "line_crossing": DeviceEventKind.LINE_CROSSING,
    "wrong_direction": DeviceEventKind.LINE_CROSSING,
    "intrusion": DeviceEventKind.INTRUSION,
    "loitering": DeviceEventKind.INTRUSION,
    "storage_full": DeviceEventKind.STORAGE_FAULT,
    "storage_fault": DeviceEventKind.STORAGE_FAULT,
    "fan_fault": DeviceEventKind.DEVICE_FAULT,
    "overheated": DeviceEventKind.DEVICE_FAULT,
    "cold": DeviceEventKind.DEVICE_FAULT,
}
_KINDS_BY_METHOD = {
    alarm.BY_TELEPHONE: DeviceEventKind.EMERGENCY,
    alarm.BY_MESSAGE: DeviceEventKind.EMERGENCY,
    alarm.BY_DEVICE: DeviceEventKind.DIGITAL_INPUT,
    alarm.BY_DEVICE_FAULT: DeviceEventKind.DEVICE_FAULT,
}
# EventType of intrusion (A.2.5 b): 1 entered, 2 left.
_LEFT = "2"


def event_of_alarm(
    notice: Alarm, platform_code: str, system: CoordinateSystem, arrived_us: int
) -> DeviceEvent:
    """An alarm notice. Its own time counts where the device's clock can be right. Where it says
    that it was, in the platform's ``system``, is told in WGS-84.
    """
    meaning = notice.meaning()
    kind = _KINDS.get(meaning) or _KINDS_BY_METHOD.get(notice.method, DeviceEventKind.OTHER)
    state = DeviceEventState.PULSE
    if kind is DeviceEventKind.INTRUSION and notice.event_kind == _LEFT:
        state = DeviceEventState.END
    detail = {
        "meaning": meaning,
        "priority": str(notice.priority),
        "method": str(notice.method),
        "type": "" if notice.kind is None else str(notice.kind),
        "description": notice.description,
    }
    if notice.longitude is not None and notice.latitude is not None:
        detail |= _place(system, notice.longitude, notice.latitude)
    return DeviceEvent(
        kind,
        "" if notice.device_id == platform_code else notice.device_id,
        _when(notice.at_us, arrived_us),
        state,
        source=f"{notice.method}/{notice.kind if notice.kind is not None else ''}",
        detail=bounded_detail({name: value for name, value in detail.items() if value}),
    )


def event_of_position(
    position: MobilePosition, platform_code: str, system: CoordinateSystem, arrived_us: int
) -> DeviceEvent:
    """Where a mobile device is, as :func:`event_of_alarm` tells it."""
    numbers = {
        "speed_kmh": position.speed_kmh,
        "heading_degrees": position.heading_degrees,
        "altitude_m": position.altitude_m,
    }
    return DeviceEvent(
        DeviceEventKind.POSITION,
        "" if position.device_id == platform_code else position.device_id,
        _when(position.at_us, arrived_us),
        DeviceEventState.PULSE,
        detail={name: f"{value:g}" for name, value in numbers.items() if value is not None}
        | _place(system, position.longitude, position.latitude),
    )


def channels_of(catalog: AssembledCatalog, platform_code: str, name: str) -> list[Channel]:
    """Rows of a catalogue. A camera that registers by itself and lists nothing is its own channel.

    Computes over all items: for a large catalogue, call it off the loop.
    """
    found = catalog_rows.channels_of(catalog)
    if kind_of(platform_code) is CodeKind.CAMERA and all(one.kind != "camera" for one in found):
        found.append(Channel(platform_code, None, "camera", name, "on"))
    return found


def _place(system: CoordinateSystem, longitude: float, latitude: float) -> dict[str, str]:
    """To a decimetre. A place that is on no map is told as it came."""
    if abs(longitude) <= 180 and abs(latitude) <= 90:
        longitude, latitude = to_wgs84(system, longitude, latitude)
    return {"longitude": f"{longitude:.6f}", "latitude": f"{latitude:.6f}"}


def _when(at_us: int | None, arrived_us: int) -> int:
    if at_us is None or abs(arrived_us - at_us) > _CLOCK_TRUST_US:
        return arrived_us
    return at_us
