"""Steering commands: the eight bytes of ``PTZCmd`` (GB/T 28181-2016 Annex A.3).

``A5 0F address command data1 data2 data3|address-high checksum``, written as hexadecimal digits.
Speeds here are fractions of the greatest speed, 0…1; on the wire they have 8 bits, zoom has 4.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

_FIRST = 0xA5
_VERSION = 0x0

_LENGTH = 8
_PRESET_SET, _PRESET_CALL, _PRESET_DELETE = 0x81, 0x82, 0x83
_PATROL_ADD, _PATROL_REMOVE, _PATROL_SPEED, _PATROL_DWELL, _PATROL_START = (
    0x84,
    0x85,
    0x86,
    0x87,
    0x88,
)
_SCAN, _SCAN_SPEED = 0x89, 0x8A
_AUXILIARY_ON, _AUXILIARY_OFF = 0x8C, 0x8D
# Switch 1 of the auxiliary ones is the wiper (A.3.7).
WIPER = 1


class SteeringError(ValueError):
    """The text is no steering command, or a command does not fit; the message says why."""


@dataclass(frozen=True, slots=True)
class Move:
    """Turn and zoom until told otherwise (A.3.2); all zero stops everything.

    ``pan`` −1 left … 1 right, ``tilt`` −1 down … 1 up, ``zoom`` −1 wide … 1 tele.
    """

    pan: float = 0.0
    tilt: float = 0.0
    zoom: float = 0.0

    @property
    def is_stop(self) -> bool:
        """Whether nothing moves."""
        return not (self.pan or self.tilt or self.zoom)


@dataclass(frozen=True, slots=True)
class Lens:
    """Focus and iris until told otherwise (A.3.3); zero stops.

    ``focus`` −1 near … 1 far, ``iris`` −1 closing … 1 opening.
    """

    focus: float = 0.0
    iris: float = 0.0


@dataclass(frozen=True, slots=True)
class Preset:
    """A preset position, 1–255 (A.3.4)."""

    action: Literal["set", "call", "delete"]
    number: int


@dataclass(frozen=True, slots=True)
class Patrol:
    """A patrol of presets (A.3.5). ``patrol`` 0–255.

    ``add`` and ``remove`` need ``preset`` (removing preset 0 deletes the whole patrol); ``speed``
    and ``dwell`` need ``value``: 1–4095, a dwell in seconds. A patrol ends with a ``Move()``.
    """

    action: Literal["add", "remove", "speed", "dwell", "start"]
    patrol: int
    preset: int = 0
    value: int = 0


@dataclass(frozen=True, slots=True)
class Scan:
    """Scanning between two bounds (A.3.6); ``value`` is the speed, 1–4095. It ends with Move()."""

    action: Literal["start", "left_bound", "right_bound", "speed"]
    scan: int
    value: int = 0


@dataclass(frozen=True, slots=True)
class Auxiliary:
    """A switch on the camera (A.3.7): :data:`WIPER` is the wiper."""

    switch: int
    on: bool


Steering = Move | Lens | Preset | Patrol | Scan | Auxiliary

_PATROL_ACTIONS: dict[int, Literal["add", "remove", "speed", "dwell", "start"]] = {
    _PATROL_ADD: "add",
    _PATROL_REMOVE: "remove",
    _PATROL_SPEED: "speed",
    _PATROL_DWELL: "dwell",
    _PATROL_START: "start",
}
_PATROL_CODES = {action: code for code, action in _PATROL_ACTIONS.items()}
_PRESET_ACTIONS: dict[int, Literal["set", "call", "delete"]] = {
    _PRESET_SET: "set",
    _PRESET_CALL: "call",
    _PRESET_DELETE: "delete",
}
_PRESET_CODES = {action: code for code, action in _PRESET_ACTIONS.items()}
_SCAN_ACTIONS: tuple[Literal["start", "left_bound", "right_bound"], ...] = (
    "start",
    "left_bound",
    "right_bound",
)


def encode(command: Steering, address: int = 1) -> str:
    """The ``PTZCmd`` of a command. Raises SteeringError when a number does not fit."""
    code, data1, data2, data3 = _bytes_of(command)
    if not 0 <= address <= 0xFFF:
        raise SteeringError(f"an address has 12 bits, not {address}")
    # Byte 2: version, and a check of bytes 1 and 2's halves (A.3.1).
    second = _VERSION << 4 | ((_FIRST >> 4) + (_FIRST & 0xF) + _VERSION) % 16
    raw = bytes([_FIRST, second, address & 0xFF, code, data1, data2, data3 << 4 | address >> 8])
    return (raw + bytes([sum(raw) & 0xFF])).hex().upper()


def decode(text: str) -> Steering:
    """The command of a ``PTZCmd``. Raises SteeringError for what is none.

    A wrong checksum is refused: a camera must not turn on a damaged command.
    """
    try:
        raw = bytes.fromhex(text.strip())
    except ValueError:
        raise SteeringError(f"no hexadecimal digits: {text[:40]!r}") from None
    if len(raw) != _LENGTH or raw[0] != _FIRST:
        raise SteeringError(f"a command has {_LENGTH} bytes and begins with A5: {text[:40]!r}")
    if sum(raw[:7]) & 0xFF != raw[7]:
        raise SteeringError(f"wrong checksum in {text[:40]!r}")
    code, data1, data2, data3 = raw[3], raw[4], raw[5], raw[6] >> 4
    if code < 0x40:
        return _read_move(code, data1, data2, data3)
    if code < 0x80:
        return _read_lens(code, data1, data2)
    return _read_other(code, data1, data2, data3)


def _bytes_of(command: Steering) -> tuple[int, int, int, int]:
    match command:
        case Move(pan, tilt, zoom):
            code = _pair(zoom, 0x10, 0x20) | _pair(tilt, 0x08, 0x04) | _pair(pan, 0x01, 0x02)
            return code, _level(pan, 255), _level(tilt, 255), _level(zoom, 15)
        case Lens(focus, iris):
            code = 0x40 | _pair(iris, 0x04, 0x08) | _pair(focus, 0x01, 0x02)
            return code, _level(focus, 255), _level(iris, 255), 0
        case Preset(action, number):
            return _PRESET_CODES[action], 0, _fits(number, 1, 255, "a preset"), 0
        case Patrol(action, patrol, preset, value):
            return _patrol_bytes(action, _fits(patrol, 0, 255, "a patrol"), preset, value)
        case Scan("speed", scan, value):
            speed = _fits(value, 1, 4095, "a scan's speed")
            return _SCAN_SPEED, _fits(scan, 0, 255, "a scan"), speed & 0xFF, speed >> 8
        case Scan(action, scan, _):
            number = _fits(scan, 0, 255, "a scan")
            return _SCAN, number, ("start", "left_bound", "right_bound").index(action), 0
        case Auxiliary(switch, on):
            code = _AUXILIARY_ON if on else _AUXILIARY_OFF
            return code, _fits(switch, 0, 255, "a switch"), 0, 0


def _patrol_bytes(action: str, patrol: int, preset: int, value: int) -> tuple[int, int, int, int]:
    code = _PATROL_CODES[action]  # type: ignore[index]
    if action in ("speed", "dwell"):
        number = _fits(value, 1, 4095, f"a patrol's {action}")
        return code, patrol, number & 0xFF, number >> 8
    if action == "start":
        return code, patrol, 0, 0
    return code, patrol, _fits(preset, 0 if action == "remove" else 1, 255, "a preset"), 0


def _read_move(code: int, data1: int, data2: int, data3: int) -> Move:
    return Move(
        pan=_signed(code, 0x01, 0x02, data1, 255),
        tilt=_signed(code, 0x08, 0x04, data2, 255),
        zoom=_signed(code, 0x10, 0x20, data3, 15),
    )


def _read_lens(code: int, data1: int, data2: int) -> Lens:
    if code & 0x30:
        raise SteeringError(f"unknown command {code:02X}")
    return Lens(
        focus=_signed(code, 0x01, 0x02, data1, 255), iris=_signed(code, 0x04, 0x08, data2, 255)
    )


def _read_other(code: int, data1: int, data2: int, data3: int) -> Steering:
    if preset_action := _PRESET_ACTIONS.get(code):
        if not data2:
            raise SteeringError("there is no preset 0")
        return Preset(preset_action, data2)
    if patrol_action := _PATROL_ACTIONS.get(code):
        if patrol_action in ("speed", "dwell"):
            return Patrol(patrol_action, data1, value=data3 << 8 | data2)
        return Patrol(patrol_action, data1, preset=0 if patrol_action == "start" else data2)
    if code == _SCAN and data2 < len(_SCAN_ACTIONS):
        return Scan(_SCAN_ACTIONS[data2], data1)
    if code == _SCAN_SPEED:
        return Scan("speed", data1, data3 << 8 | data2)
    if code in (_AUXILIARY_ON, _AUXILIARY_OFF):
        return Auxiliary(data1, code == _AUXILIARY_ON)
    raise SteeringError(f"unknown command {code:02X}")


def _pair(value: float, positive: int, negative: int) -> int:
    return positive if value > 0 else negative if value < 0 else 0


def _level(value: float, greatest: int) -> int:
    """A speed's bits; what moves at all gets at least 1, since 0 is no speed."""
    if not value:
        return 0
    return max(1, min(greatest, round(abs(value) * greatest)))


def _signed(code: int, positive: int, negative: int, level: int, greatest: int) -> float:
    # Both directions at once is contradictory: nothing moves. Senders that give no speed mean
    # some: the slowest is safe.
    if bool(code & positive) == bool(code & negative):
        return 0.0
    speed = max(1, level) / greatest
    return speed if code & positive else -speed


def _fits(value: int, least: int, greatest: int, what: str) -> int:
    if not least <= value <= greatest:
        raise SteeringError(f"{what} is a number from {least} to {greatest}, not {value}")
    return value
