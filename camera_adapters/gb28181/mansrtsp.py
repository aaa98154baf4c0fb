"""Control of playback in INFO: MANSRTSP (GB/T 28181-2016 §9.8, Annex B).

The body looks like an RTSP request. A PLAY may resume, seek and change speed at once.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal, get_args

from camera_adapters.gb28181.xml_bodies import finite_number, whole_number

CONTENT_TYPE = "Application/MANSRTSP"
BODY_BYTES_LIMIT = 4096

Method = Literal["PLAY", "PAUSE", "TEARDOWN"]
_METHODS: dict[str, Method] = {method: method for method in get_args(Method)}
_REQUEST = re.compile(r"([A-Z]{1,20})\s+(?:\S{1,200}\s+)?(?:MANSRTSP|RTSP)/\d\.\d")
_NPT = re.compile(r"npt\s*=\s*(now|[\d.]{1,20}|\d{1,6}:\d\d:\d\d(?:\.\d{1,6})?)?\s*-", re.ASCII)
# Annex B.4.1 names ¼ to 4; devices take more. Backwards is negative.
SCALE_LIMIT = 64.0


class MansRtspError(ValueError):
    """The body is no such request; the message says why."""


@dataclass(frozen=True, slots=True)
class PlaybackControl:
    """``from_s`` is seconds since the start of what was asked for; None goes on where it stands.

    ``scale`` None leaves the speed as it is; negative plays backwards.
    """

    method: Method
    sequence: int
    scale: float | None = None
    from_s: float | None = None

    def to_bytes(self) -> bytes:
        """The body of an INFO."""
        lines = [f"{self.method} RTSP/1.0", f"CSeq: {self.sequence}"]
        if self.method == "PAUSE":
            lines.append("PauseTime: now")
        if self.scale is not None:
            lines.append(f"Scale: {self.scale:.6g}")
        if self.method == "PLAY" and (self.from_s is not None or self.scale is None):
            start = "now" if self.from_s is None else f"{self.from_s:.3f}".rstrip("0").rstrip(".")
            lines.append(f"Range: npt={start}-")
        return ("\r\n".join(lines) + "\r\n\r\n").encode()


def parse(body: bytes) -> PlaybackControl:
    """Read a request. Raises MansRtspError for another method, and for numbers out of range."""
    if len(body) > BODY_BYTES_LIMIT:
        raise MansRtspError(f"a request of {len(body)} bytes: at most {BODY_BYTES_LIMIT} are taken")
    lines = body.decode("utf-8", "replace").strip().splitlines()
    found = _REQUEST.match(lines[0].strip()) if lines else None
    method = _METHODS.get(found[1]) if found else None
    if method is None:
        raise MansRtspError("no PLAY, PAUSE or TEARDOWN")
    headers: dict[str, str] = {}
    for line in lines[1:20]:
        name, _, value = line.partition(":")
        headers.setdefault(name.strip().lower(), value.strip())
    return PlaybackControl(
        method,
        max(0, whole_number(headers.get("cseq", ""))),
        _scale(headers.get("scale", "")),
        _start(headers.get("range", "")),
    )


def answer(sequence: int, status: int = 200, reason: str = "OK") -> bytes:
    """The body of the answer to an INFO."""
    return f"RTSP/1.0 {status} {reason}\r\nCSeq: {sequence}\r\n\r\n".encode()


def _scale(text: str) -> float | None:
    if not text:
        return None
    scale = finite_number(text)
    if scale is None or not 0 < abs(scale) <= SCALE_LIMIT:
        raise MansRtspError(f"no speed: {text[:20]!r}")
    return scale


def _start(text: str) -> float | None:
    if not text:
        return None
    found = _NPT.match(text.lower())
    if found is None:
        raise MansRtspError(f"no range: {text[:40]!r}")
    start = found[1]
    if start is None or start == "now":
        return None
    seconds = 0.0
    for part in start.split(":"):
        number = finite_number(part)
        if number is None:
            raise MansRtspError(f"no range: {text[:40]!r}")
        seconds = seconds * 60 + number
    return seconds
