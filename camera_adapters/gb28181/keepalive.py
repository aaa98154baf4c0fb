"""The status message that keeps a registration alive (GB/T 28181-2016 §9.6, Annex A.2.5 a)."""

from __future__ import annotations

from dataclasses import dataclass

from camera_adapters.gb28181 import codes
from camera_adapters.gb28181.envelope import Envelope, document
from camera_adapters.gb28181.xml_bodies import Element

COMMAND = "Keepalive"
_FAULTY_LIMIT = 1000


@dataclass(frozen=True, slots=True)
class Keepalive:
    """``faulty`` are the codes of devices that do not work just now."""

    serial_number: int
    device_id: str
    ok: bool = True
    faulty: tuple[str, ...] = ()

    def to_element(self) -> Element:
        """The Notify."""
        info = None
        if self.faulty:
            info = Element("Info", children=[Element("DeviceID", code) for code in self.faulty])
        status = Element("Status", "OK" if self.ok else "ERROR")
        return document("Notify", COMMAND, self.serial_number, self.device_id, status, info)

    @classmethod
    def read(cls, envelope: Envelope) -> Keepalive:
        """A Notify; a status that is missing counts as OK, since the peer does speak."""
        root = envelope.element
        info = root.find("Info")
        found = [] if info is None else [codes.as_received(c.text) for c in info.children]
        return cls(
            envelope.serial_number,
            envelope.device_id,
            root.value("Status", "OK").upper() != "ERROR",
            tuple(code for code in found[:_FAULTY_LIMIT] if code),
        )
