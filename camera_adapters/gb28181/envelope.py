"""What every MANSCDP document begins with (GB/T 28181-2016 Annex A.2): category, command, SN, code.

:func:`read` is the door for a MESSAGE's or NOTIFY's body; ``command`` then names the module that
reads the rest: :mod:`.catalog`, :mod:`.device_control`, :mod:`.record_information` and so on.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from camera_adapters.gb28181 import codes, xml_bodies
from camera_adapters.gb28181.xml_bodies import Element, XmlBodyError

Category = Literal["Query", "Control", "Notify", "Response"]
_CATEGORIES = {category.lower(): category for category in get_args(Category)}

# The Content-Type of MESSAGE and NOTIFY bodies (§9.3.2 and others).
CONTENT_TYPE = "Application/MANSCDP+xml"


@dataclass(frozen=True, slots=True)
class Envelope:
    """A document whose beginning was understood; ``element`` is its root.

    ``device_id`` is as :func:`.codes.as_received` gives it, empty when it was missing or unusable.
    """

    category: Category
    command: str
    serial_number: int
    device_id: str
    element: Element


def read(body: bytes, bytes_limit: int = xml_bodies.BODY_BYTES_LIMIT) -> Envelope:
    """The document of a body. Raises XmlBodyError when it is none of MANSCDP."""
    root = xml_bodies.parse(body, bytes_limit)
    category = _CATEGORIES.get(root.name.lower())
    if category is None:
        raise XmlBodyError(f"no Query, Control, Notify or Response, but {root.name[:40]!r}")
    command = root.value("CmdType")
    if not command:
        raise XmlBodyError("no CmdType")
    return Envelope(
        category,
        command[:40],
        root.number("SN"),
        codes.as_received(root.value("DeviceID")),
        root,
    )


def document(
    category: Category,
    command: str,
    serial_number: int,
    device_id: str,
    *content: Element | None,
) -> Element:
    """A document's root with its beginning; None among the content is left out."""
    return Element(
        category,
        children=[
            Element("CmdType", command),
            Element("SN", str(serial_number)),
            Element("DeviceID", device_id),
            *(part for part in content if part is not None),
        ],
    )


@dataclass(frozen=True, slots=True)
class Outcome:
    """``Result`` of a Response: whether the command was carried out (Annex A.2.1, resultType)."""

    command: str
    serial_number: int
    device_id: str
    ok: bool
    reason: str = ""

    def to_element(self) -> Element:
        """The Response."""
        reason = Element("Reason", self.reason) if self.reason else None
        result = Element("Result", "OK" if self.ok else "ERROR")
        return document(
            "Response", self.command, self.serial_number, self.device_id, result, reason
        )

    @classmethod
    def read(cls, envelope: Envelope) -> Outcome:
        """A Response's outcome; one without ``Result`` is a refusal."""
        root = envelope.element
        return cls(
            envelope.command,
            envelope.serial_number,
            envelope.device_id,
            root.value("Result").upper() == "OK",
            root.value("Reason")[:255],
        )
