"""Plates as people look for them: whole, in part, and read wrongly by a camera."""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase

# Each row looks alike on a dirty plate at night; the first stands for all.
_ALIKE = ("0ODQ", "1IL", "2Z", "5S", "6G", "8B", "UV")
_FOLD = str.maketrans({mark: row[0] for row in _ALIKE for mark in row})
PATTERN_LIMIT = 15
UNREAD = "?"
"""In a stored plate: the one character on which its pictures do not agree."""


class PatternError(ValueError):
    """Not a plate, nor a part of one; says what may be written."""


def written(text: str) -> str:
    """A plate as it is stored and compared: capitals, no spaces, dots or dashes; ``?`` for a
    character that could not be read. Empty for what has neither letter nor digit.
    """
    plate = "".join(mark for mark in text.upper() if mark.isalnum() or mark == UNREAD)
    return plate if any(mark.isalnum() for mark in plate) else ""


def fold(plate: str) -> str:
    """The plate with look-alike characters as one."""
    return plate.translate(_FOLD)


@dataclass(frozen=True, slots=True)
class PlatePattern:
    """What a plate must be like. ``text`` holds letters, digits, ``?`` for one character and ``*``
    for any number.
    """

    text: str
    look_alikes: bool = False

    @property
    def exact(self) -> bool:
        """Whether it is one whole plate."""
        return not set("?*") & set(self.text)

    @property
    def compared(self) -> str:
        """As it is compared: folded where look-alikes count."""
        return fold(self.text) if self.look_alikes else self.text

    @property
    def like(self) -> str:
        """As LIKE's pattern, of plates that are wholly read. It needs no escape."""
        return self.compared.replace("?", "_").replace("*", "%")

    @property
    def likes(self) -> tuple[str, ...]:
        """As LIKE's patterns, of which one must fit. What they are made of needs no escape.

        Where look-alikes count, any one character may be unread in the plate: that looks like all.
        """
        return (self.like, *self._unread(self.like, UNREAD))

    def _unread(self, pattern: str, mark: str) -> list[str]:
        if not self.look_alikes:
            return []
        return [
            f"{pattern[:place]}{mark}{pattern[place + 1 :]}"
            for place, one in enumerate(pattern)
            if one.isalnum()
        ]


def matches(pattern: PlatePattern, plate: str) -> bool:
    """Whether a plate, as it is stored, fits."""
    compared = fold(plate) if pattern.look_alikes else plate
    wanted = pattern.compared
    return any(
        fnmatchcase(compared, one) for one in (wanted, *pattern._unread(wanted, f"[{UNREAD}]"))
    )


def read_pattern(text: str, *, infix: bool = False, look_alikes: bool = False) -> PlatePattern:
    """What somebody typed; ``infix`` finds it anywhere. Raises PatternError."""
    wanted = "".join(text.upper().split()).replace("·", "").replace("？", "?").replace("＊", "*")
    if not any(mark.isalnum() for mark in wanted):
        raise PatternError("say at least one letter or digit of the plate")
    if len(wanted) > PATTERN_LIMIT or not all(mark.isalnum() or mark in "?*" for mark in wanted):
        raise PatternError(
            f"a plate has at most {PATTERN_LIMIT} letters and digits; ? is any one, * any number"
        )
    if infix:
        wanted = f"*{wanted.strip('*')}*"
    while "**" in wanted:
        wanted = wanted.replace("**", "*")
    return PlatePattern(wanted, look_alikes)
