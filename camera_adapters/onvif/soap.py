"""SOAP 1.2 as ONVIF uses it (ONVIF Core Specification §5): envelopes, WS-Security, faults.

A :class:`Request` says what is asked of which service; :func:`envelope` writes it,
:func:`answer_of` takes the answer's first element out, or raises its :class:`SoapFault`.
"""

from __future__ import annotations

import base64
import enum
import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime
from xml.sax.saxutils import escape, quoteattr

from camera_adapters.onvif.xml_tree import Node

_SECURITY = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-"
_NAMESPACES = (
    'xmlns:s="http://www.w3.org/2003/05/soap-envelope" '
    'xmlns:tt="http://www.onvif.org/ver10/schema" '
    'xmlns:wsa="http://www.w3.org/2005/08/addressing"'
)
_ANONYMOUS = "http://www.w3.org/2005/08/addressing/anonymous"


class Service(enum.StrEnum):
    """A service by its namespace, which GetServices names it by (ONVIF Core §8.1.2)."""

    DEVICE = "http://www.onvif.org/ver10/device/wsdl"
    MEDIA = "http://www.onvif.org/ver10/media/wsdl"
    MEDIA2 = "http://www.onvif.org/ver20/media/wsdl"
    PTZ = "http://www.onvif.org/ver20/ptz/wsdl"
    IMAGING = "http://www.onvif.org/ver20/imaging/wsdl"
    EVENTS = "http://www.onvif.org/ver10/events/wsdl"
    RECORDING = "http://www.onvif.org/ver10/recording/wsdl"
    SEARCH = "http://www.onvif.org/ver10/search/wsdl"
    REPLAY = "http://www.onvif.org/ver10/replay/wsdl"
    NOTIFICATION = "http://docs.oasis-open.org/wsn/b-2"


@dataclass(frozen=True, slots=True)
class Request:
    """One operation of a service; in ``body`` the prefix ``m`` is the service's own.

    ``action`` is the WS-Addressing action; ``addressed`` puts it into the header, which
    subscriptions need (WS-BaseNotification 1.3 §4). ``headers`` go into the header verbatim: what a
    subscription's address wants to have repeated. ``secured`` requests are never sent unsigned.
    """

    service: Service
    operation: str
    body: str = ""
    attributes: str = ""
    action: str = ""
    addressed: bool = False
    headers: str = ""
    secured: bool = True

    @property
    def full_action(self) -> str:
        """The action, as the WSDL of most services forms it."""
        return self.action or f"{self.service}/{self.operation}"


@dataclass(frozen=True, slots=True)
class Token:
    """One use of a name and password: ``nonce`` of 16 random bytes, ``created_us`` by the device's
    clock, since devices refuse what is older or newer than a few seconds.
    """

    username: str
    password: str
    nonce: bytes
    created_us: int

    def __repr__(self) -> str:
        return f"Token({self.username!r})"


class SoapFault(Exception):
    """The device refuses in words. ``codes`` are its code and subcodes without prefixes."""

    def __init__(self, codes: tuple[str, ...], reason: str) -> None:
        self.codes = codes
        self.reason = " ".join(reason.split())[:300]
        super().__init__(self.reason or "/".join(codes) or "the device gives no reason")

    @property
    def not_authorised(self) -> bool:
        """Whether name, password or time stamp were refused (ONVIF Core §5.9.3)."""
        words = self.reason.lower()
        return (
            any(code in _NOT_AUTHORISED for code in self.codes)
            or "not authorized" in words
            or "unauthorized" in words
            or "not authorised" in words
            or "authority failure" in words
        )

    @property
    def not_supported(self) -> bool:
        """Whether the device does not know the operation, or not in this place."""
        return any(code in _NOT_SUPPORTED for code in self.codes) or (
            "not implemented" in self.reason.lower() or "not supported" in self.reason.lower()
        )


_NOT_AUTHORISED = {
    "NotAuthorized",
    "FailedAuthentication",
    "FailedCheck",
    "InvalidSecurity",
    "InvalidSecurityToken",
    "OperationProhibited",
    "MessageExpired",
}
_NOT_SUPPORTED = {
    "ActionNotSupported",
    "OptionalActionNotImplemented",
    "NotSupported",
    "ActionNotImplemented",
}


def envelope(
    request: Request, *, token: Token | None = None, to: str = "", message_id: str = ""
) -> bytes:
    """The request as bytes. ``to`` and ``message_id`` are for addressed requests."""
    header = request.headers
    if request.addressed:
        header += (
            f"<wsa:Action>{request.full_action}</wsa:Action>"
            f"<wsa:MessageID>{message_id}</wsa:MessageID>"
            f"<wsa:ReplyTo><wsa:Address>{_ANONYMOUS}</wsa:Address></wsa:ReplyTo>"
            f"<wsa:To>{text(to)}</wsa:To>"
        )
    if token is not None:
        header += _security(token)
    header = f"<s:Header>{header}</s:Header>" if header else ""
    operation = f"m:{request.operation}"
    return (
        f'<?xml version="1.0" encoding="utf-8"?><s:Envelope {_NAMESPACES}>{header}<s:Body>'
        f'<{operation} xmlns:m="{request.service}"{request.attributes}>{request.body}</{operation}>'
        "</s:Body></s:Envelope>"
    ).encode()


def answer_of(document: Node) -> Node:
    """The first element of the body. Raises :class:`SoapFault`, also where there is none."""
    body = document if document.name == "Body" else document.child("Body")
    if body is None or not body.children:
        raise SoapFault((), "the answer is no SOAP message, or an empty one")
    answer = body.children[0]
    if answer.name == "Fault":
        raise _fault(answer)
    return answer


def text(value: str) -> str:
    """A text between tags."""
    return escape(value)


def attribute(value: str) -> str:
    """A text as an attribute's value, quoted."""
    return quoteattr(value)


def date_time(at_us: int) -> str:
    """UTC microseconds as xs:dateTime with milliseconds and ``Z``."""
    moment = datetime.fromtimestamp(at_us / 1_000_000, UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"


def parse_date_time(value: str) -> int | None:
    """xs:dateTime as UTC microseconds; one without a zone is taken as UTC. None for anything else.

    Some devices write ``24:00:00`` or a comma; what cannot be read is no time.
    """
    try:
        moment = datetime.fromisoformat(value.strip().replace(",", "."))
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        return round(moment.timestamp() * 1_000_000)
    except (ValueError, OverflowError):
        return None


def duration(seconds: float) -> str:
    """xs:duration, for time-outs; whole seconds where it can be, as many devices read no others."""
    return f"PT{seconds:.0f}S" if seconds == int(seconds) else f"PT{seconds:.1f}S"


def _security(token: Token) -> str:
    """A UsernameToken with digest (WS-Security UsernameToken Profile 1.1 §3.1)."""
    created = date_time(token.created_us)
    digest = hashlib.sha1(
        token.nonce + created.encode() + token.password.encode(), usedforsecurity=False
    ).digest()
    return (
        f'<wsse:Security xmlns:wsse="{_SECURITY}wssecurity-secext-1.0.xsd" '
        f'xmlns:wsu="{_SECURITY}wssecurity-utility-1.0.xsd" s:mustUnderstand="1">'
        f"<wsse:UsernameToken><wsse:Username>{text(token.username)}</wsse:Username>"
        f'<wsse:Password Type="{_SECURITY}username-token-profile-1.0#PasswordDigest">'
        f"{base64.b64encode(digest).decode()}</wsse:Password>"
        f'<wsse:Nonce EncodingType="{_SECURITY}soap-message-security-1.0#Base64Binary">'
        f"{base64.b64encode(token.nonce).decode()}</wsse:Nonce>"
        f"<wsu:Created>{created}</wsu:Created></wsse:UsernameToken></wsse:Security>"
    )


def _fault(fault: Node) -> SoapFault:
    codes = [node.text.strip().rpartition(":")[2] for node in fault.find_all("Value")]
    reason = fault.value("Reason/Text") or fault.value("faultstring")
    if not codes and fault.value("faultcode"):
        codes = [fault.value("faultcode").rpartition(":")[2]]
    detail = fault.child("Detail")
    if not reason and detail is not None:
        reason = next((node.text for node in detail.find_all("Text")), detail.text)
    return SoapFault(tuple(codes[:8]), reason)
