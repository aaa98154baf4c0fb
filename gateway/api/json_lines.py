"""Answers that come as JSON lines, each as soon as it is known."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from typing import Any

import structlog
from starlette.responses import StreamingResponse
from starlette.types import Message, Send

_log = structlog.get_logger(__name__)

SEND_TIMEOUT_S = 60.0
"""Who reads nothing for so long is taken to have gone: others wait for what answers them."""


def json_line(item: Mapping[str, Any]) -> bytes:
    """One of them."""
    return json.dumps(item, ensure_ascii=False).encode() + b"\n"


def json_lines(lines: AsyncIterator[bytes]) -> StreamingResponse:
    """The answer that goes on with each line. What goes wrong on the way must be a line too. When
    nobody has read for :data:`SEND_TIMEOUT_S`, the lines are closed and the answer breaks off.
    """
    return _Lines(lines)


class _Lines(StreamingResponse):
    def __init__(self, lines: AsyncIterator[bytes]) -> None:
        super().__init__(
            lines, media_type="application/x-ndjson", headers={"Cache-Control": "no-store"}
        )
        self._lines = lines

    async def stream_response(self, send: Send) -> None:
        async def soon(message: Message) -> None:
            try:
                async with asyncio.timeout(SEND_TIMEOUT_S):
                    await send(message)
            except TimeoutError:
                raise _NobodyReads from None

        try:
            await super().stream_response(soon)
        except _NobodyReads:
            _log.info("an answer broke off: nobody reads it")
            if isinstance(self._lines, AsyncGenerator):
                await self._lines.aclose()


class _NobodyReads(Exception):
    pass
