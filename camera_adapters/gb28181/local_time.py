"""Times as GB/T 28181 writes them: China's local time, ``2026-01-31T08:00:00`` (Annex A.2.1).

China has one zone, UTC+8, and no summer time. A time that names its zone is believed.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

CHINA = timezone(timedelta(hours=8))
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_LENGTH_LIMIT = 40


def parse_us(text: str) -> int | None:
    """UTC µs of such a time, with or without fraction and zone; None when it is no time."""
    text = text.strip()
    if not 8 <= len(text) <= _LENGTH_LIMIT:
        return None
    try:
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=CHINA)
        return (moment - _EPOCH) // _MICROSECOND
    except (ValueError, OverflowError):
        return None


def format_us(at_us: int) -> str:
    """Local time to the second. Raises ValueError for what is beyond the year 9999."""
    try:
        moment = _EPOCH + timedelta(microseconds=at_us)
        return moment.astimezone(CHINA).strftime("%Y-%m-%dT%H:%M:%S")
    except OverflowError:
        raise ValueError(f"no calendar has {at_us} µs") from None
