"""Asking one device: HTTP, signatures, and what goes wrong, as an :class:`OnvifError`.

Answers are read in pieces and within limits, so that no device can hold the loop or fill memory.
Passwords go out as digests alone: WS-Security's (signed by the device's own clock), or HTTP's where
the device asks for that.
"""

from __future__ import annotations

import asyncio
import email.utils
import secrets
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import aiohttp
import structlog

from camera_adapters.http_authentication import Credentials, parse_challenges
from camera_adapters.onvif import device
from camera_adapters.onvif.addresses import DEVICE_SERVICE_PATH, base_of, reached_service
from camera_adapters.onvif.exchange import Exchange, OnvifError, OnvifFault
from camera_adapters.onvif.password_tries import PasswordTries
from camera_adapters.onvif.soap import Request, Service, SoapFault, Token, answer_of, envelope
from camera_adapters.onvif.xml_tree import BYTES_LIMIT, Node, TreeReader, XmlError

_log = structlog.get_logger(__name__)

REQUEST_TIMEOUT_S = 10.0
_PIECE_BYTES = 32 * 1024
_PICTURE_BYTES_LIMIT = 8 * 1024 * 1024
# Below this a device's clock may have been read late; signatures are accepted for minutes.
_CLOCK_DOUBT_US = 3_000_000


@dataclass(frozen=True, slots=True)
class _Reply:
    """An HTTP answer: ``document`` is None where the body was no XML."""

    status: int
    challenges: list[str]
    date: str
    location: str
    document: Node | None
    why: str


@dataclass(slots=True)
class OnvifClient:
    """A device at ``host``:``port``. ``tries`` is shared by all who ask devices.

    ``offset_us`` is the device's clock less ours, once :meth:`read_clock` has told; ``services``
    maps services to addresses as we reach them, and is filled by :meth:`read_services`.
    """

    session: aiohttp.ClientSession
    host: str
    port: int
    username: str = ""
    password: str = field(default="", repr=False)
    path: str = DEVICE_SERVICE_PATH
    secure: bool = False
    tries: PasswordTries = field(default_factory=PasswordTries)
    now_us: Callable[[], int] = lambda: time.time_ns() // 1000
    offset_us: int | None = None
    time: device.DeviceTime | None = None
    services: dict[Service, str] = field(default_factory=dict)
    accepted: bool = False
    _credentials: Credentials | None = None
    _first: asyncio.Lock = field(default_factory=asyncio.Lock)

    @property
    def base(self) -> str:
        """``http://HOST:PORT``."""
        return base_of(self.host, self.port, secure=self.secure)

    @property
    def device_key(self) -> str:
        """By which :attr:`tries` counts."""
        return f"{self.host}:{self.port}"

    def has(self, service: Service) -> bool:
        """Whether the device offers a service."""
        return service in self.services

    async def read_clock(self) -> None:
        """Read the device's clock, without a password; from HTTP's Date where it wants one.

        Raises :class:`OnvifError` where the device cannot be reached or speaks no ONVIF.
        """
        request = device.get_system_date_and_time()
        began_us = self.now_us()
        reply = await self._post(self._url(request, ""), request, None, None, REQUEST_TIMEOUT_S)
        middle_us = (began_us + self.now_us()) // 2
        if 300 <= reply.status < 400 and self._moved_to(reply.location):
            await self.read_clock()
            return
        told_us: int | None = None
        if reply.document is not None:
            try:
                answer = answer_of(reply.document)
                self.time = device.parse_system_date_and_time(answer)
                told_us = self.time.utc_us
                # It tells whole seconds, cut off: half of one is the best guess.
                middle_us -= 500_000
            except SoapFault:
                pass
        elif reply.status != 401:
            raise OnvifError(
                OnvifFault.PROTOCOL,
                f"{self.host} answers on port {self.port}, but speaks no ONVIF there "
                f"(HTTP {reply.status}): see which port its ONVIF service has",
            )
        if told_us is None and reply.date:
            told_us = _http_date_us(reply.date)
        if told_us is not None:
            self.offset_us = told_us - middle_us

    async def read_services(self) -> None:
        """Fill :attr:`services`, from GetServices or the older GetCapabilities."""
        try:
            found = device.parse_services(await self.call(device.get_services()))
        except OnvifError as error:
            if error.code not in (OnvifFault.UNSUPPORTED, OnvifFault.DEVICE_ERROR):
                raise
            found = {}
        if not found:
            found = device.parse_capabilities(await self.call(device.get_capabilities()))
        self.services = {
            service: reached_service(address, f"{self.base}{self.path}")
            for service, address in found.items()
        }

    async def call(
        self,
        request: Request,
        *,
        address: str = "",
        timeout_s: float = REQUEST_TIMEOUT_S,
        bytes_limit: int = BYTES_LIMIT,
    ) -> Node:
        """Ask, signed where the request wants it; the answer's first element.

        ``address`` is a subscription's own, ``bytes_limit`` how large the answer may be. Raises
        :class:`OnvifError`: ``waiting`` where the password was refused twice, ``forbidden`` where
        the account may not do this one thing.
        """
        if not (request.secured and self.username):
            return await self._ask(request, address, timeout_s, bytes_limit)
        if self.accepted:
            return await self._ask(request, address, timeout_s, bytes_limit)
        # One at a time until the password is known to be right.
        async with self._first:
            return await self._ask(request, address, timeout_s, bytes_limit)

    async def picture(self, url: str) -> bytes:
        """What is at a snapshot's address. Raises :class:`OnvifError`."""
        for _ in range(2):
            headers = {}
            path = _path_of(url)
            if self._credentials is not None and self._credentials.challenge is not None:
                headers["Authorization"] = self._credentials.authorization("GET", path) or ""
            self._require_try()
            async with self._exchange("GET", url, b"", headers, REQUEST_TIMEOUT_S) as response:
                if response.status == 401 and self._accept(
                    response.headers.getall("WWW-Authenticate", [])
                ):
                    continue
                if response.status != 200:
                    raise OnvifError(
                        OnvifFault.DEVICE_ERROR, f"the device gives no picture ({response.status})"
                    )
                data = await response.content.read(_PICTURE_BYTES_LIMIT)
                while not response.content.at_eof() and len(data) < _PICTURE_BYTES_LIMIT:
                    data += await response.content.read(_PICTURE_BYTES_LIMIT - len(data))
                return data
        self._note_refused()
        raise OnvifError(OnvifFault.REFUSED, "the device refuses the password for its pictures")

    async def _ask(
        self, request: Request, address: str, timeout_s: float, bytes_limit: int
    ) -> Node:
        url = self._url(request, address)
        signed = request.secured and bool(self.username)
        clock_read = challenge_is_fresh = sent_again = False
        while True:
            if signed:
                self._require_try()
            offset_us = self.offset_us or 0
            credentials = self._credentials if signed else None
            digest = credentials is not None and credentials.challenge is not None
            token = self._token(offset_us) if signed and not digest else None
            try:
                reply = await self._post(url, request, token, credentials, timeout_s, bytes_limit)
            except OnvifError as error:
                # A connection that was kept, and that the device had just closed.
                if error.code is not OnvifFault.LOST or sent_again or _is_once(request):
                    raise
                sent_again = True
                continue
            if 300 <= reply.status < 400 and self._moved_to(reply.location):
                url = self._url(request, "")
                continue
            refused = reply.status == 401
            fault: SoapFault | None = None
            if reply.document is not None:
                try:
                    answer = answer_of(reply.document)
                    if not refused:
                        if signed:
                            self.accepted = True
                            self.tries.note_accepted(self.device_key)
                        return answer
                except SoapFault as error:
                    fault = error
                    refused = refused or error.not_authorised
            if not refused:
                raise _failure(request, reply, fault)
            if not signed:
                raise OnvifError(
                    OnvifFault.REFUSED, "the device wants a user name and password", fault
                )
            challenged = reply.status == 401 and bool(reply.challenges)
            if challenged and not digest and self._accept(reply.challenges):
                # The signature may have been read and refused, so it counts as a try.
                self._note_refused()
                challenge_is_fresh = True
                continue
            # Devices let their nonces run out, and few say that this is why they refuse.
            if challenged and digest and not challenge_is_fresh and self._accept(reply.challenges):
                challenge_is_fresh = True
                continue
            self._note_refused()
            if not digest and not clock_read:
                clock_read = True
                if await self._clock_was_wrong(offset_us):
                    continue
            if self.accepted and request.operation != "GetDeviceInformation":
                # Is it this operation that the account may not do, or was the password changed?
                await self._ask(device.get_device_information(), "", REQUEST_TIMEOUT_S, BYTES_LIMIT)
                raise OnvifError(
                    OnvifFault.FORBIDDEN,
                    f"the account {self.username!r} may not do this ({request.operation}): "
                    "give it the rights of an operator or administrator in the device",
                    fault,
                )
            raise OnvifError(
                OnvifFault.REFUSED,
                f"the device refuses the password of {self.username!r}: check both in the device, "
                "which may have accounts of their own for ONVIF",
                fault,
            )

    def _require_try(self) -> None:
        wait_s = self.tries.wait_s(self.device_key, time.monotonic())
        if wait_s:
            raise OnvifError(
                OnvifFault.WAITING,
                f"the device refused the password twice; nothing is tried for "
                f"{round(wait_s / 60) or 1} minutes, as devices lock out",
            )

    def _note_refused(self) -> None:
        self.tries.note_refused(self.device_key, time.monotonic())

    async def _clock_was_wrong(self, used_offset_us: int) -> bool:
        """Read the clock again: signed by another time, the same password may be right."""
        try:
            await self.read_clock()
        except OnvifError:
            return False
        offset_us = self.offset_us
        return offset_us is not None and abs(offset_us - used_offset_us) > _CLOCK_DOUBT_US

    def _accept(self, challenges: list[str]) -> bool:
        """Take HTTP's own digest up; never Basic, as no certificate is checked."""
        if not self.username:
            return False
        credentials = Credentials(self.username, self.password, allow_basic=False)
        if not credentials.accept(parse_challenges(challenges)):
            return False
        self._credentials = credentials
        return True

    def _token(self, offset_us: int) -> Token:
        return Token(
            self.username, self.password, secrets.token_bytes(16), self.now_us() + offset_us
        )

    def _url(self, request: Request, address: str) -> str:
        if address:
            return reached_service(address, f"{self.base}{self.path}")
        service = request.service
        if service is Service.NOTIFICATION:
            service = Service.EVENTS
        return self.services.get(service) or f"{self.base}{self.path}"

    def _moved_to(self, location: str) -> bool:
        """Follow a device from HTTP to HTTPS, once, on the same host alone: whoever could send us
        there falsely sees the same digests on the way to HTTP.
        """
        parts = urlsplit(location)
        if parts.scheme != "https" or parts.hostname != self.host or self.secure:
            return False
        self.secure, self.port = True, parts.port or 443
        self.services.clear()
        return True

    async def _post(
        self,
        url: str,
        request: Request,
        token: Token | None,
        credentials: Credentials | None,
        timeout_s: float,
        bytes_limit: int = BYTES_LIMIT,
    ) -> _Reply:
        body = envelope(request, token=token, to=url, message_id=f"urn:uuid:{uuid.uuid4()}")
        headers = {
            "Content-Type": f'application/soap+xml; charset=utf-8; action="{request.full_action}"'
        }
        if credentials is not None and token is None:
            authorization = credentials.authorization("POST", _path_of(url))
            if authorization is not None:
                headers["Authorization"] = authorization
        async with self._exchange("POST", url, body, headers, timeout_s) as response:
            document, why = await _read_document(response, bytes_limit)
            return _Reply(
                response.status,
                response.headers.getall("WWW-Authenticate", []),
                response.headers.get("Date", ""),
                response.headers.get("Location", ""),
                document,
                why,
            )

    def _exchange(
        self, method: str, url: str, body: bytes, headers: dict[str, str], timeout_s: float
    ) -> Exchange:
        return Exchange(self.session, self.host, method, url, body, headers, timeout_s)


async def _read_document(
    response: aiohttp.ClientResponse, bytes_limit: int
) -> tuple[Node | None, str]:
    reader = TreeReader(bytes_limit)
    try:
        async for piece in response.content.iter_chunked(_PIECE_BYTES):
            reader.feed(piece)
            if len(piece) == _PIECE_BYTES:
                await asyncio.sleep(0)
        return reader.close(), ""
    except XmlError as error:
        response.close()
        return None, str(error)


def _failure(request: Request, reply: _Reply, fault: SoapFault | None) -> OnvifError:
    if fault is not None:
        if fault.not_supported:
            return OnvifError(
                OnvifFault.UNSUPPORTED, f"the device does not know {request.operation}", fault
            )
        return OnvifError(
            OnvifFault.DEVICE_ERROR, f"the device refuses {request.operation}: {fault}", fault
        )
    if reply.status in (404, 405, 501):
        return OnvifError(
            OnvifFault.UNSUPPORTED,
            f"the device has nothing at this address for {request.operation} ({reply.status})",
        )
    if reply.status >= 500:
        return OnvifError(
            OnvifFault.DEVICE_ERROR, f"the device fails at {request.operation} ({reply.status})"
        )
    return OnvifError(
        OnvifFault.PROTOCOL,
        f"the answer to {request.operation} cannot be read: {reply.why or reply.status}",
    )


def _is_once(request: Request) -> bool:
    """Whether doing it twice is not the same as doing it once."""
    return request.operation in ("SystemReboot", "SetPreset", "CreatePresetTour", "RelativeMove")


def _http_date_us(value: str) -> int | None:
    try:
        return round(email.utils.parsedate_to_datetime(value).timestamp() * 1_000_000)
    except (ValueError, TypeError, OverflowError):
        return None


def _path_of(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.path or '/'}{'?' + parts.query if parts.query else ''}"
