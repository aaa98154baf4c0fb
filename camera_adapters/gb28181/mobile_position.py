"""Positions of devices that move (GB/T 28181-2016 §9.11, Annexes A.2.4.9, A.2.5 f)."""

from __future__ import annotations

from dataclasses import dataclass

from camera_adapters.gb28181 import local_time
from camera_adapters.gb28181.envelope import Envelope, document
from camera_adapters.gb28181.xml_bodies import Element, texts

COMMAND = "MobilePosition"
EVENT_PACKAGE = "presence"


def subscription(serial_number: int, device_id: str, interval_s: int = 5) -> Element:
    """The body of a SUBSCRIBE: one position each ``interval_s`` seconds."""
    interval = Element("Interval", str(interval_s))
    return document("Query", COMMAND, serial_number, device_id, interval)


@dataclass(frozen=True, slots=True)
class MobilePosition:
    """Where a device is. Degrees as they came; ``speed_kmh``, ``heading_degrees`` from north."""

    serial_number: int
    device_id: str
    at_us: int | None
    longitude: float
    latitude: float
    speed_kmh: float | None = None
    heading_degrees: float | None = None
    altitude_m: float | None = None

    def to_element(self) -> Element:
        """The Notify."""
        at_us = self.at_us
        return document(
            "Notify",
            COMMAND,
            self.serial_number,
            self.device_id,
            *texts(
                (
                    ("Time", None if at_us is None else local_time.format_us(at_us)),
                    ("Longitude", self.longitude),
                    ("Latitude", self.latitude),
                    ("Speed", self.speed_kmh),
                    ("Direction", self.heading_degrees),
                    ("Altitude", self.altitude_m),
                )
            ),
        )

    @classmethod
    def read(cls, envelope: Envelope) -> MobilePosition | None:
        """A Notify; None without a position on the globe."""
        root = envelope.element
        longitude, latitude = root.decimal("Longitude"), root.decimal("Latitude")
        if longitude is None or latitude is None or abs(longitude) > 180 or abs(latitude) > 90:
            return None
        return cls(
            envelope.serial_number,
            envelope.device_id,
            local_time.parse_us(root.value("Time")),
            longitude,
            latitude,
            root.decimal("Speed"),
            root.decimal("Direction"),
            root.decimal("Altitude"),
        )
