"""What single cells may say: yes and no, codes, lists."""

from __future__ import annotations

import re

from gateway.sheets.sheet import Fault, Row

_YES = frozenset({"1", "true", "yes", "y", "是", "启用"})
_NO = frozenset({"0", "false", "no", "n", "否", "停用"})
_LIST_SEPARATORS = re.compile(r"[;；、]+")
# 4.20881E+11: what a spreadsheet makes of 420881100000 when it is not told that it is text.
_ROUNDED = re.compile(r"[0-9](\.[0-9]+)?E\+?[0-9]+", re.IGNORECASE)
_WRITABLE_NAME = re.compile(r"[/\\]|^\.{1,2}$")


def yes_or_no(row: Row, name: str, faults: list[Fault], default: bool = True) -> bool:
    """The cell's yes or no; ``default`` where it is blank."""
    text = row.text(name).casefold()
    if not text:
        return default
    if text not in _YES | _NO:
        faults.append(row.fault(name, "yes_or_no", "is yes or no (是 or 否)"))
    return text in _YES


def written(flag: bool) -> str:
    """As :func:`yes_or_no` reads it."""
    return "是" if flag else "否"


def listed(text: str) -> list[str]:
    """The parts of a cell that names several, parted by semicolons; each once."""
    parts = (part.strip() for part in _LIST_SEPARATORS.split(text))
    return list(dict.fromkeys(part for part in parts if part))


def refuse_rounded(row: Row, name: str, faults: list[Fault]) -> bool:
    """Whether the cell's code is still whole; says what has happened to it where it is not."""
    if _ROUNDED.fullmatch(row.text(name)) is None:
        return True
    faults.append(
        row.fault(
            name,
            "rounded_number",
            "the spreadsheet has rounded this number: format the column as text and enter it again",
        )
    )
    return False


def checked_name(row: Row, name: str, faults: list[Fault], length: int = 200) -> str:
    """A name that people read, and that may become part of a file's name."""
    text = row.text(name)
    if not text:
        faults.append(row.fault(name, "required", "is missing"))
    elif len(text) > length:
        faults.append(row.fault(name, "too_long", f"is longer than {length}", limit=length))
    elif _WRITABLE_NAME.search(text):
        faults.append(
            row.fault(name, "path_in_name", "a name holds no slash and is not '.' or '..'")
        )
    return text
