"""A city's hotline: signs its work orders, and keeps the feedback that is signed in return.

Written from what the documentation says of the signature, not from the adapter's own code.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import json
import time
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import httpx
from aiohttp import web

APP_ID = "12345-jz"
SECRET = "what both sides know"


def signature(method: str, path: str, timestamp: str, nonce: str, body: bytes) -> str:
    """In hexadecimal digits."""
    text = f"{method}\n{path}\n{timestamp}\n{nonce}\n{hashlib.sha256(body).hexdigest()}"
    return hmac.new(SECRET.encode(), text.encode(), "sha256").hexdigest()


@dataclass
class Hotline:
    """``answers``: the statuses of the next answers to feedback; then 200."""

    port: int = 0
    answers: list[int] = field(default_factory=list)
    heard: list[dict[str, Any]] = field(default_factory=list)

    def signed(
        self,
        method: str,
        path: str,
        document: Any = None,
        *,
        at_s: float | None = None,
        nonce: str = "",
    ) -> httpx.Request:
        """A request of the hotline's."""
        body = b"" if document is None else json.dumps(document, ensure_ascii=False).encode()
        timestamp = str(int(time.time() if at_s is None else at_s))
        nonce = nonce or uuid.uuid4().hex
        headers = {
            "X-App-Id": APP_ID,
            "X-Timestamp": timestamp,
            "X-Nonce": nonce,
            "X-Signature": signature(method, path, timestamp, nonce, body),
        }
        return httpx.Request(method, f"http://adapter.test{path}", content=body, headers=headers)

    async def hear(self, request: web.Request) -> web.Response:
        """Feedback."""
        body = await request.read()
        headers = request.headers
        right = signature("POST", request.path, headers["X-Timestamp"], headers["X-Nonce"], body)
        if headers["X-App-Id"] != APP_ID or headers["X-Signature"] != right:
            return web.Response(status=401)
        status = self.answers.pop(0) if self.answers else 200
        if status == 200:
            self.heard.append(json.loads(body))
        return web.json_response({}, status=status)

    @property
    def url(self) -> str:
        """Where it is told."""
        return f"http://127.0.0.1:{self.port}/api/v1"

    def statuses(self, order_no: str) -> list[str]:
        """What it was told of an order, each once."""
        told = {one["feedbackId"]: one for one in self.heard if one["orderNo"] == order_no}
        return [one["status"] for one in told.values()]


@contextlib.asynccontextmanager
async def hotline() -> AsyncIterator[Hotline]:
    """One that answers on loopback."""
    made = Hotline()
    app = web.Application()
    app.router.add_post("/api/v1/feedback", made.hear)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    made.port = runner.addresses[0][1]
    yield made
    await runner.cleanup()
