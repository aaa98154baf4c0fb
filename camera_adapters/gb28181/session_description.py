"""Session descriptions of INVITE (GB/T 28181-2016 §9.2–9.3, Annexes C, F, G, L): the SDP dialect.

Beyond RFC 8866 it has ``y=`` (the SSRC, ten decimal digits), ``f=`` (the coding), ``u=`` (whose
recording), times in ``t=`` that are Unix seconds, and ``s=`` that says what the session is for.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field
from typing import Literal, get_args

from camera_adapters.gb28181 import codes
from camera_adapters.gb28181.xml_bodies import finite_number, whole_number

CONTENT_TYPE = "APPLICATION/SDP"

Purpose = Literal["play", "playback", "download", "talk"]
Transport = Literal["udp", "tcp"]
# Who connects, of the side that wrote the description (RFC 4145 §4).
Setup = Literal["", "active", "passive"]
Direction = Literal["", "recvonly", "sendonly", "sendrecv", "inactive"]
StreamVariant = Literal["", "main", "sub"]

PS = 96
MPEG4 = 97
H264 = 98
SVAC = 99
H265 = 100
PCMA = 8
AAC = 102
# Annex C.2.4 table, and RFC 3551 for G.711.
FORMATS: dict[int, str] = {
    PS: "PS/90000",
    MPEG4: "MPEG4/90000",
    H264: "H264/90000",
    SVAC: "SVAC/90000",
    H265: "H265/90000",
    PCMA: "PCMA/8000",
}

_PURPOSES: dict[str, Purpose] = {purpose: purpose for purpose in get_args(Purpose)}
_NAMES: dict[Purpose, str] = {purpose: purpose.capitalize() for purpose in get_args(Purpose)}
_LINES_LIMIT = 200
_TEXT_LIMIT = 255
_SSRC_LIMIT = 2**32


class SessionDescriptionError(ValueError):
    """The body is no session description that can be served; the message says why."""


@dataclass(frozen=True, slots=True)
class VideoFacts:
    """The fields of ``f=`` (Annex G) as they came; an empty one is unknown.

    ``codec``: 1 MPEG-4, 2 H.264, 3 SVAC, 5 H.265; ``audio_codec``: 1 G.711, 4 G.722.1.
    """

    codec: str = ""
    resolution: str = ""
    frame_rate: str = ""
    bitrate_kind: str = ""
    bitrate_kbps: str = ""
    audio_codec: str = ""
    audio_bitrate: str = ""
    audio_sampling: str = ""

    def __str__(self) -> str:
        video = (self.codec, self.resolution, self.frame_rate, self.bitrate_kind, self.bitrate_kbps)
        audio = (self.audio_codec, self.audio_bitrate, self.audio_sampling)
        return f"v/{'/'.join(video)}a/{'/'.join(audio)}"


@dataclass(frozen=True, slots=True)
class SessionDescription:
    """An offer or an answer, of one medium.

    ``owner`` is the code of the side that wrote it, ``uri_code`` and ``uri_type`` what ``u=`` names
    (``34020000001320000001:0``). ``formats`` maps payload types to ``NAME/clock``. ``start_s`` and
    ``end_s`` are UTC seconds, both 0 for live. ``download_speed`` is a multiple of real time.
    ``stream`` chooses the sub-stream by the attribute of 2022 or one of the makers'.
    """

    purpose: Purpose
    owner: str
    address: str
    port: int
    transport: Transport = "udp"
    setup: Setup = ""
    ssrc: int | None = None
    media: Literal["video", "audio"] = "video"
    direction: Direction = ""
    formats: dict[int, str] = field(default_factory=lambda: {PS: FORMATS[PS]})
    uri_code: str = ""
    uri_type: str = ""
    start_s: int = 0
    end_s: int = 0
    facts: VideoFacts | None = None
    download_speed: float | None = None
    file_bytes: int | None = None
    stream: StreamVariant = ""
    connection: Literal["", "new", "existing"] = ""

    def to_bytes(self) -> bytes:
        """The body. Lines in the order of Annex C, which some devices insist on."""
        lines = [
            "v=0",
            f"o={self.owner or '-'} 0 0 IN IP4 {self.address}",
            f"s={_NAMES[self.purpose]}",
        ]
        if self.uri_code:
            lines.append(f"u={self.uri_code}:{self.uri_type or '0'}")
        protocol = "TCP/RTP/AVP" if self.transport == "tcp" else "RTP/AVP"
        payload_types = " ".join(str(number) for number in self.formats)
        lines += [
            f"c=IN IP4 {self.address}",
            f"t={self.start_s} {self.end_s}",
            f"m={self.media} {self.port} {protocol} {payload_types}",
        ]
        lines += [f"a={line}" for line in self._attributes()]
        if self.ssrc is not None:
            lines.append(f"y={self.ssrc:010}")
        if self.facts is not None:
            lines.append(f"f={self.facts}")
        return ("\r\n".join(lines) + "\r\n").encode()

    def _attributes(self) -> list[str]:
        lines: list[str] = [self.direction] if self.direction else []
        lines += [f"rtpmap:{number} {name}" for number, name in self.formats.items()]
        if self.transport == "tcp":
            lines += [f"setup:{self.setup or 'passive'}", f"connection:{self.connection or 'new'}"]
        if self.download_speed is not None:
            lines.append(f"downloadspeed:{self.download_speed:g}")
        if self.file_bytes is not None:
            lines.append(f"filesize:{self.file_bytes}")
        if self.stream:
            lines.append(f"streamnumber:{0 if self.stream == 'main' else 1}")
        return lines


def live_ssrc(domain_code: str, serial: int) -> int:
    """An SSRC for live media: 0, digits 4–8 of the domain's code, a serial below 10,000 (§C.2)."""
    return _ssrc(0, domain_code, serial)


def history_ssrc(domain_code: str, serial: int) -> int:
    """An SSRC for playback and download: begins with 1."""
    return _ssrc(1, domain_code, serial)


def _ssrc(first: int, domain_code: str, serial: int) -> int:
    if not codes.is_valid(domain_code):
        raise codes.CodeError(f"the domain has no code of twenty digits: {domain_code!r}")
    return first * 10**9 + int(domain_code[3:8]) * 10**4 + serial % 10**4


def parse(body: bytes) -> SessionDescription:
    """Read an offer or answer. Raises SessionDescriptionError without an address and a port.

    Lines in any order; what is unknown is left out. A body that carries ``m=`` twice counts with
    its first. Some devices answer TCP with ``m=video … RTP/AVP`` and only ``a=setup``: that is TCP.
    """
    session: dict[str, str] = {}
    attributes: list[str] = []
    text = body[: 64 * 1024].decode("utf-8", "replace")
    for line in text.splitlines()[:_LINES_LIMIT]:
        key, equals, value = line.strip().partition("=")
        if not equals or len(key) != 1:
            continue
        if key == "a":
            attributes.append(value.strip())
        else:
            session.setdefault(key, value.strip())
    return _described(session, attributes)


def _described(session: dict[str, str], attributes: list[str]) -> SessionDescription:
    words = session.get("m", "").split()
    if len(words) < 3:
        raise SessionDescriptionError("no m= line with a medium, a port and a protocol")
    port = whole_number(words[1].partition("/")[0], -1)
    if not 0 <= port <= 65535:
        raise SessionDescriptionError(f"no port: {words[1][:20]!r}")
    owner, address = _origin(session)
    if not address:
        raise SessionDescriptionError("no address: neither a c= nor an o= line has one")
    try:
        ipaddress.ip_address(address)
    except ValueError:
        # A name would have to be resolved where packets are sent, and hold up everybody there.
        raise SessionDescriptionError(
            f"the address is a name, or none: {address[:60]!r}; give it as 10.1.2.3"
        ) from None
    named = _named(attributes)
    setup = named.get("setup", "").lower()
    tcp = words[2].upper().startswith("TCP") or setup in ("active", "passive")
    uri_code, _, uri_type = session.get("u", "").partition(":")
    start_s, end_s = _times(session.get("t", ""))
    return SessionDescription(
        purpose=_PURPOSES.get(session.get("s", "").strip().lower(), "play"),
        owner=owner,
        address=address,
        port=port,
        transport="tcp" if tcp else "udp",
        setup="active" if setup == "active" else "passive" if setup == "passive" else "",
        ssrc=_read_ssrc(session.get("y", "")),
        media="audio" if words[0].lower() == "audio" else "video",
        direction=_direction(named),
        formats=_formats(words[3:], attributes),
        uri_code=codes.as_received(uri_code),
        uri_type=uri_type.strip()[:20] or "0" * bool(uri_code),
        start_s=start_s,
        end_s=end_s,
        facts=_facts(session.get("f", "")),
        download_speed=_positive(named.get("downloadspeed", "")),
        file_bytes=_file_bytes(named.get("filesize", "")),
        stream=_stream(named),
        connection="new" if named.get("connection") == "new" else "",
    )


def _origin(session: dict[str, str]) -> tuple[str, str]:
    origin = session.get("o", "").split()
    connection = session.get("c", "").split()
    address = connection[2] if len(connection) > 2 else origin[5] if len(origin) > 5 else ""
    owner = codes.as_received(origin[0]) if origin else ""
    # A multicast TTL may follow (RFC 8866 §5.7).
    return "" if owner == "-" else owner, address.partition("/")[0][:_TEXT_LIMIT]


def _named(attributes: list[str]) -> dict[str, str]:
    named: dict[str, str] = {}
    for attribute in attributes:
        name, _, value = attribute.partition(":")
        named.setdefault(name.strip().lower(), value.strip())
    return named


def _direction(named: dict[str, str]) -> Direction:
    if "recvonly" in named:
        return "recvonly"
    if "sendonly" in named:
        return "sendonly"
    return "sendrecv" if "sendrecv" in named else "inactive" if "inactive" in named else ""


def _formats(payload_types: list[str], attributes: list[str]) -> dict[int, str]:
    maps: dict[int, str] = {}
    for attribute in attributes:
        name, _, value = attribute.partition(":")
        if name.strip().lower() == "rtpmap":
            payload_type, _, encoding = value.strip().partition(" ")
            maps.setdefault(whole_number(payload_type, -1), encoding.strip()[:40])
    formats: dict[int, str] = {}
    for text in payload_types[:32]:
        number = whole_number(text, -1)
        if 0 <= number <= 127:
            formats[number] = maps.get(number) or FORMATS.get(number, "")
    return formats


def _times(text: str) -> tuple[int, int]:
    words = text.split()
    if len(words) < 2:
        return 0, 0
    start_s, end_s = whole_number(words[0]), whole_number(words[1])
    return max(0, start_s), max(0, end_s)


def _read_ssrc(text: str) -> int | None:
    number = whole_number(text.strip(), -1)
    return number if 0 <= number < _SSRC_LIMIT else None


def _positive(text: str) -> float | None:
    value = finite_number(text)
    return value if value is not None and 0 < value <= 1000 else None


def _file_bytes(text: str) -> int | None:
    number = whole_number(text, -1)
    return number if number >= 0 else None


def _stream(named: dict[str, str]) -> StreamVariant:
    # 2022 §9.2; then as the makers wrote it before that.
    for name in ("streamnumber", "stream", "streammode", "streamprofile"):
        value = named.get(name, "").lower()
        if value:
            return "sub" if value in ("1", "sub", "minor", "subcode") else "main"
    return ""


def _facts(text: str) -> VideoFacts | None:
    video, separator, audio = text.partition("a/")
    if not video.startswith("v/"):
        return None
    fields = [part[:20] for part in video[2:].split("/")[:5]]
    fields += [""] * (5 - len(fields))
    sound = [part[:20] for part in audio.split("/")[:3]] if separator else []
    sound += [""] * (3 - len(sound))
    return VideoFacts(*fields, *sound)
