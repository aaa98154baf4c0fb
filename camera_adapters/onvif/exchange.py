"""One HTTP request to a device, and what can go wrong on the way, as an :class:`OnvifError`."""

from __future__ import annotations

import enum
import errno
import socket
import ssl
from urllib.parse import urlsplit

import aiohttp

from camera_adapters.onvif.soap import SoapFault

CONNECT_TIMEOUT_S = 10.0


class OnvifFault(enum.StrEnum):
    """Why a device cannot be asked, or does not do what was asked; stable."""

    UNRESOLVED = "unresolved"
    UNREACHABLE = "unreachable"
    CLOSED_PORT = "closed_port"
    TIMED_OUT = "timed_out"
    LOST = "lost"
    REFUSED = "refused"
    WAITING = "waiting"
    FORBIDDEN = "forbidden"
    UNSUPPORTED = "unsupported"
    DEVICE_ERROR = "device_error"
    PROTOCOL = "protocol"


class OnvifError(Exception):
    """``str()`` is one English line without credentials, that says what to do where that helps."""

    def __init__(self, code: OnvifFault, line: str, fault: SoapFault | None = None) -> None:
        super().__init__(line)
        self.code = code
        self.fault = fault

    @property
    def is_about_the_way(self) -> bool:
        """Whether the device could not be reached, or was lost on the way."""
        return self.code in (
            OnvifFault.UNRESOLVED,
            OnvifFault.UNREACHABLE,
            OnvifFault.CLOSED_PORT,
            OnvifFault.TIMED_OUT,
            OnvifFault.LOST,
        )


def is_secure_port(port: int) -> bool:
    """Whether HTTPS is spoken on a port by custom; a device is asked in that way then."""
    return port in (443, 8443)


def create_session() -> aiohttp.ClientSession:
    """One for all devices; close it at the end. Their certificates are not checked: they are of
    their own making, and the password never goes out but as a digest.
    """
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0, ssl=context, ttl_dns_cache=60),
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
        headers={"Accept-Encoding": "identity", "User-Agent": "gridsight"},
    )


class Exchange:
    """One request and its response, with aiohttp's errors translated, also while it is read."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        host: str,
        method: str,
        url: str,
        body: bytes,
        headers: dict[str, str],
        timeout_s: float,
    ) -> None:
        self._host = host
        self._url = url
        self._timeout_s = timeout_s
        self._context = session.request(
            method,
            url,
            data=body or None,
            headers=headers,
            allow_redirects=False,
            timeout=aiohttp.ClientTimeout(total=timeout_s, sock_connect=CONNECT_TIMEOUT_S),
        )

    async def __aenter__(self) -> aiohttp.ClientResponse:
        try:
            return await self._context.__aenter__()
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            raise self._translated(error) from None

    async def __aexit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        await self._context.__aexit__(None, None, None)
        if isinstance(error, OnvifError):
            return
        if isinstance(error, aiohttp.ClientError | TimeoutError | OSError):
            raise self._translated(error) from None

    def _translated(self, error: Exception) -> OnvifError:
        host = self._host
        if isinstance(error, aiohttp.ClientConnectorDNSError | socket.gaierror):
            return OnvifError(OnvifFault.UNRESOLVED, f"the name {host} does not resolve")
        if isinstance(error, aiohttp.ClientConnectorError):
            if error.os_error.errno == errno.ECONNREFUSED:
                return OnvifError(
                    OnvifFault.CLOSED_PORT,
                    f"nothing answers on port {_port_of(self._url)} of {host}: see which port its "
                    "ONVIF service has, and whether ONVIF is switched on in the device",
                )
            return OnvifError(OnvifFault.UNREACHABLE, f"{host} cannot be reached")
        if isinstance(error, aiohttp.ConnectionTimeoutError):
            return OnvifError(OnvifFault.UNREACHABLE, f"{host} does not answer")
        if isinstance(error, TimeoutError):
            return OnvifError(
                OnvifFault.TIMED_OUT, f"{host} gives no answer within {self._timeout_s:.0f} s"
            )
        if isinstance(error, aiohttp.ServerDisconnectedError | ConnectionError):
            return OnvifError(OnvifFault.LOST, f"{host} closed the connection")
        if isinstance(error, aiohttp.ClientPayloadError):
            return OnvifError(OnvifFault.LOST, f"{host} broke its answer off")
        return OnvifError(
            OnvifFault.PROTOCOL, f"{host} does not speak HTTP as it should ({type(error).__name__})"
        )


def _port_of(url: str) -> int:
    parts = urlsplit(url)
    return parts.port or (443 if parts.scheme == "https" else 80)
