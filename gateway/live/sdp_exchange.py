"""What all share who answer SDP offers: reading them, who asks, failures as the API has them."""

from __future__ import annotations

from collections.abc import Mapping

from starlette.requests import ClientDisconnect, HTTPConnection, Request
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


def client_address(connection: HTTPConnection) -> str | None:
    """From where it asks, as the API passed it on: which of our addresses its answer names."""
    return connection.client.host if connection.client is not None else None


def bearer_token(request: Request) -> str | None:
    """What ``Authorization: Bearer`` carries (RFC 6750 §2.1); None without one."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip() or None if scheme.lower() == "bearer" else None


def bearer_wanted(code: str, message: str) -> Response:
    """401, to who brought none."""
    return failure(401, code, message, {"WWW-Authenticate": "Bearer"})


def created(
    request: Request, resource_id: str, answer: str, headers: Mapping[str, str] | None = None
) -> Response:
    """201 with the answer (RFC 9725 §4.2). ``Location`` is relative, so any prefix will do."""
    last_step = request.url.path.rstrip("/").rpartition("/")[2]
    located = {"Location": f"{last_step}/{resource_id}", "Cache-Control": "no-store"}
    return Response(answer, status_code=201, media_type=SDP, headers={**located, **(headers or {})})


def without_deletion(request: Request) -> Response | None:
    """The answer to a request for a session that is not its end; None for DELETE."""
    if request.method == "OPTIONS":
        return Response(status_code=204, headers={"Allow": "DELETE, OPTIONS"})
    # PATCH too: every candidate is in the answer, and ICE restarts are a new POST
    # (RFC 9725 §4.3: a server without trickle and restart answers 405).
    return None if request.method == "DELETE" else method_not_allowed("DELETE, OPTIONS")


def method_not_allowed(allowed: str) -> Response:
    """405."""
    return failure(405, "method_not_allowed", f"allowed here: {allowed}", {"Allow": allowed})


def failure(
    status: int, code: str, message: str, headers: Mapping[str, str] | None = None
) -> JSONResponse:
    """A failure: `code` is stable, the message says what to do."""
    body = {"error": {"code": code, "message": message, "detail": {}}}
    return JSONResponse(body, status_code=status, headers=dict(headers or {}))
