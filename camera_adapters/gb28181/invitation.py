"""Our INVITEs to those below (GB/T 28181-2016 §9.2, §9.8, §9.9, Annexes C, K): offers and SSRCs."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from camera_adapters.gb28181.media_terms import MediaTransport
from camera_adapters.gb28181.session_description import (
    FORMATS,
    PCMA,
    PS,
    Purpose,
    SessionDescription,
    SessionDescriptionError,
    StreamVariant,
    history_ssrc,
    live_ssrc,
    parse,
)

_SERIALS = 10_000


class SsrcsExhausted(Exception):
    """Ten thousand sessions of one sort are open: there is no other SSRC in this domain (§C.2)."""


class SsrcPool:
    """SSRCs of one domain, live and historic ones; none is given twice before it is released.

    The next free one after the last, so that one that has just been released is not at once that of
    another stream, whose late packets still come.
    """

    def __init__(self, domain_code: str) -> None:
        self._domain_code = domain_code
        self._taken: dict[bool, set[int]] = {True: set(), False: set()}
        self._last = {True: 0, False: 0}

    def take(self, purpose: Purpose) -> int:
        """An SSRC, until :meth:`release`. Raises SsrcsExhausted."""
        live = purpose in ("play", "talk")
        taken = self._taken[live]
        if len(taken) >= _SERIALS - 1:
            raise SsrcsExhausted(f"{len(taken)} sessions are open")
        serial = self._last[live]
        while True:
            serial = serial % (_SERIALS - 1) + 1
            if serial not in taken:
                break
        taken.add(serial)
        self._last[live] = serial
        make = live_ssrc if live else history_ssrc
        return make(self._domain_code, serial)

    def hold(self, ssrc: int) -> None:
        """Mark one as taken that an earlier process took."""
        self._taken[ssrc < 10**9].add(ssrc % _SERIALS)

    def release(self, ssrc: int) -> None:
        """Give one back; what was not taken is left."""
        self._taken[ssrc < 10**9].discard(ssrc % _SERIALS)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is asked of a channel. ``address`` and ``port`` are where we receive; times in UTC s."""

    channel: str
    purpose: Purpose
    address: str
    port: int
    transport: MediaTransport
    start_s: int = 0
    end_s: int = 0
    speed: float | None = None
    stream: StreamVariant = ""


@dataclass(frozen=True, slots=True)
class Agreed:
    """What the device answered. ``ssrc`` is what it will send."""

    ssrc: int
    address: str
    port: int
    transport: MediaTransport
    formats: Mapping[int, str]
    file_bytes: int | None


def offer(wanted: Wanted, ssrc: int, our_code: str) -> SessionDescription:
    """The body of the INVITE."""
    talk = wanted.purpose == "talk"
    setup: Literal["", "active", "passive"] = ""
    if wanted.transport != "udp":
        setup = "active" if wanted.transport == "tcp_active" else "passive"
    history = wanted.purpose in ("playback", "download")
    return SessionDescription(
        purpose=wanted.purpose,
        owner=our_code,
        address=wanted.address,
        port=wanted.port,
        transport="udp" if wanted.transport == "udp" else "tcp",
        setup=setup,
        ssrc=ssrc,
        media="audio" if talk else "video",
        direction="sendrecv" if talk else "recvonly",
        # PS first; a device that has none may choose what it has (§C.2.4).
        formats={PCMA: FORMATS[PCMA]} if talk else {PS: FORMATS[PS]},
        uri_code=wanted.channel if history else "",
        uri_type="0" if history else "",
        start_s=wanted.start_s if history else 0,
        end_s=wanted.end_s if history else 0,
        download_speed=(wanted.speed or 4.0) if wanted.purpose == "download" else None,
        stream=wanted.stream,
    )


def subject(wanted: Wanted, ssrc: int, our_code: str) -> str:
    """``sender:serial,receiver:serial`` (Annex K): the sender's serial is the SSRC."""
    return f"{wanted.channel}:{ssrc:010},{our_code}:0"


def read_answer(wanted: Wanted, ssrc: int, body: bytes) -> Agreed:
    """What a 200 agreed to. Raises SessionDescriptionError when it cannot be used.

    A device that names another SSRC will send that one, and we are to look for it; one that names
    none sends ours. One that answers UDP to an offer of TCP, or the reverse, has refused.
    """
    answer = parse(body)
    over_tcp = wanted.transport != "udp"
    if (answer.transport == "tcp") != over_tcp:
        ours, theirs = ("TCP", "UDP") if over_tcp else ("UDP", "TCP")
        raise SessionDescriptionError(
            f"the device answers {theirs} where {ours} was asked for: choose {theirs} for it"
        )
    if answer.port == 0:
        raise SessionDescriptionError("the device refused the stream (port 0)")
    if over_tcp and answer.setup and answer.setup == offer(wanted, ssrc, "").setup:
        raise SessionDescriptionError(f"both sides want to be {answer.setup}: nobody would connect")
    return Agreed(
        ssrc=ssrc if answer.ssrc is None else answer.ssrc,
        address=answer.address,
        port=answer.port,
        transport=wanted.transport,
        formats=answer.formats,
        file_bytes=answer.file_bytes,
    )


def require_credible(address: str, registered_host: str) -> None:
    """Refuse an address in a device's description that no device has where it may lead us to
    ourselves or to many; one that registered from such an address may name such a one. Raises
    SessionDescriptionError.
    """
    named = _without_mapping(address)
    if not (named.is_loopback or named.is_multicast or named.is_unspecified):
        return
    if named.is_loopback and _without_mapping(registered_host).is_loopback:
        return
    raise SessionDescriptionError(
        f"the device says that its media are at {address}, which cannot be: "
        "set its own address in the device"
    )


def _without_mapping(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    try:
        found = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        raise SessionDescriptionError(f"not an address: {text[:60]!r}") from None
    mapped = found.ipv4_mapped if found.version == 6 else None
    return mapped or found
