"""What a notification's topic means, also where a maker has names of its own.

Topics are read by the words of their path, without prefixes: ``tns1:Device/Trigger/tnshik:AlarmIn``
is Device, Trigger, AlarmIn. The tables are those of the ONVIF topic set (Core §9.6, Analytics
Service §5 and annexes), of Hikvision, Dahua and Axis.
"""

from __future__ import annotations

import re

from camera_adapters.device_events import DeviceEventKind as Kind

# A word that one of these holds decides, in this order: the first that fits.
_BY_WORD: tuple[tuple[str, Kind], ...] = (
    (r"videoloss|signalloss|novideo|videosignal", Kind.VIDEO_LOSS),
    (
        r"tamper|globalscenechange|scenechange|imagetoo(blurry|dark|bright)|imageblur|videoblind"
        r"|videocover|shelteralarm|lenscover|occlusion|abnormaldetect|defocus|camerablocked",
        Kind.TAMPER,
    ),
    (r"linedetector|linecross|crossline|tripwire|linecounter|crossed$", Kind.LINE_CROSSING),
    (
        r"fielddetector|objectsinside|intrusion|fielddetection|regionentrance|regionexiting"
        r"|enteringregion|exitingregion|loiter|wandering|crossregion|crossfence|fenceguard"
        r"|objectinside|insidearea",
        Kind.INTRUSION,
    ),
    (
        r"digitalinput|alarmin$|alarmlocal|externalalarm|inputport|supervisedport|virtualinput",
        Kind.DIGITAL_INPUT,
    ),
    (r"^relay$|relayoutput|outputport|alarmout$", Kind.RELAY_OUTPUT),
    (r"detectedsound|sounddetect|audiodetect|audioanalytics|audiosource|triggerlevel", Kind.SOUND),
    (
        r"motion|vmd\d*$|peopledetect|vehicledetect|humandetect|persondetect|smartdetect",
        Kind.MOTION,
    ),
    (
        r"storagefailure|recordingsafety|harddisk|diskfull|diskerror|storagenotexist|storagelow"
        r"|nostorage",
        Kind.STORAGE_FAULT,
    ),
    (
        r"hardwarefailure|fanfailure|temperature|powersupply|voltage|illegalaccess",
        Kind.DEVICE_FAULT,
    ),
    (r"emergency|panicbutton|callbutton", Kind.EMERGENCY),
)
_COMPILED = tuple((re.compile(pattern), kind) for pattern, kind in _BY_WORD)

# Data items whose truth is the state of what the topic is about (ONVIF and makers).
STATE_ITEMS = (
    "IsMotion",
    "State",
    "LogicalState",
    "IsInside",
    "IsTamper",
    "IsSoundDetected",
    "isSoundDetected",
    "IsCrossed",
    "active",
    "Active",
    "Alarm",
    "IsActive",
    "Triggered",
    "triggered",
    "Failed",
    "disruption",
    "motion",
    "IsPeople",
    "IsVehicle",
)
_TRUE = {"true", "1", "active", "on", "start", "closed"}
_FALSE = {"false", "0", "inactive", "off", "stop", "open", "idle"}


def words_of(topic: str) -> list[str]:
    """The words of a topic's path, prefixes taken off; at most sixteen.

    ``//.`` at its end, which some devices copy from a filter, is no word.
    """
    words = [part.rpartition(":")[2].strip() for part in topic.strip()[:500].split("/")]
    return [word for word in words if word and word != "."][:16]


def kind_of(words: list[str]) -> Kind:
    """The kind of what a topic tells; ``other`` where its words are not known."""
    if words[:1] == ["Monitoring"] or words[:1] == ["RecordingConfig"]:
        return Kind.OTHER
    joined = [word.lower() for word in words]
    for pattern, kind in _COMPILED:
        if any(pattern.search(word) for word in joined):
            return kind
    return Kind.OTHER


def truth(value: str) -> bool | None:
    """What a state item says; None where it says neither."""
    word = value.strip().lower()
    return True if word in _TRUE else False if word in _FALSE else None
