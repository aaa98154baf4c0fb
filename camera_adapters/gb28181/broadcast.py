"""Voice to a device: the notice after which it invites us (GB/T 28181-2016 §9.12, A.2.5 d)."""

from __future__ import annotations

from dataclasses import dataclass

from camera_adapters.gb28181 import codes
from camera_adapters.gb28181.envelope import Envelope
from camera_adapters.gb28181.xml_bodies import Element

COMMAND = "Broadcast"


@dataclass(frozen=True, slots=True)
class Broadcast:
    """``source_id`` is who speaks, ``target_id`` what is to sound. Its answer is an Outcome."""

    serial_number: int
    source_id: str
    target_id: str

    def to_element(self) -> Element:
        """The Notify; it has no DeviceID of its own."""
        return Element(
            "Notify",
            children=[
                Element("CmdType", COMMAND),
                Element("SN", str(self.serial_number)),
                Element("SourceID", self.source_id),
                Element("TargetID", self.target_id),
            ],
        )

    @classmethod
    def read(cls, envelope: Envelope) -> Broadcast:
        """A Notify; a code that is missing is empty."""
        root = envelope.element
        return cls(
            envelope.serial_number,
            codes.as_received(root.value("SourceID")),
            codes.as_received(root.value("TargetID")),
        )
