"""The console's files: cached by their hash, compressed ahead, one page for every view."""

from __future__ import annotations

import mimetypes
from pathlib import Path

from fastapi import APIRouter, Request
from fastapi.responses import FileResponse, PlainTextResponse, RedirectResponse, Response

from gateway.api.errors import not_found

router = APIRouter(include_in_schema=False)

FOLDER = Path(__file__).resolve().parent.parent / "console"

_ENCODINGS = (("br", ".br"), ("gzip", ".gz"))
_FOR_EVER = "public, max-age=31536000, immutable"
_NOT_BUILT = "The console is not built: run `make console`, or use the API at /docs.\n"
# Pages of their own.
_PAGES = {"field/": "field/index.html"}
# Requests for these are programs', and a page would confuse them.
_NOT_PAGES = ("api/", "s/", "assets/", "docs", "openapi.json", "metrics", "healthz")


@router.get("/{path:path}")
async def console(path: str, request: Request) -> Response:
    """A file of the console; any other path is a view of its one page."""
    if path.endswith((".br", ".gz")):
        raise not_found("page")
    if path == "field":
        # Its worker may speak for what is below a folder only.
        return RedirectResponse("/field/", 308)
    found = _file(_PAGES.get(path, path)) if path else None
    if found is None:
        if path.startswith(_NOT_PAGES):
            raise not_found("page")
        found = _file("index.html")
        if found is None:
            return PlainTextResponse(_NOT_BUILT, 503)
    return _respond(found, request)


def _file(path: str) -> Path | None:
    candidate = (FOLDER / path).resolve()
    inside = candidate.is_relative_to(FOLDER) and candidate.is_file()
    return candidate if inside else None


def _respond(found: Path, request: Request) -> Response:
    kind = mimetypes.guess_type(found.name)[0] or "application/octet-stream"
    hashed = found.parent.name == "assets"
    headers = {
        "Cache-Control": _FOR_EVER if hashed else "no-cache",
        "Vary": "Accept-Encoding",
    }
    accepted = {
        item.partition(";")[0].strip()
        for item in request.headers.get("accept-encoding", "").lower().split(",")
        if not item.replace(" ", "").endswith(";q=0")
    }
    for encoding, suffix in _ENCODINGS:
        packed = found.with_name(found.name + suffix)
        if encoding in accepted and packed.is_file():
            headers["Content-Encoding"] = encoding
            return FileResponse(packed, media_type=kind, headers=headers)
    return FileResponse(found, media_type=kind, headers=headers)
