"""What only one kind of platform has: checked when people say it, read by the kind itself.

Everything has a default, and the defaults of what gives footage away are off.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from gateway.geo.coordinates import CoordinateSystem

Code = Annotated[str, StringConstraints(pattern=r"^[0-9]{20}$")]
CODE = re.compile(r"[0-9]{20}")
# A path as it goes into a request: no blanks, nothing that would end it.
ServicePath = Annotated[str, StringConstraints(max_length=255, pattern=r"^/[!-\"$-~]*$")]


class _Options(BaseModel):
    model_config = ConfigDict(extra="forbid")


class OnvifOptions(_Options):
    """``time_sync``: set the device's clock when it drifts; None is as the settings say.

    ``service_path``: where its device service is, unless it is where most have it.
    """

    time_sync: bool | None = None
    events: bool | None = None
    service_path: ServicePath | None = None


class Gb28181BelowOptions(_Options):
    """A device or platform that registers here.

    ``accept_any_ssrc``: also media that carries another SSRC than agreed, which some devices send.
    ``sub_streams``: it takes GB/T 28181-2022's stream number, so that cameras have a sub-stream.
    ``redirect_to``: another platform's SIP address, where it is sent when it registers (2022).
    ``coordinates``: what it tells positions in, in its catalogue, alarms and mobile positions.
    """

    media_transport: Literal["udp", "tcp_passive", "tcp_active"] = "tcp_passive"
    accept_any_ssrc: bool = False
    sub_streams: bool = False
    subscribe_catalog: bool = True
    subscribe_alarm: bool = True
    subscribe_position: bool = False
    position_interval_s: int = Field(default=30, ge=1, le=3600)
    coordinates: CoordinateSystem = CoordinateSystem.WGS84
    redirect_to: str | None = Field(
        default=None, max_length=200, pattern=r"^sips?:[0-9A-Za-z@.:\[\]_\-]+$"
    )


class Gb28181AboveOptions(_Options):
    """A platform where we register. What it may do beside watching live is off until switched on.

    ``local_code``: who we are to it; None is our own code. ``may_lift_masks``: it is given pictures
    without masks, which only a person who may lift masks everywhere can say.
    """

    transport: Literal["udp", "tcp"] = "udp"
    domain: str | None = Field(default=None, max_length=40, pattern=r"^[0-9A-Za-z.\-]+$")
    local_code: Code | None = None
    expires_s: int = Field(default=86_400, ge=3600, le=604_800)
    keepalive_s: int = Field(default=60, ge=5, le=3600)
    may_playback: bool = False
    may_download: bool = False
    may_steer: bool = False
    ptz_priority: int = Field(default=10, ge=1, le=100)
    may_lift_masks: bool = False


class Gat1400BelowOptions(_Options):
    """What we subscribe at a view library below us."""

    subscribe: list[Literal["motor_vehicles", "non_motor_vehicles", "persons"]] = []


class Gat1400AboveOptions(_Options):
    """``local_code``: who we are to it; None is our own code. ``trust_address``: its queries and
    subscriptions are believed by its address, without a password; so are those of all who share it.
    """

    local_code: Code | None = None
    trust_address: bool = False


Options = (
    OnvifOptions
    | Gb28181BelowOptions
    | Gb28181AboveOptions
    | Gat1400BelowOptions
    | Gat1400AboveOptions
)

_BY_KIND: dict[tuple[str, str], type[Options]] = {
    ("onvif", "below"): OnvifOptions,
    ("gb28181", "below"): Gb28181BelowOptions,
    ("gb28181", "above"): Gb28181AboveOptions,
    ("gat1400", "below"): Gat1400BelowOptions,
    ("gat1400", "above"): Gat1400AboveOptions,
}


def options_of(kind: str, direction: str, given: Any) -> Options:
    """The options of a row or form. Raises ValueError for what this kind does not have, and
    LookupError for a kind that has no such direction.
    """
    model = _BY_KIND.get((kind, direction))
    if model is None:
        raise LookupError(f"{kind} has nothing {direction} us")
    return model.model_validate(given)
