"""Cookies: never for scripts, never for other sites, by TLS only where there is TLS."""

from __future__ import annotations

from typing import Literal

from fastapi import Response
from starlette.requests import HTTPConnection

DESK_COOKIE = "gridsight_desk"
DEVICE_COOKIE = "gridsight_device"
OIDC_COOKIE = "gridsight_oidc"


def set_cookie(
    connection: HTTPConnection,
    response: Response,
    name: str,
    value: str,
    *,
    max_age_s: int,
    path: str = "/",
    same_site: Literal["strict", "lax"] = "strict",
) -> None:
    """Have the browser keep it."""
    response.set_cookie(
        name,
        value,
        max_age=max_age_s,
        path=path,
        httponly=True,
        samesite=same_site,
        secure=connection.url.scheme == "https",
    )
