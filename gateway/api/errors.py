"""Errors as the console sees them: a stable code, a sentence, details; no stack, no secret."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from gateway.control.channel import ControlError
from gateway.people.authorize import Place, Principal
from gateway.people.roles import Right
from recorder.rows import RowError

_log = structlog.get_logger(__name__)

_CODES = {
    400: "invalid",
    401: "sign_in_required",
    403: "not_allowed",
    404: "not_found",
    405: "not_found",
    409: "conflict",
    413: "too_large",
    415: "invalid",
    422: "invalid",
    503: "unavailable",
}
_ROW_STATUS = {
    "not_found": 404,
    "conflict": 409,
    "area_has_areas": 409,
    "area_has_cameras": 409,
    "area_has_footage": 409,
    "area_has_users": 409,
    "changed_meanwhile": 409,
    "code_taken": 409,
    "number_taken": 409,
    "code_characters": 422,
    "code_digits": 422,
    "code_length": 422,
    "code_province": 422,
    "code_levels": 422,
    "name_taken": 409,
    "last_admin": 409,
    "totp_enrolled": 409,
    "identity_taken": 409,
    "handover_waiting": 409,
    "case_closed": 409,
    "case_number_taken": 409,
    "last_lead": 409,
    "own_request": 403,
    "not_member": 403,
    "not_requester": 403,
    "request_decided": 409,
    "not_in_force": 409,
    "review_pending": 409,
    "request_not_usable": 409,
    "meeting_over": 409,
    "meeting_started": 409,
    "meeting_not_running": 409,
    "meeting_locked": 403,
    "removed": 403,
    "last_chair": 409,
    "too_many": 409,
    "roll_call_on": 409,
    "roll_call_over": 409,
    "full_sign_in_required": 403,
    "code_used": 422,
    "wrong_code": 422,
    "invalid": 422,
}


class ApiError(Exception):
    """An answer other than success."""

    def __init__(
        self, status: int, code: str, message: str, detail: dict[str, Any] | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.detail = detail or {}


class AccessRefused(ApiError):
    """What ``authorize()`` refused: who wanted what (None: to know of it at all), where. It is put
    into the register.
    """

    def __init__(
        self, refusal: ApiError, principal: Principal, right: Right | None, place: Place
    ) -> None:
        super().__init__(refusal.status, refusal.code, str(refusal), refusal.detail)
        self.principal = principal
        self.right = right
        self.place = place


def not_found(what: str) -> ApiError:
    """404: it is not there, or the caller may not know of it."""
    return ApiError(404, "not_found", f"there is no such {what}")


def invalid(**field_reasons: str) -> ApiError:
    """422 with a reason for each field."""
    return ApiError(422, "invalid", "some fields cannot be accepted", {"fields": field_reasons})


def unavailable(message: str) -> ApiError:
    """503: try again soon."""
    return ApiError(503, "unavailable", message)


def respond(error: ApiError) -> JSONResponse:
    """The error as a response."""
    body = {"error": {"code": error.code, "message": str(error), "detail": error.detail}}
    headers = {}
    if "retry_after_s" in error.detail:
        headers["Retry-After"] = str(error.detail["retry_after_s"])
    return JSONResponse(body, error.status, headers)


def install_error_handlers(app: FastAPI) -> None:
    """Give every failure the one form."""

    @app.exception_handler(ApiError)
    async def _api(_: Request, error: ApiError) -> JSONResponse:
        return respond(error)

    @app.exception_handler(RequestValidationError)
    async def _validation(_: Request, error: RequestValidationError) -> JSONResponse:
        fields = {}
        for fault in error.errors():
            # ("body", "main_url"): the first part says where, the rest which field.
            name = ".".join(str(part) for part in fault["loc"][1:]) or str(fault["loc"][0])
            fields[name] = fault["msg"].removeprefix("Value error, ")
        return respond(invalid(**fields))

    @app.exception_handler(HTTPException)
    async def _http(_: Request, error: HTTPException) -> JSONResponse:
        code = _CODES.get(error.status_code, "failed")
        return respond(ApiError(error.status_code, code, str(error.detail)))

    @app.exception_handler(RowError)
    async def _row(_: Request, error: RowError) -> JSONResponse:
        status = _ROW_STATUS.get(error.code, 500)
        return respond(ApiError(status, error.code, str(error)))

    @app.exception_handler(sa.exc.DataError)
    async def _value(request: Request, error: sa.exc.DataError) -> JSONResponse:
        # PostgreSQL's text holds no NUL, and its numbers end where SQLite's do not.
        _log.warning("a value cannot be looked for", path=request.url.path, why=str(error.orig))
        return respond(ApiError(422, "invalid", "a character or number here cannot be stored"))

    async def _away(request: Request, error: Exception) -> JSONResponse:
        _log.warning("request could not be served", path=request.url.path, why=str(error))
        return respond(unavailable("a part of the gateway is being restarted: try again"))

    for kind in (ConnectionError, TimeoutError, ControlError, sa.exc.OperationalError):
        app.add_exception_handler(kind, _away)

    @app.exception_handler(Exception)
    async def _any(request: Request, error: Exception) -> JSONResponse:
        _log.error("request failed", path=request.url.path, exc_info=error)
        return respond(ApiError(500, "failed", "this failed inside the gateway; the log says why"))
