"""Commands to devices: DeviceControl (GB/T 28181-2016 §9.3, Annex A.2.3.1; 2022 additions)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from camera_adapters.gb28181 import steering
from camera_adapters.gb28181.envelope import Envelope, document
from camera_adapters.gb28181.steering import Steering, SteeringError
from camera_adapters.gb28181.xml_bodies import Element, texts

COMMAND = "DeviceControl"

# ControlPriority of Info (A.2.3.1.2): the smaller, the more urgent; none means 255, the last.
LAST_PRIORITY = 255


class DeviceControlError(ValueError):
    """The command is not understood; the message says why."""


@dataclass(frozen=True, slots=True)
class Steer:
    """PTZCmd (A.2.3.1.2)."""

    command: Steering
    priority: int = LAST_PRIORITY


@dataclass(frozen=True, slots=True)
class PrecisePosition:
    """PTZPreciseCtrl (2022 §A.2.3.1.11): degrees, and the zoom's factor; None leaves an axis."""

    pan_degrees: float | None = None
    tilt_degrees: float | None = None
    zoom: float | None = None


@dataclass(frozen=True, slots=True)
class Restart:
    """TeleBoot (A.2.3.1.3)."""


@dataclass(frozen=True, slots=True)
class Record:
    """RecordCmd (A.2.3.1.4): record on the device, or stop."""

    on: bool


@dataclass(frozen=True, slots=True)
class Guard:
    """GuardCmd (A.2.3.1.5): arm or disarm."""

    on: bool


@dataclass(frozen=True, slots=True)
class ResetAlarm:
    """AlarmCmd (A.2.3.1.6); ``method`` and ``kind`` as in :mod:`.alarm`, empty is every one."""

    method: str = ""
    kind: str = ""


@dataclass(frozen=True, slots=True)
class SendKeyframe:
    """IFameCmd (A.2.3.1.7, spelt so in 2016; IFrameCmd in 2022)."""


@dataclass(frozen=True, slots=True)
class DragZoom:
    """DragZoomIn and DragZoomOut (A.2.3.1.8–9): all in pixels of the player's window.

    ``width`` is the window's, ``Length`` in the standard; the box is drawn around its middle.
    """

    direction: Literal["in", "out"]
    width: int
    height: int
    middle_x: int
    middle_y: int
    box_width: int
    box_height: int


@dataclass(frozen=True, slots=True)
class HomePosition:
    """HomePosition (A.2.3.1.10): return to a preset after ``reset_s`` seconds of rest."""

    enabled: bool
    reset_s: int | None = None
    preset: int | None = None


Control = (
    Steer
    | PrecisePosition
    | Restart
    | Record
    | Guard
    | ResetAlarm
    | SendKeyframe
    | DragZoom
    | HomePosition
)

# These are answered by a Response; the others have none (§9.3.1).
ANSWERED = (Record, Guard, ResetAlarm, HomePosition)


@dataclass(frozen=True, slots=True)
class DeviceControl:
    """A command to ``device_id``."""

    serial_number: int
    device_id: str
    control: Control

    def to_element(self) -> Element:
        """The Control. Raises SteeringError when a number does not fit its bits."""
        return document(
            "Control", COMMAND, self.serial_number, self.device_id, *_content(self.control)
        )

    @classmethod
    def read(cls, envelope: Envelope) -> DeviceControl:
        """A Control. Raises DeviceControlError for a command that is not known or damaged."""
        control = _read_control(envelope.element)
        return cls(envelope.serial_number, envelope.device_id, control)


def _content(control: Control) -> list[Element]:
    match control:
        case Steer(command, priority):
            info = Element("Info", children=[Element("ControlPriority", str(priority))])
            named = priority != LAST_PRIORITY
            return [Element("PTZCmd", steering.encode(command)), *([info] if named else [])]
        case PrecisePosition(pan, tilt, zoom):
            axes = texts((("Pan", pan), ("Tilt", tilt), ("Zoom", zoom)))
            return [Element("PTZPreciseCtrl", children=axes)]
        case Restart():
            return [Element("TeleBoot", "Boot")]
        case Record(on):
            return [Element("RecordCmd", "Record" if on else "StopRecord")]
        case Guard(on):
            return [Element("GuardCmd", "SetGuard" if on else "ResetGuard")]
        case ResetAlarm(method, kind):
            details = texts((("AlarmMethod", method), ("AlarmType", kind)))
            info = Element("Info", children=details)
            return [Element("AlarmCmd", "ResetAlarm"), *([info] if details else [])]
        case SendKeyframe():
            return [Element("IFameCmd", "Send")]
        case DragZoom():
            return [_drag_zoom_element(control)]
        case HomePosition(enabled, reset_s, preset):
            fields = (("Enabled", int(enabled)), ("ResetTime", reset_s), ("PresetIndex", preset))
            return [Element("HomePosition", children=texts(fields))]


def _drag_zoom_element(zoom: DragZoom) -> Element:
    return Element(
        "DragZoomIn" if zoom.direction == "in" else "DragZoomOut",
        children=texts(
            (
                ("Length", zoom.width),
                ("Width", zoom.height),
                ("MidPointX", zoom.middle_x),
                ("MidPointY", zoom.middle_y),
                ("LengthX", zoom.box_width),
                ("LengthY", zoom.box_height),
            )
        ),
    )


def _read_control(root: Element) -> Control:
    if text := root.value("PTZCmd"):
        return _read_steering(root, text)
    if node := root.find("PTZPreciseCtrl"):
        return PrecisePosition(node.decimal("Pan"), node.decimal("Tilt"), node.decimal("Zoom"))
    if root.find("TeleBoot") is not None:
        return Restart()
    if text := root.value("RecordCmd"):
        return Record(_one_of(text, "Record", "StopRecord"))
    if text := root.value("GuardCmd"):
        return Guard(_one_of(text, "SetGuard", "ResetGuard"))
    if root.find("AlarmCmd") is not None:
        info = root.find("Info") or root
        return ResetAlarm(info.value("AlarmMethod")[:20], info.value("AlarmType")[:20])
    if root.find("IFameCmd") is not None or root.find("IFrameCmd") is not None:
        return SendKeyframe()
    if (node := root.find("HomePosition")) is not None:
        return _read_home(node)
    if (node := root.find("DragZoomIn")) is not None:
        return _read_drag_zoom("in", node)
    if (node := root.find("DragZoomOut")) is not None:
        return _read_drag_zoom("out", node)
    names = ", ".join(child.name[:30] for child in root.children[3:6])
    raise DeviceControlError(f"unknown command: {names or 'nothing'}")


def _read_steering(root: Element, text: str) -> Steer:
    try:
        command = steering.decode(text)
    except SteeringError as error:
        raise DeviceControlError(str(error)) from None
    info = root.find("Info")
    priority = LAST_PRIORITY if info is None else info.number("ControlPriority", LAST_PRIORITY)
    return Steer(command, min(max(0, priority), LAST_PRIORITY))


def _one_of(text: str, on: str, off: str) -> bool:
    if text.lower() not in (on.lower(), off.lower()):
        raise DeviceControlError(f"{on} or {off}, not {text[:40]!r}")
    return text.lower() == on.lower()


def _read_home(node: Element) -> HomePosition:
    reset_s, preset = node.number("ResetTime", -1), node.number("PresetIndex", -1)
    return HomePosition(
        node.value("Enabled") not in ("0", ""),
        reset_s if reset_s >= 0 else None,
        preset if preset >= 0 else None,
    )


def _read_drag_zoom(direction: Literal["in", "out"], node: Element) -> DragZoom:
    names = ("Length", "Width", "MidPointX", "MidPointY", "LengthX", "LengthY")
    numbers = [node.number(name, -1) for name in names]
    if min(numbers) < 0 or max(numbers) > 1_000_000:
        raise DeviceControlError(f"a drag zoom needs {', '.join(names)}")
    return DragZoom(direction, *numbers)
