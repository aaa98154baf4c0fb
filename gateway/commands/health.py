"""``gridsight health``: whether the gateway here is well, for what starts and watches it."""

from __future__ import annotations

import ssl

import httpx

from gateway.settings import Settings

_PATIENCE_S = 8.0
_EVERY = {"0.0.0.0": "127.0.0.1", "::": "::1"}


def ask_health(settings: Settings) -> dict[str, str]:
    """What ``/healthz`` says of each part. Raises OSError where nobody answers."""
    listen = settings.listen
    address = _EVERY.get(listen.address, listen.address)
    host = f"[{address}]" if ":" in address else address
    scheme = "http" if settings.tls_kind == "off" else "https"
    url = f"{scheme}://{host}:{listen.port}/healthz"
    try:
        # Own address, nothing secret is said: whose certificate it is does not matter here.
        answer = httpx.get(url, verify=_any_certificate(), timeout=_PATIENCE_S, trust_env=False)
        checks = answer.json()["checks"]
    except httpx.HTTPError as error:
        raise OSError(f"the gateway does not answer at {url}: {error}") from None
    except (ValueError, KeyError, TypeError):
        raise OSError(f"something else than the gateway answers at {url}") from None
    return {str(name): str(state) for name, state in checks.items()}


def _any_certificate() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
