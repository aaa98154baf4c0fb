"""What an INVITE agrees about media, as the receiving and the sending side need it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

# Named from our side: passive listens, active connects (RFC 4145; GB/T 28181-2016 Annex L).
MediaTransport = Literal["udp", "tcp_passive", "tcp_active"]

DISCARD_PORT = 9
"""Offered where the side connects and listens nowhere (RFC 4145 §4.1)."""


@dataclass(frozen=True, slots=True)
class MediaOffer:
    """Where this side receives: what goes into the INVITE."""

    address: str
    port: int
    transport: MediaTransport


@dataclass(frozen=True, slots=True)
class MediaAnswer:
    """What the other side said. ``ssrc`` is the one agreed, None if none was; ``address`` and
    ``port`` are where its media come from. ``formats`` maps payload types to ``NAME/clock``.
    ``any_ssrc``: media with another SSRC are taken as well. ``file_bytes`` is the size of a
    download, where it is told. ``dialog`` names the session for a resumption.
    ``registered_host``: from where the device registered, "" where that is not known.
    """

    address: str
    port: int
    ssrc: int | None = None
    formats: Mapping[int, str] = field(default_factory=dict)
    any_ssrc: bool = False
    file_bytes: int | None = None
    dialog: str = ""
    registered_host: str = ""


def format_ssrc(ssrc: int) -> str:
    """As ``y=`` writes it: ten decimal digits (GB/T 28181-2016 Annex F)."""
    return f"{ssrc:010}"
