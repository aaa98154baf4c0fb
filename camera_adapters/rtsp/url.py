"""A camera's address: host, port, what to request, and the credentials that some write into it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

DEFAULT_PORT = 554


@dataclass(frozen=True, slots=True)
class CameraUrl:
    """``request_url`` is what goes into requests: without credentials, port as it was written."""

    host: str
    port: int
    request_url: str
    username: str = ""
    password: str = field(default="", repr=False)


def parse_camera_url(url: str) -> CameraUrl:
    """Read an ``rtsp://`` URL. Raises ValueError with a message that says what to do.

    The password may contain any character but ``/``, ``?`` and ``#``, percent-encoded or not: the
    last ``@`` before the path ends it.
    """
    text = url.strip()
    if any(ord(character) < 33 for character in text):
        raise ValueError("the address contains blanks or control characters: write them as %20")
    if not text.lower().startswith("rtsp://"):
        raise ValueError("the address must begin with rtsp://")
    rest = text[len("rtsp://") :]
    cut = re.search(r"[/?#]", rest)
    authority, path = (rest[: cut.start()], rest[cut.start() :]) if cut else (rest, "")
    userinfo, at, place = authority.rpartition("@")
    username, _, password = userinfo.partition(":") if at else ("", "", "")
    try:
        parts = urlsplit(f"rtsp://{place}")
        host, port = parts.hostname, parts.port
    except ValueError:
        raise ValueError("the address has no usable host and port: rtsp://HOST:554/PATH") from None
    if not host:
        raise ValueError("the address has no host: rtsp://HOST/PATH")
    return CameraUrl(
        host,
        port or DEFAULT_PORT,
        f"rtsp://{place}{path}",
        unquote(username),
        unquote(password),
    )
