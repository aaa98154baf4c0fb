"""One GET that may go on for ever: redirects bounded, credentials answered, errors in words."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import AsyncIterator
from urllib.parse import urljoin, urlsplit

import aiohttp
from yarl import URL

from camera_adapters.http_authentication import Credentials, parse_challenges
from camera_adapters.redaction import redact
from camera_adapters.retrying import Ending

CONNECT_TIMEOUT_S = 10.0
REDIRECTS_LIMIT = 5
# The keep-alive of small text answers, such as playlists.
_TEXT_LIMIT = 1024 * 1024


class FetchFailed(Exception):
    """A request came to nothing; ``ending`` says how."""

    def __init__(self, ending: Ending) -> None:
        super().__init__(ending.line)
        self.ending = ending


def open_client(read_timeout_s: float) -> aiohttp.ClientSession:
    """A session for one attempt. No environment proxy, no cookies from elsewhere."""
    return aiohttp.ClientSession(
        timeout=aiohttp.ClientTimeout(
            total=None, sock_connect=CONNECT_TIMEOUT_S, sock_read=read_timeout_s
        ),
        auto_decompress=False,
        trust_env=False,
        max_line_size=16 * 1024,
        max_field_size=16 * 1024,
        read_bufsize=256 * 1024,
    )


@contextlib.asynccontextmanager
async def get(
    session: aiohttp.ClientSession,
    url: str,
    credentials: Credentials | None = None,
    headers: dict[str, str] | None = None,
    *,
    origin: str = "",
) -> AsyncIterator[aiohttp.ClientResponse]:
    """The answer to a GET, its body still to be read. Raises FetchFailed.

    Redirects lead only to http and https, at most REDIRECTS_LIMIT of them. ``credentials`` are for
    the server of ``origin``, the camera's own address (``url`` where it is left out), and go
    nowhere else: not to where it redirects, nor to what its playlists name. A challenge is answered
    once.
    """
    first = url
    answered = False
    for _ in range(REDIRECTS_LIMIT + 2):
        sent = dict(headers or {})
        known = credentials if _is_theirs(url, origin or first) else None
        parts = urlsplit(url)
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        if known is not None and (field := known.authorization("GET", target)):
            sent["Authorization"] = field
        response = await _request(session, url, sent)
        try:
            if response.status == 401 and known is not None and not answered:
                answered = True
                challenges = parse_challenges(response.headers.getall("WWW-Authenticate", []))
                if known.accept(challenges):
                    continue
            if response.status in (301, 302, 303, 307, 308):
                url = _target(url, response.headers.get("Location", ""))
                continue
            _check_status(response, known)
            yield response
            return
        finally:
            response.close()
    raise FetchFailed(Ending("protocol", "the server redirects in a circle"))


async def get_text(
    session: aiohttp.ClientSession,
    url: str,
    credentials: Credentials | None = None,
    *,
    origin: str = "",
) -> tuple[str, str]:
    """The text of a small answer, and the address where it finally lay. Raises FetchFailed."""
    async with get(session, url, credentials, origin=origin) as response:
        return (await read_limited(response, _TEXT_LIMIT)).decode("utf-8", "replace"), str(
            response.url
        )


async def read_limited(response: aiohttp.ClientResponse, limit: int) -> bytes:
    """The whole body. Raises FetchFailed when it is longer than ``limit``, or breaks off."""
    body = bytearray()
    try:
        async for chunk in response.content.iter_any():
            body += chunk
            if len(body) > limit:
                raise FetchFailed(Ending("protocol", f"an answer is longer than {limit} bytes"))
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        raise FetchFailed(Ending("lost", f"the server broke off: {_words(error)}")) from None
    return bytes(body)


async def _request(
    session: aiohttp.ClientSession, url: str, headers: dict[str, str]
) -> aiohttp.ClientResponse:
    host = urlsplit(url).hostname or ""
    try:
        return await session.get(URL(url, encoded=True), headers=headers, allow_redirects=False)
    except aiohttp.ClientConnectorError as error:
        raise FetchFailed(_unreachable(error, host)) from None
    except TimeoutError:
        raise FetchFailed(Ending("unreachable", f"{host} does not answer")) from None
    except (aiohttp.ClientError, OSError) as error:
        raise FetchFailed(Ending("lost", f"{host}: {_words(error)}")) from None
    except ValueError as error:
        raise FetchFailed(Ending("bad_address", f"the address cannot be used: {error}")) from None


def _unreachable(error: aiohttp.ClientConnectorError, host: str) -> Ending:
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return Ending("protocol", f"the certificate of {host} is not trusted")
    if isinstance(error, aiohttp.ClientSSLError):
        return Ending("protocol", f"{host} does not do TLS there")
    cause = error.os_error
    if isinstance(cause, socket.gaierror) or isinstance(error, aiohttp.ClientConnectorDNSError):
        return Ending("unresolved", f"the name {host} does not resolve")
    if isinstance(cause, ConnectionRefusedError) or cause.errno == 111:
        return Ending("closed_port", f"port {error.port} of {host} is closed")
    return Ending("unreachable", f"{host} cannot be reached ({_words(cause)})")


def _is_theirs(url: str, origin: str) -> bool:
    """The same server; or the same host by TLS, whose certificate is checked. Behind one address
    other devices may have other ports.
    """
    to, of = URL(url, encoded=True), URL(origin, encoded=True)
    return to.host == of.host and (
        (to.scheme, to.port) == (of.scheme, of.port) or (to.scheme, of.scheme) == ("https", "http")
    )


def _target(url: str, location: str) -> str:
    target = urljoin(url, location)
    parts = urlsplit(target)
    if not location or parts.scheme not in ("http", "https") or not parts.hostname:
        where = redact(location)[:200]
        raise FetchFailed(Ending("protocol", f"the server redirects to {where!r}"))
    return target


def _check_status(response: aiohttp.ClientResponse, credentials: Credentials | None) -> None:
    status = response.status
    if status < 300:
        return
    if status == 401:
        line = (
            "the server refuses user and password"
            if credentials is not None
            else "the server wants a user and a password"
        )
        raise FetchFailed(Ending("refused", line))
    code = {403: "forbidden", 404: "not_found", 410: "not_found"}.get(status, "server_error")
    raise FetchFailed(Ending(code, f"the server answers {status} {response.reason or ''}".strip()))


def _words(error: BaseException) -> str:
    return redact(str(error)) or type(error).__name__
