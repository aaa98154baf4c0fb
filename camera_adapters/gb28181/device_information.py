"""What a device says of itself: DeviceInfo, DeviceStatus (GB/T 28181-2016 §9.5, Annex A.2.4–A.2.6),
ConfigDownload's basic parameters and presets.
"""

from __future__ import annotations

from dataclasses import dataclass

from camera_adapters.gb28181 import local_time
from camera_adapters.gb28181.envelope import Envelope, document
from camera_adapters.gb28181.xml_bodies import Element, texts

INFORMATION = "DeviceInfo"
STATUS = "DeviceStatus"
CONFIGURATION = "ConfigDownload"
PRESETS = "PresetQuery"

_TEXT_LIMIT = 255
_PRESETS_LIMIT = 255


def query(command: str, serial_number: int, device_id: str) -> Element:
    """The Query of :data:`INFORMATION`, :data:`STATUS` or :data:`PRESETS`."""
    return document("Query", command, serial_number, device_id)


def basic_configuration_query(serial_number: int, device_id: str) -> Element:
    """The Query of :data:`CONFIGURATION` for the basic parameters (A.2.4.7)."""
    kind = Element("ConfigType", "BasicParam")
    return document("Query", CONFIGURATION, serial_number, device_id, kind)


@dataclass(frozen=True, slots=True)
class DeviceInformation:
    """The answer to DeviceInfo (A.2.6 d). ``channels`` is what the device says it has."""

    serial_number: int
    device_id: str
    ok: bool = True
    name: str = ""
    manufacturer: str = ""
    model: str = ""
    firmware: str = ""
    channels: int | None = None

    def to_element(self) -> Element:
        """The Response."""
        return document(
            "Response",
            INFORMATION,
            self.serial_number,
            self.device_id,
            *texts(
                (
                    ("DeviceName", self.name),
                    ("Result", "OK" if self.ok else "ERROR"),
                    ("Manufacturer", self.manufacturer),
                    ("Model", self.model),
                    ("Firmware", self.firmware),
                    ("Channel", self.channels),
                )
            ),
        )

    @classmethod
    def read(cls, envelope: Envelope) -> DeviceInformation:
        """A Response; what is missing is empty."""
        root = envelope.element
        channels = root.number("Channel", -1)
        return cls(
            envelope.serial_number,
            envelope.device_id,
            root.value("Result", "OK").upper() == "OK",
            root.value("DeviceName")[:_TEXT_LIMIT],
            root.value("Manufacturer")[:_TEXT_LIMIT],
            root.value("Model")[:_TEXT_LIMIT],
            root.value("Firmware")[:_TEXT_LIMIT],
            channels if channels >= 0 else None,
        )


@dataclass(frozen=True, slots=True)
class DeviceStatus:
    """The answer to DeviceStatus (A.2.6 g); None is unknown. ``device_time_us`` is UTC."""

    serial_number: int
    device_id: str
    ok: bool = True
    online: bool = True
    working: bool = True
    reason: str = ""
    encoding: bool | None = None
    recording: bool | None = None
    device_time_us: int | None = None

    def to_element(self) -> Element:
        """The Response."""
        at_us = self.device_time_us
        return document(
            "Response",
            STATUS,
            self.serial_number,
            self.device_id,
            *texts(
                (
                    ("Result", "OK" if self.ok else "ERROR"),
                    ("Online", "ONLINE" if self.online else "OFFLINE"),
                    ("Status", "OK" if self.working else "ERROR"),
                    ("Reason", self.reason),
                    ("Encode", _on_off(self.encoding)),
                    ("Record", _on_off(self.recording)),
                    ("DeviceTime", None if at_us is None else local_time.format_us(at_us)),
                )
            ),
        )

    @classmethod
    def read(cls, envelope: Envelope) -> DeviceStatus:
        """A Response."""
        root = envelope.element
        return cls(
            envelope.serial_number,
            envelope.device_id,
            root.value("Result", "OK").upper() == "OK",
            root.value("Online", "ONLINE").upper() != "OFFLINE",
            root.value("Status", "OK").upper() != "ERROR",
            root.value("Reason")[:_TEXT_LIMIT],
            _is_on(root.value("Encode")),
            _is_on(root.value("Record")),
            local_time.parse_us(root.value("DeviceTime")),
        )


@dataclass(frozen=True, slots=True)
class BasicConfiguration:
    """The basic parameters of ConfigDownload (A.2.6 i): seconds, and how often may be missed."""

    serial_number: int
    device_id: str
    name: str = ""
    expires_s: int | None = None
    heartbeat_s: int | None = None
    heartbeat_count: int | None = None

    def to_element(self) -> Element:
        """The Response."""
        parameters = texts(
            (
                ("Name", self.name),
                ("Expiration", self.expires_s),
                ("HeartBeatInterval", self.heartbeat_s),
                ("HeartBeatCount", self.heartbeat_count),
            )
        )
        return document(
            "Response",
            CONFIGURATION,
            self.serial_number,
            self.device_id,
            Element("Result", "OK"),
            Element("BasicParam", children=parameters),
        )

    @classmethod
    def read(cls, envelope: Envelope) -> BasicConfiguration:
        """A Response; without basic parameters everything is unknown."""
        node = envelope.element.find("BasicParam") or Element("BasicParam")

        def positive(name: str) -> int | None:
            value = node.number(name, -1)
            return value if value > 0 else None

        return cls(
            envelope.serial_number,
            envelope.device_id,
            node.value("Name")[:_TEXT_LIMIT],
            positive("Expiration"),
            positive("HeartBeatInterval"),
            positive("HeartBeatCount"),
        )


@dataclass(frozen=True, slots=True)
class Presets:
    """The answer to PresetQuery (A.2.6 j): names by number."""

    serial_number: int
    device_id: str
    names: dict[int, str]

    def to_element(self) -> Element:
        """The Response."""
        listed = [
            Element("Item", children=texts((("PresetID", number), ("PresetName", name))))
            for number, name in self.names.items()
        ]
        return document(
            "Response",
            PRESETS,
            self.serial_number,
            self.device_id,
            Element("PresetList", attributes={"Num": str(len(listed))}, children=listed),
        )

    @classmethod
    def read(cls, envelope: Envelope) -> Presets:
        """A Response; presets out of 1–255 are left out."""
        listing = envelope.element.find("PresetList") or Element("PresetList")
        names: dict[int, str] = {}
        for node in listing.find_all("Item"):
            number = node.number("PresetID", -1)
            if 1 <= number <= _PRESETS_LIMIT:
                names.setdefault(number, node.value("PresetName")[:_TEXT_LIMIT])
        return cls(envelope.serial_number, envelope.device_id, names)


def _on_off(value: bool | None) -> str | None:
    return None if value is None else "ON" if value else "OFF"


def _is_on(text: str) -> bool | None:
    return {"ON": True, "OFF": False}.get(text.upper())
