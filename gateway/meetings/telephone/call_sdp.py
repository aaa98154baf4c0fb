"""What a telephone and we agree on (RFC 3264, RFC 8866): sound in G.711, digits as telephone events
(RFC 4733), and a terminal's pictures by :mod:`.picture_sdp`. Sans-IO.

Everything else is refused section by section (port 0).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from camera_adapters import sdp
from gateway.meetings.telephone import picture_sdp
from gateway.meetings.telephone.picture_sdp import Pictures

OUR_DIGITS_TYPE = 101
_CODECS = {"PCMA": 8, "PCMU": 0}
_SECTIONS_LIMIT = 8
_ADDRESS = re.compile(r"^c=IN IP[46] ([0-9A-Fa-f.:]{2,45})\s*$", re.MULTILINE)
_ANSWERS = {
    "sendrecv": "sendrecv",
    "sendonly": "recvonly",
    "recvonly": "sendonly",
    "inactive": "inactive",
}


class NothingInCommon(ValueError):
    """No section that we could take part in; the answer is 488."""


@dataclass(frozen=True, slots=True)
class Agreed:
    """Their side of the sound. ``digits_type`` is None for a telephone whose keys are sounds only.
    ``direction`` is theirs. ``section`` is the place of the section in their description;
    ``sections`` are all of it, as kind, protocol, and one format. ``pictures`` is None for a
    telephone.
    """

    host: str
    port: int
    codec: str
    payload_type: int
    digits_type: int | None
    direction: str
    section: int
    sections: tuple[tuple[str, str, str], ...]
    pictures: Pictures | None

    @property
    def hears(self) -> bool:
        """Whether it wants to be sent anything: it does not hold the line."""
        return self.direction in ("sendrecv", "recvonly")


def read(body: bytes) -> Agreed:
    """An offer, or an answer to ours. Raises NothingInCommon."""
    try:
        description = sdp.parse(body)
    except sdp.SdpError as error:
        raise NothingInCommon(str(error)) from None
    parts = _parts(body)
    session_address = _address(parts[0])
    if not 0 < len(description.media) <= _SECTIONS_LIMIT:
        raise NothingInCommon(f"at most {_SECTIONS_LIMIT} sections, and one of them sound")
    direction = _direction(parts[0])
    sections = tuple(
        (one.kind, one.protocol, _first_format(part))
        for one, part in zip(description.media, parts[1:], strict=False)
    )
    for place, (media, part) in enumerate(zip(description.media, parts[1:], strict=False)):
        if media.kind != "audio" or not 0 < media.port < 65536:
            continue
        if media.protocol not in picture_sdp.PROTOCOLS:
            continue
        sound = next(
            (one for one in media.formats if one.encoding in _CODECS and one.clock_rate == 8000),
            None,
        )
        host = _address(part) or session_address
        if sound is None or not host:
            continue
        digits = next(
            (
                one.payload_type
                for one in media.formats
                if one.encoding == "TELEPHONE-EVENT" and one.clock_rate == 8000
            ),
            None,
        )
        wanted = media.direction or direction or "sendrecv"
        if host in ("0.0.0.0", "::"):
            # How a line was held before there were directions (RFC 3264 §8.4).
            wanted = "sendonly"
        pictures = picture_sdp.read(
            list(zip(description.media, parts[1:], strict=False)), parts[0], direction
        )
        return Agreed(
            host, media.port, sound.encoding, sound.payload_type, digits, wanted, place, sections,
            pictures,
        )  # fmt: skip
    raise NothingInCommon("a telephone needs G.711 (PCMA or PCMU) over plain RTP/AVP")


def answer(
    offer: Agreed, host: str, port: int, version: int, picture_port: int = 0, kbps: int = 0
) -> bytes:
    """Our answer: the sound is taken, the pictures where there is a ``picture_port`` for them (at
    ``kbps`` towards us), every other section refused (RFC 3264 §6).
    """
    lines = _head(host, version)
    pictures = offer.pictures if picture_port else None
    for place, (kind, protocol, one_format) in enumerate(offer.sections):
        if place == offer.section:
            ours = ((offer.payload_type, offer.codec),)
            direction = _ANSWERS[offer.direction]
            lines += _sound(port, protocol, ours, offer.digits_type, direction)
        elif pictures is not None and place == pictures.section:
            direction = _ANSWERS[pictures.direction]
            lines += picture_sdp.answer(pictures, picture_port, kbps, direction)
        else:
            lines.append(f"m={kind} 0 {protocol} {one_format}")
    return _written(lines)


def offer(host: str, port: int, version: int, picture_port: int = 0, kbps: int = 0) -> bytes:
    """Our offer to a telephone that we dial; with pictures where there is a port for them."""
    codecs = tuple((number, name) for name, number in _CODECS.items())
    sound = _sound(port, "RTP/AVP", codecs, OUR_DIGITS_TYPE, "sendrecv")
    pictures = picture_sdp.offer(picture_port, kbps) if picture_port else []
    return _written([*_head(host, version), *sound, *pictures])


def _head(host: str, version: int) -> list[str]:
    family = "IP6" if ":" in host else "IP4"
    return [
        "v=0",
        f"o=gridsight {version >> 8} {version} IN {family} {host}",
        "s=-",
        f"c=IN {family} {host}",
        "t=0 0",
    ]


def _sound(
    port: int,
    protocol: str,
    codecs: tuple[tuple[int, str], ...],
    digits_type: int | None,
    direction: str,
) -> list[str]:
    numbers = [str(number) for number, _ in codecs]
    lines = [f"a=rtpmap:{number} {name}/8000" for number, name in codecs]
    if digits_type is not None:
        numbers.append(str(digits_type))
        lines += [
            f"a=rtpmap:{digits_type} telephone-event/8000",
            f"a=fmtp:{digits_type} 0-15",
        ]
    return [
        f"m=audio {port} {protocol} {' '.join(numbers)}",
        *lines,
        "a=ptime:20",
        f"a={direction}",
    ]


def _written(lines: list[str]) -> bytes:
    return "\r\n".join([*lines, ""]).encode()


def _parts(body: bytes) -> list[str]:
    """The session's lines, then those of each section, with bare line ends."""
    text = body.decode("utf-8", "replace").replace("\r\n", "\n").replace("\r", "\n")
    return re.split(r"^(?=m=)", text, flags=re.MULTILINE)


def _address(part: str) -> str:
    found = _ADDRESS.search(part)
    return found[1] if found else ""


def _direction(part: str) -> str:
    found = re.search(r"^a=(sendrecv|sendonly|recvonly|inactive)\s*$", part, re.MULTILINE)
    return found[1] if found else ""


def _first_format(part: str) -> str:
    words = part.split("\n", 1)[0].split()
    return words[3] if len(words) > 3 and re.fullmatch(r"[\w.+-]{1,32}", words[3]) else "0"
