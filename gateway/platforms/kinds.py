"""The kinds of platforms that there are. A new protocol is a folder beside this file and one line.

A builder gives None where the settings leave its kind off.
"""

from __future__ import annotations

from collections.abc import Callable

from gateway.platforms.context import SignallingContext
from gateway.platforms.gat1400 import build_above as gat1400_above
from gateway.platforms.gat1400 import build_below as gat1400_below
from gateway.platforms.gb28181_above.kind import build as gb28181_above
from gateway.platforms.gb28181_below.kind import build as gb28181_below
from gateway.platforms.onvif.kind import build as onvif
from gateway.platforms.operations import PlatformKind

KINDS: tuple[Callable[[SignallingContext], PlatformKind | None], ...] = (
    onvif,
    gb28181_below,
    gb28181_above,
    gat1400_below,
    gat1400_above,
)
