"""What WHEP, WHIP and talking share: an SDP offer by HTTP, and failures as the API has them."""

from __future__ import annotations

from collections.abc import Mapping

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

OFFER_BYTES_LIMIT = 64 * 1024
SDP = "application/sdp"
ALL_METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]


class BodyTooLarge(Exception):
    """An offer of more than OFFER_BYTES_LIMIT."""


async def read_body(request: Request) -> str:
    """The offer. Raises BodyTooLarge, UnicodeDecodeError, ClientDisconnect."""
    received = bytearray()
    async for piece in request.stream():
        received += piece
        if len(received) > OFFER_BYTES_LIMIT:
            raise BodyTooLarge
    return received.decode("utf-8")


def media_type(request: Request) -> str:
    """The Content-Type without parameters."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def method_not_allowed(allowed: str) -> Response:
    """405."""
    return failure(405, "method_not_allowed", f"allowed here: {allowed}", {"Allow": allowed})


def failure(
    status: int, code: str, message: str, headers: Mapping[str, str] | None = None
) -> JSONResponse:
    """A failure: `code` is stable, the message says what to do."""
    body = {"error": {"code": code, "message": message, "detail": {}}}
    return JSONResponse(body, status_code=status, headers=dict(headers or {}))
