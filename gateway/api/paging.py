"""Cursors: where the next page goes on, as text that means nothing to who holds it."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from gateway.api.errors import invalid


def write_cursor(key: Sequence[str]) -> str:
    """The cursor after the row with this sort key."""
    return base64.urlsafe_b64encode(json.dumps(list(key)).encode()).decode()


def cursor_number(text: str) -> int:
    """A part of a sort key that is a whole number; 0 where somebody has made the cursor up."""
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 19 else 0


def read_cursor(cursor: str | None, length: int) -> tuple[str, ...] | None:
    """The sort key, of ``length`` parts; None for the first page. Raises ApiError 422."""
    if cursor is None:
        return None
    try:
        key = json.loads(base64.urlsafe_b64decode(cursor))
        if isinstance(key, list) and len(key) == length:
            # Lone surrogates and NUL are text that no database takes.
            texts = tuple(str(part).encode().decode() for part in key)
            if "\0" not in "".join(texts):
                return texts
    except (ValueError, RecursionError, binascii.Error):
        pass
    raise invalid(cursor="this is not a cursor that was given out")


def behind(
    cursor: str | None, created_us: sa.ColumnElement[int], row_id: sa.ColumnElement[str]
) -> sa.ColumnElement[bool]:
    """Which rows stand behind the cursor where the newest come first; all of them without one.
    Raises ApiError 422.
    """
    key = read_cursor(cursor, 2)
    if key is None:
        return sa.true()
    return sa.tuple_(created_us, row_id) < sa.tuple_(cursor_number(key[0]), key[1])


def cursor_behind(row: Mapping[str, Any]) -> str:
    """The cursor after a row with ``created_us`` and ``id``."""
    return write_cursor((str(row["created_us"]), row["id"]))
