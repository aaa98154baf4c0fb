"""How a field of GA/T 1400.3 is read from JSON and written to it: once for both directions.

A document is a slotted dataclass whose fields say by :func:`named` what they are called, of which
kind they are, and how long they may be. What a document does not name is left out: unknown fields
never come further than this.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import field, fields, is_dataclass
from datetime import UTC, datetime, timedelta, timezone
from typing import Any, Literal, TypeVar

Kind = Literal["text", "whole", "real", "moment", "flag"]

_NAMED = "gat1400"
_T = TypeVar("_T")
# Of years that a moment may be of: all else is a clock that was never set.
_FIRST_US = 0
_LAST_US = 7_258_118_400_000_000
_WHOLE_LIMIT = 2**53


class DocumentError(Exception):
    """A document cannot be taken. ``path`` names the field, the message says what is wrong."""

    def __init__(self, path: str, message: str) -> None:
        super().__init__(f"{path}: {message}" if path else message)
        self.path = path


def named(name: str, kind: Kind = "text", limit: int = 256, *, required: bool = False) -> Any:
    """A field of a document: what it is called in JSON, and how it is read.

    ``limit`` is the longest text in characters, or the largest number (not below its negative).
    A required field that is missing or unreadable refuses the document; another is left out.
    """
    meta = {_NAMED: (name, kind, limit, required)}
    return field(metadata=meta) if required else field(default=None, metadata=meta)


def read(cls: type[_T], document: object, path: str, *, utc_offset_minutes: int) -> _T:
    """The document as ``cls`` has it. Raises DocumentError.

    Numbers may be written as text and text as numbers, as devices do. Moments are local time
    without a zone (``20261122150405``), so that the county's offset is needed.
    """
    if not isinstance(document, Mapping):
        raise DocumentError(path, "an object is expected")
    values: dict[str, Any] = {}
    for one in fields(cls):  # type: ignore[arg-type]
        meta = one.metadata.get(_NAMED)
        if meta is None:
            continue
        name, kind, limit, required = meta
        value = _value(document.get(name), kind, limit, utc_offset_minutes)
        if value is None and required:
            raise DocumentError(f"{path}.{name}", "missing, or not what the standard says")
        values[one.name] = value
    return cls(**values)


def write(instance: object, *, utc_offset_minutes: int) -> dict[str, Any]:
    """The JSON object of a document; what is None is left out."""
    assert is_dataclass(instance)
    document: dict[str, Any] = {}
    for one in fields(instance):
        meta = one.metadata.get(_NAMED)
        value = getattr(instance, one.name)
        if meta is None or value is None:
            continue
        name, kind, _, _ = meta
        if kind == "moment":
            value = write_moment(value, utc_offset_minutes)
        elif kind == "flag":
            value = int(value)
        document[name] = value
    return document


def read_text(value: object, limit: int) -> str | None:
    """Text of at most so many characters, without what no database takes; None for none."""
    if isinstance(value, bool) or value is None:
        return None
    if isinstance(value, (int, float)):
        if isinstance(value, float) and not math.isfinite(value):
            return None
        value = f"{value:.0f}" if float(value).is_integer() and abs(value) < 1e15 else str(value)
    if not isinstance(value, str):
        return None
    text = value.strip()
    if not text or len(text) > limit or any(mark < " " or mark == "\x7f" for mark in text):
        return None
    try:
        text.encode()
    except UnicodeEncodeError:
        return None
    return text


def read_moment(value: object, utc_offset_minutes: int) -> int | None:
    """``YYYYMMDDhhmmss`` with up to three digits more, or ISO 8601, as UTC µs; None for none.

    A time without a zone is of the county's.
    """
    text = read_text(value, 40)
    if text is None:
        return None
    try:
        if text.isdecimal() and text.isascii() and 14 <= len(text) <= 20:
            whole = datetime.strptime(text[:14], "%Y%m%d%H%M%S")
            moment = whole + timedelta(seconds=float(f"0.{text[14:] or 0}"))
        else:
            moment = datetime.fromisoformat(text)
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=timezone(timedelta(minutes=utc_offset_minutes)))
        since = moment.astimezone(UTC) - datetime(1970, 1, 1, tzinfo=UTC)
    except (ValueError, OverflowError):
        return None
    at_us = since // timedelta(microseconds=1)
    return at_us if _FIRST_US < at_us < _LAST_US else None


def write_moment(at_us: int, utc_offset_minutes: int) -> str:
    """UTC µs as the county's ``YYYYMMDDhhmmss``."""
    local = datetime(1970, 1, 1) + timedelta(microseconds=at_us, minutes=utc_offset_minutes)
    return f"{local:%Y%m%d%H%M%S}".rjust(14, "0")


def _value(value: object, kind: Kind, limit: int, utc_offset_minutes: int) -> Any:
    match kind:
        case "text":
            return read_text(value, limit)
        case "moment":
            return read_moment(value, utc_offset_minutes)
        case "flag":
            return {"0": False, "1": True, "true": True, "false": False}.get(
                str(value).lower() if isinstance(value, (bool, str, int)) else ""
            )
        case _:
            return _number(value, limit, whole=kind == "whole")


def _number(value: object, limit: int, *, whole: bool) -> int | float | None:
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    if isinstance(value, (str, int)) and len(str(value)[:40]) == 40:
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    if not math.isfinite(number) or abs(number) > min(limit, _WHOLE_LIMIT):
        return None
    if not whole:
        return number
    return int(number) if number.is_integer() else None
