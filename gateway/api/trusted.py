"""What the trust page asks by HTTPS: an answer of any kind means that the browser trusts it."""

from __future__ import annotations

from fastapi import APIRouter
from fastapi.responses import Response

from gateway.transport.trust_page import TRUSTED_PATH

router = APIRouter(include_in_schema=False)

# The page comes by plain HTTP, and so from another origin. The answer tells nothing else.
_OPEN_TO_ALL = {
    "Access-Control-Allow-Origin": "*",
    "Cross-Origin-Resource-Policy": "cross-origin",
    "Cache-Control": "no-store",
}


@router.get(TRUSTED_PATH, status_code=204)
async def trusted() -> Response:
    """Nothing, by a connection that is trusted."""
    return Response(status_code=204, headers=_OPEN_TO_ALL)
