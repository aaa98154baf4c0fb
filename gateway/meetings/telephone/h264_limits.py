"""What a terminal says that its H.264 decoder takes (RFC 6184 §8.1, H.264 annex A). Pure."""

from __future__ import annotations

from dataclasses import dataclass

LEVEL_1B = 9
"""Between levels 1 and 1.1; otherwise a level is ten times its number, as in ``level_idc``."""

OUR_LEVEL = 31
"""What terminals may send us: 1280 × 720, as browsers do."""

_BASELINE, _MAIN, _EXTENDED, _HIGH = 66, 77, 88, 100
_SET_0, _SET_1, _SET_3 = 0x80, 0x40, 0x10

# Of H.264 table A-1: macroblocks of a picture, and kbit/s.
_LEVELS = {
    10: (99, 64), LEVEL_1B: (99, 128), 11: (396, 192), 12: (396, 384), 13: (396, 768),
    20: (396, 2_000), 21: (792, 4_000), 22: (1_620, 4_000), 30: (1_620, 10_000),
    31: (3_600, 14_000), 32: (5_120, 20_000), 40: (8_192, 20_000), 41: (8_192, 50_000),
    42: (8_704, 50_000), 50: (22_080, 135_000), 51: (36_864, 240_000), 52: (36_864, 240_000),
}  # fmt: skip
_RISING = [10, LEVEL_1B, *sorted(one for one in _LEVELS if one > 10)]


@dataclass(frozen=True, slots=True)
class Profile:
    """The three bytes of ``profile-level-id``; they stand in a sequence parameter set, too."""

    profile_idc: int
    constraint_flags: int
    level: int

    @property
    def known(self) -> bool:
        """Whether it is one of the profiles that cameras, browsers and terminals use."""
        return self.profile_idc in (_BASELINE, _MAIN, _HIGH)

    @property
    def rank(self) -> int:
        """0 Baseline, 1 Main, 2 High, 3 anything else: a decoder of one takes those before it.

        Baseline's own tools that Main lacks (arbitrary slice order, redundant slices) nobody uses.
        """
        flags = self.constraint_flags
        if self.profile_idc == _BASELINE or (self.profile_idc == _EXTENDED and flags & _SET_0):
            return 0
        if self.profile_idc == _MAIN:
            return 0 if flags & _SET_0 else 1
        return 2 if self.profile_idc == _HIGH else 3

    @property
    def text(self) -> str:
        """As ``profile-level-id`` has it."""
        flags, level = self.constraint_flags, self.level
        if level == LEVEL_1B:
            level = 11 if self.profile_idc in (_BASELINE, _MAIN, _EXTENDED) else LEVEL_1B
            flags |= _SET_3 if level == 11 else 0
        return f"{self.profile_idc:02x}{flags:02x}{level:02x}"

    @property
    def macroblocks(self) -> int:
        """How many a picture may have."""
        return _LEVELS[nearest_level(self.level)][0]

    @property
    def kbps(self) -> int:
        """How fast pictures may come."""
        return _LEVELS[nearest_level(self.level)][1]

    def at(self, level: int) -> Profile:
        """The same profile at another level."""
        flags = self.constraint_flags & ~_SET_3 if level != self.level else self.constraint_flags
        return Profile(self.profile_idc, flags, level)


def read_profile(text: str) -> Profile | None:
    """A ``profile-level-id``; None for what is none."""
    try:
        value = bytes.fromhex(text)
    except ValueError:
        return None
    if len(value) != 3 or len(text) != 6:
        return None
    return profile_of(value)


def profile_of(value: bytes) -> Profile:
    """Of three bytes, as they follow the first of a sequence parameter set."""
    profile_idc, flags, level = value[:3]
    if level == 11 and flags & _SET_3 and profile_idc in (_BASELINE, _MAIN, _EXTENDED):
        level = LEVEL_1B
    return Profile(profile_idc, flags, level)


def nearest_level(level: int) -> int:
    """The highest level of the standard that is not above this."""
    if level in _LEVELS:
        return level
    return max((one for one in _LEVELS if one <= level and one != LEVEL_1B), default=10)


def lower_level(one: int, other: int) -> int:
    """The lower of two."""
    return min(nearest_level(one), nearest_level(other), key=_RISING.index)


def macroblocks_of(width: int, height: int) -> int:
    """How many a picture of this size has."""
    return -(-width // 16) * -(-height // 16)


def wide_height_px(macroblocks: int) -> int:
    """How high a picture of 16:9 with so many is at most."""
    rows = int((macroblocks * 9 / 16) ** 0.5)
    while -(-(rows * 256 // 9) // 16) * rows > macroblocks and rows > 1:
        rows -= 1
    return rows * 16
