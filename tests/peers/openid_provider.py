"""A small OpenID Connect provider: discovery, authorization code flow with PKCE, RS256.

It keeps to the standard as Keycloak and its kin do: a code is good once and only with the verifier
of its challenge, for the client and the address it was given to. ``spoil`` lets a test have it
answer as a provider never should.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import secrets
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from functools import cache
from typing import Any
from urllib.parse import parse_qsl, urlencode

import uvicorn
from joserfc import jwt
from joserfc.jwk import RSAKey
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

CLIENT_ID = "gridsight"
CLIENT_SECRET = "the county's secret"


@cache
def _first_key() -> RSAKey:
    """Made once: it takes a while."""
    return RSAKey.generate_key(2048)


@dataclass
class OpenIdProvider:
    """Who signs in next is ``subject`` with ``claims``."""

    port: int
    subject: str = "248289761001"
    claims: dict[str, Any] = field(default_factory=lambda: {"preferred_username": "wang"})
    # Claims of the ID token to be replaced; None leaves one out.
    spoil: dict[str, Any] = field(default_factory=dict)
    denies: bool = False
    key: RSAKey = field(default_factory=lambda: _first_key())
    published: RSAKey | None = None
    codes: dict[str, dict[str, str]] = field(default_factory=dict)
    asked: list[dict[str, str]] = field(default_factory=list)

    @property
    def issuer(self) -> str:
        return f"http://127.0.0.1:{self.port}/realms/county"

    def replace_key(self) -> None:
        """Keys are rotated: what is signed from now on needs the new one."""
        self.key = RSAKey.generate_key(2048)

    async def discovery(self, _: Request) -> Response:
        return JSONResponse(
            {
                "issuer": self.issuer,
                "authorization_endpoint": f"{self.issuer}/authorize",
                "token_endpoint": f"{self.issuer}/token",
                "jwks_uri": f"{self.issuer}/certs",
                "response_types_supported": ["code"],
                "subject_types_supported": ["public"],
                "id_token_signing_alg_values_supported": ["RS256"],
                "token_endpoint_auth_methods_supported": ["client_secret_basic"],
                "code_challenge_methods_supported": ["S256"],
                "authorization_response_iss_parameter_supported": True,
            }
        )

    async def certs(self, _: Request) -> Response:
        key = self.published or self.key
        return JSONResponse({"keys": [key.as_dict(private=False, kid=key.thumbprint(), use="sig")]})

    async def authorize(self, request: Request) -> Response:
        asked = dict(request.query_params)
        self.asked.append(asked)
        if asked["client_id"] != CLIENT_ID or asked["code_challenge_method"] != "S256":
            return JSONResponse({"error": "invalid_request"}, 400)
        answer = {"state": asked["state"], "iss": self.issuer}
        if self.denies:
            answer["error"] = "access_denied"
        else:
            answer["code"] = secrets.token_urlsafe(24)
            self.codes[answer["code"]] = asked
        return RedirectResponse(f"{asked['redirect_uri']}?{urlencode(answer)}", 302)

    async def token(self, request: Request) -> Response:
        form = dict(parse_qsl((await request.body()).decode()))
        basic = base64.b64encode(
            f"{CLIENT_ID}:{CLIENT_SECRET}".replace("'", "%27").replace(" ", "+").encode()
        ).decode()
        plain = base64.b64encode(f"{CLIENT_ID}:{CLIENT_SECRET}".encode()).decode()
        if request.headers.get("authorization") not in (f"Basic {basic}", f"Basic {plain}"):
            return JSONResponse({"error": "invalid_client"}, 401)
        asked = self.codes.pop(str(form.get("code")), None)
        digest = hashlib.sha256(str(form.get("code_verifier")).encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
        if (
            asked is None
            or asked["code_challenge"] != challenge
            or asked["redirect_uri"] != form.get("redirect_uri")
        ):
            return JSONResponse({"error": "invalid_grant"}, 400)
        now = int(time.time())
        claims = {
            "iss": self.issuer,
            "sub": self.subject,
            "aud": CLIENT_ID,
            "exp": now + 300,
            "iat": now,
            "nonce": asked["nonce"],
            **self.claims,
            **self.spoil,
        }
        claims = {name: value for name, value in claims.items() if value is not None}
        header = {"alg": "RS256", "kid": self.key.thumbprint()}
        return JSONResponse(
            {
                "access_token": secrets.token_urlsafe(24),
                "token_type": "Bearer",
                "expires_in": 300,
                "id_token": jwt.encode(header, claims, self.key),
            }
        )

    def app(self) -> Starlette:
        base = "/realms/county"
        return Starlette(
            routes=[
                Route(f"{base}/.well-known/openid-configuration", self.discovery),
                Route(f"{base}/certs", self.certs),
                Route(f"{base}/authorize", self.authorize),
                Route(f"{base}/token", self.token, methods=["POST"]),
            ]
        )


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Any:
        yield


@contextlib.asynccontextmanager
async def running_provider(port: int) -> AsyncIterator[OpenIdProvider]:
    """A provider that answers on a port of loopback."""
    provider = OpenIdProvider(port)
    server = _Server(
        uvicorn.Config(
            provider.app(), host="127.0.0.1", port=port, log_level="warning", lifespan="off"
        )
    )
    serving = asyncio.create_task(server.serve())
    while not server.started:
        if serving.done():
            await serving
        await asyncio.sleep(0.01)
    try:
        yield provider
    finally:
        server.should_exit = True
        await serving
