"""Requests to other view libraries over HTTP, with bounded answers and a time limit."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import aiohttp

from camera_adapters.gat1400.client import (
    Answer,
    RefusedByPeer,
    Request,
    ViewLibraryClient,
    require_ok,
)
from gateway.platforms.operations import DesiredPlatform

ANSWER_BYTES_LIMIT = 8 * 1024**2
ANSWER_S = 15.0
_TRIES = 3


class Unreachable(Exception):
    """It does not answer; says what was tried."""


class Peer:
    """One view library, by the address of its row."""

    def __init__(
        self, http: aiohttp.ClientSession, platform: DesiredPlatform, own_code: str
    ) -> None:
        assert platform.host is not None and platform.port is not None
        host = f"[{platform.host}]" if ":" in platform.host else platform.host
        self.base_url = f"http://{host}:{platform.port}"
        self._http = http
        self._client = ViewLibraryClient(
            own_code, platform.username or own_code, platform.password or ""
        )

    async def ask(
        self, method: str, path: str, document: Mapping[str, Any] | None = None
    ) -> Answer:
        """Send, answer its digest, and take the answer. Raises Unreachable and RefusedByPeer."""
        return await self._send(self._client.request(method, path, document), self.base_url)

    async def tell(
        self, method: str, path: str, document: Mapping[str, Any] | None = None
    ) -> Answer:
        """As :meth:`ask`, and everything that was sent must have been taken."""
        answer = await self.ask(method, path, document)
        require_ok(answer)
        return answer

    async def tell_at(self, base_url: str, path: str, document: Mapping[str, Any]) -> Answer:
        """As :meth:`tell`, at another address of the same library."""
        answer = await self._send(self._client.request("POST", path, document), base_url)
        require_ok(answer)
        return answer

    async def _send(self, request: Request, base_url: str) -> Answer:
        for _ in range(_TRIES):
            try:
                async with asyncio.timeout(ANSWER_S):
                    status, challenges, body = await self._once(request, base_url)
            except (aiohttp.ClientError, OSError, ValueError) as error:
                why = str(error) or type(error).__name__
                raise Unreachable(f"{base_url} does not answer: {why}"[:300]) from None
            except TimeoutError:
                raise Unreachable(f"{base_url} does not answer within {ANSWER_S:g} s") from None
            found = self._client.received(request, status, challenges, body)
            if isinstance(found, Answer):
                return found
            request = found
        raise RefusedByPeer("password", "the other side asks for the password again and again")

    async def _once(self, request: Request, base_url: str) -> tuple[int, list[str], bytes]:
        async with self._http.request(
            request.method,
            base_url + request.path,
            headers=dict(request.headers),
            data=request.body,
            allow_redirects=False,
        ) as response:
            body = bytearray()
            async for piece in response.content.iter_chunked(65_536):
                body += piece
                if len(body) > ANSWER_BYTES_LIMIT:
                    raise ValueError("an answer of megabytes")
            return response.status, response.headers.getall("WWW-Authenticate", []), bytes(body)
