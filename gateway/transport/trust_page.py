"""What plain HTTP answers: the page that guides to trusting the gateway, and the way to HTTPS.

Nobody signs in here, and nothing that is asked here is carried over: a request that would change
something is refused, never redirected.
"""

from __future__ import annotations

import base64
import hashlib
import html
import re
from collections.abc import Sequence
from pathlib import Path
from string import Template

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from gateway.transport.local_authority import LocalAuthority, fingerprint

AUTHORITY_FILE = "/gridsight-authority.crt"
# On HTTPS; a page elsewhere may ask it, to learn that the browser trusts the certificate.
TRUSTED_PATH = "/trusted"

_PAGE = Path(__file__).parent / "trust_page.html"
_HOST = re.compile(r"^(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9.\-]+)(:\d{1,5})?$")
_ALL_METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]


def trust_app(authority: LocalAuthority | None, names: Sequence[str], https_port: int) -> Starlette:
    """The application of the plain HTTP port. Without ``authority`` everything leads to HTTPS, and
    browsers trust what they find there.
    """
    page = _PAGE.read_text("utf-8")
    policy = _policy(page)

    async def answer(request: Request) -> Response:
        if request.method not in ("GET", "HEAD"):
            message = "plain HTTP only shows the way: send this to the https:// address"
            body = {"error": {"code": "not_allowed", "message": message, "detail": {}}}
            return JSONResponse(body, 403)
        origin = _origin(request.headers.get("host", ""), names if authority else (), https_port)
        if origin is None:
            message = "this gateway is not known by that name: see tls.names"
            body = {"error": {"code": "not_found", "message": message, "detail": {}}}
            return JSONResponse(body, 421)
        path = request.url.path
        if authority is None or path not in ("/", "/trust", AUTHORITY_FILE):
            query = f"?{request.url.query}" if request.url.query else ""
            raw_path = request.scope.get("raw_path", b"/").decode("latin-1")
            return RedirectResponse(f"{origin}/{raw_path.lstrip('/')}{query}", 307)
        if path == AUTHORITY_FILE:
            return Response(
                authority.der,
                media_type="application/x-x509-ca-cert",
                headers={
                    "Content-Disposition": 'attachment; filename="gridsight-authority.crt"',
                    "Cache-Control": "no-store",
                },
            )
        filled = Template(page).substitute(
            origin=html.escape(origin),
            authority_file=AUTHORITY_FILE,
            trusted_path=TRUSTED_PATH,
            fingerprint=fingerprint(authority.certificate),
            authority_name=html.escape(authority.certificate.subject.rfc4514_string()[3:]),
        )
        headers = {
            "Content-Security-Policy": policy.format(origin=origin),
            "Cache-Control": "no-store",
            "X-Content-Type-Options": "nosniff",
            "Referrer-Policy": "no-referrer",
        }
        return HTMLResponse(filled, headers=headers)

    return Starlette(routes=[Route("/{path:path}", answer, methods=_ALL_METHODS)])


def _origin(host: str, names: Sequence[str], https_port: int) -> str | None:
    """Where HTTPS answers under the name by which the browser came; None for a name of others."""
    matched = _HOST.match(host)
    if matched is None:
        return None
    name = matched.group(1)
    if names and name.strip("[]").lower() not in {known.lower() for known in names}:
        return None
    return f"https://{name}" + (f":{https_port}" if https_port != 443 else "")


def _policy(page: str) -> str:
    """Only what stands in the page runs; it may ask HTTPS whether it is trusted."""
    scripts = " ".join(_hashes(page, "script"))
    styles = " ".join(_hashes(page, "style"))
    return (
        f"default-src 'none'; script-src {scripts}; style-src {styles}; connect-src {{origin}}; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )


def _hashes(page: str, element: str) -> list[str]:
    found = re.findall(rf"<{element}>(.*?)</{element}>", page, re.DOTALL)
    digests = (hashlib.sha256(text.encode()).digest() for text in found)
    return [f"'sha256-{base64.b64encode(digest).decode()}'" for digest in digests]
