"""JPEG pictures as answers, and out of the store."""

from __future__ import annotations

from fastapi.responses import Response

from gateway.api.errors import not_found, unavailable
from gateway.api.services import Services
from recorder.stores import StoreError


async def stored_picture(services: Services, key: str, offset: int, size_bytes: int) -> bytes:
    """A picture that lies in an object of the store. Raises ApiError 404, 503."""
    try:
        return await services.storage.store.read(key, offset, size_bytes)
    except StoreError as error:
        if error.code == "not_found":
            raise not_found("picture") from None
        raise unavailable(f"the store does not answer: {error}") from None


def jpeg_answer(data: bytes) -> Response:
    """Shown where it is asked for, and kept by nobody: each look is on record."""
    return Response(
        data,
        media_type="image/jpeg",
        headers={
            "Cache-Control": "no-store",
            "Content-Disposition": "inline",
            "X-Content-Type-Options": "nosniff",
        },
    )
