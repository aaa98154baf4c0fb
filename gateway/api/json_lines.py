"""Answers that come as JSON lines, each as soon as it is known."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from typing import Any

from starlette.responses import StreamingResponse


def json_line(item: Mapping[str, Any]) -> bytes:
    """One of them."""
    return json.dumps(item, ensure_ascii=False).encode() + b"\n"


def json_lines(lines: AsyncIterator[bytes]) -> StreamingResponse:
    """The answer that goes on with each line. What goes wrong on the way must be a line too."""
    return StreamingResponse(
        lines, media_type="application/x-ndjson", headers={"Cache-Control": "no-store"}
    )
