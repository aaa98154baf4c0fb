"""Answering with the part that a request wants (RFC 9110 §14)."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

_BYTE_RANGE = re.compile(r"bytes=([0-9]{0,18})-([0-9]{0,18})$")


@dataclass(frozen=True, slots=True)
class Part:
    """The bytes [``start``, ``end``) of ``size_bytes``. ``asked``: the request named them."""

    start: int
    end: int
    size_bytes: int
    asked: bool


def wanted_part(request: Request, size_bytes: int, tag: str) -> Part | None:
    """What the request wants of so many bytes that go by ``tag``; None where there are none such.

    It is the whole where no range is named, or several are, or one of what this was before it
    changed (``If-Range``).
    """
    whole = Part(0, size_bytes, size_bytes, False)
    matched = _BYTE_RANGE.match(request.headers.get("range", "").strip())
    if matched is None or matched.groups() == ("", ""):
        return whole
    if request.headers.get("if-range", f'"{tag}"') != f'"{tag}"':
        return whole
    first, last = matched.groups()
    if not first:
        start, end = max(0, size_bytes - int(last)), size_bytes
    else:
        start, end = int(first), min(size_bytes, int(last) + 1) if last else size_bytes
    return Part(start, end, size_bytes, True) if start < end else None


def unsatisfiable(size_bytes: int) -> Response:
    """The answer where there are none of the wanted bytes."""
    return Response(None, 416, {"Content-Range": f"bytes */{size_bytes}"})


def part_response(
    request: Request,
    pieces: AsyncIterator[bytes],
    part: Part,
    tag: str,
    headers: Mapping[str, str],
    media_type: str = "video/mp4",
) -> Response:
    """The answer with ``pieces``, which are the bytes of the part; without them for ``HEAD``."""
    answered = {
        "Accept-Ranges": "bytes",
        "Content-Length": str(part.end - part.start),
        "ETag": f'"{tag}"',
        **headers,
    }
    status = 200
    if part.asked:
        status = 206
        answered["Content-Range"] = f"bytes {part.start}-{part.end - 1}/{part.size_bytes}"
    if request.method == "HEAD":
        return Response(None, status, answered, media_type=media_type)
    return StreamingResponse(pieces, status, answered, media_type=media_type)
