"""Codes of areas: on the axis ``area`` those of administrative divisions, elsewhere people's own.

GB/T 2260 gives province, prefecture and county two digits each; the division codes that the
statistics offices publish continue them with three digits for the township and three for the
village. A grid cell continues its village's twelve digits with digits of its own.
"""

from __future__ import annotations

import re
from typing import Literal, get_args

Axis = Literal["area", "department", "police", "platform"]
AXES: tuple[Axis, ...] = get_args(Axis)

CODE_LENGTH_LIMIT = 40

# GB/T 2260: the first two digits of every province, autonomous region and municipality.
_PROVINCES = tuple(
    str(number)
    for first, last in (
        (11, 15),
        (21, 23),
        (31, 37),
        (41, 46),
        (50, 54),
        (61, 65),
        (71, 71),
        (81, 82),
    )
    for number in range(first, last + 1)
)
_DIVISION_DIGITS = 12
_CELL_DIGITS = range(2, 7)
_LEVELS = (2, 4, 6, 9, 12)
_OWN_CODE = re.compile(r"[0-9A-Za-z\u4e00-\u9fff][0-9A-Za-z\u4e00-\u9fff._\-]*")


class CodeError(ValueError):
    """The code cannot be accepted. ``code`` is stable; the message says what is expected."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def check_code(axis: str, code: str) -> None:
    """Raise CodeError unless ``code`` may stand on that axis."""
    if axis == "area":
        _check_division(code)
    elif len(code) > CODE_LENGTH_LIMIT or not _OWN_CODE.fullmatch(code):
        raise CodeError(
            "code_characters",
            f"a code has at most {CODE_LENGTH_LIMIT} letters, digits, '.', '_' or '-'",
        )


def significant(code: str) -> str:
    """What the codes below this division begin with: the code without its level's zeros."""
    division, cell = code[:_DIVISION_DIGITS], code[_DIVISION_DIGITS:]
    if cell:
        return code
    for length in _LEVELS:
        if not division[length:].strip("0"):
            return division[:length]
    return division


def continues(parent_code: str, code: str) -> bool:
    """Whether a division's code continues the code of the division above it."""
    return code.startswith(significant(parent_code))


def _check_division(code: str) -> None:
    if not code.isascii() or not code.isdigit():
        raise CodeError("code_digits", "an area's code has digits only: 12 of them (GB/T 2260)")
    if len(code) - _DIVISION_DIGITS not in (0, *_CELL_DIGITS):
        raise CodeError(
            "code_length",
            f"an area's code has 12 digits, or a cell's 2 to 6 more; this has {len(code)}",
        )
    if code[:2] not in _PROVINCES:
        raise CodeError("code_province", f"no province has the code {code[:2]} (GB/T 2260)")
    township, village = code[6:9], code[9:12]
    if code[2:4] == "00" and code[4:_DIVISION_DIGITS].strip("0"):
        raise CodeError("code_levels", "digits 3 and 4 (the prefecture) are 00, but more follows")
    if township == "000" and village != "000":
        raise CodeError("code_levels", "a village's code names its township in digits 7 to 9")
    if len(code) > _DIVISION_DIGITS and village == "000":
        raise CodeError("code_levels", "a cell's code continues that of a village")
