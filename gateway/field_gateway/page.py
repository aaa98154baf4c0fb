"""The files of the phone page: read once, and no other file of the console."""

from __future__ import annotations

import mimetypes
import re
from dataclasses import dataclass
from pathlib import Path

_NAMED = re.compile(r"[A-Za-z0-9_.\-]+\.(?:js|css|svg|woff2)")
_OWN = {"/field/": "field/index.html", "/field/keeper.js": "field/keeper.js"}
_ICON = "favicon.svg"


@dataclass(frozen=True, slots=True)
class PageFile:
    """``hashed``: its name changes with its content."""

    data: bytes
    media_type: str
    hashed: bool


def read_page(console: Path) -> dict[str, PageFile]:
    """By path. What the page names is followed from file to file. Raises OSError."""
    found: dict[str, PageFile] = {}
    waiting = [*_OWN.items(), (f"/{_ICON}", _ICON)]
    while waiting:
        path, name = waiting.pop()
        if path in found:
            continue
        file = console / name
        data = file.read_bytes()
        kind = mimetypes.guess_type(name)[0] or "application/octet-stream"
        found[path] = PageFile(data, kind, name.startswith("assets/"))
        if not name.endswith((".html", ".js", ".css")):
            continue
        named = set(_NAMED.findall(data.decode("utf-8", "replace")))
        parts = [part for part in named if (console / "assets" / part).is_file()]
        waiting += [(f"/assets/{part}", f"assets/{part}") for part in parts]
    return found
