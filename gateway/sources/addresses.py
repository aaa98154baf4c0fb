"""What a camera's address may look like: its scheme says how its media come.

| scheme | media |
|---|---|
| ``rtsp``, ``rtsps`` | pulled by RTSP |
| ``http``, ``https`` | pulled: FLV, HLS or multipart JPEG, by content |
| ``rtmp`` | pulled by RTMP |
| ``push`` | ``push://NAME``: pushed in by RTMP or WHIP, the camera's password is the key |
| ``gb28181`` | ``gb28181://PLATFORM_ID/CHANNEL_CODE``, asked for by signalling |
| ``file`` | a file or a folder beneath the directory of the settings |
"""

from __future__ import annotations

import re
from urllib.parse import unquote, urlsplit

_PORTS = {"rtsp": 554, "rtsps": 322, "http": 80, "https": 443, "rtmp": 1935}
SCHEMES = (*_PORTS, "push", "gb28181", "file")

SCENE = "push://scene-"
"""So begin the addresses of telephones, see :func:`scene_address`."""

_UNPRINTABLE = re.compile(r"[\x00-\x20\x7f]")
_PUSH_NAME = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_CHANNEL = re.compile(r"[A-Za-z0-9_-]{1,64}/[0-9A-Za-z]{1,32}(\?stream=(main|sub))?")


def split_credentials(url: str) -> tuple[str, str | None, str | None]:
    """``url`` without its user and password, and both of them, unquoted.

    The last '@' before the path ends them: cameras' passwords hold '@' unquoted. Raises ValueError
    with what is wrong.
    """
    scheme, separator, rest = url.strip().partition("://")
    scheme = scheme.lower()
    if not separator or scheme not in SCHEMES:
        raise ValueError(
            "the address begins with rtsp://, http://, https://, rtmp://, push://, gb28181:// "
            "or file://"
        )
    if scheme not in _PORTS:
        bare = f"{scheme}://{rest}"
        _check_named(scheme, rest)
        return bare, None, None
    authority, slash, path = rest.partition("/")
    credentials, at, host = authority.rpartition("@")
    username: str | None = None
    password: str | None = None
    if at:
        name, colon, secret = credentials.partition(":")
        username = unquote(name)
        password = unquote(secret) if colon else None
    bare = f"{scheme}://{host}{slash}{path}"
    try:
        parts = urlsplit(bare)
        port = parts.port
    except ValueError:
        raise ValueError("the port in the address is not a number from 1 to 65535") from None
    if not parts.hostname or port == 0:
        raise ValueError("the address has no host name")
    if _UNPRINTABLE.search(bare):
        raise ValueError("the address holds a blank or a control character")
    return bare, username, password


def endpoint(url: str) -> tuple[str | None, int]:
    """Host and port that an address leads to; a push's name, a platform's id, and 0."""
    scheme, _, rest = url.partition("://")
    if scheme not in _PORTS:
        return rest.partition("/")[0] or None, 0
    parts = urlsplit(url)
    return parts.hostname, parts.port or _PORTS[scheme]


def scheme_of(url: str) -> str:
    """The scheme, in lower case."""
    return url.partition(":")[0].lower()


def push_name(url: str) -> str:
    """The name under which a camera is pushed in. Raises ValueError for other addresses."""
    if scheme_of(url) != "push":
        raise ValueError("the address does not begin with push://")
    return url.partition("://")[2]


def scene_address(user_id: str) -> str:
    """What somebody in the field is as a camera, while they are live from the scene."""
    return f"{SCENE}{user_id}"


def _check_named(scheme: str, rest: str) -> None:
    match scheme:
        case "push" if not _PUSH_NAME.fullmatch(rest):
            raise ValueError(
                "write push://NAME: up to 64 letters, digits, dots, hyphens and underscores"
            )
        case "gb28181" if not _CHANNEL.fullmatch(rest):
            raise ValueError(
                "write gb28181://PLATFORM_ID/CHANNEL_CODE, with ?stream=sub for the sub-stream"
            )
        case "file":
            path = unquote(rest)
            if not path.startswith("/") or len(path) < 2:
                raise ValueError("write file:///DIRECTORY/FILE: three slashes, then the path")
            if ".." in path.split("/") or "\x00" in path:
                raise ValueError("the path holds .. or a zero byte: write it in full")
