"""Session descriptions (RFC 8866) as cameras write them: read leniently, never raise for one line.

What cannot be understood is left out; :func:`parse` raises only when nothing of a description is
there. :func:`resolve_control` follows RFC 2326 §C.1.1 as servers really behave.
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass, field

_LINES_LIMIT = 2000
_MEDIA_LIMIT = 32

# RFC 3551 §6, those that cameras use without an rtpmap.
_STATIC_FORMATS = {
    0: ("PCMU", 8000, 1),
    3: ("GSM", 8000, 1),
    4: ("G723", 8000, 1),
    8: ("PCMA", 8000, 1),
    9: ("G722", 8000, 1),
    14: ("MPA", 90000, 1),
    26: ("JPEG", 90000, 0),
    32: ("MPV", 90000, 0),
    33: ("MP2T", 90000, 0),
}


class SdpError(ValueError):
    """The text is no session description."""


@dataclass(frozen=True, slots=True)
class Format:
    """One RTP payload format: ``encoding`` in upper case, ``parameters`` from its fmtp line.

    Names of parameters are lower case, values as they came. ``channels`` is 0 for video.
    """

    payload_type: int
    encoding: str
    clock_rate: int
    channels: int = 0
    parameters: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class Media:
    """One ``m=`` section. ``direction`` is the server's: ``sendonly`` and ``sendrecv`` and none
    given are media for us; ONVIF marks its back channel, towards the camera, as ``sendonly`` too,
    but gives it only to clients that ask (ONVIF Streaming §5.3).
    """

    kind: str
    port: int
    protocol: str
    formats: list[Format] = field(default_factory=list)
    control: str = ""
    direction: str = ""
    frames_per_second: float = 0.0


@dataclass(slots=True)
class SessionDescription:
    """A session: its name, its own ``a=control``, and the media sections in order."""

    name: str = ""
    control: str = ""
    media: list[Media] = field(default_factory=list)


def parse(body: bytes) -> SessionDescription:
    """Read a description. Raises SdpError when there is neither a ``v=`` nor an ``m=`` line."""
    text = body.decode("utf-8", "replace")
    session = SessionDescription()
    recognised = False
    attributes: list[tuple[Media, list[str]]] = []
    for line in text.splitlines()[:_LINES_LIMIT]:
        key, equals, value = line.strip().partition("=")
        if not equals:
            continue
        value = value.strip()
        if key == "v":
            recognised = True
        elif key == "s":
            session.name = value
        elif key == "m" and len(session.media) < _MEDIA_LIMIT:
            recognised = True
            media = _parse_media_line(value)
            session.media.append(media)
            attributes.append((media, value.split()[3:]))
        elif key == "a":
            _read_attribute(session, value)
    if not recognised:
        raise SdpError("not a session description: no v= and no m= line")
    for media, payload_types in attributes:
        _complete_formats(media, payload_types)
    return session


def resolve_control(base_url: str, control: str) -> str:
    """The URL for SETUP of a section: absolute as it is, else behind the base with one slash.

    Not RFC 3986 resolution: servers append to the whole base, query included. A missing control or
    ``*`` means the base itself.
    """
    if not control or control == "*":
        return base_url
    if control.lower().startswith(("rtsp://", "rtsps://", "rtspu://")):
        return control
    return f"{base_url.rstrip('/')}/{control.lstrip('/')}"


def parameter_sets(video: Format) -> tuple[bytes, ...]:
    """The parameter sets of an H.264 or H.265 fmtp line (RFC 6184 §8.1, RFC 7798 §7.1).

    Those that are no base64 are left out.
    """
    names = (
        ("sprop-vps", "sprop-sps", "sprop-pps")
        if video.encoding in ("H265", "HEVC")
        else ("sprop-parameter-sets",)
    )
    sets = []
    for name in names:
        for piece in video.parameters.get(name, "").split(","):
            decoded = _from_base64(piece)
            if decoded:
                sets.append(decoded)
    return tuple(sets)


def audio_config(audio: Format) -> bytes:
    """The ``config`` of an MPEG4-GENERIC fmtp line (RFC 3640 §4.1); empty when it is no hex."""
    text = audio.parameters.get("config", "").strip('"')
    try:
        return bytes.fromhex(text)
    except ValueError:
        return b""


def _parse_media_line(value: str) -> Media:
    words = value.split()
    port = words[1].partition("/")[0] if len(words) > 1 else ""
    return Media(
        kind=words[0].lower() if words else "",
        port=_number(port, 0),
        protocol=words[2].upper() if len(words) > 2 else "",
    )


def _read_attribute(session: SessionDescription, value: str) -> None:
    name, _, argument = value.partition(":")
    name, argument = name.strip().lower(), argument.strip()
    if not session.media:
        if name == "control":
            session.control = argument
        return
    media = session.media[-1]
    if name == "control":
        media.control = argument
    elif name in ("sendonly", "recvonly", "sendrecv", "inactive"):
        media.direction = name
    elif name == "framerate":
        media.frames_per_second = _rate(argument)
    elif name == "rtpmap":
        _read_rtpmap(media, argument)
    elif name == "fmtp":
        _read_fmtp(media, argument)


def _read_rtpmap(media: Media, argument: str) -> None:
    number, _, mapping = argument.partition(" ")
    parts = mapping.strip().split("/")
    payload_type = _number(number, -1)
    clock_rate = _number(parts[1], 0) if len(parts) > 1 else 0
    if not 0 <= payload_type <= 127 or not parts[0] or not 0 < clock_rate <= 1_000_000:
        return
    channels = _number(parts[2], 1) if len(parts) > 2 else 1
    parameters = _take(media, payload_type).parameters
    media.formats.append(
        Format(
            payload_type,
            parts[0].upper(),
            clock_rate,
            0 if media.kind == "video" else min(max(channels, 1), 64),
            parameters,
        )
    )


def _read_fmtp(media: Media, argument: str) -> None:
    number, _, rest = argument.partition(" ")
    payload_type = _number(number, -1)
    if not 0 <= payload_type <= 127:
        return
    parameters = {}
    for piece in rest.split(";"):
        name, equals, value = piece.strip().partition("=")
        if equals:
            parameters[name.strip().lower()] = value.strip()
    known = _take(media, payload_type)
    known.parameters.update(parameters)
    media.formats.append(known)


def _take(media: Media, payload_type: int) -> Format:
    """Remove and return what is known of a payload type so far; fmtp may come before rtpmap."""
    for index, known in enumerate(media.formats):
        if known.payload_type == payload_type:
            return media.formats.pop(index)
    return Format(payload_type, "", 0)


def _complete_formats(media: Media, payload_types: list[str]) -> None:
    """Bring the formats into the order of the m= line; fill in the static ones."""
    known = {one.payload_type: one for one in media.formats}
    media.formats = []
    for text in payload_types[:128]:
        payload_type = _number(text, -1)
        one = known.pop(payload_type, None)
        if one is not None and one.encoding:
            media.formats.append(one)
        elif payload_type in _STATIC_FORMATS:
            encoding, clock_rate, channels = _STATIC_FORMATS[payload_type]
            media.formats.append(Format(payload_type, encoding, clock_rate, channels))
    # An rtpmap whose number the m= line does not name: some cameras disagree with themselves.
    media.formats += [one for one in known.values() if one.encoding]


def _from_base64(text: str) -> bytes:
    text = text.strip()
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4))
    except (binascii.Error, ValueError):
        return b""


def _number(text: str, default: int) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else default


def _rate(text: str) -> float:
    try:
        rate = float(text)
    except ValueError:
        return 0.0
    return rate if 0 < rate <= 1000 else 0.0
