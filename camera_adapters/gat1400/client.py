"""The client's half of GA/T 1400.4: requests in order, digests answered. No socket.

For a registration upwards, and for what is asked of a view library below.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from camera_adapters.gat1400.answers import ResponseStatus, read_statuses
from camera_adapters.gat1400.body import CONTENT_TYPE, BodyError, read_body, write_body
from camera_adapters.gat1400.codes import Status
from camera_adapters.http_authentication import Credentials, parse_challenges


class RefusedByPeer(Exception):
    """The other side does not do it. ``code``: ``password``, ``refused``, ``answer``."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True)
class Request:
    """What is to be sent."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes | None = field(repr=False)
    authorized: bool = False


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back, of a request that was taken."""

    document: Mapping[str, Any]
    statuses: tuple[ResponseStatus, ...]

    @property
    def refused(self) -> tuple[ResponseStatus, ...]:
        """Of the objects that were sent: those that were not taken."""
        return tuple(one for one in self.statuses if not one.ok)


class ViewLibraryClient:
    """Speaks to one view library as ``own_code``. A digest is answered once per request: a wrong
    password is tried once, not in a loop.
    """

    def __init__(self, own_code: str, username: str, password: str) -> None:
        self._own_code = own_code
        self._credentials = Credentials(username, password, allow_basic=False)

    def request(self, method: str, path: str, document: Mapping[str, Any] | None = None) -> Request:
        """A request with what is known of the other side's challenge."""
        body = None if document is None else write_body(document)
        return self._signed(Request(method, path, {}, body))

    def received(
        self, request: Request, status: int, challenges: Iterable[str], body: bytes
    ) -> Answer | Request:
        """Done, or the same once more with the digest. Raises RefusedByPeer."""
        if status == 401:
            found = parse_challenges(challenges)
            stale = any(one.stale for one in found)
            if (request.authorized and not stale) or not self._credentials.accept(found):
                raise RefusedByPeer("password", "the other side refuses name and password")
            return self._signed(request)
        document = _document(body)
        statuses = tuple(read_statuses(document))
        if not 200 <= status < 300:
            said = next((one.text for one in statuses if one.text), "")
            raise RefusedByPeer("refused", f"the other side answers {status} {said}".strip()[:300])
        return Answer(document, statuses)

    def _signed(self, request: Request) -> Request:
        headers = {"Content-Type": CONTENT_TYPE, "User-Identify": self._own_code}
        header = self._credentials.authorization(request.method, request.path)
        if header is not None:
            headers["Authorization"] = header
        return Request(request.method, request.path, headers, request.body, header is not None)


def require_ok(answer: Answer) -> None:
    """Raises RefusedByPeer where a status of the answer is another than OK."""
    for one in answer.refused:
        raise RefusedByPeer("refused", f"status {int(one.status)} {one.text}".strip()[:300])


def _document(body: bytes) -> Mapping[str, Any]:
    if not body.strip():
        return {}
    try:
        return read_body(body)
    except BodyError as error:
        if error.status is Status.INVALID_JSON_CONTENT and body.lstrip()[:1] == b"[":
            return {"ResponseStatusObject": json.loads(body)}
        return {}


def register_document(own_code: str) -> dict[str, Any]:
    """POST /VIID/System/Register (GA/T 1400.4)."""
    return {"RegisterObject": {"DeviceID": own_code}}


def unregister_document(own_code: str) -> dict[str, Any]:
    """POST /VIID/System/UnRegister."""
    return {"UnRegisterObject": {"DeviceID": own_code}}


def keepalive_document(own_code: str) -> dict[str, Any]:
    """POST /VIID/System/Keepalive."""
    return {"KeepaliveObject": {"DeviceID": own_code}}
