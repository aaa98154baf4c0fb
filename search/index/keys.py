"""Where the index keeps what is not a row: keys in the store, names of tables of vectors."""

from __future__ import annotations

import datetime
import hashlib
import re

from search.passages import first_id_at

CROP_PREFIX = "crops/"
DAY_US = 86_400_000_000

_KIND = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,59}")
_TABLE = re.compile(r"(.+)\.(\d{4}-\d{2}-\d{2})")


def crop_key(camera_id: str, first_us: int, name: str) -> str:
    """The object with crops (JPEG, one after the other) of some passages of one camera.

    ``name`` must be unlike that of any other object of this camera and day. Put passages of a few
    minutes together: an object goes as a whole, when the last of its passages does.
    """
    return f"{CROP_PREFIX}{camera_id}/{day_of(first_us):%Y/%m/%d}/{name}.jpgs"


def day_of(at_us: int) -> datetime.date:
    """The UTC day of an instant."""
    return datetime.date(1970, 1, 1) + datetime.timedelta(days=at_us // DAY_US)


def day_start_us(day: datetime.date) -> int:
    """When a UTC day begins."""
    return (day - datetime.date(1970, 1, 1)).days * DAY_US


def day_ids(day: datetime.date) -> tuple[int, int]:
    """The ids of passages that began on that day: from the first up to, not with, the second."""
    start_us = day_start_us(day)
    return first_id_at(start_us), first_id_at(start_us + DAY_US)


def vector_table(kind: str, day: datetime.date) -> str:
    """The LanceDB table of one kind of vectors and one day. Raises ValueError for a kind that
    cannot be a name.
    """
    if not _KIND.fullmatch(kind):
        raise ValueError(f"a kind of vectors is named by letters, digits, . _ and -, not {kind!r}")
    return f"{kind}.{day.isoformat()}"


def read_vector_table(name: str) -> tuple[str, datetime.date] | None:
    """(kind, day) of a table's name; None when it is none of ours."""
    found = _TABLE.fullmatch(name)
    if found is None:
        return None
    try:
        return found[1], datetime.date.fromisoformat(found[2])
    except ValueError:
        return None


def camera_hash(camera_id: str) -> int:
    """By what vectors are filtered by camera: signed, 63 bits of its SHA-256. Two cameras that
    share one do no harm: what is found is joined with its row.
    """
    return int.from_bytes(hashlib.sha256(camera_id.encode()).digest()[:8], signed=True) >> 1
