"""Byte ranges of requests (RFC 9110 §14.1.2): one of them, as players ask."""

from __future__ import annotations

import re

from gateway.api.errors import ApiError

_RANGE = re.compile(r"^bytes=(\d{0,18})-(\d{0,18})$")


def asked_range(header: str | None, size: int) -> tuple[int, int]:
    """[start, end) of what is asked for; the whole without a header, or with one that is not
    understood or asks for several. Raises ApiError 416 for what begins behind the end.
    """
    found = _RANGE.match(header.strip()) if header is not None else None
    if found is None or found.groups() == ("", ""):
        return 0, size
    first, last = found.groups()
    if not first:
        return max(0, size - int(last)), size
    start = int(first)
    if last and int(last) < start:
        return 0, size
    if start >= size:
        raise ApiError(416, "invalid", f"the file has {size} bytes", {"size_bytes": size})
    return start, min(size, int(last) + 1) if last else size
