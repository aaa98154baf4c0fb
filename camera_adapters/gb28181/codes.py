"""The twenty-digit codes of devices, platforms and users (GB/T 28181-2016 Annex D.1).

Digits 1–8 name the centre (an administrative division of GB/T 2260, with two more digits for the
unit), 9–10 the trade, 11–13 the type, 14 the network, 15–20 are a serial number. Divisions stand in
catalogues by their 2, 4, 6 or 8 digits alone (Annex D.2). Devices in the field carry codes that
break these rules; they are served all the same, as :data:`CodeKind.OTHER`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

LENGTH = 20
# What is kept of a code that somebody else made: longer ones are nobody's code.
FOREIGN_LENGTH_LIMIT = 32

CAMERA_TYPE = 131
NETWORK_CAMERA_TYPE = 132
BUSINESS_GROUP_TYPE = 215
VIRTUAL_ORGANISATION_TYPE = 216

_SERIAL_LIMIT = 10**6
_DIVISION_LENGTHS = (2, 4, 6, 8)


class CodeError(ValueError):
    """The text is no twenty-digit code; the message says what is expected."""


class CodeKind(Enum):
    """What a code's type says that it names (Annex D.1, table D.3)."""

    DIVISION = "division"
    PLATFORM = "platform"
    BUSINESS_GROUP = "business_group"
    VIRTUAL_ORGANISATION = "virtual_organisation"
    # Recorders, encoders, decoders: what holds channels (111–130).
    DEVICE = "device"
    CAMERA = "camera"
    ALARM_INPUT = "alarm_input"
    ALARM_OUTPUT = "alarm_output"
    AUDIO_INPUT = "audio_input"
    AUDIO_OUTPUT = "audio_output"
    USER = "user"
    OTHER = "other"


_KIND_BY_TYPE = {
    CAMERA_TYPE: CodeKind.CAMERA,
    NETWORK_CAMERA_TYPE: CodeKind.CAMERA,
    134: CodeKind.ALARM_INPUT,
    135: CodeKind.ALARM_OUTPUT,
    136: CodeKind.AUDIO_INPUT,
    137: CodeKind.AUDIO_OUTPUT,
    BUSINESS_GROUP_TYPE: CodeKind.BUSINESS_GROUP,
    VIRTUAL_ORGANISATION_TYPE: CodeKind.VIRTUAL_ORGANISATION,
}


@dataclass(frozen=True, slots=True)
class Code:
    """The parts of a code. ``centre`` has 8 digits, ``trade`` 2; the others are numbers."""

    centre: str
    trade: str
    type: int
    network: int
    serial: int

    def __str__(self) -> str:
        return f"{self.centre}{self.trade}{self.type:03}{self.network}{self.serial:06}"

    @property
    def kind(self) -> CodeKind:
        """What the type names."""
        return _kind_of_type(self.type)


def parse(text: str) -> Code:
    """The parts of a code. Raises CodeError for what has not twenty digits."""
    if not is_valid(text):
        raise CodeError(f"a code has {LENGTH} digits (GB/T 28181 Annex D), not {text[:40]!r}")
    return Code(text[:8], text[8:10], int(text[10:13]), int(text[13]), int(text[14:]))


def is_valid(text: str) -> bool:
    """Whether this has twenty decimal digits."""
    return len(text) == LENGTH and text.isascii() and text.isdigit()


def is_division(text: str) -> bool:
    """Whether this is an administrative division's code as it stands in a catalogue."""
    return len(text) in _DIVISION_LENGTHS and text.isascii() and text.isdigit()


def kind_of(text: str) -> CodeKind:
    """What a code names. Never raises: what is no code is OTHER."""
    if is_division(text):
        return CodeKind.DIVISION
    return _kind_of_type(int(text[10:13])) if is_valid(text) else CodeKind.OTHER


def as_received(text: str) -> str:
    """A code that a peer sent, without blanks; empty when it can be nobody's code.

    Any printable ASCII of sensible length is taken, since devices carry codes of their own making.
    """
    code = text.strip()
    usable = code.isascii() and code.isprintable() and not any(c in code for c in ' <>"&/')
    return code if usable and len(code) <= FOREIGN_LENGTH_LIMIT else ""


def make(centre: str, type_code: int, serial: int, *, trade: str = "00", network: int = 7) -> str:
    """A virtual code beneath this centre. ``network`` 7 is the government's own network.

    Raises CodeError when a part does not fit into its digits.
    """
    digits = centre.isascii() and centre.isdigit() and trade.isascii() and trade.isdigit()
    if not digits or len(centre) != 8 or len(trade) != 2:
        raise CodeError("a centre has 8 digits and a trade 2 (GB/T 28181 Annex D)")
    if not (0 <= type_code <= 999 and 0 <= network <= 9 and 0 <= serial < _SERIAL_LIMIT):
        raise CodeError(f"type {type_code}, network {network} or serial {serial} is out of range")
    return str(Code(centre, trade, type_code, network, serial))


def _kind_of_type(type_code: int) -> CodeKind:
    if kind := _KIND_BY_TYPE.get(type_code):
        return kind
    if 111 <= type_code <= 130:
        return CodeKind.DEVICE
    if 200 <= type_code <= 214 or 500 <= type_code <= 599:
        return CodeKind.PLATFORM
    return CodeKind.USER if 300 <= type_code <= 499 else CodeKind.OTHER
