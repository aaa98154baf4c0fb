"""Reading a viewer's SDP offer (RFC 8866, RFC 9429, RFC 9143), tolerant of what browsers add."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from itertools import pairwise

_LINES_LIMIT = 4000
_MEDIA_LIMIT = 64
_QUALITIES_LIMIT = 8
_TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+\-.^_`{|}~]{1,64}")
_RID = re.compile(r"[A-Za-z0-9_-]{1,16}")
_ICE = re.compile(r"[A-Za-z0-9+/]{4,256}")


class OfferError(Exception):
    """The offer cannot be understood. The message says which line, and what is expected."""


@dataclass(slots=True)
class OfferedFormat:
    """One payload type: ``name`` in lower case, ``parameters`` the ``a=fmtp`` value as it came."""

    payload_type: int
    name: str
    clock_rate: int
    channels: int = 1
    parameters: str = ""
    feedback: list[str] = field(default_factory=list)

    def parameter(self, name: str) -> str | None:
        """One ``name=value`` of ``a=fmtp``, name in any case."""
        for part in self.parameters.split(";"):
            key, _, value = part.partition("=")
            if key.strip().lower() == name:
                return value.strip()
        return None


@dataclass(slots=True)
class OfferedMedia:
    """One m= section. ``extensions`` maps the URI of a header extension to its id.

    ``qualities`` are the rids that it would send at once, in the order of ``a=simulcast``
    (RFC 8853 §5.1), of alternatives the first; ``repairs`` maps the SSRC of a retransmission
    stream to that of its media (``a=ssrc-group:FID``, RFC 5576 §4.2).
    """

    kind: str
    port: int
    protocol: str
    payload_types: list[str]
    mid: str = ""
    direction: str = "sendrecv"
    formats: list[OfferedFormat] = field(default_factory=list)
    extensions: dict[str, int] = field(default_factory=dict)
    ice_ufrag: str = ""
    ice_password: str = ""
    fingerprints: list[tuple[str, str]] = field(default_factory=list)
    setup: str = ""
    rtcp_mux: bool = False
    reduced_rtcp: bool = False
    qualities: list[str] = field(default_factory=list)
    repairs: dict[int, int] = field(default_factory=dict)


@dataclass(slots=True)
class Offer:
    """The whole offer; ``bundle`` are the mids of its first BUNDLE group, in order."""

    media: list[OfferedMedia] = field(default_factory=list)
    bundle: list[str] = field(default_factory=list)


_STATIC_FORMATS = {0: ("pcmu", 8000), 8: ("pcma", 8000)}


def parse_offer(text: str) -> Offer:
    """Read an offer. Raises OfferError; unknown lines are skipped."""
    lines = text.splitlines()
    if len(lines) > _LINES_LIMIT:
        raise OfferError("the offer has too many lines")
    if not lines or not lines[0].startswith("v=0"):
        raise OfferError("an SDP offer begins with v=0")
    offer = Offer()
    # What stands before the first m= line holds for all media that do not say otherwise.
    session = OfferedMedia("session", 0, "", [])
    starts = [index for index, line in enumerate(lines) if line.startswith("m=")]
    if len(starts) > _MEDIA_LIMIT:
        raise OfferError("the offer has too many m= sections")
    ends = [*starts, len(lines)]
    for line in lines[: ends[0]]:
        name, _, value = line[2:].strip().partition(":")
        if line.startswith("a=") and name == "group":
            words = value.split()
            if words[:1] == ["BUNDLE"] and not offer.bundle:
                offer.bundle = words[1:]
        else:
            _take_line(session, line)
    # A meeting's page offers many sections that differ by their names alone.
    known: dict[tuple[str, ...], OfferedMedia] = {}
    for start, end in pairwise(ends):
        names = [line for line in lines[start:end] if line.startswith("a=mid:")]
        rest = tuple(line for line in lines[start:end] if not line.startswith("a=mid:"))
        media = known.get(rest)
        if media is None:
            media = known[rest] = _media(rest[0], session)
            for line in rest[1:]:
                _take_line(media, line)
        media = replace(media)
        for line in names:
            _take_line(media, line)
        offer.media.append(media)
    if not offer.media:
        raise OfferError("the offer has no m= section")
    return offer


def _take_line(media: OfferedMedia, line: str) -> None:
    if line.startswith("a="):
        name, _, value = line[2:].strip().partition(":")
        _attribute(media, name, value.strip(), line)


def _media(line: str, session: OfferedMedia) -> OfferedMedia:
    words = line[2:].split()
    if len(words) < 4:
        raise OfferError(f"malformed line: {line[:80]}")
    kind, port, protocol, *payload_types = words
    if not _TOKEN.fullmatch(kind) or not re.fullmatch(r"[A-Za-z0-9/]{1,40}", protocol):
        raise OfferError(f"malformed line: {line[:80]}")
    media = OfferedMedia(
        kind,
        _number(port.partition("/")[0], 65535, line),
        protocol,
        payload_types,
        direction=session.direction,
        ice_ufrag=session.ice_ufrag,
        ice_password=session.ice_password,
        fingerprints=list(session.fingerprints),
        setup=session.setup,
    )
    if "RTP/" in protocol:
        for word in payload_types:
            payload_type = _number(word, 127, line)
            name, clock_rate = _STATIC_FORMATS.get(payload_type, ("", 0))
            media.formats.append(OfferedFormat(payload_type, name, clock_rate))
    return media


def _attribute(media: OfferedMedia, name: str, value: str, line: str) -> None:
    if name in ("sendrecv", "recvonly", "sendonly", "inactive"):
        media.direction = name
    elif name == "mid":
        if not _TOKEN.fullmatch(value):
            raise OfferError(f"malformed line: {line[:80]}")
        media.mid = value
    elif name == "ice-ufrag":
        media.ice_ufrag = _ice(value, line)
    elif name == "ice-pwd":
        media.ice_password = _ice(value, line)
    elif name == "setup":
        media.setup = value
    elif name == "rtcp-mux":
        media.rtcp_mux = True
    elif name == "rtcp-rsize":
        media.reduced_rtcp = True
    elif name == "fingerprint":
        algorithm, _, digest = value.partition(" ")
        fingerprint = (algorithm.lower(), digest.strip())
        if not digest or not digest.isascii():
            raise OfferError(f"malformed line: {line[:80]}")
        if fingerprint not in media.fingerprints:
            media.fingerprints.append(fingerprint)
    elif name == "extmap":
        identifier, _, rest = value.partition(" ")
        number = _number(identifier.partition("/")[0], 65535, line)
        uri = rest.split(maxsplit=1)[0] if rest.strip() else ""
        # A one-byte header (RFC 8285 §4.2) has room for ids 1 to 14.
        if 1 <= number <= 14 and uri:
            media.extensions.setdefault(uri, number)
    elif name in ("rtpmap", "fmtp", "rtcp-fb"):
        _format_attribute(media, name, value, line)
    elif name == "simulcast":
        media.qualities = _qualities(value, line)
    elif name == "ssrc-group":
        words = value.split()
        if words[:1] == ["FID"] and len(words) == 3 and len(media.repairs) < _QUALITIES_LIMIT:
            original, again = (_number(word, 0xFFFFFFFF, line) for word in words[1:])
            media.repairs[again] = original


def _qualities(value: str, line: str) -> list[str]:
    """The rids of ``send l;~m,n;h recv x``: l, m, h."""
    words = value.split()
    if len(words) not in (2, 4) or any(word not in ("send", "recv") for word in words[::2]):
        raise OfferError(f"malformed line: {line[:80]}")
    listed = dict(zip(words[::2], words[1::2], strict=True)).get("send", "")
    rids = [one.split(",")[0].lstrip("~") for one in listed.split(";") if one]
    if len(rids) > _QUALITIES_LIMIT or not all(map(_RID.fullmatch, rids)):
        raise OfferError(f"malformed line: {line[:80]}")
    return list(dict.fromkeys(rids))


def _format_attribute(media: OfferedMedia, name: str, value: str, line: str) -> None:
    word, _, rest = value.partition(" ")
    rest = rest.strip()
    if word == "*":
        targets = media.formats
    else:
        payload_type = _number(word, 127, line)
        targets = [one for one in media.formats if one.payload_type == payload_type]
    for target in targets:
        if name == "fmtp":
            target.parameters = rest
        elif name == "rtcp-fb":
            target.feedback.append(rest)
        else:
            encoding = rest.split("/")
            if len(encoding) < 2 or not _TOKEN.fullmatch(encoding[0]):
                raise OfferError(f"malformed line: {line[:80]}")
            target.name = encoding[0].lower()
            target.clock_rate = _number(encoding[1], 1_000_000, line)
            target.channels = _number(encoding[2], 255, line) if len(encoding) > 2 else 1


def _number(word: str, limit: int, line: str) -> int:
    if not (word.isascii() and word.isdigit()) or len(word) > 10 or int(word) > limit:
        raise OfferError(f"malformed line: {line[:80]}")
    return int(word)


def _ice(value: str, line: str) -> str:
    if not _ICE.fullmatch(value):
        raise OfferError(f"malformed line: {line[:80]}")
    return value
