"""Notices about media that was sent (GB/T 28181-2016 §9.8, §9.9, Annex A.2.5 c)."""

from __future__ import annotations

from dataclasses import dataclass

from camera_adapters.gb28181.envelope import Envelope, document
from camera_adapters.gb28181.xml_bodies import Element

COMMAND = "MediaStatus"
# The recording was sent to its end.
FILE_END = "121"


@dataclass(frozen=True, slots=True)
class MediaStatus:
    """``kind`` is NotifyType: :data:`FILE_END`. Sent in the dialog of the INVITE that it is of."""

    serial_number: int
    device_id: str
    kind: str = FILE_END

    def to_element(self) -> Element:
        """The Notify."""
        kind = Element("NotifyType", self.kind)
        return document("Notify", COMMAND, self.serial_number, self.device_id, kind)

    @classmethod
    def read(cls, envelope: Envelope) -> MediaStatus:
        """A Notify."""
        kind = envelope.element.value("NotifyType")[:20]
        return cls(envelope.serial_number, envelope.device_id, kind)
