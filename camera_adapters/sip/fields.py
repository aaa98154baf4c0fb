"""What stands in SIP header fields: URIs, names with addresses, Via, CSeq (RFC 3261 §19–§20)."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from camera_adapters.sip.messages import Headers, MessageError

DEFAULT_PORT = 5060

_URI = re.compile(
    r"(?P<scheme>sips?):(?:(?P<user>[^@;?>\s]*)@)?(?P<host>\[[0-9A-Fa-f:.]+\]|[^:;?@>\s\[\]]+)"
    r"(?::(?P<port>\d{1,5}))?(?P<rest>[;?][^>\s]*)?",
    re.IGNORECASE,
)
_VIA = re.compile(
    r"SIP\s*/\s*2\.0\s*/\s*(?P<transport>\w+)\s+(?P<host>\[[0-9A-Fa-f:.]+\]|[^:;\s]+)"
    r"(?:\s*:\s*(?P<port>\d{1,5}))?\s*(?P<parameters>(?:;.*)?)",
    re.IGNORECASE | re.DOTALL,
)
_CSEQ = re.compile(r"(\d{1,10})\s+([A-Za-z]+)")
_PARAMETER = re.compile(r';\s*([^\s=;,]+)(?:\s*=\s*("(?:[^"\\]|\\.)*"|[^\s;,]*))?')


@dataclass(frozen=True, slots=True)
class SipUri:
    """``sip:user@host:port;parameters`` (RFC 3261 §19.1). ``port`` is None where none is given."""

    user: str
    host: str
    port: int | None = None
    parameters: str = ""

    def __str__(self) -> str:
        user = f"{self.user}@" if self.user else ""
        port = f":{self.port}" if self.port is not None else ""
        return f"sip:{user}{self.host}{port}{self.parameters}"


@dataclass(frozen=True, slots=True)
class NameAddress:
    """From, To, Contact, Route: a URI and parameters outside it (RFC 3261 §20.10)."""

    uri: SipUri
    parameters: dict[str, str] = field(default_factory=dict)

    @property
    def tag(self) -> str:
        """The tag, or nothing."""
        return self.parameters.get("tag", "")

    def __str__(self) -> str:
        return f"<{self.uri}>{_written(self.parameters)}"


@dataclass(frozen=True, slots=True)
class Via:
    """One hop (RFC 3261 §20.42). ``port`` is None where none is given."""

    transport: str
    host: str
    port: int | None
    parameters: dict[str, str]

    @property
    def branch(self) -> str:
        """The branch, or nothing."""
        return self.parameters.get("branch", "")

    def __str__(self) -> str:
        port = f":{self.port}" if self.port is not None else ""
        return f"SIP/2.0/{self.transport} {self.host}{port}{_written(self.parameters)}"


def parse_uri(text: str) -> SipUri:
    """Raises MessageError for what is no ``sip:`` URI. A ``sips:`` URI is read as ``sip:``."""
    match = _URI.fullmatch(text.strip())
    if match is None:
        raise MessageError(f"not a SIP URI: {text[:60]!r}")
    port = match["port"]
    if port is not None and not 0 < int(port) <= 65_535:
        raise MessageError(f"not a port: {port}")
    return SipUri(
        match["user"] or "",
        match["host"],
        int(port) if port else None,
        match["rest"] or "",
    )


def parse_name_address(text: str) -> NameAddress:
    """Read one value of From, To or Contact; ``"name" <uri>;tag=x`` and the bare form alike.

    Raises MessageError.
    """
    opened = _outside_quotes(text, "<")
    if opened < 0:
        # The parameters of a bare URI belong to the field (RFC 3261 §20).
        bare, semicolon, rest = text.strip().partition(";")
        return NameAddress(parse_uri(bare), parse_parameters(semicolon + rest))
    closed = text.find(">", opened)
    if closed < 0:
        raise MessageError(f"an address that is not closed: {text[:60]!r}")
    return NameAddress(parse_uri(text[opened + 1 : closed]), parse_parameters(text[closed + 1 :]))


def parse_via(text: str) -> Via:
    """Read one value of Via. Raises MessageError."""
    match = _VIA.fullmatch(text.strip())
    if match is None or (match["port"] and not 0 < int(match["port"]) <= 65_535):
        raise MessageError(f"not a Via: {text[:60]!r}")
    return Via(
        match["transport"].upper(),
        match["host"],
        int(match["port"]) if match["port"] else None,
        parse_parameters(match["parameters"]),
    )


def parse_parameters(text: str) -> dict[str, str]:
    """``;name=value;name`` → names in lower case with their values; the first of a name counts."""
    found: dict[str, str] = {}
    for match in _PARAMETER.finditer(text):
        found.setdefault(match[1].lower(), match[2] or "")
    return found


def parse_cseq(text: str) -> tuple[int, str]:
    """The number and the method of CSeq (RFC 3261 §20.16). Raises MessageError."""
    match = _CSEQ.fullmatch(text.strip())
    if match is None or int(match[1]) >= 2**32:
        raise MessageError(f"not a CSeq: {text[:40]!r}")
    return int(match[1]), match[2].upper()


def split_values(values: list[str]) -> list[str]:
    """The single values of fields that may hold several, parted by commas (RFC 3261 §7.3.1)."""
    found: list[str] = []
    for value in values:
        if "," not in value:
            found.append(value)
            continue
        start, quoted, angled, escaped = 0, False, False, False
        for index, letter in enumerate(value):
            if escaped:
                escaped = False
            elif quoted:
                escaped = letter == "\\"
                quoted = letter != '"'
            elif letter == '"':
                quoted = True
            elif letter in "<>":
                angled = letter == "<"
            elif letter == "," and not angled:
                found.append(value[start:index].strip())
                start = index + 1
        found.append(value[start:].strip())
    return [value for value in found if value]


def top_via(headers: Headers) -> Via:
    """The first hop. Raises MessageError when there is none."""
    values = split_values([headers.get("via")])
    if not values:
        raise MessageError("no Via")
    return parse_via(values[0])


def _outside_quotes(text: str, wanted: str) -> int:
    quoted = escaped = False
    for index, letter in enumerate(text):
        if escaped:
            escaped = False
        elif quoted:
            escaped = letter == "\\"
            quoted = letter != '"'
        elif letter == '"':
            quoted = True
        elif letter == wanted:
            return index
    return -1


def _written(parameters: dict[str, str]) -> str:
    return "".join(
        f";{name}={value}" if value else f";{name}" for name, value in parameters.items()
    )
