"""What a video terminal and we agree on for pictures: H.264 (RFC 6184), both ways or one, with the
feedback that it knows (RFC 4585, RFC 5104). Sans-IO; sections of descriptions in and out.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from camera_adapters import sdp
from gateway.meetings.telephone.h264_limits import (
    OUR_LEVEL,
    Profile,
    lower_level,
    read_profile,
)

PROTOCOLS = ("RTP/AVP", "RTP/AVPF")
FORMATS_LIMIT = 4
OUR_FORMATS = ((96, "42e01f", 1), (97, "64001f", 1), (98, "42e01f", 0))
"""What we offer: payload type, profile and level, packetization-mode."""

_UNSAID = Profile(66, 0xC0, OUR_LEVEL)
"""RFC 6184 says level 1 where nothing is said; who says nothing takes more than a stamp."""

_MACROBLOCKS_LIMIT = 36_864
_KBPS_LIMIT = 1_000_000
_ADDRESS = re.compile(r"^c=IN IP[46] ([0-9A-Fa-f.:]{2,45})\s*$", re.MULTILINE)
_BANDWIDTH = re.compile(r"^b=(AS|TIAS):(\d{1,9})\s*$", re.MULTILINE)
_RTCP = re.compile(r"^a=rtcp:(\d{1,5})(?: IN IP[46] ([0-9A-Fa-f.:]{2,45}))?\s*$", re.MULTILINE)
_FEEDBACK = re.compile(r"^a=rtcp-fb:(\*|\d{1,3}) (nack pli|ccm fir)\s*$", re.MULTILINE)
_SLIDES = re.compile(r"^a=content:(?!main)\S", re.MULTILINE)
_MUXED = re.compile(r"^a=rtcp-mux\s*$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class PictureFormat:
    """One payload type of theirs. ``profile`` is what their decoder takes, ``macroblocks`` the
    largest picture; in ``mode`` 0 each piece of a picture is one packet.
    """

    payload_type: int
    profile: Profile
    mode: int
    macroblocks: int
    asymmetric: bool


@dataclass(frozen=True, slots=True)
class Pictures:
    """Their side of the pictures. ``direction`` is theirs; ``kbps`` is what may be sent to them (0:
    they do not say). ``feedback`` is which of ``nack pli`` and ``ccm fir`` they know. ``section``
    is the place of it in their description.
    """

    host: str
    port: int
    reports_host: str
    reports_port: int
    muxed: bool
    protocol: str
    formats: tuple[PictureFormat, ...]
    direction: str
    kbps: int
    feedback: frozenset[str]
    section: int

    @property
    def sends(self) -> bool:
        """Whether it may send pictures."""
        return self.direction in ("sendrecv", "sendonly")

    @property
    def shows(self) -> bool:
        """Whether it wants to be sent any."""
        return self.direction in ("sendrecv", "recvonly")

    def to_message(self) -> dict[str, Any]:
        """For the media process; see :meth:`.terminal.Terminal.agree`."""
        return {
            "formats": [
                [
                    one.payload_type,
                    one.profile.rank,
                    one.macroblocks,
                    one.profile.kbps,
                    one.mode,
                    one.profile.level,
                ]
                for one in self.formats
            ],
            "sends": self.sends,
            "shows": self.shows,
            "kbps": self.kbps,
            "feedback": sorted(self.feedback),
        }


def read(
    media: Iterable[tuple[sdp.Media, str]], session: str, session_direction: str
) -> Pictures | None:
    """The first section of a camera's pictures that we can take part in; None without one.
    ``media`` are all sections with their lines, ``session`` the lines before them.
    """
    for place, (one, part) in enumerate(media):
        if one.kind != "video" or one.protocol not in PROTOCOLS or not 0 < one.port < 65535:
            continue
        host = _address(part) or _address(session)
        # Besides the camera some offer what they show of a computer (RFC 4796).
        if not host or _SLIDES.search(part):
            continue
        formats = _formats(one)
        if not formats:
            continue
        direction = one.direction or session_direction or "sendrecv"
        if host in ("0.0.0.0", "::"):
            direction = "sendonly"
        muxed = _MUXED.search(part) is not None
        reports = _RTCP.search(part)
        reports_port = one.port if muxed else one.port + 1
        if reports is not None and not muxed and 0 < int(reports[1]) < 65536:
            reports_port = int(reports[1])
        return Pictures(
            host=host,
            port=one.port,
            reports_host=(reports[2] if reports is not None else None) or host,
            reports_port=reports_port,
            muxed=muxed,
            protocol=one.protocol,
            formats=formats,
            direction=direction,
            kbps=_kbps(part) or _kbps(session),
            feedback=_feedback(part, formats),
            section=place,
        )
    return None


def answer(offer: Pictures, port: int, kbps: int, direction: str) -> list[str]:
    """The lines of our answer. ``kbps`` is what they may send."""
    numbers = [str(one.payload_type) for one in offer.formats]
    lines = [f"m=video {port} {offer.protocol} {' '.join(numbers)}", *_bandwidth(kbps)]
    for one in offer.formats:
        level = OUR_LEVEL if one.asymmetric else lower_level(one.profile.level, OUR_LEVEL)
        lines += _format(one.payload_type, one.profile.at(level), one.mode, one.asymmetric)
    lines += [f"a=rtcp-fb:* {one}" for one in sorted(offer.feedback)]
    return [*lines, *(("a=rtcp-mux",) if offer.muxed else ()), f"a={direction}"]


def offer(port: int, kbps: int) -> list[str]:
    """The lines of our offer, both ways."""
    numbers = " ".join(str(number) for number, _, _ in OUR_FORMATS)
    lines = [f"m=video {port} RTP/AVP {numbers}", *_bandwidth(kbps)]
    for number, text, mode in OUR_FORMATS:
        profile = read_profile(text)
        assert profile is not None
        lines += _format(number, profile, mode, True)
    return [*lines, "a=rtcp-fb:* ccm fir", "a=rtcp-fb:* nack pli", "a=sendrecv"]


def _bandwidth(kbps: int) -> list[str]:
    return [f"b=AS:{kbps}", f"b=TIAS:{kbps * 1000}"]


def _format(number: int, profile: Profile, mode: int, asymmetric: bool) -> list[str]:
    more = ";level-asymmetry-allowed=1" if asymmetric else ""
    parameters = f"profile-level-id={profile.text};packetization-mode={mode}{more}"
    return [f"a=rtpmap:{number} H264/90000", f"a=fmtp:{number} {parameters}"]


def _formats(media: sdp.Media) -> tuple[PictureFormat, ...]:
    """What we can take, the best first: whole pictures in pieces of any size, then what everybody
    can decode, then as they prefer.
    """
    found = []
    for one in media.formats:
        if one.encoding != "H264" or one.clock_rate != 90_000:
            continue
        mode = _number(one.parameters.get("packetization-mode", "0"))
        text = one.parameters.get("profile-level-id")
        profile = _UNSAID if text is None else read_profile(text)
        if profile is None or not profile.known or mode not in (0, 1):
            continue
        asymmetric = one.parameters.get("level-asymmetry-allowed") == "1"
        if not asymmetric:
            profile = profile.at(lower_level(profile.level, OUR_LEVEL))
        larger = _number(one.parameters.get("max-fs", "0"))
        macroblocks = min(max(profile.macroblocks, larger), _MACROBLOCKS_LIMIT)
        found.append(PictureFormat(one.payload_type, profile, mode, macroblocks, asymmetric))
    found.sort(key=lambda one: (-one.mode, one.profile.rank))
    return tuple(found[:FORMATS_LIMIT])


def _feedback(part: str, formats: tuple[PictureFormat, ...]) -> frozenset[str]:
    ours = {"*", *(str(one.payload_type) for one in formats)}
    return frozenset(what for number, what in _FEEDBACK.findall(part) if number in ours)


def _kbps(part: str) -> int:
    """The least that a section's ``b=`` lines allow, 0 without one."""
    said = [
        int(value) // 1000 if kind == "TIAS" else int(value)
        for kind, value in _BANDWIDTH.findall(part)
    ]
    return min((one for one in said if 0 < one <= _KBPS_LIMIT), default=0)


def _address(part: str) -> str:
    found = _ADDRESS.search(part)
    return found[1] if found else ""


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 7 else -1
