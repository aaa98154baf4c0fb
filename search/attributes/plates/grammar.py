"""What a Chinese number plate may say (GA 36-2018), as masks over its characters.

Seven characters: province, letter of the office, five letters or digits; the last may be 学
(driving school), 警 (police), 挂 (trailer), 港, 澳 (from Hong Kong, Macao), 领 (consulate). Eight
for vehicles of new energy: a letter from A to K in the third place of small ones, in the last of
large ones. Embassies: six digits and 使. The letters I and O do not occur.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

DIGITS = "0123456789"
LETTERS = "ABCDEFGHJKLMNPQRSTUVWXYZ"
PROVINCES = "京津冀晋蒙辽吉黑沪苏浙皖闽赣鲁豫鄂湘粤桂琼渝川贵云藏陕甘青宁新"
SUFFIXES = "学警挂港澳领"
EMBASSY = "使"
ALPHABET = DIGITS + LETTERS + PROVINCES + SUFFIXES + EMBASSY
_NEW_ENERGY = "ABCDEFGHJK"

Mask = NDArray[np.bool_]
"""bool [length, alphabet]: which characters may stand in which place."""


@dataclass(frozen=True, slots=True, eq=False)
class PlateForm:
    """One way to write a plate. ``name``: ``ordinary``, ``suffixed``, ``new_energy_small``,
    ``new_energy_large``, ``embassy``.
    """

    name: str
    mask: Mask

    @property
    def length(self) -> int:
        """Characters."""
        return len(self.mask)


def _form(name: str, *places: str) -> PlateForm:
    mask = np.array([[one in place for one in ALPHABET] for place in places], np.bool_)
    return PlateForm(name, mask)


_ANY = DIGITS + LETTERS
FORMS = (
    _form("ordinary", PROVINCES, LETTERS, *[_ANY] * 5),
    _form("suffixed", PROVINCES, LETTERS, *[_ANY] * 4, SUFFIXES),
    _form("new_energy_small", PROVINCES, LETTERS, _NEW_ENERGY, _ANY, *[DIGITS] * 4),
    _form("new_energy_large", PROVINCES, LETTERS, *[DIGITS] * 5, _NEW_ENERGY),
    _form("embassy", *[DIGITS] * 6, EMBASSY),
)
"""More letters than two among the last five of an ordinary plate are not issued, but not forbidden:
a reader that sees three is more often right than the rule is."""


def form_of(text: str) -> str | None:
    """The name of the form that ``text`` has; None where no plate says so."""
    for form in FORMS:
        if len(text) == form.length and all(
            one in ALPHABET and row[ALPHABET.index(one)]
            for one, row in zip(text, form.mask, strict=True)
        ):
            return form.name
    return None
