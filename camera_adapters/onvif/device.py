"""The device service (ONVIF Core Specification §8): who it is, what it offers, its clock."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from urllib.parse import unquote

from camera_adapters.onvif.soap import Request, Service, text
from camera_adapters.onvif.xml_tree import Node

_SCOPE = "onvif://www.onvif.org/"


@dataclass(frozen=True, slots=True)
class DeviceInformation:
    """GetDeviceInformation (§8.1.3); what a device does not tell is empty."""

    manufacturer: str = ""
    model: str = ""
    firmware: str = ""
    serial_number: str = ""
    hardware: str = ""


@dataclass(frozen=True, slots=True)
class DeviceTime:
    """GetSystemDateAndTime (§8.3.1). ``utc_us`` is None where the device tells local time alone
    without saying where it is; ``zone`` is a POSIX zone (IEEE 1003.1 §8.3), such as ``CST-8``.
    """

    utc_us: int | None
    zone: str
    source: str
    daylight_savings: bool


@dataclass(frozen=True, slots=True)
class Scopes:
    """What a device says of itself in scopes (ONVIF Core §7.3.2)."""

    name: str = ""
    location: str = ""
    hardware: str = ""
    profiles: tuple[str, ...] = field(default=())


def get_system_date_and_time() -> Request:
    """Asked without a password: the answer is needed to sign anything."""
    return Request(Service.DEVICE, "GetSystemDateAndTime", secured=False)


def parse_system_date_and_time(answer: Node) -> DeviceTime:
    """See :class:`DeviceTime`."""
    told = answer.child("SystemDateAndTime") or answer
    zone = told.value("TimeZone/TZ")
    moment_us = _moment(told.child("UTCDateTime"))
    if moment_us is None:
        local_us = _moment(told.child("LocalDateTime"))
        ahead_s = seconds_ahead_of_utc(zone)
        if local_us is not None and ahead_s is not None:
            moment_us = local_us - ahead_s * 1_000_000
    return DeviceTime(
        moment_us,
        zone[:60],
        told.value("DateTimeType")[:20],
        told.value("DaylightSavings").lower() == "true",
    )


def set_system_date_and_time(utc_us: int, zone: str) -> Request:
    """Set the clock by hand (§8.3.2). The date is UTC, as its name says, whatever ``zone`` is: the
    zone is told beside it, and the device adds it itself.
    """
    moment = datetime.fromtimestamp(utc_us / 1_000_000, UTC)
    return Request(
        Service.DEVICE,
        "SetSystemDateAndTime",
        "<m:DateTimeType>Manual</m:DateTimeType><m:DaylightSavings>false</m:DaylightSavings>"
        f"<m:TimeZone><tt:TZ>{text(zone)}</tt:TZ></m:TimeZone>"
        f"<m:UTCDateTime><tt:Time><tt:Hour>{moment.hour}</tt:Hour>"
        f"<tt:Minute>{moment.minute}</tt:Minute><tt:Second>{moment.second}</tt:Second></tt:Time>"
        f"<tt:Date><tt:Year>{moment.year}</tt:Year><tt:Month>{moment.month}</tt:Month>"
        f"<tt:Day>{moment.day}</tt:Day></tt:Date></m:UTCDateTime>",
    )


def seconds_ahead_of_utc(zone: str) -> int | None:
    """How far local time is ahead, from a POSIX zone: ``CST-8`` is 28800 (the sign is reversed).

    ``GMT+08:00`` and ``UTC+8`` are written by devices of the country for eight hours ahead, where
    POSIX reads eight behind: names of UTC are taken as people mean them. None where it is no zone.
    """
    name = zone.strip()
    end = name.find(">") + 1 if name.startswith("<") else 0
    while end < len(name) and name[end].isalpha():
        end += 1
    letters, rest = name[:end], name[end:]
    if len(letters) < 3:
        return None
    sign = -1
    if rest[:1] in "+-" and rest[:1]:
        sign = 1 if rest[0] == "-" else -1
        rest = rest[1:]
    digits = ""
    for character in rest:
        if not (character.isdecimal() or character == ":"):
            break
        digits += character
    parts = digits.split(":") if digits else ["0"]
    if len(parts) > 3 or not all(part.isdecimal() and len(part) <= 2 for part in parts):
        return None
    seconds = sum(int(part) * scale for part, scale in zip(parts, (3600, 60, 1), strict=False))
    if letters in ("GMT", "UTC"):
        sign = -sign
    return sign * seconds if seconds <= 15 * 3600 else None


def zone_of(seconds_ahead: int) -> str:
    """A POSIX zone that is ``seconds_ahead`` of UTC; ``CST-8`` where that is eight hours."""
    behind = -seconds_ahead
    hours, minutes = divmod(abs(behind) // 60, 60)
    name = {8 * 3600: "CST", 0: "UTC"}.get(seconds_ahead, "LOC")
    return f"{name}{'-' if behind < 0 else ''}{hours}" + (f":{minutes:02d}" if minutes else "")


def get_device_information() -> Request:
    """§8.1.3."""
    return Request(Service.DEVICE, "GetDeviceInformation")


def parse_device_information(answer: Node) -> DeviceInformation:
    """See :class:`DeviceInformation`."""

    def told(name: str) -> str:
        return " ".join(answer.value(name).split())[:100]

    return DeviceInformation(
        told("Manufacturer"),
        told("Model"),
        told("FirmwareVersion"),
        told("SerialNumber"),
        told("HardwareId"),
    )


def get_services() -> Request:
    """§8.1.2.1."""
    return Request(
        Service.DEVICE, "GetServices", "<m:IncludeCapability>false</m:IncludeCapability>"
    )


def parse_services(answer: Node) -> dict[Service, str]:
    """The addresses of those services that we know."""
    known = {str(service): service for service in Service}
    found = {}
    for one in answer.each("Service"):
        service = known.get(one.value("Namespace").rstrip("/"))
        address = one.value("XAddr")
        if service is not None and address:
            found[service] = address[:500]
    return found


def get_capabilities() -> Request:
    """§8.1.2.3: what devices older than GetServices answer."""
    return Request(Service.DEVICE, "GetCapabilities", "<m:Category>All</m:Category>")


def parse_capabilities(answer: Node) -> dict[Service, str]:
    """The addresses of those services that we know."""
    names = {
        "Device": Service.DEVICE,
        "Media": Service.MEDIA,
        "PTZ": Service.PTZ,
        "Imaging": Service.IMAGING,
        "Events": Service.EVENTS,
        "Extension/Recording": Service.RECORDING,
        "Extension/Search": Service.SEARCH,
        "Extension/Replay": Service.REPLAY,
    }
    told = answer.child("Capabilities") or answer
    found = {}
    for path, service in names.items():
        address = told.value(f"{path}/XAddr")
        if address:
            found[service] = address[:500]
    return found


def get_scopes() -> Request:
    """§8.1.2.5."""
    return Request(Service.DEVICE, "GetScopes")


def parse_scopes(answer: Node) -> Scopes:
    """See :class:`Scopes`."""
    return scopes_of([node.text.strip() for node in answer.find_all("ScopeItem")])


def scopes_of(values: list[str]) -> Scopes:
    """Scopes from their URIs, as also discovery tells them."""
    told: dict[str, list[str]] = {}
    for value in values[:200]:
        if value.lower().startswith(_SCOPE):
            kind, _, rest = value[len(_SCOPE) :].partition("/")
            told.setdefault(kind.lower(), []).append(unquote(rest, errors="replace")[:100])
    return Scopes(
        " ".join(told.get("name", [])[:1]),
        ", ".join(told.get("location", [])[:4]),
        " ".join(told.get("hardware", [])[:1]),
        tuple(told.get("profile", [])[:12]),
    )


def system_reboot() -> Request:
    """§8.3.7."""
    return Request(Service.DEVICE, "SystemReboot")


def _moment(node: Node | None) -> int | None:
    if node is None:
        return None
    numbers = [
        node.whole(f"{group}/{name}")
        for group, names in (("Date", ("Year", "Month", "Day")), ("Time", ("Hour", "Minute")))
        for name in names
    ]
    second = node.whole("Time/Second") or 0
    try:
        moment = datetime(*(one for one in numbers if one is not None), tzinfo=UTC)  # type: ignore[arg-type,misc]
    except (TypeError, ValueError, OverflowError):
        return None
    if None in numbers or not 0 <= second <= 60:
        return None
    return round(moment.timestamp() * 1_000_000) + second * 1_000_000
