"""What WHEP, WHIP and talking share: an SDP offer by HTTP, and failures as the API has them."""

from __future__ import annotations

from collections.abc import Mapping

from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response

OFFER_BYTES_LIMIT = 64 * 1024
SDP = "application/sdp"
ALL_METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]


def without_offer(request: Request) -> Response | None:
    """The answer to a request that cannot bring an offer; None for one that may."""
    if request.method == "OPTIONS":
        return Response(status_code=204, headers={"Accept-Post": SDP, "Allow": "POST, OPTIONS"})
    if request.method != "POST":
        return method_not_allowed("POST, OPTIONS")
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != SDP:
        message = f"send the SDP offer as Content-Type: {SDP}"
        return failure(415, "unsupported_media_type", message, {"Accept-Post": SDP})
    return None


async def read_offer(request: Request) -> str | Response:
    """The offer, or the answer to a request whose offer cannot be read."""
    received = bytearray()
    try:
        async for piece in request.stream():
            received += piece
            if len(received) > OFFER_BYTES_LIMIT:
                message = f"an offer has {OFFER_BYTES_LIMIT} bytes at most"
                return failure(413, "offer_too_large", message)
        return received.decode("utf-8")
    except (UnicodeDecodeError, ClientDisconnect):
        return failure(400, "offer_malformed", "the offer is not UTF-8 text")


def method_not_allowed(allowed: str) -> Response:
    """405."""
    return failure(405, "method_not_allowed", f"allowed here: {allowed}", {"Allow": allowed})


def failure(
    status: int, code: str, message: str, headers: Mapping[str, str] | None = None
) -> JSONResponse:
    """A failure: `code` is stable, the message says what to do."""
    body = {"error": {"code": code, "message": message, "detail": {}}}
    return JSONResponse(body, status_code=status, headers=dict(headers or {}))
