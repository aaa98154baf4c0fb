"""Signing in at the county's identity provider: OpenID Connect Core 1.0, authorization code flow
(§3.1) with PKCE (RFC 7636), state, nonce, and the issuer named in the answer (RFC 9207).

What is begun in one process may be finished in another: all that must be remembered meanwhile
travels sealed in a cookie of the browser that began it.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import time
import warnings
from dataclasses import asdict, dataclass
from typing import Any
from urllib.parse import urlsplit

import httpx
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from gateway.identifiers import US_PER_S, now_us
from gateway.secrets import SealError, seal, unseal
from gateway.settings import OidcSettings

with warnings.catch_warnings():
    # Authlib warns that it would rather use another package than httpx, which serves as well.
    import authlib.deprecate

    warnings.simplefilter("ignore", authlib.deprecate.AuthlibDeprecationWarning)
    from authlib.common.errors import AuthlibBaseError
    from authlib.integrations.httpx_client import AsyncOAuth2Client
    from authlib.oidc.core import CodeIDToken

PENDING_S = 600

_TIMEOUT_S = 10.0
_METADATA_S = 3600.0
# An unknown key makes us ask again, but nobody shall make us ask all the time.
_KEYS_AGAIN_S = 10.0
_LEEWAY_S = 60
# Asymmetric ones only: a public key must never serve as a shared secret.
_ALGORITHMS = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "EdDSA"]
_CONTEXT = "oidc"


class OidcError(Exception):
    """It did not work. ``code`` is ``oidc_refused``, ``oidc_unavailable`` or ``oidc_expired``."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True)
class Pending:
    """A sign-in that the browser has gone away for.

    ``link_session`` joins the identity to the account of that sign-in (its token's hash) instead of
    opening a new one. ``replaces`` and ``desk_id``: the session and the desk of the browser when it
    left; coming back from a foreign site it does not show those cookies.
    """

    state: str
    nonce: str
    code_verifier: str
    redirect_uri: str
    return_to: str
    expires_us: int
    link_session: str | None = None
    replaces: str | None = None
    desk_id: str | None = None

    def sealed(self, secret: bytes) -> str:
        """For a cookie."""
        return seal(secret, json.dumps(asdict(self)), _CONTEXT)

    @classmethod
    def unsealed(cls, secret: bytes, text: str) -> Pending:
        """The inverse of :meth:`sealed`. Raises OidcError."""
        try:
            pending = cls(**json.loads(unseal(secret, text, _CONTEXT)))
        except (SealError, ValueError, TypeError):
            raise OidcError("oidc_expired", "this sign-in was not begun here") from None
        if pending.expires_us < now_us():
            raise OidcError("oidc_expired", "this sign-in has taken too long: begin again")
        return pending


@dataclass(frozen=True, slots=True)
class Identity:
    """Who the provider says it is: ``issuer`` and ``subject`` together name them for ever."""

    issuer: str
    subject: str
    name: str
    display_name: str


class Provider:
    """One identity provider, as configured and as it describes itself."""

    def __init__(self, settings: OidcSettings) -> None:
        if settings.issuer is None:
            raise ValueError("no identity provider is configured")
        self._settings = settings
        self._issuer = settings.issuer
        self._metadata: dict[str, Any] = {}
        self._metadata_until = 0.0
        self._keys: KeySet | None = None
        self._keys_asked_at = float("-inf")
        self._lock = asyncio.Lock()

    async def begin(
        self, redirect_uri: str, return_to: str, **remembered: str | None
    ) -> tuple[str, Pending]:
        """Where to send the browser, and what to remember (the last fields of :class:`Pending`).

        Raises OidcError.
        """
        metadata = await self._describe()
        pending = Pending(
            state=secrets.token_urlsafe(24),
            nonce=secrets.token_urlsafe(24),
            code_verifier=secrets.token_urlsafe(48),
            redirect_uri=redirect_uri,
            return_to=return_to,
            expires_us=now_us() + PENDING_S * US_PER_S,
            **remembered,
        )
        async with self._client(pending) as client:
            url, _ = client.create_authorization_url(
                metadata["authorization_endpoint"],
                state=pending.state,
                nonce=pending.nonce,
                code_verifier=pending.code_verifier,
            )
        return str(url), pending

    async def finish(self, pending: Pending, answer: dict[str, str]) -> Identity:
        """Who came back with this ``answer`` (the callback's query). Raises OidcError."""
        if not secrets.compare_digest(answer.get("state", "").encode(), pending.state.encode()):
            raise OidcError("oidc_refused", "the answer belongs to another sign-in")
        metadata = await self._describe()
        # RFC 9207 §2.4: an answer from elsewhere must not be taken here.
        named = answer.get("iss")
        announced = metadata.get("authorization_response_iss_parameter_supported", False)
        if (named is not None or announced) and named != self._issuer:
            raise OidcError("oidc_refused", "the answer comes from another issuer")
        if "code" not in answer:
            raise OidcError(
                "oidc_refused", f"the provider refused: {answer.get('error', 'no code')[:100]}"
            )
        try:
            async with self._client(pending) as client:
                tokens = await client.fetch_token(
                    metadata["token_endpoint"],
                    grant_type="authorization_code",
                    code=answer["code"],
                    code_verifier=pending.code_verifier,
                )
        except AuthlibBaseError as error:
            raise OidcError("oidc_refused", f"the provider refused the code: {error}") from None
        except (httpx.HTTPError, ValueError) as error:
            raise _unavailable(error) from None
        claims = await self._verified(tokens, pending)
        name = claims.get(self._settings.name_claim)
        shown = claims.get("name")
        return Identity(
            self._issuer,
            str(claims["sub"])[:255],
            name if isinstance(name, str) else "",
            shown[:200] if isinstance(shown, str) else "",
        )

    async def _verified(self, tokens: dict[str, Any], pending: Pending) -> CodeIDToken:
        """The claims of the ID token (OpenID Connect Core §3.1.3.7)."""
        encoded = tokens.get("id_token")
        if not isinstance(encoded, str):
            raise OidcError("oidc_refused", "the provider sent no ID token")
        try:
            token = await self._decode(encoded)
            claims = CodeIDToken(
                token.claims,
                token.header,
                options={
                    "iss": {"essential": True, "value": self._issuer},
                    "aud": {"essential": True, "value": self._settings.client_id},
                    "sub": {"essential": True},
                },
                params={
                    "nonce": pending.nonce,
                    "client_id": self._settings.client_id,
                    "access_token": tokens.get("access_token"),
                },
            )
            claims.validate(leeway=_LEEWAY_S)
        except (JoseError, AuthlibBaseError, ValueError, KeyError) as error:
            raise OidcError("oidc_refused", f"the ID token cannot be accepted: {error}") from None
        return claims

    async def _decode(self, encoded: str) -> jwt.Token:
        try:
            return jwt.decode(encoded, await self._key_set(), algorithms=_ALGORITHMS)
        except (JoseError, ValueError):
            # The provider may have changed its keys since.
            return jwt.decode(encoded, await self._key_set(again=True), algorithms=_ALGORITHMS)

    async def _describe(self) -> dict[str, Any]:
        """The provider's metadata (OpenID Connect Discovery 1.0 §4), kept for an hour."""
        async with self._lock:
            if time.monotonic() < self._metadata_until:
                return self._metadata
            url = self._issuer.rstrip("/") + "/.well-known/openid-configuration"
            found = await self._get(url)
            if found.get("issuer") != self._issuer:
                raise OidcError(
                    "oidc_unavailable", "the provider calls itself otherwise than oidc.issuer does"
                )
            for name in ("authorization_endpoint", "token_endpoint", "jwks_uri"):
                _require_safe(str(found.get(name, "")))
            self._metadata, self._metadata_until = found, time.monotonic() + _METADATA_S
            return found

    async def _key_set(self, *, again: bool = False) -> KeySet:
        metadata = await self._describe()
        async with self._lock:
            due = again and time.monotonic() - self._keys_asked_at > _KEYS_AGAIN_S
            if self._keys is None or due:
                self._keys_asked_at = time.monotonic()
                found = await self._get(metadata["jwks_uri"])
                try:
                    self._keys = KeySet.import_key_set(found)  # type: ignore[arg-type]
                except (JoseError, ValueError, KeyError, TypeError) as error:
                    raise _unavailable(error) from None
            return self._keys

    async def _get(self, url: str) -> dict[str, Any]:
        _require_safe(url)
        try:
            async with httpx.AsyncClient(**self._transport()) as client:
                response = await client.get(url)
                response.raise_for_status()
                found = response.json()
        except (httpx.HTTPError, ValueError, OSError) as error:
            raise _unavailable(error) from None
        if not isinstance(found, dict):
            raise OidcError("oidc_unavailable", "the identity provider's answer is no object")
        return found

    def _client(self, pending: Pending) -> AsyncOAuth2Client:
        secret = self._settings.client_secret
        methods = self._metadata.get("token_endpoint_auth_methods_supported", [])
        method = "client_secret_basic"
        if secret is None:
            method = "none"
        elif "client_secret_basic" not in methods and "client_secret_post" in methods:
            method = "client_secret_post"
        return AsyncOAuth2Client(
            self._settings.client_id,
            None if secret is None else secret.get_secret_value(),
            token_endpoint_auth_method=method,
            scope=" ".join(self._settings.scopes),
            redirect_uri=pending.redirect_uri,
            code_challenge_method="S256",
            **self._transport(),
        )

    def _transport(self) -> dict[str, Any]:
        ca_file = self._settings.ca_file
        return {
            "timeout": _TIMEOUT_S,
            "trust_env": False,
            "verify": str(ca_file) if ca_file is not None else True,
        }


def _require_safe(url: str) -> None:
    """Codes and secrets travel by TLS; only this machine may be asked without."""
    parts = urlsplit(url)
    local = parts.hostname in ("127.0.0.1", "::1", "localhost")
    if parts.scheme != "https" and not (parts.scheme == "http" and local):
        raise OidcError("oidc_unavailable", "the identity provider has an address without TLS")


def _unavailable(error: Exception) -> OidcError:
    return OidcError(
        "oidc_unavailable",
        f"the identity provider cannot be asked just now: {type(error).__name__}: {error}"[:300],
    )
