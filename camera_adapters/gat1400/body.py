"""Bodies: JSON of a bounded size, depth and count, whoever sent it.

``application/VIID+JSON`` (GA/T 1400.4). XML, which the standard also allows, is refused with the
status that it has for this.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from camera_adapters.gat1400.codes import Status
from camera_adapters.gat1400.fields import DocumentError

CONTENT_TYPE = "application/VIID+JSON;charset=UTF-8"
DEPTH_LIMIT = 12
# Outside strings a body of hundreds of passes has some ten thousand of these.
STRUCTURE_LIMIT = 200_000

_STRUCTURE = re.compile(rb"[\[{\]},]")


class BodyError(Exception):
    """A body that is not taken; ``status`` is what the answer says."""

    def __init__(self, status: Status, message: str) -> None:
        super().__init__(message)
        self.status = status


def read_body(raw: bytes) -> dict[str, Any]:
    """The object of a body. Raises BodyError.

    Takes some ten milliseconds for megabytes of pictures: large ones are for a thread.
    """
    if raw.startswith(b"\xef\xbb\xbf"):
        raw = raw[3:]
    if raw.lstrip()[:1] == b"<":
        raise BodyError(
            Status.INVALID_XML_FORMAT, "XML is not spoken here: send application/VIID+JSON"
        )
    _check_structure(raw)
    try:
        document = json.loads(raw.decode(), parse_constant=_no_constant)
    except UnicodeDecodeError:
        raise BodyError(Status.INVALID_JSON_FORMAT, "the body is not UTF-8") from None
    except (ValueError, RecursionError) as error:
        raise BodyError(
            Status.INVALID_JSON_FORMAT, f"the body is not JSON: {error}"[:200]
        ) from None
    if not isinstance(document, dict):
        raise BodyError(Status.INVALID_JSON_CONTENT, "the body is not an object")
    return document


def write_body(document: Mapping[str, Any]) -> bytes:
    """The bytes of a body."""
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()


def listed(document: Mapping[str, Any], outer: str, inner: str, limit: int) -> list[Any]:
    """The objects of ``{outer: {inner: [...]}}``; one that stands alone is a list of one.

    Raises BodyError for anything else, and for more than ``limit``.
    """
    held = document.get(outer)
    if isinstance(held, Mapping):
        found = held.get(inner, [])
    elif isinstance(held, list):
        found = held
    else:
        found = document.get(inner)
    if isinstance(found, Mapping):
        found = [found]
    if not isinstance(found, list):
        raise BodyError(Status.INVALID_JSON_CONTENT, f"{outer} with {inner} is expected")
    if len(found) > limit:
        raise BodyError(
            Status.INVALID_JSON_CONTENT, f"more than {limit} in one request: send fewer"
        )
    return found


def as_body_error(error: DocumentError) -> BodyError:
    """The same for an answer."""
    return BodyError(Status.INVALID_JSON_CONTENT, str(error)[:200])


def _check_structure(raw: bytes) -> None:
    """Refuse depth and breadth before the parser makes objects of them; linear in time."""
    depth = count = place = 0
    while place < len(raw):
        quote = raw.find(b'"', place)
        for found in _STRUCTURE.finditer(raw, place, quote if quote >= 0 else len(raw)):
            count += 1
            mark = found.group()
            if mark in b"[{":
                depth += 1
                if depth > DEPTH_LIMIT:
                    raise BodyError(Status.INVALID_JSON_CONTENT, "the body is nested too deeply")
            elif mark in b"]}":
                depth -= 1
        count += 1
        if count > STRUCTURE_LIMIT:
            raise BodyError(Status.INVALID_JSON_CONTENT, "the body has too many parts: send fewer")
        if quote < 0:
            return
        place = _end_of_string(raw, quote + 1)


def _end_of_string(raw: bytes, place: int) -> int:
    """Behind the quote that ends the string; a string may hold megabytes and any bracket."""
    while (quote := raw.find(b'"', place)) >= 0:
        slash = quote
        while slash > place and raw[slash - 1] == 0x5C:
            slash -= 1
        place = quote + 1
        if (quote - slash) % 2 == 0:
            return place
    return len(raw)


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no number of JSON")
