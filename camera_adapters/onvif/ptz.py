"""Cameras that move (ONVIF PTZ Service Specification), and their focus (Imaging Service).

Speeds, places and translations are in the generic spaces (PTZ §5.7): pan and tilt −1…1, zoom 0…1
for places and −1…1 for the rest.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from camera_adapters.onvif.soap import Request, Service, attribute, duration, text
from camera_adapters.onvif.xml_tree import Node, finite_number

_PRESETS_LIMIT = 1024


@dataclass(frozen=True, slots=True)
class PtzPreset:
    """A place that the camera remembers."""

    token: str
    name: str


@dataclass(frozen=True, slots=True)
class PtzPosition:
    """Where it looks; None for what it does not tell. ``moving`` likewise."""

    pan: float | None
    tilt: float | None
    zoom: float | None
    moving: bool | None


@dataclass(frozen=True, slots=True)
class PtzAbilities:
    """What a PTZ node offers (PTZ §5.2.2): its spaces, presets, home, tours, auxiliary commands."""

    continuous: bool = False
    absolute: bool = False
    relative: bool = False
    presets_limit: int = 0
    home: bool = False
    tours_limit: int = 0
    auxiliary: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class TourStop:
    """One stop of a tour: a preset, and how long it looks there."""

    preset_token: str
    stay_s: float


@dataclass(frozen=True, slots=True)
class PresetTour:
    """A patrol that the camera walks by itself (PTZ §5.8). ``state``: Idle, Touring, Paused."""

    token: str
    name: str
    state: str
    stops: tuple[TourStop, ...]


def continuous_move(
    profile_token: str, pan: float, tilt: float, zoom: float, timeout_s: float
) -> Request:
    """Move at this speed until :func:`stop`, at most for ``timeout_s`` (PTZ §5.3.3).

    Of pan and tilt, or zoom, what is zero is left out: a camera that zooms is not told to pan.
    """
    return _request(
        "ContinuousMove",
        profile_token,
        f"<m:Velocity>{_vector(pan, tilt, zoom, only_moving=True)}</m:Velocity>"
        f"<m:Timeout>{duration(timeout_s)}</m:Timeout>",
    )


def absolute_move(
    profile_token: str, pan: float, tilt: float, zoom: float, speed: float
) -> Request:
    """Look there (PTZ §5.3.1)."""
    return _request(
        "AbsoluteMove",
        profile_token,
        f"<m:Position>{_vector(pan, tilt, zoom)}</m:Position>"
        f"<m:Speed>{_vector(speed, speed, speed)}</m:Speed>",
    )


def relative_move(
    profile_token: str, pan: float, tilt: float, zoom: float, speed: float
) -> Request:
    """Look as far beside as these say (PTZ §5.3.2)."""
    return _request(
        "RelativeMove",
        profile_token,
        f"<m:Translation>{_vector(pan, tilt, zoom)}</m:Translation>"
        f"<m:Speed>{_vector(speed, speed, speed)}</m:Speed>",
    )


def stop(profile_token: str) -> Request:
    """Stand still, pan, tilt and zoom (PTZ §5.3.4)."""
    return _request("Stop", profile_token, "<m:PanTilt>true</m:PanTilt><m:Zoom>true</m:Zoom>")


def get_status(profile_token: str) -> Request:
    """PTZ §5.3.5."""
    return _request("GetStatus", profile_token)


def parse_status(answer: Node) -> PtzPosition:
    """See :class:`PtzPosition`."""
    place = answer.child("PTZStatus/Position")
    pan_tilt = place.child("PanTilt") if place is not None else None
    zoom = place.child("Zoom") if place is not None else None
    words = [node.text.strip().upper() for node in answer.find_all("MoveStatus")]
    words += [
        one.text.strip().upper() for node in answer.find_all("MoveStatus") for one in node.children
    ]
    known = [word for word in words if word in ("MOVING", "IDLE")]
    return PtzPosition(
        finite_number(pan_tilt.get("x")) if pan_tilt is not None else None,
        finite_number(pan_tilt.get("y")) if pan_tilt is not None else None,
        finite_number(zoom.get("x")) if zoom is not None else None,
        "MOVING" in known if known else None,
    )


def get_presets(profile_token: str) -> Request:
    """PTZ §5.4.2."""
    return _request("GetPresets", profile_token)


def parse_presets(answer: Node) -> list[PtzPreset]:
    """The presets that have a token. Devices with 300 of which none is set name them all."""
    found: list[PtzPreset] = []
    for node in answer.each("Preset"):
        token = node.get("token")[:64]
        if token and len(found) < _PRESETS_LIMIT:
            found.append(PtzPreset(token, " ".join(node.value("Name").split())[:100] or token))
    return found


def set_preset(profile_token: str, token: str | None, name: str) -> Request:
    """Remember where it looks, as a new preset or in the place of ``token`` (PTZ §5.4.1)."""
    body = f"<m:PresetName>{text(name)}</m:PresetName>"
    if token is not None:
        body += f"<m:PresetToken>{text(token)}</m:PresetToken>"
    return _request("SetPreset", profile_token, body)


def parse_set_preset(answer: Node) -> str:
    """The token of what was set; empty where the device does not tell."""
    return answer.value("PresetToken")[:64]


def remove_preset(profile_token: str, token: str) -> Request:
    """PTZ §5.4.3."""
    return _request("RemovePreset", profile_token, f"<m:PresetToken>{text(token)}</m:PresetToken>")


def goto_preset(profile_token: str, token: str) -> Request:
    """PTZ §5.4.4; at the camera's own speed."""
    return _request("GotoPreset", profile_token, f"<m:PresetToken>{text(token)}</m:PresetToken>")


def goto_home(profile_token: str) -> Request:
    """PTZ §5.5.1."""
    return _request("GotoHomePosition", profile_token)


def set_home(profile_token: str) -> Request:
    """PTZ §5.5.2."""
    return _request("SetHomePosition", profile_token)


def auxiliary(profile_token: str, command: str) -> Request:
    """``tt:Wiper|On`` and the like (PTZ §5.6.1)."""
    return _request(
        "SendAuxiliaryCommand",
        profile_token,
        f"<m:AuxiliaryData>{text(command)}</m:AuxiliaryData>",
    )


def get_node(node_token: str) -> Request:
    """PTZ §5.2.2."""
    return Request(Service.PTZ, "GetNode", f"<m:NodeToken>{text(node_token)}</m:NodeToken>")


def parse_node(answer: Node) -> PtzAbilities:
    """See :class:`PtzAbilities`."""
    node = answer.child("PTZNode") or answer
    spaces = node.child("SupportedPTZSpaces")
    offered = {one.name for one in spaces.children} if spaces is not None else set()
    return PtzAbilities(
        bool(offered & {"ContinuousPanTiltVelocitySpace", "ContinuousZoomVelocitySpace"}),
        bool(offered & {"AbsolutePanTiltPositionSpace", "AbsoluteZoomPositionSpace"}),
        bool(offered & {"RelativePanTiltTranslationSpace", "RelativeZoomTranslationSpace"}),
        node.whole("MaximumNumberOfPresets") or 0,
        node.value("HomeSupported").lower() == "true",
        node.whole("Extension/SupportedPresetTour/MaximumNumberOfPresetTours") or 0,
        tuple(one.text.strip()[:60] for one in node.each("AuxiliaryCommands"))[:32],
    )


def get_preset_tours(profile_token: str) -> Request:
    """PTZ §5.8.1."""
    return _request("GetPresetTours", profile_token)


def parse_preset_tours(answer: Node) -> list[PresetTour]:
    """The tours that have a token."""
    found: list[PresetTour] = []
    for node in answer.each("PresetTour"):
        token = node.get("token")[:64]
        if not token or len(found) == 64:
            continue
        stops = []
        for spot in list(node.each("TourSpot"))[:256]:
            preset = spot.value("PresetDetail/PresetToken")[:64]
            if preset:
                stops.append(TourStop(preset, _seconds(spot.value("StayTime"))))
        found.append(
            PresetTour(token, node.value("Name")[:100], node.value("Status/State"), tuple(stops))
        )
    return found


def create_preset_tour(profile_token: str) -> Request:
    """PTZ §5.8.4; the answer's token is what :func:`modify_preset_tour` fills."""
    return _request("CreatePresetTour", profile_token)


def parse_create_preset_tour(answer: Node) -> str:
    """The new tour's token."""
    return answer.value("PresetTourToken")[:64]


def modify_preset_tour(
    profile_token: str, tour_token: str, name: str, stops: Sequence[TourStop]
) -> Request:
    """PTZ §5.8.5."""
    spots = "".join(
        "<tt:TourSpot><tt:PresetDetail>"
        f"<tt:PresetToken>{text(one.preset_token)}</tt:PresetToken></tt:PresetDetail>"
        f"<tt:StayTime>{duration(one.stay_s)}</tt:StayTime></tt:TourSpot>"
        for one in stops
    )
    return _request(
        "ModifyPresetTour",
        profile_token,
        f"<m:PresetTour token={attribute(tour_token)}><tt:Name>{text(name)}</tt:Name>"
        "<tt:Status><tt:State>Idle</tt:State></tt:Status><tt:AutoStart>false</tt:AutoStart>"
        f"<tt:StartingCondition/>{spots}</m:PresetTour>",
    )


def operate_preset_tour(profile_token: str, tour_token: str, operation: str) -> Request:
    """``Start``, ``Stop``, ``Pause`` (PTZ §5.8.6)."""
    return _request(
        "OperatePresetTour",
        profile_token,
        f"<m:PresetTourToken>{text(tour_token)}</m:PresetTourToken>"
        f"<m:Operation>{text(operation)}</m:Operation>",
    )


def remove_preset_tour(profile_token: str, tour_token: str) -> Request:
    """PTZ §5.8.7."""
    return _request(
        "RemovePresetTour",
        profile_token,
        f"<m:PresetTourToken>{text(tour_token)}</m:PresetTourToken>",
    )


def focus_move(video_source: str, speed: float) -> Request:
    """Focus continuously, negative is near, until :func:`focus_stop` (Imaging §5.4.1)."""
    return Request(
        Service.IMAGING,
        "Move",
        f"<m:VideoSourceToken>{text(video_source)}</m:VideoSourceToken>"
        f"<m:Focus><tt:Continuous><tt:Speed>{_clamped(speed)}</tt:Speed></tt:Continuous></m:Focus>",
    )


def focus_stop(video_source: str) -> Request:
    """Imaging §5.4.2."""
    return Request(
        Service.IMAGING,
        "Stop",
        f"<m:VideoSourceToken>{text(video_source)}</m:VideoSourceToken>",
    )


def _request(operation: str, profile_token: str, body: str = "") -> Request:
    return Request(
        Service.PTZ, operation, f"<m:ProfileToken>{text(profile_token)}</m:ProfileToken>{body}"
    )


def _vector(pan: float, tilt: float, zoom: float, *, only_moving: bool = False) -> str:
    moves = pan != 0 or tilt != 0
    written = ""
    if moves or not only_moving:
        written += f'<tt:PanTilt x="{_clamped(pan)}" y="{_clamped(tilt)}"/>'
    if zoom != 0 or not only_moving:
        written += f'<tt:Zoom x="{_clamped(zoom)}"/>'
    return written


def _clamped(value: float) -> str:
    return f"{max(-1.0, min(1.0, value)):.4g}"


def _seconds(told: str) -> float:
    """The seconds of an xs:duration of hours, minutes and seconds; 0 for anything else."""
    if not told.startswith("PT"):
        return 0.0
    total, number = 0.0, ""
    for character in told[2:30]:
        if character.isdecimal() or character == ".":
            number += character
        else:
            scale = {"H": 3600, "M": 60, "S": 1}.get(character, 0)
            total += (finite_number(number) or 0.0) * scale
            number = ""
    return total
