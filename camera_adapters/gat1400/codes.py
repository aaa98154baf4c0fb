"""The codes of GA/T 1400.3 that are understood here, and words for them.

Codes travel as the standard has them; words are for people and searches. What is not listed stays
the code that it was.
"""

from __future__ import annotations

from enum import IntEnum


class Status(IntEnum):
    """ConfirmStatusType (GA/T 1400.3): how a request, or one object of it, went."""

    OK = 0
    OTHER_ERROR = 1
    BUSY = 2
    DEVICE_ERROR = 3
    INVALID_OPERATION = 4
    INVALID_XML_FORMAT = 5
    INVALID_XML_CONTENT = 6
    INVALID_JSON_FORMAT = 7
    INVALID_JSON_CONTENT = 8
    REBOOTING = 9


# ColorType.
COLORS = {
    1: "black",
    2: "white",
    3: "grey",
    4: "red",
    5: "blue",
    6: "yellow",
    7: "orange",
    8: "brown",
    9: "green",
    10: "purple",
    11: "cyan",
    12: "pink",
    13: "transparent",
    99: "other",
}
COLOR_CODES = {name: code for code, name in COLORS.items()}

# HDirectionType: where it went.
DIRECTIONS = {
    "1": "west_to_east",
    "2": "east_to_west",
    "3": "north_to_south",
    "4": "south_to_north",
    "5": "southwest_to_northeast",
    "6": "northeast_to_southwest",
    "7": "northwest_to_southeast",
    "8": "southeast_to_northwest",
    "9": "other",
}

# ImageType: what a picture of a SubImageList shows.
PICTURE_KINDS = {
    "01": "vehicle",
    "02": "plate",
    "03": "plate_binary",
    "06": "badge",
    "07": "violation",
    "08": "composite",
    "09": "close_up",
    "10": "person",
    "12": "non_motor",
    "13": "thing",
    "14": "scene",
    "100": "plain",
}
# Pictures of faces are not taken: driver (04), front passenger (05), face (11).
FACE_PICTURES = frozenset({"04", "05", "11"})

# The first character of a vehicle class (GA/T 16.4 as GA 24.4), and where that says too little the
# first two or three, the longest first.
_VEHICLE_TYPES = {
    "K31": "van",
    "K32": "suv",
    "K33": "car",
    "K43": "car",
    "K1": "bus",
    "K2": "bus",
    "K3": "car",
    "K4": "van",
    "H": "truck",
    "Q": "tractor",
    "G": "trailer",
    "B": "trailer",
    "M": "motorcycle",
    "N": "three_wheeler",
    "Z": "special",
    "J": "machinery",
    "T": "farm_tractor",
    "D": "bus",
}
VEHICLE_TYPES = (*dict.fromkeys(_VEHICLE_TYPES.values()), "other")


def vehicle_type(vehicle_class: str | None) -> str | None:
    """A word for a vehicle class such as ``K33``; None where none was given."""
    if not vehicle_class:
        return None
    code = vehicle_class.upper()
    for length in (3, 2, 1):
        found = _VEHICLE_TYPES.get(code[:length])
        if found is not None:
            return found
    return "other"


def color_code(text: str | None) -> int | None:
    """A ColorType as the number it is; None where it is none. Devices write 2, "2" and "02"."""
    if text is None or not text.isdecimal() or len(text) > 2:
        return None
    code = int(text)
    return code if code in COLORS else None


# SubscribeDetail: what is subscribed to. The others of the standard are not served.
SUBSCRIBE_DEVICES = 3
SUBSCRIBE_TOLLGATES = 7
SUBSCRIBE_PERSONS = 11
SUBSCRIBE_FACES = 12
SUBSCRIBE_MOTOR_VEHICLES = 13
SUBSCRIBE_NON_MOTOR_VEHICLES = 14
