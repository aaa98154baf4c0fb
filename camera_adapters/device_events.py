"""What devices tell on their own: the shared vocabulary of ONVIF events and GB/T 28181 alarms.

An adapter hands each :class:`DeviceEvent` to a callback, on its loop; the callback returns at once.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

DETAIL_ENTRIES_LIMIT = 16
DETAIL_CHARACTERS_LIMIT = 200


class DeviceEventKind(enum.StrEnum):
    """What happened. ``other`` is kept with its topic, so that nothing told is lost."""

    MOTION = "motion"
    TAMPER = "tamper"
    """Covered, moved, out of focus, dazzled: the picture cannot be trusted."""
    LINE_CROSSING = "line_crossing"
    INTRUSION = "intrusion"
    """Somebody in a region: entered, stays, loiters."""
    WRONG_WAY = "wrong_way"
    LOITERING = "loitering"
    CROWD = "crowd"
    ABANDONED_OBJECT = "abandoned_object"
    """These four are told by our own analysis of zones only."""
    DIGITAL_INPUT = "digital_input"
    RELAY_OUTPUT = "relay_output"
    SOUND = "sound"
    VIDEO_LOSS = "video_loss"
    STORAGE_FAULT = "storage_fault"
    DEVICE_FAULT = "device_fault"
    EMERGENCY = "emergency"
    """A person called for help: panic button, GB/T 28181 alarm of method 1 (telephone) or 7."""
    POSITION = "position"
    """Where a mobile device is; ``detail`` has ``longitude``, ``latitude``, …"""
    OTHER = "other"


class DeviceEventState(enum.StrEnum):
    """``begin`` and ``end`` frame what lasts; ``pulse`` happened at an instant."""

    BEGIN = "begin"
    END = "end"
    PULSE = "pulse"


@dataclass(frozen=True, slots=True)
class DeviceEvent:
    """One thing that a device told.

    ``channel``: the code of the platform channel, as in ``platform_channels``; empty: the device
    itself. ``at_us``: UTC microseconds on our clock (the device's offset is taken out where it is
    known), else of arrival. ``source``: which rule, region, input or alarm, in the device's words;
    with ``channel`` and ``kind`` it joins a ``begin`` to its ``end``. ``initial``: a state told
    at the beginning of a subscription, that may have begun earlier. ``detail``: what else was told,
    at most 16 short texts.
    """

    kind: DeviceEventKind
    channel: str
    at_us: int
    state: DeviceEventState
    source: str = ""
    initial: bool = False
    detail: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))


DeviceEventListener = Callable[[DeviceEvent], None]


def bounded_detail(pairs: Mapping[str, str]) -> dict[str, str]:
    """The first 16 entries, names and values cut to 200 characters, control characters removed."""
    kept: dict[str, str] = {}
    for name, value in pairs.items():
        if len(kept) == DETAIL_ENTRIES_LIMIT:
            break
        kept[_short(name)] = _short(value)
    return kept


def _short(text: str) -> str:
    return "".join(one for one in text[:DETAIL_CHARACTERS_LIMIT] if one.isprintable())
