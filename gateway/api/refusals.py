"""What was refused: who wanted what and where is on record; who guesses is told to wait."""

from __future__ import annotations

import structlog
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse

from gateway.api.access import client_address
from gateway.api.errors import AccessRefused, ApiError, respond, unavailable
from gateway.api.opening import too_many
from gateway.api.services import Services
from gateway.audit import AuditRecord, append
from gateway.cameras import Camera
from gateway.people.passwords import TooBusy
from gateway.people.sign_in import TooManyAttempts

_log = structlog.get_logger(__name__)


def install_refusal_handler(app: FastAPI) -> None:
    """Record each refusal of ``authorize()`` before it is answered, and answer those of whoever
    checks passwords and codes.
    """

    @app.exception_handler(TooManyAttempts)
    async def _too_many(_: Request, error: TooManyAttempts) -> JSONResponse:
        return respond(too_many(error))

    @app.exception_handler(TooBusy)
    async def _too_busy(_: Request, error: TooBusy) -> JSONResponse:
        return respond(unavailable(str(error)))

    @app.exception_handler(AccessRefused)
    async def _refused(request: Request, error: AccessRefused) -> JSONResponse:
        services: Services = request.app.state.services
        principal, place = error.principal, error.place
        # A flood of tries must not flood the register: each kind once a minute.
        if services.refused_accesses.is_first(
            principal.user_id, error.right, place.area_path, request.method
        ):
            record = AuditRecord(
                "access.refused",
                user_id=principal.user_id,
                user_name=principal.name,
                address=client_address(request),
                camera_id=place.id if isinstance(place, Camera) else None,
                area_path=place.area_path or None,
                detail={
                    "right": error.right,
                    "method": request.method,
                    "path": request.url.path[:200],
                    "answer": error.code,
                },
            )
            try:
                await append(services.rows, [record])
            except Exception as failure:
                # Refused it is all the same.
                _log.error("a refusal could not be recorded", why=str(failure))
        return respond(ApiError(error.status, error.code, str(error), error.detail))
