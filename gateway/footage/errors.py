"""What goes wrong, as docs/http-api.md gives it to browsers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import structlog
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from camera_adapters.codecs import CodecError
from gateway.footage.download import FormatChanges
from gateway.footage.fragments import RangeError
from gateway.footage.reader import FootageGone, FootageUnreadable
from gateway.footage.sessions import SessionRefused
from gateway.footage.transcoding import TranscodeQueued
from gateway.transcoder.errors import TranscodeError
from recorder.fmp4.reader import Mp4Error
from recorder.gop_index import GopIndexError

_log = structlog.get_logger(__name__)

Endpoint = Callable[[Request], Awaitable[Response]]


class BadParameter(Exception):
    """A query or path parameter cannot be used."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f"{name}: {reason}")
        self.name = name
        self.reason = reason


def error_response(
    status: int, code: str, message: str, detail: dict[str, Any] | None = None
) -> JSONResponse:
    """The one form of errors."""
    body = {"error": {"code": code, "message": message, "detail": detail or {}}}
    headers = {"Cache-Control": "no-store"}
    if status == 503:
        headers["Retry-After"] = "1"
    return JSONResponse(body, status, headers)


def response_for(error: Exception) -> JSONResponse | None:
    """The answer to an expected failure; None for what is a fault of ours."""
    match error:
        case SessionRefused():
            return error_response(error.status, error.code, str(error))
        case FootageGone():
            return error_response(404, "not_found", str(error))
        case BadParameter():
            return error_response(
                422, "invalid", str(error), {"fields": {error.name: error.reason}}
            )
        case RangeError():
            return error_response(422, "invalid", str(error))
        case FormatChanges():
            return error_response(409, "format_changes", str(error), {"parts": error.parts})
        case TranscodeQueued():
            detail = {"position": error.position, "length": error.length}
            return error_response(503, "queued", str(error), detail)
        case TranscodeError(code="undecodable" | "unsupported"):
            return error_response(422, "undecodable", str(error))
        case FootageUnreadable() | TranscodeError():
            return error_response(503, "unavailable", str(error))
        case Mp4Error() | CodecError() | GopIndexError():
            message = f"this footage is damaged ({error}): run `gridsight check`"
            return error_response(500, "damaged", message)
    return None


def with_errors(endpoint: Endpoint) -> Endpoint:
    """The endpoint, whose failures become answers. What is unexpected is logged, not shown."""

    async def guarded(request: Request) -> Response:
        try:
            return await endpoint(request)
        except Exception as error:
            answer = response_for(error)
            if answer is None:
                _log.exception("a footage request failed", path=request.url.path)
                answer = error_response(
                    500, "internal", "this is a fault of the gateway: see its log"
                )
            return answer

    return guarded
